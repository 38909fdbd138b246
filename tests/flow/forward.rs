//! What an upstream gets, what of its answer reaches the client, and which upstream is asked.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{Shutdown, SocketAddr},
    sync::{Mutex, mpsc},
};

use tollgate_tests::{
    client,
    gateway::{DEADLINE, Gateway},
    session::Session,
    upstream::{Upstream, read_request},
    write,
};

#[test]
fn a_request_reaches_the_service_and_its_answer_the_client() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let reply = gateway.get("/a?b=c");
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    let seen = &upstream.seen(1)[0];
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: a.example\r\n"), "{seen}");
    assert!(
        seen.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
        "{seen}"
    );
    let line = &gateway.lines(1)[0];
    assert_eq!(line["status"], 200);
    assert_eq!(line["rule"], "all");
    assert_eq!(line["upstream"], upstream.address.to_string());
    gateway.stop();
}

/// A rule for everything with these backends (YAML flow list) and more fields.
fn rule(backends: &str, more: &str) -> String {
    let rule = format!(
        "  - {{name: all, match: [{{path: \"/{{rest+}}\"}}, {{path: /}}], {more}backends: [{backends}]}}"
    );
    write::gateway_with(&rule)
}

#[test]
fn fields_of_one_connection_stay_there_on_the_way_out() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let fields = [
        ("connection", "close, X-Listed"),
        ("x-listed", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-later"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "keep-alive"),
        ("expect", "100-continue"),
        ("authorization", "Bearer x"),
        ("x-kept", "1"),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ];
    let reply = client::request(gateway.address(), "GET", "/", &fields, "");
    assert_eq!(reply.status, 200);
    let seen = &upstream.seen(1)[0];
    for gone in &fields[..10] {
        let name = format!("\r\n{}:", gone.0);
        assert!(!seen.contains(&name), "{}: {seen}", gone.0);
    }
    for (name, value) in &fields[10..] {
        assert!(
            seen.contains(&format!("\r\n{name}: {value}\r\n")),
            "{name}: {seen}"
        );
    }
    gateway.stop();
}

#[test]
fn fields_of_one_connection_stay_there_on_the_way_back() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-listed\r\nx-listed: 1\r\nkeep-alive: \
         timeout=5\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nx-kept: 1\r\nset-cookie: \
         a=1\r\nset-cookie: b=2\r\nserver: theirs\r\nx-request-id: theirs\r\n\
         content-length: 5\r\n\r\nhello",
    );
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    let reply = session.get("/").unwrap();
    for gone in [
        "connection",
        "x-listed",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
    ] {
        assert_eq!(reply.header(gone), None, "{reply:?}");
    }
    assert_eq!(reply.header("x-kept"), Some("1"));
    assert_eq!(reply.header("server"), Some("theirs"));
    let cookies = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let cookies: Vec<_> = cookies.map(|(_, value)| value.as_str()).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let ids: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "x-request-id")
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(ids[0].1.len(), 36, "{ids:?}");
    assert_eq!(
        session.get("/").unwrap().status,
        200,
        "the connection goes on"
    );
    gateway.stop();
}

#[test]
fn a_url_backend_gets_its_own_host_and_its_path_in_front() {
    let upstream = Upstream::echo();
    let at = upstream.address;
    let rows = [
        (
            "plain",
            format!("http://{at}"),
            "",
            "/a/b?c",
            "/a/b?c",
            at.to_string(),
        ),
        (
            "path",
            format!("http://{at}/api"),
            "",
            "/a/b?c",
            "/api/a/b?c",
            at.to_string(),
        ),
        (
            "slash",
            format!("http://{at}/api/"),
            "",
            "/a/",
            "/api/a/",
            at.to_string(),
        ),
        (
            "stripped",
            format!("http://{at}/api"),
            "rewrite: {stripPrefix: /a}, ",
            "/a/b",
            "/api/b",
            at.to_string(),
        ),
        (
            "name",
            format!("http://localhost:{}/x", at.port()),
            "",
            "/",
            "/x/",
            format!("localhost:{}", at.port()),
        ),
    ];
    for (index, (name, url, more, path, expected, host)) in rows.into_iter().enumerate() {
        let gateway = Gateway::serving(&rule(&format!("{{url: \"{url}\"}}"), more));
        assert_eq!(gateway.get(path).status, 200, "{name}");
        let seen = &upstream.seen(index + 1)[index];
        assert!(
            seen.starts_with(&format!("GET {expected} HTTP/1.1\r\n")),
            "{name}: {seen}"
        );
        assert!(
            seen.contains(&format!("\r\nhost: {host}\r\n")),
            "{name}: {seen}"
        );
        assert!(
            seen.contains("\r\nx-forwarded-host: a.example\r\n"),
            "{name}: {seen}"
        );
        gateway.stop();
    }
}

