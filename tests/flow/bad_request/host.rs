//! Whom and what a request asks for: hosts, paths and methods that nothing serves.

use tollgate_tests::{
    client,
    trial::{AFTER, Expect, Trial},
    upstream::Upstream,
    write,
};

/// A request with these lines in place of the Host.
fn with(lines: &str) -> String {
    format!("GET /bad HTTP/1.1\r\n{lines}\r\n")
}

#[test]
fn a_host_that_is_no_authority_is_refused() {
    let trial = Trial::forwarding("{}");
    let stays = Expect::Stays(400, "BadRequest");
    let rows = [
        ("none", ""),
        ("empty", "host: \r\n"),
        ("userinfo", "host: user@a.example\r\n"),
        ("user and password", "host: user:pass@a.example\r\n"),
        ("a port that is no number", "host: a.example:x\r\n"),
        ("a port that is too large", "host: a.example:65536\r\n"),
        ("a port with a sign", "host: a.example:+80\r\n"),
        ("two ports", "host: a.example:80:80\r\n"),
        ("a port alone", "host: :80\r\n"),
        ("a path", "host: a.example/b\r\n"),
        ("a url", "host: http://a.example\r\n"),
        ("a query", "host: a.example?b\r\n"),
        ("a fragment", "host: a.example#b\r\n"),
        ("a list", "host: a.example, b.example\r\n"),
        ("a space", "host: a.example b.example\r\n"),
        ("a backslash", "host: a.example\\b\r\n"),
        ("an escape", "host: a%2eexample\r\n"),
        ("an open bracket", "host: [::1\r\n"),
        ("an address that is none", "host: [::x]\r\n"),
        ("bytes behind a bracket", "host: [::1]x\r\n"),
        ("bytes that are no ascii", "host: \u{e4}.example\r\n"),
    ];
    for (name, lines) in rows {
        trial.check(name, with(lines), stays);
    }
    trial.gateway.stop();
}

#[test]
fn two_hosts_end_the_connection() {
    let trial = Trial::forwarding("{}");
    let closes = Expect::Closes(400, "BadRequest");
    let rows = [
        ("different", "host: a.example\r\nhost: b.example\r\n"),
        ("the same", "host: a.example\r\nhost: a.example\r\n"),
        ("one empty", "host: a.example\r\nHost:\r\n"),
    ];
    for (name, lines) in rows {
        trial.check(name, with(lines), closes);
    }
    trial.gateway.stop();
}

#[test]
fn a_target_of_another_host_is_refused() {
    let trial = Trial::forwarding("{}");
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let stays = Expect::Stays(400, "BadRequest");
    let rows = [
        ("another host", "http://b.example/bad"),
        ("another port", "http://a.example:81/bad"),
        ("userinfo", "http://user@a.example/bad"),
        ("an authority alone", "a.example"),
    ];
    for (name, target) in rows {
        trial.check(name, request(target), stays);
    }
    let none = "GET http://a.example/bad HTTP/1.1\r\n\r\n";
    trial.check("no host", none, stays);
    let forwarded = Expect::Forwarded("GET /bad?q HTTP/1.1");
    trial.check(
        "the same host",
        request("http://a.example/bad?q"),
        forwarded,
    );
    trial.gateway.stop();
}

/// A gateway that serves only `a.example`, `/v1/thing` by GET and POST.
fn strict() -> Trial {
    let upstream = Upstream::echo();
    let rules = format!(
        "{AFTER}  - {{name: thing, match: [{{method: GET, path: /v1/thing}}, {{method: POST, path: \
         /v1/thing}}, {{path: /behind}}], backends: [{{service: {{name: up, port: 80}}}}]}}"
    );
    let manifests = format!(
        "{}---\n{}{}",
        write::gateway("{}"),
        write::route("r", "  hostnames: [a.example]\n", &rules),
        write::service("up", &[upstream.address])
    );
    Trial::of(&manifests, upstream)
}

#[test]
fn what_nothing_serves_is_not_found() {
    let trial = strict();
    let request = |host: &str, path: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let stays = Expect::Stays(404, "NotFound");
    trial.check("host", request("b.example", "/v1/thing"), stays);
    trial.check("host below", request("x.a.example", "/v1/thing"), stays);
    trial.check("path", request("a.example", "/v1"), stays);
    trial.check("path below", request("a.example", "/v1/thing/x"), stays);
    trial.check("case of the path", request("a.example", "/v1/Thing"), stays);
    let all = "OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n";
    trial.check("the server as a whole", all, stays);
    let served = Expect::Forwarded("GET /v1/thing HTTP/1.1");
    trial.check(
        "case and port",
        request("A.Example:8080", "/v1/thing"),
        served,
    );
    trial.gateway.stop();
}

#[test]
fn a_method_that_no_rule_takes_is_told_which_are() {
    let trial = strict();
    for method in ["DELETE", "PATCH", "get", "TRACE", "X"] {
        let request = format!("{method} /v1/thing HTTP/1.1\r\nhost: a.example\r\n\r\n");
        trial.check(method, request, Expect::Stays(405, "MethodNotAllowed"));
    }
    let reply = client::request(trial.gateway.address(), "DELETE", "/v1/thing", &[], "");
    assert_eq!(reply.header("allow"), Some("GET, HEAD, POST"));
    trial.gateway.stop();
}
