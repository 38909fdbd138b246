//! What a client may ask of the connection itself, and what it may try to get past us.

use tollgate_tests::{
    client::{self, Reply},
    trial::{BEHIND, Expect, Trial},
    upstream::Upstream,
};

fn get(fields: &str) -> String {
    format!("GET /bad HTTP/1.1\r\nhost: a.example\r\n{fields}\r\n")
}

#[test]
fn a_protocol_that_is_not_built_yet_is_refused() {
    let trial = Trial::forwarding("{}");
    let connect = "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n".to_owned();
    let grpc = |kind: &str| {
        format!(
            "POST /bad HTTP/1.1\r\nhost: a.example\r\ncontent-type: {kind}\r\ncontent-length: \
             0\r\n\r\n"
        )
    };
    let rows = [
        ("connect", connect),
        (
            "websocket",
            get("connection: upgrade\r\nupgrade: websocket\r\n"),
        ),
        (
            "websocket in capitals",
            get("connection: Upgrade\r\nupgrade: WebSocket\r\n"),
        ),
        (
            "websocket in a list",
            get("connection: upgrade\r\nupgrade: h2c, websocket\r\n"),
        ),
        ("grpc", grpc("application/grpc")),
        ("grpc with a format", grpc("application/grpc+proto")),
    ];
    for (name, request) in rows {
        trial.check(name, request, Expect::Closes(501, "NotImplemented"));
    }
    trial.gateway.stop();
}

#[test]
fn another_upgrade_is_left_out() {
    let trial = Trial::forwarding("{}");
    for protocol in ["h2c", "TLS/1.0", "IRC/6.9"] {
        let fields = format!(
            "connection: upgrade, http2-settings\r\nupgrade: {protocol}\r\nhttp2-settings: AAA\r\n"
        );
        let outcome = trial.send(get(&fields) + BEHIND);
        let forwarded = outcome.forwarded[0].clone();
        outcome.check(protocol, Expect::Forwarded("GET /bad HTTP/1.1"));
        for field in ["\r\nupgrade:", "\r\nhttp2-settings:", "\r\nconnection:"] {
            assert!(!forwarded.contains(field), "{protocol}: {forwarded}");
        }
    }
    trial.gateway.stop();
}

#[test]
fn a_client_that_waits_to_continue_may() {
    let trial = Trial::forwarding("{}");
    let mut stream = trial.connect();
    let head = "POST /bad HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: \
                5\r\n\r\n";
    client::write(&mut stream, head.as_bytes());
    let interim = client::read_until(&mut stream, b"\r\n\r\n");
    assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client::write(&mut stream, format!("hello{BEHIND}").as_bytes());
    let outcome = trial.outcome(client::read(&mut stream));
    assert!(
        outcome.forwarded[0].ends_with("\r\n\r\nhello"),
        "{outcome:#?}"
    );
    assert!(!outcome.forwarded[0].contains("expect:"), "{outcome:#?}");
    outcome.check("continue", Expect::Forwarded("POST /bad HTTP/1.1"));
    trial.gateway.stop();
}

#[test]
fn a_client_that_waits_to_continue_is_refused_before_its_body() {
    let trial = Trial::forwarding("{body: 8}");
    let request = "POST /bad HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\n\
                   content-length: 9\r\n\r\n";
    let closes = Expect::Closes(413, "BodyTooLarge");
    trial.send(request).check("too large", closes);
    trial.gateway.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let rules = "  - {name: one, match: [{path: /one}], respond: {status: 200, body: one}}\n  - \
                 {name: two, match: [{path: /two}], respond: {status: 200, body: two}}\n";
    let trial = Trial::with("{}", rules, Upstream::echo());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let requests = [
        get("/one"),
        get("/up"),
        get("/a%00"),
        get("/two"),
        BEHIND.to_owned(),
    ];
    let outcome = trial.send(requests.concat());
    let bodies: Vec<_> = outcome.answers().into_iter().map(|a| a.body).collect();
    let refusal = r#"{"message":"Bad Request"}"#;
    assert_eq!(bodies, ["one", "hello", refusal, "two", "hello"]);
    let good = (200, None);
    let refused = (400, Some("BadRequest"));
    outcome.check_lines("pipelined", &[good, good, refused, good, good]);
    trial.gateway.stop();
}

#[test]
fn a_broken_request_behind_a_good_one_spoils_only_itself() {
    let trial = Trial::forwarding("{}");
    let good = "GET /good HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let outcome = trial.send(format!("{good}BAD\r\n\r\n{BEHIND}"));
    let statuses: Vec<_> = outcome.answers().iter().map(|a| a.status).collect();
    assert_eq!(statuses, [200, 400]);
    outcome.check_lines("broken", &[(200, None), (400, Some("BadRequest"))]);
    assert_eq!(outcome.forwarded.len(), 1, "{outcome:#?}");
    trial.gateway.stop();
}

