//! Heads that can't be read, and heads that are too large: answered by the HTTP library.

use tollgate_tests::trial::{Expect, Trial};

/// A head with one more field.
fn with(field: &str) -> String {
    format!("GET /bad HTTP/1.1\r\nhost: a.example\r\n{field}\r\n\r\n")
}

/// A head with another request line.
fn asking(line: &str) -> String {
    format!("{line}\r\nhost: a.example\r\n\r\n")
}

#[test]
fn a_malformed_request_line_ends_the_connection() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("no version", "GET /bad"),
        ("no path", "GET HTTP/1.1"),
        ("unknown version", "GET /bad HTTP/9.9"),
        ("another protocol", "GET /bad XTTP/1.1"),
        ("no digits of a version", "GET /bad HTTP/1"),
        ("two spaces", "GET  /bad HTTP/1.1"),
        ("a space in the path", "GET /bad /bad HTTP/1.1"),
        ("a space in front", " GET /bad HTTP/1.1"),
        ("no method", "/bad HTTP/1.1"),
        ("a method that is no token", "G@T /bad HTTP/1.1"),
        ("a NUL in the path", "GET /bad\0 HTTP/1.1"),
        ("a tab for a space", "GET\t/bad\tHTTP/1.1"),
        (
            "the start of TLS",
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
        ),
        ("no slash", "GET bad?x HTTP/1.1"),
    ];
    for (name, line) in rows {
        trial.check(name, asking(line), Expect::Bare(400, "BadRequest"));
    }
    trial.gateway.stop();
}

#[test]
fn a_malformed_field_ends_the_connection() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("a name that is no token", "b@d: 1"),
        ("a name with a space", "na me: 1"),
        ("a name with a NUL", "na\0me: 1"),
        ("an empty name", ": 1"),
        ("a space before the colon", "name : 1"),
        ("a tab before the colon", "name\t: 1"),
        ("no colon", "name"),
        ("a folded line", "name: 1\r\n more"),
        ("a line folded by a tab", "name: 1\r\n\tmore"),
        ("a folded encoding", "transfer-encoding:\r\n chunked"),
        ("a NUL", "name: a\0b"),
        ("a control byte", "name: a\x01b"),
        ("a delete", "name: a\x7fb"),
        ("a bare CR", "name: a\rb: c"),
        (
            "a CR for a line's end",
            "name: a\rtransfer-encoding: chunked",
        ),
    ];
    for (name, field) in rows {
        trial.check(name, with(field), Expect::Bare(400, "BadRequest"));
    }
    trial.gateway.stop();
}

#[test]
fn a_folded_first_field_ends_the_connection() {
    let trial = Trial::forwarding("{}");
    let request = "GET /bad HTTP/1.1\r\n host: b.example\r\nhost: a.example\r\n\r\n";
    trial.check("folded", request, Expect::Bare(400, "BadRequest"));
    trial.gateway.stop();
}

#[test]
fn a_head_over_its_limit_is_refused() {
    let trial = Trial::forwarding("{headers: 8Ki}");
    let rows = [
        (
            "one long field",
            with(&format!("name: {}", "a".repeat(9 << 10))),
        ),
        (
            "many fields",
            with(
                &"name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
                    .repeat(90)
                    .repeat(3),
            ),
        ),
        (
            "a long path",
            asking(&format!("GET /{} HTTP/1.1", "a".repeat(9 << 10))),
        ),
    ];
    for (name, request) in rows {
        trial.check(name, request, Expect::Bare(431, "HeadersTooLarge"));
    }
    let fits = with(&format!("name: {}", "a".repeat(7 << 10)));
    trial.check("fits", fits, Expect::Forwarded("GET /bad HTTP/1.1"));
    trial.gateway.stop();
}

#[test]
fn more_fields_than_the_limit_are_refused() {
    let trial = Trial::forwarding("{headerCount: 10}");
    let fields = |count: usize| with(&vec!["name: 1"; count].join("\r\n"));
    let forwarded = Expect::Forwarded("GET /bad HTTP/1.1");
    trial.check("ten with the host", fields(9), forwarded);
    let refused = Expect::Bare(431, "HeadersTooLarge");
    trial.check("eleven with the host", fields(10), refused);
    trial.check("many", fields(200), refused);
    trial.gateway.stop();
}

#[test]
fn a_target_that_is_too_long_is_refused() {
    let trial = Trial::forwarding("{headers: 128Ki}");
    let line = format!("GET /{} HTTP/1.1", "a".repeat(70_000));
    let refused = Expect::Bare(414, "UriTooLong");
    trial.check("path", asking(&line), refused);
    let line = format!("GET /bad?{} HTTP/1.1", "a".repeat(70_000));
    trial.check("query", asking(&line), refused);
    trial.gateway.stop();
}

#[test]
fn a_head_that_breaks_off_is_forgotten() {
    let trial = Trial::forwarding("{}");
    let text = trial.gateway.raw("GET /bad HTTP/1.1\r\nhost: a.exam");
    let outcome = trial.outcome(text);
    assert_eq!(outcome.text, "");
    assert_eq!(outcome.forwarded.len(), 0, "{outcome:#?}");
    outcome.check_lines("no request", &[]);
    trial.gateway.stop();
}
