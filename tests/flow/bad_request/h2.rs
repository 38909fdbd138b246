//! The same over HTTP/2, where it applies: a bad request spoils its stream and no other.

use bytes::Bytes;
use hyper::{Request, http::uri::PathAndQuery};
use tollgate_tests::{
    frames::{Connection, Fate, Parts, by_hand},
    trial::{Trial, check_refusal, line},
    upstream::Upstream,
};

/// A request for a host and a path, with more fields and a body.
fn request(uri: &str, fields: &[(&str, &str)], body: &[&'static str]) -> Request<Parts> {
    let mut builder = Request::builder().uri(uri);
    if !body.is_empty() {
        builder = builder.method("POST");
    }
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    let parts = body.iter().map(|part| Bytes::from_static(part.as_bytes()));
    builder.body(Parts(parts.collect())).unwrap()
}

/// Sends a bad request and a good one on one connection, and expects the refusal of the first.
fn refused(trial: &Trial, name: &str, bad: Request<Parts>, status: u16, reason: &str) {
    let mut connection = Connection::open(trial.gateway.address());
    let answer = connection.send(bad).unwrap();
    check_refusal(name, &answer, status);
    assert_eq!(answer.header("connection"), None, "{name}");
    assert_eq!(connection.get("/behind").unwrap().status, 200, "{name}");
    let outcome = trial.outcome(String::new());
    outcome.check_lines(name, &[(status, Some(reason)), (200, None)]);
    assert_eq!(outcome.lines[0]["protocol"], "HTTP/2", "{name}");
    let forwarded: Vec<_> = outcome.forwarded.iter().map(|text| line(text)).collect();
    assert_eq!(forwarded, ["GET /behind HTTP/1.1"], "{name}");
}

#[test]
fn a_good_request_is_forwarded() {
    let trial = Trial::forwarding("{}");
    let mut connection = Connection::open(trial.gateway.address());
    let good = request("http://a.example/a?b", &[("x-a", "b")], &["hel", "lo"]);
    let answer = connection.send(good).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    drop(connection);
    let outcome = trial.outcome(String::new());
    let forwarded = &outcome.forwarded[0];
    assert!(
        forwarded.starts_with("POST /a?b HTTP/1.1\r\n"),
        "{forwarded}"
    );
    for field in ["host: a.example", "x-a: b", "transfer-encoding: chunked"] {
        assert!(
            forwarded.contains(&format!("\r\n{field}\r\n")),
            "{forwarded}"
        );
    }
    outcome.check_lines("good", &[(200, None)]);
    trial.gateway.stop();
}

#[test]
fn an_answer_to_head_is_whole_without_its_body() {
    let rules = "  - {name: fixed, match: [{path: /fixed}], respond: {status: 200, body: fixed}}\n";
    let trial = Trial::with("{}", rules, Upstream::echo());
    let mut connection = Connection::open(trial.gateway.address());
    let mut head = request("http://a.example/fixed", &[], &[]);
    *head.method_mut() = hyper::Method::HEAD;
    let answer = connection.send(head).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("5"));
    drop(connection);
    trial
        .outcome(String::new())
        .check_lines("head", &[(200, None)]);
    trial.gateway.stop();
}

#[test]
fn a_stream_without_one_authority_is_refused() {
    let trial = Trial::forwarding("{}");
    let at = "http://a.example/bad";
    let rows = [
        ("none", request("/bad", &[], &[])),
        ("another host", request(at, &[("host", "b.example")], &[])),
        ("an empty host", request(at, &[("host", "")], &[])),
        ("userinfo", request("http://user@a.example/bad", &[], &[])),
        (
            "userinfo in the host",
            request("/bad", &[("host", "user@a.example")], &[]),
        ),
        (
            "a bad port",
            request("/bad", &[("host", "a.example:x")], &[]),
        ),
    ];
    for (name, bad) in rows {
        refused(&trial, name, bad, 400, "BadRequest");
    }
    trial.gateway.stop();
}

