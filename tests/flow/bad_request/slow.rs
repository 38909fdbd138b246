//! Clients that take their time: what each may take, and how it ends.

use tollgate_tests::{
    client,
    trial::{Expect, Trial, check_refusal},
    upstream::Upstream,
};

#[test]
fn a_head_that_does_not_end_in_time_is_answered_barely() {
    let trial = Trial::forwarding("{headerTimeout: 200ms}");
    let rows = [
        ("one byte", "G"),
        ("half a line", "GET /bad HT"),
        ("no host", "GET /bad HTTP/1.1\r\n"),
        ("no end", "GET /bad HTTP/1.1\r\nhost: a.example\r\n"),
    ];
    for (name, part) in rows {
        trial
            .send(part)
            .check(name, Expect::Bare(408, "RequestTimeout"));
    }
    trial.gateway.stop();
}

#[test]
fn a_second_head_that_does_not_end_in_time_is_answered_barely() {
    let trial = Trial::forwarding("{headerTimeout: 200ms}");
    let mut stream = trial.connect();
    client::write(
        &mut stream,
        b"GET /good HTTP/1.1\r\nhost: a.example\r\n\r\n",
    );
    let first = client::read_one(&mut stream);
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    client::write(&mut stream, b"GET /bad HTTP/1.1\r\n");
    let outcome = trial.outcome(client::read(&mut stream));
    assert_eq!(outcome.answers()[0].status, 408, "{outcome:#?}");
    outcome.check_lines("second", &[(200, None), (408, Some("RequestTimeout"))]);
    trial.gateway.stop();
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_closed_silently() {
    let trial = Trial::forwarding("{idleTimeout: 500ms, headerTimeout: 10s}");
    let outcome = trial.send("");
    assert_eq!(outcome.text, "");
    outcome.check_lines("never used", &[]);
    let mut stream = trial.connect();
    client::write(
        &mut stream,
        b"GET /good HTTP/1.1\r\nhost: a.example\r\n\r\n",
    );
    client::read_one(&mut stream);
    let outcome = trial.outcome(client::read(&mut stream));
    assert_eq!(outcome.text, "");
    outcome.check_lines("used once", &[(200, None)]);
    trial.gateway.stop();
}

#[test]
fn a_body_that_does_not_come_in_time_is_refused() {
    let rules = "  - {name: short, match: [{path: /short}], timeout: 300ms, backends: [{service: \
                 {name: up, port: 80}}]}\n";
    let trial = Trial::with("{}", rules, Upstream::echo());
    let rows = [
        ("no byte", "content-length: 10\r\n\r\n"),
        ("half", "content-length: 10\r\n\r\nhello"),
        ("chunks", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("half a chunk", "transfer-encoding: chunked\r\n\r\n5\r\nhe"),
    ];
    for (name, rest) in rows {
        let request = format!("POST /short HTTP/1.1\r\nhost: a.example\r\n{rest}");
        let outcome = trial.send(request);
        check_refusal(name, &outcome.answers()[0], 408);
        outcome.check(name, Expect::Closes(408, "RequestTimeout"));
    }
    trial.gateway.stop();
}
