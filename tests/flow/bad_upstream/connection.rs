//! Upstreams that can't be reached, break the connection or keep silent.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr},
    sync::{Mutex, mpsc},
};

use tollgate_tests::{
    client,
    gateway::{DEADLINE, Gateway},
    trial::{AFTER, BEHIND, Trial, check_refusal},
    upstream::{Upstream, read_request},
    write,
};

const BAD: &str = "GET /bad HTTP/1.1\r\nhost: a.example\r\n\r\n";

/// A gateway with one more service `other`, which answers, and a rule for `/behind` to it.
fn beside(bad: SocketAddr, good: &Upstream, timeout: &str) -> String {
    let rules = format!(
        "{}  - {{name: behind, match: [{{path: /behind}}], backends: [{{service: {{name: other, \
         port: 80}}}}]}}\n  - {{name: bad, match: [{{path: /bad}}], timeout: {timeout}, backends: \
         [{{service: {{name: up, port: 80}}}}]}}",
        AFTER
    );
    format!(
        "{}---\n{}{}{}",
        write::gateway("{}"),
        write::route("r", "", &rules),
        write::service("up", &[bad]),
        write::service("other", &[good.address])
    )
}

#[test]
fn an_upstream_that_refuses_is_a_bad_gateway() {
    let good = Upstream::echo();
    let trial = Trial::of(&beside(Upstream::nowhere(), &good, "10s"), good);
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    check_refusal("refusing", &outcome.answers()[0], 502);
    assert_eq!(outcome.answers()[1].status, 200);
    let lines = [(502, Some("UpstreamUnreachable")), (200, None)];
    outcome.check_lines("refusing", &lines);
    trial.gateway.stop();
}

#[test]
fn a_second_endpoint_answers_when_the_first_refuses() {
    let good = Upstream::echo();
    let rules =
        "  - {name: all, match: [{path: /a}], backends: [{service: {name: two, port: 80}}]}";
    let manifests =
        write::gateway_with(rules) + &write::service("two", &[Upstream::nowhere(), good.address]);
    let gateway = Gateway::serving(&manifests);
    for _ in 0..20 {
        assert_eq!(gateway.get("/a").status, 200);
    }
    gateway.stop();
}

#[test]
fn an_upstream_that_resets_is_a_bad_gateway() {
    let bad = Upstream::with(|stream, seen| {
        seen.lock().unwrap().push(String::new());
        // Closing with bytes unread makes a reset of it.
        let mut byte = [0];
        let _ = stream.read(&mut byte);
    });
    let good = Upstream::echo();
    let trial = Trial::of(&beside(bad.address, &good, "10s"), good);
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    check_refusal("resetting", &outcome.answers()[0], 502);
    assert_eq!(outcome.answers()[1].status, 200);
    outcome.check_lines("resetting", &[(502, Some("UpstreamReset")), (200, None)]);
    assert_eq!(
        bad.count(),
        1,
        "a request that was written is not sent again"
    );
    trial.gateway.stop();
}

#[test]
fn an_upstream_that_never_answers_times_out() {
    let bad = Upstream::with(|stream, seen| {
        while let Some(request) = read_request(stream) {
            seen.lock().unwrap().push(request);
        }
    });
    let good = Upstream::echo();
    let trial = Trial::of(&beside(bad.address, &good, "300ms"), good);
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    check_refusal("silent", &outcome.answers()[0], 504);
    assert_eq!(outcome.answers()[1].status, 200);
    outcome.check_lines("silent", &[(504, Some("UpstreamTimeout")), (200, None)]);
    assert_eq!(bad.count(), 1);
    let post = "POST /bad HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nhello";
    let outcome = trial.send(format!("{post}{BEHIND}"));
    check_refusal("silent to a body", &outcome.answers()[0], 504);
    outcome.check_lines(
        "with a body",
        &[(504, Some("UpstreamTimeout")), (200, None)],
    );
    trial.gateway.stop();
}