#[test]
fn a_path_trick_is_refused() {
    let trial = Trial::forwarding("{}");
    let rows = [
        "/a%00",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%zz",
        "/a%4",
        "/a\\b",
        "/a/..;/b",
        "/a/%2e%2e;x/b",
        "/a%0d%0ab",
    ];
    for path in rows {
        let mut bad = request("http://a.example/", &[], &[]);
        let mut parts = bad.uri().clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        *bad.uri_mut() = parts.try_into().unwrap();
        refused(&trial, path, bad, 400, "BadRequest");
    }
    trial.gateway.stop();
}

#[test]
fn a_path_is_forwarded_in_its_one_form() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("//a///b", "GET /a/b HTTP/1.1"),
        ("/a/../b", "GET /b HTTP/1.1"),
        ("/a/%2e%2e/b", "GET /b HTTP/1.1"),
        ("/%61?b=%2f", "GET /a?b=%2f HTTP/1.1"),
    ];
    for (path, expected) in rows {
        let mut connection = Connection::open(trial.gateway.address());
        assert_eq!(connection.get(path).unwrap().status, 200, "{path}");
        let outcome = trial.outcome(String::new());
        assert_eq!(line(&outcome.forwarded[0]), expected, "{path}");
        outcome.check_lines(path, &[(200, None)]);
    }
    trial.gateway.stop();
}

#[test]
fn what_is_not_built_yet_is_refused() {
    let trial = Trial::forwarding("{}");
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let bad = request("http://a.example/bad", &grpc, &["x"]);
    refused(&trial, "grpc", bad, 501, "NotImplemented");
    let mut bad = request("a.example:443", &[], &[]);
    *bad.method_mut() = hyper::Method::CONNECT;
    refused(&trial, "connect", bad, 501, "NotImplemented");
    trial.gateway.stop();
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let trial = Trial::forwarding("{body: 8}");
    let uri = "http://a.example/bad";
    let said = request(uri, &[("content-length", "9")], &["ninebytes"]);
    refused(&trial, "by its length", said, 413, "BodyTooLarge");
    let unsaid = request(uri, &[], &["five!", "five!"]);
    refused(&trial, "by its frames", unsaid, 413, "BodyTooLarge");
    trial.gateway.stop();
}

#[test]
fn a_length_that_is_not_the_bodys_reaches_no_upstream_whole() {
    let trial = Trial::forwarding("{}");
    let uri = "http://a.example/bad";
    for (name, length) in [("too short", "3"), ("too long", "9")] {
        let mut connection = Connection::open(trial.gateway.address());
        let bad = request(uri, &[("content-length", length)], &["hello"]);
        // The stream is reset, or answered first: which, is the library's to choose.
        if let Ok(answer) = connection.send(bad) {
            assert_eq!(answer.status, 400, "{name}: {answer:#?}");
        }
        assert_eq!(connection.get("/behind").unwrap().status, 200, "{name}");
        let outcome = trial.outcome(String::new());
        let forwarded: Vec<_> = outcome.forwarded.iter().map(|text| line(text)).collect();
        assert_eq!(forwarded, ["GET /behind HTTP/1.1"], "{name}");
        let refused = outcome.lines.iter().filter(|line| line["path"] == "/bad");
        let reasons: Vec<_> = refused.map(|line| line["reason"].clone()).collect();
        assert!(
            reasons == ["BadRequest"] || reasons == ["ClientGone"],
            "{name}: {outcome:#?}"
        );
    }
    trial.gateway.stop();
}

#[test]
fn a_head_over_its_limit_is_refused() {
    let trial = Trial::forwarding("{headers: 8Ki}");
    let mut connection = Connection::open(trial.gateway.address());
    let long = "a".repeat(9 << 10);
    let bad = request("http://a.example/bad", &[("name", &long)], &[]);
    let answer = connection.send(bad).unwrap();
    assert_eq!(answer.status, 431, "{answer:#?}");
    assert_eq!(connection.get("/behind").unwrap().status, 200);
    drop(connection);
    let outcome = trial.outcome(String::new());
    assert_eq!(outcome.forwarded.len(), 1, "{outcome:#?}");
    trial.gateway.stop();
}

