//! Where a request ends: lengths, encodings and chunks that two servers could read in two ways.

use std::net::Shutdown;

use tollgate_tests::{
    client,
    trial::{BEHIND, Expect, Trial},
};

/// A request with these fields and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /bad HTTP/1.1\r\nhost: a.example\r\n{fields}\r\n\r\n{body}")
}

const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn a_length_beside_chunks_is_dropped_and_the_connection_ends() {
    let trial = Trial::forwarding("{}");
    let rows = [
        (
            "length first",
            "content-length: 5\r\ntransfer-encoding: chunked",
        ),
        (
            "length last",
            "transfer-encoding: chunked\r\ncontent-length: 5",
        ),
        (
            "a length of nothing",
            "content-length: 0\r\ntransfer-encoding: chunked",
        ),
        (
            "a bad length",
            "transfer-encoding: chunked\r\ncontent-length: x",
        ),
        (
            "around",
            "content-length: 4\r\ntransfer-encoding: chunked\r\ncontent-length: 6",
        ),
    ];
    for (name, fields) in rows {
        let outcome = trial.send(post(fields, CHUNKED) + BEHIND);
        let answers = outcome.answers();
        assert_eq!(answers.len(), 1, "{name}: {outcome:#?}");
        if answers[0].status == 400 {
            outcome.check_lines(name, &[(400, Some("BadRequest"))]);
            assert_eq!(outcome.forwarded.len(), 0, "{name}: {outcome:#?}");
            continue;
        }
        outcome.check_lines(name, &[(200, None)]);
        let [forwarded] = &outcome.forwarded[..] else {
            panic!("{name}: {outcome:#?}");
        };
        assert!(!forwarded.contains("content-length"), "{name}: {forwarded}");
        assert!(
            forwarded.contains("\r\ntransfer-encoding: chunked\r\n"),
            "{name}: {forwarded}"
        );
        assert!(forwarded.ends_with(CHUNKED), "{name}: {forwarded}");
    }
    trial.gateway.stop();
}

#[test]
fn a_length_that_is_no_one_number_ends_the_connection() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("two that differ", "content-length: 5\r\ncontent-length: 6"),
        (
            "two that differ by form",
            "content-length: 5\r\ncontent-length: +5",
        ),
        ("a list", "content-length: 5, 5"),
        ("a list that differs", "content-length: 5, 6"),
        ("empty", "content-length: "),
        ("a sign", "content-length: +5"),
        ("less than nothing", "content-length: -5"),
        ("hexadecimal", "content-length: 0x5"),
        ("letters behind", "content-length: 5a"),
        ("a space inside", "content-length: 5 5"),
        ("a fraction", "content-length: 5.0"),
        ("more than 64 bits", "content-length: 99999999999999999999"),
    ];
    for (name, fields) in rows {
        trial.check(name, post(fields, "hello"), Expect::Bare(400, "BadRequest"));
    }
    // A number, but the library keeps the largest ones for itself and says so in its own way.
    let request = post("content-length: 18446744073709551615", "hello");
    trial.check("the largest", request, Expect::Bare(431, "HeadersTooLarge"));
    let request = post("content-length: 9223372036854775808", "hello");
    trial.check("half of it", request, Expect::Closes(413, "BodyTooLarge"));
    trial.gateway.stop();
}

#[test]
fn the_same_length_twice_is_forwarded_once() {
    let trial = Trial::forwarding("{}");
    let request = post("content-length: 5\r\ncontent-length: 5", "hello");
    let outcome = trial.send(request + BEHIND);
    let lengths = outcome.forwarded[0].matches("content-length: 5\r\n");
    assert_eq!(lengths.count(), 1, "{outcome:#?}");
    outcome.check("twice", Expect::Forwarded("POST /bad HTTP/1.1"));
    trial.gateway.stop();
}

