//! The Runtime API as a runtime sees it: raw HTTP/1.1 to the port that the function's environment
//! names.
//!
//! The function's process only says where its Runtime API is and then waits; the test plays the
//! runtime.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

#[path = "function/support.rs"]
mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use support::{Scene, scene, soon, until};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tollgate_proxy::function::{CallError, State};

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const ANSWER_MAX: usize = 6 * 1024 * 1024 + 100;

/// Says where the Runtime API is, then waits for a signal.
const SILENT: [&str; 3] = [
    "/bin/sh",
    "-c",
    "echo $AWS_LAMBDA_RUNTIME_API > said; read line < never",
];

/// A connection of a runtime.
struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer of the Runtime API.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = soon(TcpStream::connect(address)).await.unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: runtime\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        soon(self.stream.write_all(head.as_bytes())).await.unwrap();
        soon(self.stream.write_all(body)).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.stream.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Reads an answer; all of them are JSON by their Content-Type.
    async fn reply(&mut self) -> Reply {
        let status = self.line().await;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.insert(name.to_owned(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        soon(self.stream.read_exact(&mut body)).await.unwrap();
        assert_eq!(headers["content-type"], "application/json");
        Reply {
            status,
            headers,
            body,
        }
    }

    async fn next(&mut self) -> Reply {
        self.send("GET", NEXT, &[], b"").await;
        let reply = self.reply().await;
        assert_eq!(reply.status, 200);
        reply
    }

    async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.send("POST", path, headers, body).await;
        self.reply().await
    }

    async fn respond(&mut self, id: &str, body: &[u8]) -> Reply {
        self.post(&response(id), &[], body).await
    }

    /// Whether the other side closed the connection.
    async fn is_closed(&mut self) -> bool {
        soon(self.stream.read_u8()).await.is_err()
    }
}

fn response(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/response")
}

fn error(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/error")
}