#[test]
fn more_fields_than_the_limit_are_refused() {
    let trial = Trial::forwarding("{headerCount: 10}");
    let bad = request("http://a.example/bad", &[("name", "1"); 20], &[]);
    let mut connection = Connection::open(trial.gateway.address());
    let answer = connection.send(bad).unwrap();
    assert_eq!(answer.status, 431, "{answer:#?}");
    assert_eq!(connection.get("/behind").unwrap().status, 200);
    drop(connection);
    let outcome = trial.outcome(String::new());
    outcome.check_lines("fields", &[(431, Some("HeadersTooLarge")), (200, None)]);
    assert_eq!(outcome.forwarded.len(), 1, "{outcome:#?}");
    trial.gateway.stop();
}

const GOOD: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a.example"),
    (":path", "/behind"),
];

/// The library resets such a stream before there is a request: nothing of it is seen here.
#[test]
fn a_stream_that_breaks_the_protocol_is_reset() {
    let trial = Trial::forwarding("{}");
    let rows: [(&str, &[(&str, &str)]); 12] = [
        ("connection", &[("connection", "close")]),
        ("transfer-encoding", &[("transfer-encoding", "chunked")]),
        ("keep-alive", &[("keep-alive", "1")]),
        ("proxy-connection", &[("proxy-connection", "close")]),
        ("upgrade", &[("upgrade", "websocket")]),
        ("te", &[("te", "gzip")]),
        ("capitals", &[("Name", "1")]),
        ("a pseudo field behind", &[(":path", "/again")]),
        ("an unknown pseudo field", &[(":name", "1")]),
        ("a line break", &[("name", "a\r\nb: c")]),
        ("a NUL", &[("name", "a\0b")]),
        ("a name with a space", &[("na me", "a")]),
    ];
    for (name, fields) in rows {
        let mut bad = GOOD.to_vec();
        bad[3] = (":path", "/bad");
        bad.extend_from_slice(fields);
        let fates = by_hand(trial.gateway.address(), &[&bad, GOOD]);
        check_reset(name, &fates);
        let outcome = trial.outcome(String::new());
        let bad = outcome
            .forwarded
            .iter()
            .filter(|text| text.contains("/bad"));
        assert_eq!(bad.count(), 0, "{name}: {outcome:#?}");
    }
    trial.gateway.stop();
}

#[test]
fn a_stream_without_its_pseudo_fields_is_reset() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("no method", 0, (":scheme", "http")),
        ("no path", 3, (":scheme", "http")),
        ("an empty path", 3, (":path", "")),
        ("a path without a slash", 3, (":path", "bad")),
        ("a control byte in the path", 3, (":path", "/a\x01")),
        ("a space in the path", 3, (":path", "/a b")),
    ];
    for (name, at, field) in rows {
        let mut bad = GOOD.to_vec();
        bad[at] = field;
        let fates = by_hand(trial.gateway.address(), &[&bad, GOOD]);
        check_reset(name, &fates);
        trial.outcome(String::new());
    }
    trial.gateway.stop();
}

/// The first stream is reset or refused with 400, and the second is answered 200; or the first ends
/// the connection.
fn check_reset(name: &str, fates: &[(u32, Fate)]) {
    let of = |id: u32| fates.iter().find(|fate| fate.0 == id).map(|fate| fate.1);
    if let [(0, Fate::Away(code))] = fates {
        assert_ne!(*code, 0, "{name}");
        return;
    }
    let first = of(1);
    assert!(
        matches!(first, Some(Fate::Reset(_) | Fate::Answered(0x8c))),
        "{name}: {fates:?}"
    );
    assert_eq!(of(3), Some(Fate::Answered(0x88)), "{name}: {fates:?}");
}

#[test]
fn an_upstream_that_breaks_off_resets_the_stream() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    let trial = Trial::with("{}", "", Upstream::closing(answer));
    let mut connection = Connection::open(trial.gateway.address());
    let broken = connection.get("/bad");
    assert!(broken.is_err(), "{broken:?}");
    assert_eq!(connection.get("/after/x").unwrap().status, 200);
    drop(connection);
    let outcome = trial.outcome(String::new());
    outcome.check_lines("broken", &[(200, Some("UpstreamAborted")), (200, None)]);
    trial.gateway.stop();
}
