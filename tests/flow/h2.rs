//! HTTP/2 without TLS by prior knowledge: many requests on one connection, none in another's way.

use std::{
    io::Write,
    sync::{Mutex, mpsc},
    time::Duration,
};

use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tollgate_tests::{
    gateway::Gateway,
    h2::{self, H2},
    upstream::{Upstream, read_request},
    write,
};

#[test]
fn streams_of_one_connection_are_answered_each_with_its_own_answer() {
    let upstream = Upstream::with(|stream, _| {
        while let Some(request) = read_request(stream) {
            let path = request.split(' ').nth(1).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", path.len());
            let _ = stream.write_all(format!("{head}{path}").as_bytes());
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    h2::run(async {
        let (client, _) = H2::connect(gateway.address()).await;
        let mut asked = JoinSet::new();
        for number in 0..200 {
            let mut client = client.clone();
            asked.spawn(async move {
                let path = format!("/{number}");
                let reply = client.get(&path).await.unwrap();
                assert_eq!((reply.status, reply.body), (200, path));
            });
        }
        while let Some(outcome) = asked.join_next().await {
            outcome.unwrap();
        }
    });
    let lines = gateway.lines(200);
    assert!(lines.iter().all(|line| line["protocol"] == "HTTP/2"));
    gateway.stop();
}

#[test]
fn a_slow_answer_holds_up_no_other_stream() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::with(move |stream, _| {
        while let Some(request) = read_request(stream) {
            if request.starts_with("GET /slow ") {
                gone.lock().unwrap().recv().unwrap();
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    h2::run(async {
        let (client, _) = H2::connect(gateway.address()).await;
        let mut slow = client.clone();
        let slow = tokio::spawn(async move { slow.get("/slow").await });
        for _ in 0..20 {
            assert_eq!(client.clone().get("/quick").await.unwrap().status, 200);
        }
        assert!(!slow.is_finished());
        go.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap().status, 200);
    });
    gateway.stop();
}

#[test]
fn a_request_is_forwarded_as_http_1_1_has_it() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\nx-a: 1\r\n\
         transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let gateway = Gateway::in_front_of(&upstream);
    h2::run(async {
        let (mut client, _) = H2::connect(gateway.address()).await;
        let request = h2::request("POST", "/a/?b")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .header("x-real-ip", "192.0.2.1")
            .body(h2::full("body"))
            .unwrap();
        let reply = h2::read(client.send(request).await.unwrap()).await.unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
        assert_eq!(reply.header("x-a"), Some("1"));
        for gone in ["connection", "keep-alive", "transfer-encoding"] {
            assert_eq!(reply.header(gone), None, "{reply:?}");
        }
    });
    let seen = &upstream.seen(1)[0];
    assert!(seen.starts_with("POST /a/?b HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: a.example\r\n"), "{seen}");
    assert!(seen.contains("\r\ncookie: a=1; b=2\r\n"), "{seen}");
    assert_eq!(seen.matches("cookie").count(), 1, "{seen}");
    assert!(
        !seen.contains("\r\nte:") && !seen.contains("x-real-ip"),
        "{seen}"
    );
    assert!(seen.contains("\r\ncontent-length: 4\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nbody"), "{seen}");
    gateway.stop();
}

const LARGE: usize = 4 << 20;

#[test]
fn bodies_larger_than_any_window_go_both_ways() {
    let upstream = Upstream::with(|stream, seen| {
        while let Some(request) = read_request(stream) {
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            seen.lock().unwrap().push(body.len().to_string());
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    h2::run(async {
        let (client, _) = H2::connect(gateway.address()).await;
        let mut both = JoinSet::new();
        for letter in ["a", "b"] {
            let mut client = client.clone();
            both.spawn(async move {
                let body = letter.repeat(LARGE);
                let request = h2::request("POST", "/")
                    .body(h2::full(body.clone()))
                    .unwrap();
                let reply = h2::read(client.send(request).await.unwrap()).await.unwrap();
                assert!(reply.body == body, "{} bytes came back", reply.body.len());
            });
        }
        while let Some(outcome) = both.join_next().await {
            outcome.unwrap();
        }
    });
    assert_eq!(upstream.seen(2), [LARGE.to_string(), LARGE.to_string()]);
    gateway.stop();
}

#[test]
fn a_slow_reader_slows_its_upstream_down_and_no_other_stream() {
    let (sent, sending) = mpsc::channel();
    let sent = Mutex::new(sent);
    const CHUNK: usize = 64 << 10;
    const CHUNKS: usize = 64 << 4;
    let upstream = Upstream::with(move |stream, _| {
        while let Some(request) = read_request(stream) {
            if request.starts_with("GET /quick ") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                continue;
            }
            let length = CHUNK * CHUNKS;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            for _ in 0..CHUNKS {
                stream.write_all(&[b'x'; CHUNK]).unwrap();
                sent.lock().unwrap().send(()).unwrap();
            }
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    h2::run(async {
        let (mut client, _) = H2::connect(gateway.address()).await;
        let slow = h2::request("GET", "/slow").body(h2::empty()).unwrap();
        let slow = client.send(slow).await.unwrap();
        let mut written = 0;
        while sending.recv_timeout(h2::NOT_YET).is_ok() {
            written += 1;
        }
        assert!(written < CHUNKS / 2, "{written} of {CHUNKS} are gone");
        assert_eq!(client.get("/quick").await.unwrap().body, "ok");
        let body = slow.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), CHUNK * CHUNKS);
    });
    gateway.stop();
}

#[test]
fn refusals_and_fixed_answers_are_the_same() {
    let rules = "  - {name: ok, match: [{method: GET, path: /ok}], respond: {status: 200, body: ok}}\n\
                 \x20 - {name: moved, match: [{path: /moved}], redirect: {status: 308, path: /ok}}";
    let gateway = Gateway::serving(&write::gateway_with(rules));
    h2::run(async {
        let (mut client, _) = H2::connect(gateway.address()).await;
        assert_eq!(client.get("/ok").await.unwrap().body, "ok");
        let missed = client.get("/none").await.unwrap();
        assert_eq!(
            (missed.status, missed.body.as_str()),
            (404, r#"{"message":"Not Found"}"#)
        );
        let moved = client.get("/moved?q").await.unwrap();
        assert_eq!(moved.header("location"), Some("http://a.example/ok?q"));
        let post = h2::request("POST", "/ok").body(h2::full("unread")).unwrap();
        let refused = h2::read(client.send(post).await.unwrap()).await.unwrap();
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD"))
        );
        let head = h2::request("HEAD", "/ok").body(h2::empty()).unwrap();
        let head = h2::read(client.send(head).await.unwrap()).await.unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(
            client.get("/ok").await.unwrap().body,
            "ok",
            "the connection goes on"
        );
    });
    gateway.stop();
}

#[test]
fn a_stream_that_the_client_resets_costs_only_itself() {
    let (got, asked) = mpsc::channel();
    let got = Mutex::new(got);
    let upstream = Upstream::with(move |stream, _| {
        while let Some(request) = read_request(stream) {
            if request.starts_with("GET /never ") {
                got.lock().unwrap().send(()).unwrap();
                let _ = read_request(stream);
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    h2::run(async {
        let (mut client, _) = H2::connect(gateway.address()).await;
        let mut never = client.clone();
        let never = tokio::spawn(async move { never.get("/never").await });
        while asked.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        never.abort();
        let _ = never.await;
        assert_eq!(client.get("/").await.unwrap().body, "ok");
    });
    let lines = gateway.lines(2);
    let gone = lines.iter().filter(|line| line["reason"] == "ClientGone");
    assert_eq!(gone.count(), 1, "{lines:?}");
    gateway.stop();
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    let rules = "  - {name: ok, match: [{path: /}], respond: {status: 200, body: ok}}";
    let manifests =
        write::gateway_with(rules).replacen("limits: {}", "limits: {idleTimeout: 200ms}", 1);
    let gateway = Gateway::serving(&manifests);
    h2::run(async {
        let (mut client, closed) = H2::connect(gateway.address()).await;
        assert_eq!(client.get("/").await.unwrap().body, "ok");
        let ended = tokio::time::timeout(Duration::from_secs(5), closed).await;
        assert!(ended.is_ok(), "it stays open");
    });
    gateway.stop();
}
