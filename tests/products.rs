//! The products example as a user meets it: real HTTP, the real gateway, the real function.
//!
//! Each test runs the manifests of `examples/products` in a folder of its own, on free ports.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "products/curl.rs"]
mod curl;

use std::{fs, net::SocketAddr, os::unix::fs::symlink, path::PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use tollgate_tests::process::{Gateway, Serve, binary};

/// The example in a folder of its own, so that its data goes with the test.
struct Example {
    folder: tempfile::TempDir,
}

impl Example {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(repository().join("examples/products")).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        fs::create_dir(folder.path().join("bin")).unwrap();
        // A link: a copy could still be open for writing, in a child of another test, when it is
        // to run.
        symlink(binary("products"), folder.path().join("bin/products")).unwrap();
        Self { folder }
    }

    async fn start(&self) -> Gateway {
        Serve::manifests(self.folder.path()).start().await
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the gateway answers.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends one request over a connection of its own.
async fn request(address: SocketAddr, request: Request<String>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    parts
        .headers
        .insert("host", address.to_string().parse().unwrap());
    let request = Request::from_parts(parts, Full::new(Bytes::from(body)));
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Sends a JSON body, or none for null.
async fn send(gateway: &Gateway, method: &str, target: &str, body: Value) -> Answer {
    let mut builder = Request::builder().method(method).uri(target);
    let mut text = String::new();
    if !body.is_null() {
        builder = builder.header("content-type", "application/json");
        text = body.to_string();
    }
    request(gateway.listener("http"), builder.body(text).unwrap()).await
}

async fn ask(gateway: &Gateway, method: &str, target: &str) -> Answer {
    send(gateway, method, target, Value::Null).await
}

fn mug() -> Value {
    json!({"name": "Mug", "price": {"amount": 1250, "currency": "EUR"}, "tags": ["kitchen", "é"]})
}

#[tokio::test]
async fn a_product_lives_from_put_to_delete() {
    let example = Example::new();
    let gateway = example.start().await;
    let created = send(&gateway, "PUT", "/v1/products/mug", mug()).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("content-type"), "application/json");
    assert_eq!(created.header("location"), "/v1/products/mug");
    assert_eq!(created.json()["tags"], mug()["tags"]);
    let replaced = send(&gateway, "PUT", "/v1/products/mug", mug()).await;
    assert_eq!(
        (replaced.status.as_u16(), &replaced.body),
        (200, &created.body)
    );

    let patch = json!({"price": {"amount": 990}, "tags": null});
    let patched = send(&gateway, "PATCH", "/v1/products/mug", patch).await;
    assert_eq!(patched.status, 200);
    assert_eq!(
        patched.json()["price"],
        json!({"amount": 990, "currency": "EUR"})
    );
    let read = ask(&gateway, "GET", "/v1/products/mug").await;
    assert_eq!((read.status.as_u16(), &read.body), (200, &patched.body));

    let removed = ask(&gateway, "DELETE", "/v1/products/mug").await;
    assert_eq!((removed.status.as_u16(), removed.body.len()), (204, 0));
    let gone = ask(&gateway, "GET", "/v1/products/mug").await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json(), json!({"message": "no product \"mug\""}));
    assert_eq!(
        ask(&gateway, "DELETE", "/v1/products/mug").await.status,
        404
    );
}

#[tokio::test]
async fn a_post_makes_an_id_and_says_where() {
    let example = Example::new();
    let gateway = example.start().await;
    let created = send(&gateway, "POST", "/v1/products", mug()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let read = ask(&gateway, "GET", created.header("location")).await;
    assert_eq!((read.status.as_u16(), &read.body), (200, &created.body));
}

#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let example = Example::new();
    let gateway = example.start().await;
    for n in 0..7 {
        let target = format!("/v1/products/p{n}");
        assert_eq!(send(&gateway, "PUT", &target, mug()).await.status, 201);
    }
    let mut seen = Vec::new();
    let mut target = String::from("/v1/products?limit=3");
    loop {
        let page = ask(&gateway, "GET", &target).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].clone()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        target = format!("/v1/products?limit=3&next={next}");
    }
    let expected: Vec<Value> = (0..7).map(|n| format!("p{n}").into()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let example = Example::new();
    let gateway = example.start().await;
    send(&gateway, "PUT", "/v1/products/mug", mug()).await;
    let head = ask(&gateway, "HEAD", "/v1/products/mug").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), "application/json");
}

#[tokio::test]
async fn what_is_wrong_is_said_by_whoever_knows() {
    let example = Example::new();
    let gateway = example.start().await;
    let rows = [
        (
            "no JSON object",
            "POST",
            "/v1/products",
            json!([]),
            400,
            "body: an object is needed",
        ),
        (
            "no name",
            "PUT",
            "/v1/products/mug",
            json!({}),
            400,
            "name: missing",
        ),
        (
            "no limit",
            "GET",
            "/v1/products?limit=0",
            Value::Null,
            400,
            "limit: a number from 1 to 100 is needed",
        ),
        (
            "no product",
            "GET",
            "/v1/products/mug",
            Value::Null,
            404,
            "no product \"mug\"",
        ),
        (
            "no content type",
            "PUT",
            "/v1/products/mug",
            Value::Null,
            415,
            "content-type: application/json is needed",
        ),
        // From here on no rule fits, and it is the gateway that says so.
        (
            "no rule",
            "GET",
            "/v2/products",
            Value::Null,
            404,
            "Not Found",
        ),
        (
            "no method",
            "POST",
            "/v1/products/mug",
            mug(),
            405,
            "Method Not Allowed",
        ),
    ];
    for (name, method, target, body, status, message) in rows {
        let answer = send(&gateway, method, target, body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.json(), json!({"message": message}), "{name}");
    }
    let refused = ask(&gateway, "POST", "/v1/products/mug").await;
    let mut allowed: Vec<&str> = refused.header("allow").split(", ").collect();
    allowed.sort_unstable();
    // HEAD goes with GET, named or not.
    allowed.retain(|method| *method != "HEAD");
    assert_eq!(allowed, ["DELETE", "GET", "PATCH", "PUT"]);
}

#[tokio::test]
async fn an_encoded_id_reaches_the_function_decoded() {
    let example = Example::new();
    let gateway = example.start().await;
    let created = send(&gateway, "PUT", "/v1/products/m%75g", mug()).await;
    assert_eq!(created.json()["id"], "mug", "{created:?}");
    let absent = ask(&gateway, "GET", "/v1/products/m%20g").await;
    assert_eq!(absent.json(), json!({"message": "no product \"m g\""}));
}

#[tokio::test]
async fn products_survive_a_restart() {
    let example = Example::new();
    let gateway = example.start().await;
    let created = send(&gateway, "PUT", "/v1/products/mug", mug()).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(gateway.stop().await.success());
    let gateway = example.start().await;
    let read = ask(&gateway, "GET", "/v1/products/mug").await;
    assert_eq!((read.status.as_u16(), &read.body), (200, &created.body));
}
