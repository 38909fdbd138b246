//! Upstreams whose answer is no answer, or only a part of one.

use std::io::{Read, Write};

use tollgate_tests::{
    client,
    trial::{BEHIND, Expect, Trial, check_refusal},
    upstream::{Upstream, read_request},
};

const BAD: &str = "GET /bad HTTP/1.1\r\nhost: a.example\r\n\r\n";

/// An upstream that answers `/bad` with these bytes and closes, and everything else well.
fn answering(bad: &'static [u8]) -> Upstream {
    Upstream::with(move |stream, seen| {
        while let Some(request) = read_request(stream) {
            let is_bad = request.contains(" /bad ");
            seen.lock().unwrap().push(request);
            let good = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
            let answer = if is_bad { bad } else { good };
            if stream.write_all(answer).is_err() || is_bad {
                return;
            }
        }
    })
}

/// The request is refused, and the good one behind it on the same connection is answered.
fn refused(name: &str, answer: &'static [u8], reason: &str) {
    let trial = Trial::with("{}", "", answering(answer));
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    let answers = outcome.answers();
    assert_eq!(answers.len(), 2, "{name}: {outcome:#?}");
    check_refusal(name, &answers[0], 502);
    assert_eq!(answers[1].body, "hello", "{name}");
    outcome.check_lines(name, &[(502, Some(reason)), (200, None)]);
    // It was written, so that it must not be sent again.
    assert_eq!(outcome.forwarded.len(), 2, "{name}: {outcome:#?}");
    let upstream = trial.upstream.address.to_string();
    assert_eq!(outcome.lines[0]["upstream"], upstream, "{name}");
    trial.gateway.stop();
}

