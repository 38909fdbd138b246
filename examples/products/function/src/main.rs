//! The products function: an ordinary AWS Lambda for HTTP API events, with its data in SQLite.
//!
//! In: events of payload format 2.0, through `lambda_http`. Out: JSON answers. `PRODUCTS_DB` names
//! the database file. Nothing here knows which gateway is in front.

mod api;
mod product;
mod store;

use std::{convert::Infallible, env, path::Path};

use lambda_http::{Error, Request, run, service_fn, tracing};

use crate::store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let path = env::var_os("PRODUCTS_DB").ok_or("PRODUCTS_DB: not set, it names the database")?;
    let mut store = Store::open(Path::new(&path)).map_err(|error| error.to_string())?;
    // One call at a time is what Lambda promises, so a blocking database costs nobody else.
    run(service_fn(|request: Request| {
        let answer = api::answer(&mut store, &request);
        async move { Ok::<_, Infallible>(answer) }
    }))
    .await
}