impl Reply {
    fn id(&self) -> &str {
        &self.headers["lambda-runtime-aws-request-id"]
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn is_refused(&self, status: u16, error_type: &str) {
        assert_eq!(self.status, status);
        assert_eq!(self.json()["errorType"], error_type);
        assert!(self.json()["errorMessage"].is_string());
    }

    fn is_accepted(&self) {
        assert_eq!((self.status, self.json()), (202, json!({"status": "OK"})));
    }
}

/// A function whose runtime is the test, and where its Runtime API is.
async fn silent() -> (Scene, String) {
    let mut scene = scene();
    scene.set(scene.spec(&SILENT));
    let address = scene.said().await;
    (scene, address)
}

/// The same, with a first connection to the Runtime API.
async fn connected() -> (Scene, String, Connection) {
    let (scene, address) = silent().await;
    let connection = Connection::open(&address).await;
    (scene, address, connection)
}

#[tokio::test]
async fn an_event_reaches_the_runtime_and_its_answer_the_caller() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call(r#"{"n":1}"#);
    let event = runtime.next().await;
    assert_eq!(event.body, br#"{"n":1}"#);
    runtime.respond(event.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn an_event_comes_with_all_that_a_runtime_needs() {
    let mut scene = scene();
    let mut spec = scene.spec(&SILENT);
    spec.process.env = vec![("AWS_REGION".to_owned(), "eu-west-1".to_owned())];
    scene.set(spec);
    let address = scene.said().await;
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let _call = scene.call("{}");
    let event = Connection::open(&address).await.next().await;

    let header = |name: &str| event.headers[name].as_str();
    assert_eq!(event.id().len(), 36);
    assert_eq!(header("lambda-runtime-invocation-id").len(), 36);
    let arn: Vec<_> = header("lambda-runtime-invoked-function-arn")
        .split(':')
        .collect();
    assert_eq!(arn[..4], ["arn", "aws", "lambda", "eu-west-1"]);
    assert_eq!(arn[4].len(), 12);
    assert_eq!(arn[5..], ["function", "products"]);
    assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));
    let deadline: u128 = header("lambda-runtime-deadline-ms").parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    assert!(
        deadline > now && deadline <= now + 60_000,
        "{deadline} at {now}"
    );
    assert!(!event.headers.contains_key("lambda-runtime-client-context"));
    assert!(
        !event
            .headers
            .contains_key("lambda-runtime-cognito-identity")
    );
}

#[tokio::test]
async fn a_call_comes_from_any_thread() {
    let (scene, _, mut runtime) = connected().await;
    let (functions, name) = (scene.functions.clone(), scene.name.clone());
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(functions.call(&name, Bytes::from("event")))
    });
    let event = runtime.next().await;
    runtime.respond(event.id(), b"answered").await.is_accepted();
    let answer = soon(tokio::task::spawn_blocking(|| other.join())).await;
    assert_eq!(answer.unwrap().unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn what_is_no_call_of_the_protocol_is_not_found() {
    let (_scene, _, mut runtime) = connected().await;
    runtime.send("GET", "/2018-06-01/ping", &[], b"").await;
    assert_eq!(runtime.reply().await.status, 200);
    for path in [
        "/",
        "/2018-06-01/runtime/invocation/next/",
        "/2018-06-01/runtime/restore/next",
    ] {
        runtime.send("GET", path, &[], b"").await;
        runtime.reply().await.is_refused(404, "NotFound");
    }
    runtime
        .post(NEXT, &[], b"x")
        .await
        .is_refused(404, "NotFound");
}

#[tokio::test]
async fn an_answer_to_an_unknown_id_is_refused_and_changes_nothing() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call("{}");
    let event = runtime.next().await;
    runtime
        .respond("other", b"x")
        .await
        .is_refused(400, "InvalidRequestID");
    runtime
        .post(&error("other"), &[], b"{}")
        .await
        .is_refused(400, "InvalidRequestID");
    runtime.respond(event.id(), b"answered").await.is_accepted();
    runtime
        .respond(event.id(), b"again")
        .await
        .is_refused(400, "InvalidRequestID");
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn what_is_out_of_turn_is_refused() {
    let (scene, _, mut runtime) = connected().await;
    runtime
        .respond("early", b"x")
        .await
        .is_refused(403, "InvalidStateTransition");
    let _call = scene.call("{}");
    runtime.next().await;
    let late = runtime.post(INIT_ERROR, &[], b"{}").await;
    late.is_refused(403, "InvalidStateTransition");
}

#[tokio::test]
async fn an_answer_with_the_nonce_of_another_attempt_is_refused() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call("{}");
    let event = runtime.next().await;
    let nonce = event.headers["lambda-runtime-invocation-id"].clone();
    let path = response(event.id());
    for other in ["other", "", "\u{e9}"] {
        let headers = [("lambda-runtime-invocation-id", other)];
        runtime
            .post(&path, &headers, b"x")
            .await
            .is_refused(400, "InvalidRequestID");
    }
    let headers = [("lambda-runtime-invocation-id", nonce.as_str())];
    runtime
        .post(&path, &headers, b"answered")
        .await
        .is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn the_same_connection_gets_the_same_event_again() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call("{}");
    let (one, two) = (runtime.next().await, runtime.next().await);
    assert_eq!((one.id(), &one.body), (two.id(), &two.body));
    runtime.respond(one.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn an_answer_on_another_connection_counts() {
    let (scene, address, mut first) = connected().await;
    let call = scene.call("{}");
    let event = first.next().await;
    drop(first);
    let mut second = Connection::open(&address).await;
    second.respond(event.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn a_poll_on_a_new_connection_after_the_old_one_closed_fails_the_call() {
    let (scene, address, mut dead) = connected().await;
    let call = scene.call("one");
    let one = dead.next().await;
    let next_call = scene.call("two");
    drop(dead);
    let mut runtime = Connection::open(&address).await;
    let two = runtime.next().await;
    assert_eq!(soon(call).await.unwrap(), Err(CallError::Crashed));
    assert_eq!(two.body, b"two");
    // Too late: accepted, dropped, and no answer to the other call.
    runtime.respond(one.id(), b"late").await.is_accepted();
    runtime.respond(two.id(), b"answered").await.is_accepted();
    assert_eq!(soon(next_call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn a_parked_poll_whose_connection_closed_takes_no_event() {
    let (scene, address, mut gone) = connected().await;
    gone.send("GET", NEXT, &[], b"").await;
    until(|| scene.state().state == State::Ready).await;
    drop(gone);
    until(|| scene.state().state != State::Ready).await;
    let call = scene.call("event");
    let mut runtime = Connection::open(&address).await;
    let event = runtime.next().await;
    assert_eq!(event.body, b"event");
    runtime.respond(event.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn of_two_parked_polls_the_older_one_is_refused() {
    let (scene, address, mut older) = connected().await;
    older.send("GET", NEXT, &[], b"").await;
    until(|| scene.state().state == State::Ready).await;
    let mut newer = Connection::open(&address).await;
    newer.send("GET", NEXT, &[], b"").await;
    older
        .reply()
        .await
        .is_refused(403, "InvalidStateTransition");
    let _call = scene.call("event");
    assert_eq!(newer.reply().await.body, b"event");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_accepted_and_fails_the_call() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call("{}");
    let event = runtime.next().await;
    let large = vec![b'x'; ANSWER_MAX + 1];
    runtime.respond(event.id(), &large).await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Err(CallError::AnswerTooLarge));

    let call = scene.call("{}");
    let event = runtime.next().await;
    runtime.respond(event.id(), &large[1..]).await.is_accepted();
    assert_eq!(soon(call).await.unwrap().unwrap().len(), ANSWER_MAX);
}

#[tokio::test]
async fn a_functions_error_reaches_the_caller() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call("{}");
    let event = runtime.next().await;
    let cause = "x".repeat(900 * 1024);
    let headers = [
        ("lambda-runtime-function-error-type", "Function.Broken"),
        ("lambda-runtime-function-xray-error-cause", cause.as_str()),
    ];
    let body = br#"{"errorType":"KeyError","errorMessage":"id"}"#;
    runtime
        .post(&error(event.id()), &headers, body)
        .await
        .is_accepted();
    let expected = CallError::FunctionError {
        error_type: "Function.Broken".to_owned(),
        body: Bytes::from_static(body),
    };
    assert_eq!(soon(call).await.unwrap(), Err(expected));
}

#[tokio::test]
async fn an_unknown_response_mode_is_refused_and_fails_the_call() {
    let (scene, _, mut runtime) = connected().await;
    let call = scene.call("{}");
    let event = runtime.next().await;
    let headers = [("lambda-runtime-function-response-mode", "other")];
    let reply = runtime.post(&response(event.id()), &headers, b"x").await;
    reply.is_refused(400, "InvalidFunctionResponseMode");
    let Err(CallError::FunctionError { error_type, .. }) = soon(call).await.unwrap() else {
        panic!("no function error");
    };
    assert_eq!(error_type, "Runtime.InvalidResponseModeHeader");
}

#[tokio::test]
async fn an_init_error_fails_those_who_wait_and_those_who_come() {
    let (mut scene, address, mut runtime) = connected().await;
    let call = scene.call("{}");
    let headers = [(
        "lambda-runtime-function-error-type",
        "Runtime.ImportModuleError",
    )];
    let body = br#"{"errorMessage":"no module named app","errorType":"ImportError"}"#;
    runtime.post(INIT_ERROR, &headers, body).await.is_accepted();
    let expected = Err(CallError::Init {
        error_type: "Runtime.ImportModuleError".to_owned(),
        message: "no module named app".to_owned(),
    });
    assert_eq!(soon(call).await.unwrap(), expected);
    assert_eq!(scene.answer("{}").await, expected);

    // Another process gets another port, and once it polls all is well.
    let newer = scene.said().await;
    assert_ne!(newer, address);
    assert!(scene.state().init_error.is_some());
    let mut runtime = Connection::open(&newer).await;
    runtime.send("GET", NEXT, &[], b"").await;
    until(|| scene.state().state == State::Ready).await;
    assert_eq!(
        (scene.state().init_error, scene.state().restarts),
        (None, 1)
    );
    let call = scene.call("{}");
    let event = runtime.reply().await;
    runtime.respond(event.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn the_answer_to_a_caller_that_left_is_accepted_and_dropped() {
    let (scene, _, mut runtime) = connected().await;
    let gone = scene.call("one");
    let one = runtime.next().await;
    gone.abort();
    assert!(soon(gone).await.unwrap_err().is_cancelled());
    let call = scene.call("two");
    runtime.respond(one.id(), b"to nobody").await.is_accepted();
    let two = runtime.next().await;
    assert_eq!(two.body, b"two");
    runtime.respond(two.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn a_caller_that_left_while_it_waited_is_never_delivered() {
    let (scene, _, mut runtime) = connected().await;
    let gone = scene.call("one");
    until(|| scene.state().waiting == 1).await;
    gone.abort();
    until(|| scene.state().waiting == 0).await;
    let _call = scene.call("two");
    assert_eq!(runtime.next().await.body, b"two");
}

#[tokio::test]
async fn an_answer_that_broke_off_is_none() {
    let (scene, address, mut runtime) = connected().await;
    let call = scene.call("{}");
    let event = runtime.next().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: runtime\r\ncontent-length: 9\r\n\r\n",
        response(event.id())
    );
    soon(runtime.stream.write_all(head.as_bytes()))
        .await
        .unwrap();
    soon(runtime.stream.write_all(b"cut")).await.unwrap();
    drop(runtime);
    let mut runtime = Connection::open(&address).await;
    runtime.respond(event.id(), b"answered").await.is_accepted();
    assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
}

#[tokio::test]
async fn bytes_that_are_no_http_end_their_connection_only() {
    let (scene, address, mut garbage) = connected().await;
    soon(garbage.stream.write_all(b"\x16\x03\x01 hello\r\n\r\n"))
        .await
        .unwrap();
    let mut read = Vec::new();
    soon(garbage.stream.read_to_end(&mut read)).await.unwrap();
    let _call = scene.call("{}");
    assert_eq!(Connection::open(&address).await.next().await.body, b"{}");
}

#[tokio::test]
async fn a_stop_closes_the_parked_poll_and_refuses_calls() {
    let (scene, _, mut runtime) = connected().await;
    runtime.send("GET", NEXT, &[], b"").await;
    until(|| scene.state().state == State::Ready).await;
    soon(scene.functions.stop()).await;
    assert!(runtime.is_closed().await);
    assert_eq!(scene.answer("{}").await, Err(CallError::Stopping));
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_what_waits() {
    let (scene, _, mut runtime) = connected().await;
    let calls = [scene.call("one"), scene.call("two")];
    let one = runtime.next().await;
    until(|| scene.state().waiting == 1).await;
    let functions = scene.functions.clone();
    let stop = tokio::spawn(async move { functions.stop().await });
    until(|| scene.state().state == State::Stopping).await;
    runtime.respond(one.id(), b"answered").await.is_accepted();
    let two = runtime.next().await;
    runtime.respond(two.id(), b"answered").await.is_accepted();
    for call in calls {
        assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("answered")));
    }
    assert!(
        !stop.is_finished(),
        "the slot is free at the next poll only"
    );
    runtime.send("GET", NEXT, &[], b"").await;
    soon(stop).await.unwrap();
}