#[test]
fn an_answer_that_is_no_http_is_a_bad_gateway() {
    let rows: [(&str, &[u8]); 14] = [
        ("garbage", b"garbage\r\n\r\n"),
        ("bytes", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"),
        (
            "an unknown version",
            b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        ("no status", b"HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n"),
        (
            "a status below 100",
            b"HTTP/1.1 099 X\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "a status of four digits",
            b"HTTP/1.1 2000 X\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "a bad name",
            b"HTTP/1.1 200 OK\r\nna me: 1\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "a NUL",
            b"HTTP/1.1 200 OK\r\nname: a\0b\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "a folded line",
            b"HTTP/1.1 200 OK\r\nname: a\r\n b\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "a bad length",
            b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
        ),
        (
            "another protocol",
            b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhidden",
        ),
        ("another protocol, unnamed", b"HTTP/1.1 101 X\r\n\r\nhidden"),
        ("the preface of http/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ];
    for (name, answer) in rows {
        refused(name, answer, "UpstreamGarbage");
    }
}

#[test]
fn an_answer_that_breaks_off_in_its_head_is_a_bad_gateway() {
    let rows: [(&str, &[u8]); 5] = [
        ("nothing", b""),
        ("half a line", b"HTTP/1.1 20"),
        ("half a head", b"HTTP/1.1 200 OK\r\ncontent-le"),
        (
            "no end of the head",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n",
        ),
        (
            "an interim answer alone",
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
        ),
    ];
    for (name, answer) in rows {
        refused(name, answer, "UpstreamReset");
    }
}

#[test]
fn an_answer_whose_head_is_huge_is_a_bad_gateway() {
    let line = |count: usize| "a".repeat(count);
    let long = format!("HTTP/1.1 200 OK\r\nname: {}\r\n\r\n", line(2 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "name: 1\r\n".repeat(5_000));
    for (name, head) in [("one field", long), ("many fields", many)] {
        refused(name, head.leak().as_bytes(), "UpstreamGarbage");
    }
}

#[test]
fn an_answer_that_breaks_off_in_its_body_never_ends_well() {
    let rows: [(&str, &[u8]); 6] = [
        (
            "a length",
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        ),
        (
            "a length and no body",
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        ),
        (
            "chunks",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        (
            "half a chunk",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
        ),
        (
            "a bad size",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n",
        ),
        (
            "no end of a chunk",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
        ),
    ];
    for (name, answer) in rows {
        let trial = Trial::with("{}", "", answering(answer));
        let outcome = trial.send(format!("{BAD}{BEHIND}"));
        let text = &outcome.text;
        if text.is_empty() {
            // It broke off before the head was sent on: the client got nothing at all.
        } else if text.contains("content-length: 10") {
            let body = text.split("\r\n\r\n").nth(1).unwrap();
            assert!(body.len() < 10, "{name}: {text}");
        } else {
            assert!(
                text.contains("transfer-encoding: chunked"),
                "{name}: {text}"
            );
            assert!(!text.ends_with("0\r\n\r\n"), "{name}: {text}");
        }
        assert!(text.matches("HTTP/1.1").count() <= 1, "{name}: {text}");
        outcome.check_lines(name, &[(200, Some("UpstreamAborted"))]);
        assert_eq!(outcome.forwarded.len(), 1, "{name}: {outcome:#?}");
        trial.gateway.stop();
    }
}

#[test]
fn an_interim_answer_is_not_taken_for_the_answer() {
    let rows = [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
    ];
    for interim in rows {
        let good = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let upstream = Upstream::answering(format!("{interim}{good}").leak());
        let trial = Trial::with("{}", "", upstream);
        trial.check(interim, BAD, Expect::Forwarded("GET /bad HTTP/1.1"));
        trial.gateway.stop();
    }
}

#[test]
fn a_second_answer_to_one_request_answers_nobody() {
    let upstream = answering(
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst\
          HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden",
    );
    let trial = Trial::with("{}", "", upstream);
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    let bodies: Vec<_> = outcome.answers().into_iter().map(|a| a.body).collect();
    assert_eq!(bodies, ["first", "hello"]);
    outcome.check("two", Expect::Forwarded("GET /bad HTTP/1.1"));
    trial.gateway.stop();
}

#[test]
fn bytes_behind_an_answer_without_a_body_answer_nobody() {
    let upstream = Upstream::with(|stream, seen| {
        while let Some(request) = read_request(stream) {
            let answer = if request.starts_with("HEAD") {
                "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden"
            } else if request.contains(" /bad ") {
                "HTTP/1.1 204 No Content\r\n\r\nhidden"
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
            };
            seen.lock().unwrap().push(request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let trial = Trial::with("{}", "", upstream);
    let head = "HEAD /head HTTP/1.1\r\nhost: a.example\r\n\r\n";
    for (name, request) in [("204", BAD), ("HEAD", head)] {
        let outcome = trial.send(format!("{request}{BEHIND}"));
        assert!(!outcome.text.contains("hidden"), "{name}: {outcome:#?}");
        assert!(
            outcome.text.ends_with("\r\n\r\nhello"),
            "{name}: {outcome:#?}"
        );
        assert_eq!(outcome.lines.len(), 2, "{name}: {outcome:#?}");
        assert_eq!(outcome.forwarded.len(), 2, "{name}: {outcome:#?}");
    }
    trial.gateway.stop();
}

#[test]
fn hop_by_hop_fields_of_an_answer_stay_behind() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x-mine\r\nx-mine: 1\r\n\
         keep-alive: timeout=1\r\nproxy-authenticate: x\r\nupgrade: h2c\r\nx-kept: 1\r\n\r\nhello",
    );
    let trial = Trial::with("{}", "", upstream);
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    let head = &outcome.answers()[0];
    assert_eq!(head.header("x-kept"), Some("1"));
    for field in [
        "connection",
        "x-mine",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
    ] {
        assert_eq!(head.header(field), None, "{field}");
    }
    trial.gateway.stop();
}

#[test]
fn an_answer_before_the_end_of_the_body_is_passed_on() {
    let upstream = Upstream::with(|stream, _| {
        loop {
            let head = client::read_until(stream, b"\r\n\r\n");
            let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
            let _ = stream.write_all(answer.as_bytes());
            // It takes the rest, as servers do, and goes on with the connection.
            if head.starts_with(b"POST") && stream.read_exact(&mut [0; 10]).is_err() {
                return;
            }
        }
    });
    let trial = Trial::with("{}", "", upstream);
    let mut stream = trial.connect();
    let head = "POST /bad HTTP/1.1\r\nhost: a.example\r\ncontent-length: 10\r\n\r\nhello";
    client::write(&mut stream, head.as_bytes());
    let answer = client::read_one(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nno"), "{answer}");
    // While the first client still sends, nobody else waits for it.
    let other = trial.gateway.get("/bad");
    assert_eq!((other.status, other.body.as_str()), (403, "no"));
    client::write(&mut stream, format!("world{BEHIND}").as_bytes());
    let rest = client::read(&mut stream);
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 403 "),
        "{rest}"
    );
    let expected = vec![(403, None); 2 + usize::from(!rest.is_empty())];
    trial.outcome(rest).check_lines("early", &expected);
    trial.gateway.stop();
}
