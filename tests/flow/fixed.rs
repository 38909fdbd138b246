//! Answers that a rule holds itself: `respond` and `redirect`.

use tollgate_tests::{client, gateway::Gateway, session::Session, write};

#[test]
fn respond_answers_status_fields_and_body() {
    let rules = "  - {name: gone, match: [{path: \"/old/{rest+}\"}], respond: {status: 410, headers: \
                 {x-why: moved, content-type: text/plain}, body: gone}}\n  - {name: json, match: \
                 [{path: /json}], respond: {status: 200, body: '{}'}}\n  - {name: bare, match: \
                 [{path: /bare}], respond: {status: 204}}";
    let gateway = Gateway::serving(&write::gateway_with(rules));
    let gone = gateway.get("/old/a/b");
    assert_eq!((gone.status, gone.body.as_str()), (410, "gone"));
    assert_eq!(gone.header("x-why"), Some("moved"));
    assert_eq!(gone.header("content-type"), Some("text/plain"));
    assert_eq!(gone.header("content-length"), Some("4"));
    assert!(gone.header("x-request-id").is_some());
    let json = gateway.get("/json");
    assert_eq!(json.header("content-type"), Some("application/json"));
    let bare = gateway.get("/bare");
    assert_eq!((bare.status, bare.body.as_str()), (204, ""));
    assert_eq!(bare.header("content-length"), None);
    assert_eq!(bare.header("content-type"), None);
    let line = &gateway.lines(3)[0];
    assert_eq!(
        (&line["status"], &line["rule"]),
        (&410.into(), &"gone".into())
    );
    assert_eq!(line["bytesOut"], 4);
    gateway.stop();
}

#[test]
fn a_body_that_nobody_reads_does_not_become_the_next_request() {
    let rules =
        "  - {name: fixed, match: [{path: \"/{rest+}\"}], respond: {status: 200, body: ok}}";
    let gateway = Gateway::serving(&write::gateway_with(rules));
    let hidden = "GET /hidden HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let length = hidden.len();
    let mut session = Session::open(gateway.address());
    session
        .write(format!(
            "POST /a HTTP/1.1\r\nhost: a.example\r\ncontent-length: {length}\r\n\r\n{hidden}"
        ))
        .unwrap();
    assert_eq!(session.reply().unwrap().body, "ok");
    assert_eq!(session.get("/b").unwrap().body, "ok");
    let lines = gateway.lines(2);
    let paths: Vec<_> = lines.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, ["/a", "/b"]);
    gateway.stop();
}

#[test]
fn redirect_takes_from_the_request_what_it_does_not_say() {
    let each = [
        ("path", "path: /new"),
        ("host", "host: b.example"),
        ("scheme", "scheme: https"),
        ("port", "port: 8443"),
        (
            "all",
            "scheme: https, host: b.example, port: 444, path: /new",
        ),
        ("own", "scheme: https, port: 443"),
    ];
    let rules = each.map(|(name, parts)| {
        format!(
            "  - {{name: {name}, match: [{{path: \"/{name}\"}}], redirect: {{status: 308, {parts}}}}}"
        )
    });
    let gateway = Gateway::serving(&write::gateway_with(&rules.join("\n")));
    let rows = [
        (
            "path",
            "/path?q=%20",
            "a.example:81",
            "http://a.example:81/new?q=%20",
        ),
        ("host", "/host/", "a.example:81", "http://b.example/host/"),
        (
            "scheme",
            "/scheme",
            "a.example:81",
            "https://a.example/scheme",
        ),
        (
            "port",
            "/port",
            "a.example:81",
            "http://a.example:8443/port",
        ),
        ("all", "/all?q", "a.example", "https://b.example:444/new?q"),
        (
            "the scheme's own port",
            "/own",
            "a.example",
            "https://a.example/own",
        ),
        ("no port", "/path", "A.example", "http://a.example/new"),
    ];
    for (name, path, host, expected) in rows {
        let reply = client::request(gateway.address(), "GET", path, &[("host", host)], "");
        assert_eq!(reply.status, 308, "{name}");
        assert_eq!(reply.header("location"), Some(expected), "{name}");
        assert_eq!(reply.body, "", "{name}");
    }
    gateway.stop();
}

#[test]
fn redirect_answers_each_of_its_statuses() {
    let statuses = [301, 302, 303, 307, 308];
    let rules = statuses.map(|status| {
        format!(
            "  - {{name: r{status}, match: [{{path: /{status}}}], redirect: {{status: {status}, path: \
             /x}}}}"
        )
    });
    let gateway = Gateway::serving(&write::gateway_with(&rules.join("\n")));
    for status in statuses {
        let reply = client::request(
            gateway.address(),
            "POST",
            &format!("/{status}"),
            &[],
            "body",
        );
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("location"), Some("http://a.example/x"));
    }
    gateway.stop();
}
