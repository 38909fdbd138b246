//! What the log tells of a request that is refused before it has a rule.

use tollgate_tests::trial::{BEHIND, Trial};

#[test]
fn a_refusal_is_logged_with_the_host_and_the_path_that_it_is_for() {
    let trial = Trial::forwarding("{body: 8}");
    let host = "host: A.example:80\r\n";
    let rows = [
        (
            "a body that is too large",
            format!("POST //bad?q HTTP/1.1\r\n{host}content-length: 9\r\n\r\n"),
            (413, Some("a.example"), Some("/bad")),
        ),
        (
            "a path without a canonical form",
            format!("GET /bad%2f?q HTTP/1.1\r\n{host}\r\n"),
            (400, Some("a.example"), Some("/bad%2f")),
        ),
        (
            "a protocol that is not built yet",
            format!("GET /bad HTTP/1.1\r\n{host}upgrade: websocket\r\n\r\n"),
            (501, Some("a.example"), Some("/bad")),
        ),
        (
            "a target that names the host",
            "GET http://a.example/bad%00 HTTP/1.1\r\nhost: a.example\r\n\r\n".to_owned(),
            (400, Some("a.example"), Some("/bad%00")),
        ),
        (
            "no path",
            "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n".to_owned(),
            (501, Some("a.example"), None),
        ),
        (
            "two hosts",
            format!("GET /bad HTTP/1.1\r\n{host}host: b.example\r\n\r\n"),
            (400, None, Some("/bad")),
        ),
        (
            "a host that is no authority",
            "GET /bad HTTP/1.1\r\nhost: user:secret@a.example\r\n\r\n".to_owned(),
            (400, None, Some("/bad")),
        ),
    ];
    for (name, request, expected) in rows {
        let outcome = trial.send(request + BEHIND);
        let line = &outcome.lines[0];
        let text = |field: &str| line.get(field).map(|value| value.as_str().unwrap());
        let found = (line["status"].as_u64().unwrap(), text("host"), text("path"));
        assert_eq!(found, expected, "{name}: {line:#}");
        assert_eq!(text("listener"), Some("http"), "{name}: {line:#}");
    }
    trial.gateway.stop();
}
