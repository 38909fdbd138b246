//! An API server for unit tests: a function from call to answer, behind a real client.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tonic::codegen::Service;

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Null: none.
    pub(crate) body: Value,
}

/// Status and body.
pub(crate) type Answer = (u16, Value);

/// A client of the server that answers so.
pub(crate) fn client<F, A>(answer: F) -> Client
where
    F: Fn(Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Client::new(Fake(answer), "default")
}

/// The API server's own words for a failure.
pub(crate) fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    (code, status)
}

#[derive(Clone)]
struct Fake<F>(F);

impl<F, A> Service<Request<Body>> for Fake<F>
where
    F: Fn(Call) -> A + Clone + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let call = Call {
                method: head.method.to_string(),
                target: head.uri.path_and_query().unwrap().to_string(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let (status, body) = answer(call).await;
            let body = Full::new(Bytes::from(body.to_string()));
            let response = Response::builder().status(status);
            let response = response.header("content-type", "application/json");
            Ok(response.body(body).unwrap())
        })
    }
}