#[test]
fn an_encoding_other_than_chunked_ends_the_connection() {
    let trial = Trial::forwarding("{}");
    let bare = Expect::Bare(400, "BadRequest");
    let closes = Expect::Closes(400, "BadRequest");
    let rows = [
        ("gzip", "transfer-encoding: gzip", bare),
        ("identity", "transfer-encoding: identity", bare),
        ("empty", "transfer-encoding: ", bare),
        ("chunked not last", "transfer-encoding: chunked, gzip", bare),
        ("a longer word", "transfer-encoding: xchunked", bare),
        ("in quotes", "transfer-encoding: \"chunked\"", bare),
        ("with a parameter", "transfer-encoding: chunked;q=1", bare),
        ("gzip, chunked", "transfer-encoding: gzip, chunked", closes),
        (
            "chunked, chunked",
            "transfer-encoding: chunked, chunked",
            closes,
        ),
        ("a comma in front", "transfer-encoding: , chunked", closes),
        (
            "twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            closes,
        ),
        (
            "gzip, then chunked",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
            closes,
        ),
        (
            "chunked, then identity",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity",
            bare,
        ),
    ];
    for (name, fields, expected) in rows {
        trial.check(name, post(fields, CHUNKED), expected);
    }
    let old = format!(
        "POST /bad HTTP/1.0\r\nhost: a.example\r\nconnection: keep-alive\r\n\
         transfer-encoding: chunked\r\n\r\n{CHUNKED}"
    );
    trial.check("http/1.0", old, bare);
    let request = post("Transfer-Encoding: CHUNKED", CHUNKED);
    trial.check(
        "in capitals",
        request,
        Expect::Forwarded("POST /bad HTTP/1.1"),
    );
    trial.gateway.stop();
}

#[test]
fn bad_chunks_end_the_connection() {
    let trial = Trial::forwarding("{}");
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000));
    let rows = [
        ("a size that is no number", "z\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        (
            "a size over 64 bits",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        ),
        ("no end of the chunk", "5\r\nhelloX0\r\n\r\n"),
        ("a chunk that is longer", "5\r\nhello!\r\n0\r\n\r\n"),
        ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare LF behind the chunk", "5\r\nhello\n0\r\n\r\n"),
        ("a bare CR behind the size", "5\rxhello\r\n0\r\n\r\n"),
        ("an extension that is too long", &long),
    ];
    for (name, body) in rows {
        let request = post("transfer-encoding: chunked", body);
        trial.check(name, request, Expect::Closes(400, "BadRequest"));
    }
    trial.gateway.stop();
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let trial = Trial::forwarding("{body: 8}");
    let closes = Expect::Closes(413, "BodyTooLarge");
    let request = post("content-length: 9", "ninebytes");
    trial.check("by its length", request, closes);
    let request = post("transfer-encoding: chunked", "9\r\nninebytes\r\n0\r\n\r\n");
    trial.check("in one chunk", request, closes);
    let request = post(
        "transfer-encoding: chunked",
        "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n",
    );
    trial.check("in two chunks", request, closes);
    let request = post("content-length: 8", "8 bytes!");
    trial.check(
        "at the limit",
        request,
        Expect::Forwarded("POST /bad HTTP/1.1"),
    );
    trial.gateway.stop();
}

#[test]
fn an_upstream_is_not_asked_when_the_length_says_too_much() {
    let trial = Trial::forwarding("{body: 8}");
    let outcome = trial.send(post("content-length: 9", ""));
    outcome.check("no byte of the body", Expect::Closes(413, "BodyTooLarge"));
    assert_eq!(outcome.lines[0].get("upstream"), None);
    trial.gateway.stop();
}

#[test]
fn a_body_that_breaks_off_reaches_no_upstream_whole() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("by its length", post("content-length: 10", "hello")),
        ("in chunks", post("transfer-encoding: chunked", "5\r\nhel")),
        (
            "without the last chunk",
            post("transfer-encoding: chunked", "5\r\nhello\r\n"),
        ),
    ];
    for (name, request) in rows {
        let mut stream = trial.connect();
        client::write(&mut stream, request.as_bytes());
        stream.shutdown(Shutdown::Write).unwrap();
        let outcome = trial.outcome(client::read(&mut stream));
        assert_eq!(outcome.forwarded.len(), 0, "{name}: {outcome:#?}");
        outcome.check_lines(name, &[(499, Some("ClientGone"))]);
    }
    trial.gateway.stop();
}
