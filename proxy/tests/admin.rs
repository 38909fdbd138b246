//! The listeners for operators, through real sockets.
#![expect(
    clippy::unwrap_used,
    reason = "the functions that tests share fail them too"
)]

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate_proxy::{
    admin::{ConfigView, Readiness, Site, Unlistenable, listen_admin, listen_health, serve},
    metrics::Metrics,
};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A listener for operators that runs.
struct Operators {
    address: SocketAddr,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

impl Operators {
    fn health() -> Self {
        Self::serving(None)
    }

    fn admin() -> Self {
        Self::serving(Some(Arc::new(|| json!({"listeners": ["http"]}))))
    }

    fn serving(config: Option<ConfigView>) -> Self {
        let listener = listen_admin(ANY_PORT).unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Arc::new(Readiness::default());
        let metrics = Arc::new(Metrics::new("1.2.3").unwrap());
        let site = Site {
            readiness: Arc::clone(&readiness),
            metrics: Arc::clone(&metrics),
            config,
        };
        tokio::spawn(serve(listener, site));
        Self {
            address,
            readiness,
            metrics,
        }
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await
    }

    /// Everything that the other side sends until it closes.
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn assert_answer(answer: &str, status: &str, content_type: &str, body: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
    let content_type = format!("content-type: {content_type}\r\n");
    assert!(answer.contains(&content_type), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
}

const PLAIN: &str = "text/plain; charset=utf-8";

#[tokio::test]
async fn a_process_that_lives_is_healthy() {
    let operators = Operators::health();
    operators.readiness.draining();
    assert_answer(&operators.get("/healthz").await, "200", PLAIN, "ok\n");
}

#[tokio::test]
async fn readiness_says_why_not() {
    let operators = Operators::health();
    let answer = operators.get("/readyz").await;
    assert_answer(&answer, "503", PLAIN, "no snapshot yet\n");
    operators.readiness.ready();
    assert_answer(&operators.get("/readyz").await, "200", PLAIN, "ok\n");
    operators.readiness.draining();
    assert_answer(&operators.get("/readyz").await, "503", PLAIN, "draining\n");
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let operators = Operators::health();
    operators.metrics.core().connection_opened();
    let answer = operators.get("/metrics").await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_answer(
        &answer,
        "200",
        content_type,
        answer.split_once("\r\n\r\n").unwrap().1,
    );
    assert!(
        answer.contains("\n# TYPE tollgate_connections_total counter\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\ntollgate_connections_total 1\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn only_admin_shows_the_configuration() {
    let answer = Operators::admin().get("/config").await;
    let shown = "{\n  \"listeners\": [\n    \"http\"\n  ]\n}\n";
    assert_answer(&answer, "200", "application/json", shown);
    let answer = Operators::health().get("/config").await;
    assert_answer(&answer, "404", PLAIN, "not found\n");
}

#[tokio::test]
async fn what_is_not_served_is_refused() {
    let operators = Operators::admin();
    let rows = [
        ("unknown path", "GET /nope HTTP/1.1", "404"),
        ("root", "GET / HTTP/1.1", "404"),
        ("method", "POST /config HTTP/1.1", "405"),
        ("method before path", "DELETE /nope HTTP/1.1", "404"),
        ("garbage", "GET", "400"),
    ];
    for (name, line, status) in rows {
        let answer = operators.ask(&format!("{line}\r\nhost: x\r\n\r\n")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{name}: {answer}"
        );
    }
    let answer = operators
        .ask("PUT /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn a_query_does_not_change_the_path() {
    let answer = Operators::health().get("/healthz?verbose").await;
    assert_answer(&answer, "200", PLAIN, "ok\n");
}

#[tokio::test]
async fn head_answers_without_a_body() {
    let operators = Operators::health();
    let answer = operators
        .ask("HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_answer(&answer, "200", PLAIN, "");
    assert!(answer.contains("content-length: 3\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_closed() {
    // Time stands still but for timers, so that this waits for nothing but the limit.
    let answer = Operators::health().ask("GET /healthz HTTP/1.1\r\n").await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn admin_listens_on_loopback_only() {
    for (name, address) in [
        ("all", "0.0.0.0:0"),
        ("all, ipv6", "[::]:0"),
        ("elsewhere", "192.0.2.1:0"),
        ("mapped", "[::ffff:192.0.2.1]:0"),
    ] {
        let refused = listen_admin(address.parse().unwrap()).unwrap_err();
        let expected = format!("--admin {address}: not a loopback address");
        assert_eq!(refused.to_string(), expected, "{name}");
    }
}

#[test]
fn an_address_in_use_is_named_with_its_flag() {
    let first = listen_health(ANY_PORT).unwrap();
    let taken = first.local_addr().unwrap();
    let refused = listen_health(taken).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("--health {taken}: cannot listen")
    );
    assert!(matches!(refused, Unlistenable::Refused { .. }));
    assert!(refused.source().is_some());
}
