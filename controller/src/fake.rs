//! For tests: as much of an API server as the operator's own calls need, on a loopback port.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

/// The server, and what it holds.
#[derive(Clone)]
pub(crate) struct FakeApi {
    pub(crate) client: Client,
    pub(crate) state: Arc<State>,
}

pub(crate) struct State {
    /// By path.
    objects: watch::Sender<BTreeMap<String, Value>>,
    /// Status of a TokenReview, by token.
    tokens: Mutex<BTreeMap<String, Value>>,
    /// Answers everything with 503.
    pub(crate) down: AtomicBool,
    pub(crate) reviews: AtomicUsize,
    pub(crate) writes: AtomicUsize,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl FakeApi {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let mut config = Config::new(uri.parse().unwrap());
        // A test says how often.
        config.default_retry = false;
        let client = Client::try_from(config).unwrap();
        let state = Arc::new(State {
            objects: watch::Sender::default(),
            tokens: Mutex::default(),
            down: AtomicBool::default(),
            reviews: AtomicUsize::default(),
            writes: AtomicUsize::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { client, state }
    }

    /// Takes a token as one of this user, bound to this pod.
    pub(crate) fn allow(&self, token: &str, user: &str, pod: &str) {
        let status = json!({
            "authenticated": true, "audiences": ["tollgate"],
            "user": {"username": user, "extra": {
                "authentication.kubernetes.io/pod-name": [pod],
                "authentication.kubernetes.io/pod-uid": [format!("uid-of-{pod}")],
            }},
        });
        self.review(token, status);
    }

    pub(crate) fn review(&self, token: &str, status: Value) {
        let mut tokens = self.state.tokens.lock().unwrap();
        tokens.insert(token.to_owned(), status);
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state.objects.send_modify(|objects| {
            objects.insert(path.to_owned(), object);
        });
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state.objects.borrow().get(path).cloned()
    }

    pub(crate) fn remove(&self, path: &str) -> Option<Value> {
        let mut removed = None;
        let objects = &self.state.objects;
        objects.send_modify(|objects| removed = objects.remove(path));
        removed
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.objects.borrow().keys().cloned().collect()
    }

    /// Waits until what is held is as it should be.
    pub(crate) async fn until(&self, holds: impl Fn(&BTreeMap<String, Value>) -> bool) {
        let mut objects = self.state.objects.subscribe();
        objects.wait_for(|objects| holds(objects)).await.unwrap();
    }
}

/// A token that may be good, with this subject, that ends this many seconds from now.
pub(crate) fn token(subject: &str, seconds: i64) -> String {
    claims(json!({"sub": subject, "aud": ["tollgate"], "exp": in_seconds(seconds)}))
}

pub(crate) fn in_seconds(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second() + seconds
}

pub(crate) fn claims(claims: Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{claims}.c2ln")
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        let service = service_fn(move |request| {
            let state = Arc::clone(&state);
            async move { Ok::<_, Infallible>(state.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if self.down.load(Ordering::Relaxed) {
            return failure(503, "down");
        }
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default();
        if path.ends_with("/tokenreviews") {
            return self.token_review(body);
        }
        let named = body["metadata"]["name"].as_str().unwrap_or_default();
        match head.method {
            Method::GET if query.contains("watch=") => self.watch(path),
            Method::GET if query.contains("fieldSelector=") => self.list(&path),
            Method::GET => match self.objects.borrow().get(&path) {
                Some(object) => json(200, object.clone()),
                None => failure(404, "no such object"),
            },
            Method::POST => self.write(format!("{path}/{named}"), body, Some(false)),
            Method::PUT => self.write(path, body, Some(true)),
            Method::PATCH if is_merge(&head.headers) => {
                let there = self.objects.borrow().get(&path).cloned();
                let mut merged = there.unwrap_or_default();
                merge(&mut merged, body);
                self.write(path, merged, None)
            }
            Method::PATCH => self.write(path, body, None),
            Method::DELETE => {
                let mut removed = None;
                self.objects
                    .send_modify(|objects| removed = objects.remove(&path));
                removed.map_or_else(
                    || failure(404, "no such object"),
                    |object| json(200, object),
                )
            }
            _ => failure(405, "not here"),
        }
    }

    fn token_review(&self, mut review: Value) -> Response<Body> {
        self.reviews.fetch_add(1, Ordering::Relaxed);
        let token = review["spec"]["token"].as_str().unwrap().to_owned();
        let tokens = self.tokens.lock().unwrap();
        let unknown = json!({"authenticated": false, "error": "unknown token"});
        review["status"] = tokens.get(&token).cloned().unwrap_or(unknown);
        json(201, review)
    }

    fn list(&self, path: &str) -> Response<Body> {
        let objects = self.objects.borrow();
        let items = objects.iter().filter(|(at, _)| at.starts_with(path));
        let items: Vec<_> = items.map(|(_, object)| object.clone()).collect();
        json(
            200,
            json!({
                "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items,
            }),
        )
    }

    /// Every version of everything below a path, as long as somebody reads.
    fn watch(&self, path: String) -> Response<Body> {
        let objects = self.objects.subscribe();
        let events = stream::unfold((objects, path), async |(mut objects, path)| {
            objects.changed().await.ok()?;
            let mut lines = String::new();
            let now = objects.borrow_and_update().clone();
            for (_, object) in now.iter().filter(|(at, _)| at.starts_with(&path)) {
                lines += &format!("{}\n", json!({"type": "MODIFIED", "object": object}));
            }
            Some((lines, (objects, path)))
        });
        let frames = events.map(|lines| Ok(Frame::data(Bytes::from(lines))));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    /// `replaces`: whether it must be there before.
    fn write(&self, path: String, mut object: Value, replaces: Option<bool>) -> Response<Body> {
        let there = self.objects.borrow().get(&path).cloned();
        match (replaces, &there) {
            (Some(false), Some(_)) => return failure(409, "there already"),
            (Some(true), None) => return failure(404, "no such object"),
            (Some(true), Some(there))
                if there["metadata"]["resourceVersion"]
                    != object["metadata"]["resourceVersion"] =>
            {
                return failure(409, "another version");
            }
            _ => {}
        }
        let version = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        if replaces == Some(false) {
            object["metadata"]["uid"] = format!("uid-{version}").into();
        }
        self.objects.send_modify(|objects| {
            objects.insert(path, object.clone());
        });
        json(200, object)
    }
}

fn is_merge(headers: &HeaderMap) -> bool {
    let of = headers.get("content-type");
    of.is_some_and(|of| of == "application/merge-patch+json")
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

fn json(status: u16, value: Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    let response = Response::builder().status(status);
    response
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

fn failure(code: u16, message: &str) -> Response<Body> {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "",
    };
    json(
        code,
        json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }),
    )
}