#[test]
fn a_prefix_is_stripped_in_whole_segments() {
    let upstream = Upstream::echo();
    let manifests = rule(
        "{service: {name: up, port: 80}}",
        "rewrite: {stripPrefix: /v1/old}, ",
    ) + &write::service("up", &[upstream.address]);
    let gateway = Gateway::serving(&manifests);
    let rows = [
        ("below", "/v1/old/a?b", "/a?b"),
        ("itself", "/v1/old", "/"),
        ("with a slash", "/v1/old/", "/"),
        ("slash kept", "/v1/old/a/", "/a/"),
        ("part of a segment", "/v1/older/a", "/v1/older/a"),
        ("elsewhere", "/v2/old/a", "/v2/old/a"),
        ("canonical first", "/v1/./x/../old//a", "/a"),
    ];
    for (index, (name, path, expected)) in rows.into_iter().enumerate() {
        assert_eq!(gateway.get(path).status, 200, "{name}");
        let seen = &upstream.seen(index + 1)[index];
        assert!(
            seen.starts_with(&format!("GET {expected} HTTP/1.1\r\n")),
            "{name}: {seen}"
        );
    }
    gateway.stop();
}

/// How often each address answered, out of `count` requests, by the log.
fn shares(gateway: &Gateway, count: usize) -> BTreeMap<String, usize> {
    let mut session = Session::open(gateway.address());
    for _ in 0..count {
        assert_eq!(session.get("/").unwrap().status, 200);
    }
    let mut shares = BTreeMap::new();
    for line in gateway.lines(count) {
        *shares
            .entry(line["upstream"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    shares
}

#[test]
fn backends_share_the_requests_by_weight() {
    let (nine, one, none) = (Upstream::echo(), Upstream::echo(), Upstream::echo());
    let backend = |at: SocketAddr, weight| format!("{{url: \"http://{at}\", weight: {weight}}}");
    let manifests = rule(
        &[
            backend(nine.address, 9),
            backend(one.address, 1),
            backend(none.address, 0),
        ]
        .join(", "),
        "",
    );
    let gateway = Gateway::serving(&manifests);
    let shares = shares(&gateway, 1000);
    // 100 are expected of 1000, with a standard deviation below 10: these bounds are eight away.
    let rare = shares[&one.address.to_string()];
    assert!((20..=180).contains(&rare), "{shares:?}");
    assert_eq!(none.count(), 0);
    gateway.stop();
}

#[test]
fn endpoints_share_the_requests() {
    let upstreams = [Upstream::echo(), Upstream::echo(), Upstream::echo()];
    let at = [0, 1, 2].map(|index: usize| upstreams[index].address);
    let manifests = rule("{service: {name: up, port: 80}}", "") + &write::service("up", &at);
    let gateway = Gateway::serving(&manifests);
    let shares = shares(&gateway, 600);
    for upstream in &upstreams {
        // 200 are expected, with a standard deviation below 12.
        let share = shares[&upstream.address.to_string()];
        assert!((100..=300).contains(&share), "{shares:?}");
    }
    gateway.stop();
}

#[test]
fn a_dead_endpoint_is_passed_over() {
    let upstream = Upstream::echo();
    let at = [Upstream::nowhere(), upstream.address];
    let manifests = rule("{service: {name: up, port: 80}}", "") + &write::service("up", &at);
    let gateway = Gateway::serving(&manifests);
    let mut session = Session::open(gateway.address());
    for _ in 0..40 {
        session
            .write("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody")
            .unwrap();
        assert_eq!(session.reply().unwrap().body, "hello");
    }
    let seen = upstream.seen(40);
    assert_eq!(seen.len(), 40, "none is sent twice");
    assert!(seen.iter().all(|request| request.ends_with("\r\n\r\nbody")));
    gateway.stop();
}

#[test]
fn with_all_endpoints_dead_the_answer_is_a_refusal() {
    let at = [Upstream::nowhere(), Upstream::nowhere()];
    let manifests = rule("{service: {name: up, port: 80}}", "") + &write::service("up", &at);
    let gateway = Gateway::serving(&manifests);
    assert_eq!(gateway.get("/").status, 502);
    assert_eq!(gateway.lines(1)[0]["reason"], "UpstreamUnreachable");
    gateway.stop();
}

#[test]
fn a_request_that_was_written_is_not_sent_again() {
    let silent = Upstream::with(|stream, seen| {
        if let Some(request) = read_request(stream) {
            seen.lock().unwrap().push(request);
        }
    });
    let at = [silent.address, silent.address];
    let manifests = rule("{service: {name: up, port: 80}}", "") + &write::service("up", &at);
    let gateway = Gateway::serving(&manifests);
    assert_eq!(gateway.get("/").status, 502);
    assert_eq!(gateway.lines(1)[0]["reason"], "UpstreamReset");
    assert_eq!(silent.count(), 1);
    gateway.stop();
}

#[test]
fn a_connection_that_the_upstream_closed_at_rest_is_replaced() {
    let (closed, is_closed) = mpsc::channel();
    let closed = Mutex::new(closed);
    let upstream = Upstream::with(move |stream, seen| {
        if let Some(request) = read_request(stream) {
            seen.lock().unwrap().push(request);
            // It does not say that it closes.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
            stream.shutdown(Shutdown::Both).unwrap();
            closed.lock().unwrap().send(()).unwrap();
        }
    });
    let rule = "  - {name: all, match: [{path: /}], backends: [{service: {name: up, port: 80}}]}";
    let manifests = write::gateway_with(rule) + &write::service("up", &[upstream.address]);
    let gateway = Gateway::serving(&manifests);
    let mut session = Session::open(gateway.address());
    for _ in 0..20 {
        assert_eq!(session.get("/").unwrap().status, 200);
        is_closed.recv_timeout(DEADLINE).unwrap();
        // The gateway's side has been told by the time that it has answered another question.
        assert_eq!(gateway.get("/none").status, 404);
    }
    assert_eq!(upstream.count(), 20);
    gateway.stop();
}

#[test]
fn connections_to_an_upstream_are_used_again() {
    let upstream = Upstream::with(|stream, seen| {
        seen.lock().unwrap().push("a connection".into());
        while read_request(stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    // Whether the client keeps its own connection does not matter.
    for _ in 0..5 {
        assert_eq!(gateway.get("/").body, "hello");
    }
    let mut session = Session::open(gateway.address());
    for _ in 0..20 {
        assert_eq!(session.get("/").unwrap().body, "hello");
    }
    assert_eq!(upstream.count(), 1);
    gateway.stop();
}

#[test]
fn an_http_1_0_client_is_answered_in_its_way() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let gateway = Gateway::in_front_of(&upstream);
    let ask = |head: &str| {
        let mut session = Session::open(gateway.address());
        session.write(format!("{head}\r\n\r\n")).unwrap();
        session.rest().unwrap()
    };
    let answer = ask("GET / HTTP/1.0\r\nhost: a.example");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let seen = &upstream.seen(1)[0];
    assert!(seen.starts_with("GET / HTTP/1.1\r\n"), "{seen}");
    let answer = ask("GET / HTTP/1.0");
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n"),
        "any host's routes: {answer}"
    );
    assert_eq!(gateway.lines(1)[0]["protocol"], "HTTP/1.0");
    gateway.stop();
}

#[test]
fn a_client_keeps_its_connection_and_may_send_ahead() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    let one = "GET /1 HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let two = "POST /2 HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody";
    let three = "GET /3 HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
    session.write([one, two, three].concat()).unwrap();
    for _ in 0..3 {
        assert_eq!(session.reply().unwrap().body, "hello");
    }
    assert!(session.is_closed_silently());
    let seen = upstream.seen(3);
    for (request, line) in seen.iter().zip(["GET /1 ", "POST /2 ", "GET /3 "]) {
        assert!(request.starts_with(line), "{request}");
    }
    gateway.stop();
}

#[test]
fn answers_without_a_body_keep_the_connection_in_step() {
    let upstream = Upstream::with(|stream, _| {
        while let Some(request) = read_request(stream) {
            let answer: &[u8] = match request.split(' ').nth(1).unwrap() {
                "/204" => b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
                "/304" => b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 5\r\n\r\n",
                "/0" => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                _ if request.starts_with("HEAD") => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            };
            let _ = stream.write_all(answer);
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    let (no_content, not_modified) = (session.get("/204").unwrap(), session.get("/304").unwrap());
    assert_eq!(
        (no_content.status, no_content.header("x-a")),
        (204, Some("1"))
    );
    assert_eq!(
        (not_modified.status, not_modified.header("etag")),
        (304, Some("\"a\""))
    );
    assert_eq!(
        session.get("/0").unwrap().header("content-length"),
        Some("0")
    );
    session
        .write("HEAD /a HTTP/1.1\r\nhost: a.example\r\n\r\n")
        .unwrap();
    let head = session.head().unwrap();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("5"))
    );
    assert_eq!(session.get("/a").unwrap().body, "hello");
    gateway.stop();
}
