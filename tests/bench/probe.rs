//! Requests that the driver sends itself: to see that a contender answers rightly, to ask Tollgate
//! for its metrics, and to send an exact number under callgrind.
//!
//! In: a port and a path. Out: the body of a 200. One connection, one request after another.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Builder, time::timeout};

use crate::load;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The body of a GET.
pub(crate) fn get(port: u16, path: &str) -> anyhow::Result<Bytes> {
    runtime()?.block_on(async {
        let mut connection = connect(port).await?;
        ask(&mut connection, port, path).await
    })
}

/// Sends the bench's request `count` times and checks every answer.
pub(crate) fn plain(port: u16, count: u32) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let mut connection = connect(port).await?;
        for _ in 0..count {
            let body = ask(&mut connection, port, load::PATH).await?;
            ensure!(body == load::BODY, "the answer is not the upstream's");
        }
        Ok(())
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

async fn connect(port: u16) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(
    connection: &mut SendRequest<Empty<Bytes>>,
    port: u16,
    path: &str,
) -> anyhow::Result<Bytes> {
    let request = Request::get(path)
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .body(Empty::new())?;
    let exchange = async {
        connection.ready().await?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == 200, "{path} is answered with {status}");
        Ok(body)
    };
    timeout(ANSWER, exchange)
        .await
        .with_context(|| format!("no answer to {path}"))?
}