#[test]
fn an_upstream_that_takes_no_body_is_to_blame_and_not_the_client_that_sends_it() {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let bad = Upstream::with(move |_, _| {
        let _ = ended.lock().unwrap().recv_timeout(DEADLINE);
    });
    let good = Upstream::echo();
    let trial = Trial::of(&beside(bad.address, &good, "500ms"), good);
    // More than all buffers on the way hold.
    let body = "x".repeat(9 << 20);
    let length = body.len();
    let post = format!("POST /bad HTTP/1.1\r\nhost: a.example\r\ncontent-length: {length}\r\n\r\n");
    let outcome = trial.send(post + &body);
    check_refusal("unread", &outcome.answers()[0], 504);
    outcome.check_lines("unread", &[(504, Some("UpstreamTimeout"))]);
    end.send(()).unwrap();
    trial.gateway.stop();
}

#[test]
fn an_upstream_that_stops_in_its_head_times_out() {
    let bad = Upstream::with(|stream, _| {
        let _ = read_request(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le");
        let _ = client::read(stream);
    });
    let good = Upstream::echo();
    let trial = Trial::of(&beside(bad.address, &good, "300ms"), good);
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    check_refusal("part of a head", &outcome.answers()[0], 504);
    assert_eq!(outcome.answers()[1].status, 200);
    outcome.check_lines("head", &[(504, Some("UpstreamTimeout")), (200, None)]);
    trial.gateway.stop();
}

#[test]
fn an_answer_that_comes_too_late_answers_nobody() {
    let (late, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let bad = Upstream::with(move |stream, _| {
        while let Some(request) = read_request(stream) {
            if request.contains(" /bad ") {
                let _ = wait.lock().unwrap().recv_timeout(DEADLINE);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
            } else {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
            }
        }
    });
    let rules = "  - {name: short, match: [{path: /bad}], timeout: 300ms, backends: [{service: \
                 {name: up, port: 80}}]}\n";
    let trial = Trial::with("{}", rules, bad);
    let mut stream = trial.connect();
    client::write(&mut stream, BAD.as_bytes());
    let first = client::read_one(&mut stream);
    late.send(()).unwrap();
    client::write(&mut stream, BEHIND.as_bytes());
    let outcome = trial.outcome(first + &client::read(&mut stream));
    check_refusal("late", &outcome.answers()[0], 504);
    assert_eq!(outcome.answers()[1].body, "hello");
    outcome.check_lines("late", &[(504, Some("UpstreamTimeout")), (200, None)]);
    trial.gateway.stop();
}

#[test]
fn a_connection_that_the_upstream_closes_while_it_rests_is_replaced() {
    let (closed, is_closed) = mpsc::channel();
    let upstream = Upstream::with(move |stream, seen| {
        let Some(request) = read_request(stream) else {
            return;
        };
        seen.lock().unwrap().push(request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        let _ = stream.shutdown(Shutdown::Both);
        closed.send(()).unwrap();
    });
    let trial = Trial::with("{}", "", upstream);
    for turn in 0..50 {
        let mut stream = trial.connect();
        client::write(&mut stream, BAD.as_bytes());
        let answer = client::read_one(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{turn}: {answer}");
        is_closed.recv_timeout(DEADLINE).unwrap();
        client::write(&mut stream, BEHIND.as_bytes());
        let answer = client::read(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{turn}: {answer}");
        is_closed.recv_timeout(DEADLINE).unwrap();
    }
    assert_eq!(trial.upstream.count(), 100);
    trial.gateway.stop();
}

#[test]
fn a_kept_connection_that_breaks_under_a_written_request_is_a_bad_gateway() {
    // Its first request on a connection is answered, the second is read and dropped.
    let upstream = Upstream::with(|stream, seen| {
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", ""] {
            let Some(request) = read_request(stream) else {
                return;
            };
            seen.lock().unwrap().push(request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let trial = Trial::with("{}", "", upstream);
    let post = "POST /bad HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nhello";
    let outcome = trial.send(format!("{BAD}{post}{BEHIND}"));
    let statuses: Vec<_> = outcome.answers().iter().map(|a| a.status).collect();
    assert_eq!(statuses, [200, 502, 200]);
    outcome.check_lines(
        "dropped",
        &[(200, None), (502, Some("UpstreamReset")), (200, None)],
    );
    assert_eq!(outcome.forwarded.len(), 3, "{outcome:#?}");
    trial.gateway.stop();
}