#[test]
fn a_client_cannot_strip_or_forge_what_we_say_of_it() {
    let trial = Trial::forwarding("{}");
    let fields = "connection: x-forwarded-for, x-forwarded-host, x-request-id, host, x-mine\r\n\
                  x-forwarded-for: 192.0.2.66\r\nx_forwarded_for: 192.0.2.66\r\n\
                  X-Forwarded_For: 192.0.2.66\r\nx-forwarded-host: forged.example\r\n\
                  x-forwarded-proto: https\r\nx-real-ip: 192.0.2.66\r\nx_real_ip: 192.0.2.66\r\n\
                  forwarded: for=192.0.2.66\r\nx-request-id: forged\r\nx_request_id: forged\r\n\
                  x-tollgate_consumer: forged\r\nx-mine: forged\r\nx-kept: kept\r\n";
    let outcome = trial.send(get(fields) + BEHIND);
    let forwarded = outcome.forwarded[0].clone();
    let id = outcome.lines[0]["request.id"].as_str().unwrap().to_owned();
    assert_eq!(outcome.lines[0]["clientIp"], "127.0.0.1");
    outcome.check("forged", Expect::Forwarded("GET /bad HTTP/1.1"));
    let wanted = [
        "host: a.example".to_owned(),
        "x-forwarded-for: 127.0.0.1".to_owned(),
        "x-forwarded-host: a.example".to_owned(),
        "x-forwarded-proto: http".to_owned(),
        format!("x-request-id: {id}"),
        "x-kept: kept".to_owned(),
    ];
    for line in &wanted {
        let count = forwarded.matches(&format!("\r\n{line}\r\n")).count();
        assert_eq!(count, 1, "{line}: {forwarded}");
    }
    for forged in ["192.0.2.66", "forged", "https", "x-mine", "_"] {
        assert!(!forwarded.contains(forged), "{forged}: {forwarded}");
    }
    trial.gateway.stop();
}

#[test]
fn a_length_that_connection_names_still_frames_the_body() {
    let trial = Trial::forwarding("{}");
    let body = "GET /hidden HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let request = format!(
        "POST /bad HTTP/1.1\r\nhost: a.example\r\nconnection: content-length\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    trial.check("listed", request, Expect::Forwarded("POST /bad HTTP/1.1"));
    trial.gateway.stop();
}

const FIXED: &str =
    "  - {name: fixed, match: [{path: /fixed}], respond: {status: 200, body: fixed}}\n";

#[test]
fn an_answer_to_head_is_whole_without_its_body() {
    let trial = Trial::with("{}", FIXED, Upstream::echo());
    for (path, status, reason) in [("/fixed", 200, None), ("/a%00", 400, Some("BadRequest"))] {
        let head = format!("HEAD {path} HTTP/1.1\r\nhost: a.example\r\n\r\n");
        let outcome = trial.send(format!("{head}{BEHIND}"));
        outcome.check_lines(path, &[(status, reason), (200, None)]);
        assert_eq!(outcome.text.matches("HTTP/1.1 ").count(), 2, "{outcome:#?}");
        let between = outcome
            .text
            .split("HTTP/1.1 200 OK")
            .nth(1)
            .unwrap_or_default();
        assert!(!between.contains("fixed"), "{outcome:#?}");
    }
    trial.gateway.stop();
}

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a.example\r\n\r\n";

#[test]
fn a_request_in_a_body_that_nobody_reads_is_never_a_request() {
    let trial = Trial::with("{}", FIXED, Upstream::echo());
    let length = HIDDEN.len();
    let chunk = format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    let rows = [
        (
            "by its length",
            format!("content-length: {length}\r\n\r\n{HIDDEN}"),
        ),
        (
            "in a chunk",
            format!("transfer-encoding: chunked\r\n\r\n{chunk}"),
        ),
    ];
    for (name, rest) in rows {
        for path in ["/fixed", "/a%00"] {
            let request = format!("POST {path} HTTP/1.1\r\nhost: a.example\r\n{rest}");
            let outcome = trial.send(request + BEHIND);
            check_nothing_hidden(name, &outcome.forwarded, &outcome.answers());
            assert_eq!(
                outcome.lines.len(),
                outcome.answers().len(),
                "{name}: {outcome:#?}"
            );
        }
    }
    trial.gateway.stop();
}

#[test]
fn a_body_that_comes_after_its_answer_is_never_a_request() {
    let trial = Trial::with("{}", FIXED, Upstream::echo());
    for path in ["/fixed", "/a%00"] {
        let mut stream = trial.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a.example\r\ncontent-length: {}\r\n\r\n",
            HIDDEN.len()
        );
        client::write(&mut stream, head.as_bytes());
        let first = client::read_one(&mut stream);
        client::write(&mut stream, format!("{HIDDEN}{BEHIND}").as_bytes());
        let outcome = trial.outcome(first + &client::read(&mut stream));
        check_nothing_hidden(path, &outcome.forwarded, &outcome.answers());
        assert_eq!(
            outcome.lines.len(),
            outcome.answers().len(),
            "{path}: {outcome:#?}"
        );
    }
    trial.gateway.stop();
}

/// The first request is answered, and at most the good one behind it is, too.
fn check_nothing_hidden(name: &str, forwarded: &[String], answers: &[Reply]) {
    assert!(matches!(answers.len(), 1 | 2), "{name}: {answers:#?}");
    assert_eq!(forwarded.len(), answers.len() - 1, "{name}: {forwarded:#?}");
    for request in forwarded {
        assert!(request.starts_with("GET /behind "), "{name}: {request}");
    }
}
