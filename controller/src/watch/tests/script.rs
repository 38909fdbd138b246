//! An API server that answers by script: a function of the request.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::Service;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) at: Instant,
}

impl Call {
    pub(super) fn is_watch(&self) -> bool {
        self.query.contains_key("watch")
    }

    pub(super) fn is_list_by_watch(&self) -> bool {
        self.query.contains_key("sendInitialEvents")
    }
}

/// An answer.
pub(super) enum Answer {
    /// Status and body.
    Json(u16, Value),
    /// Events of a watch that ends after them.
    Events(Vec<Value>),
    /// Events of a watch as they come; it ends when their sender goes.
    Live(mpsc::UnboundedReceiver<Value>),
    /// A head, and then nothing for ever.
    Stalled,
    /// Text that is no JSON.
    Garbage,
}

/// The server.
#[derive(Clone)]
pub(super) struct Script {
    calls: Arc<Mutex<Vec<Call>>>,
    answer: Arc<dyn Fn(&Call) -> Answer + Send + Sync>,
}

impl Script {
    pub(super) fn new(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            calls: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

/// An event or a body as the API server writes it: the type of an event comes first.
fn line(event: &Value) -> String {
    match event.get("type") {
        Some(what) => format!("{{\"type\":{what},\"object\":{}}}\n", event["object"]),
        None => format!("{event}\n"),
    }
}

/// The API server's words for a failure.
pub(super) fn failure(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no",
           "reason": "No", "code": code, "details": {"retryAfterSeconds": 1}})
}

impl Service<Request<Body>> for Script {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let uri = request.uri();
        let pairs = uri.query().unwrap_or_default().split('&');
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        let call = Call {
            path: uri.path().to_owned(),
            query: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            at: Instant::now(),
        };
        self.calls.lock().unwrap().push(call.clone());
        let (status, events) = match (self.answer)(&call) {
            Answer::Json(status, body) => (status, stream::iter([body]).boxed()),
            Answer::Events(events) => (200, stream::iter(events).boxed()),
            Answer::Live(events) => (200, UnboundedReceiverStream::new(events).boxed()),
            Answer::Stalled => (200, stream::pending().boxed()),
            Answer::Garbage => (200, stream::iter(["<html>".into()]).boxed()),
        };
        let frames = events.map(|event| Ok(Frame::data(Bytes::from(line(&event)))));
        let response = Response::builder().status(status);
        let body = StreamBody::new(frames).boxed_unsync();
        ready(Ok(response.body(body).unwrap()))
    }
}
