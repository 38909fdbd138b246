//! Bodies on their way: they stream in both directions, and nothing is kept of them.

use std::{
    fs,
    io::{Read, Write},
    sync::{Mutex, mpsc},
    thread,
};

use tollgate_tests::{
    gateway::Gateway,
    session::Session,
    upstream::{Upstream, read_request},
    write,
};

#[test]
fn the_client_sees_the_first_chunk_before_the_upstream_sends_the_second() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::with(move |stream, _| {
        read_request(stream);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head).unwrap();
        gone.lock().unwrap().recv().unwrap();
        stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
    });
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    session.ask("/").unwrap();
    assert_eq!(session.head().unwrap().status, 200);
    assert_eq!(session.chunk().unwrap().unwrap(), b"first");
    go.send(()).unwrap();
    assert_eq!(session.chunk().unwrap().unwrap(), b"second");
    assert_eq!(session.chunk().unwrap(), None);
    gateway.stop();
}

#[test]
fn the_upstream_sees_the_first_bytes_before_the_client_sends_the_rest() {
    let (seen, is_seen) = mpsc::channel();
    let seen = Mutex::new(seen);
    let upstream = Upstream::with(move |stream, _| {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            bytes.push(byte[0]);
            if bytes.ends_with(b"first") {
                seen.lock().unwrap().send(()).unwrap();
            }
            if bytes.ends_with(b"rest") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    let head = "POST / HTTP/1.1\r\nhost: a.example\r\n";
    let rows = [
        ("length", "content-length: 9\r\n\r\nfirst", "rest"),
        (
            "chunked",
            "transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            "4\r\nrest\r\n0\r\n\r\n",
        ),
    ];
    for (name, first, rest) in rows {
        let mut session = Session::open(gateway.address());
        session.write(format!("{head}{first}")).unwrap();
        is_seen
            .recv_timeout(tollgate_tests::gateway::DEADLINE)
            .expect(name);
        session.write(rest).unwrap();
        assert_eq!(session.reply().unwrap().body, "ok", "{name}");
    }
    gateway.stop();
}

const MIB: usize = 1 << 20;
const LARGE: usize = 64 * MIB;

/// How much memory this process has, in bytes.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}

/// Clients and upstreams of this test hold a MiB at a time, so that what the process gains is
/// what the proxy keeps. The bound leaves room for what tests beside this one hold.
#[test]
fn what_passes_through_is_not_kept() {
    let upstream = Upstream::with(|stream, _| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        // Answering at the same time would need another thread: first all in, then all out.
        let mut chunk = vec![0; MIB];
        for _ in 0..LARGE / MIB {
            stream.read_exact(&mut chunk).unwrap();
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..LARGE / MIB {
            stream.write_all(&chunk).unwrap();
        }
    });
    let manifests =
        write::forwarding_to(upstream.address).replacen("limits: {}", "limits: {body: 64Mi}", 1);
    let gateway = Gateway::serving(&manifests);
    let (before, mut most) = (memory(), 0);
    let mut session = Session::open(gateway.address());
    let head = format!("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: {LARGE}\r\n\r\n");
    session.write(head).unwrap();
    let chunk = vec![b'x'; MIB];
    for _ in 0..LARGE / MIB {
        session.write(&chunk).unwrap();
        most = most.max(memory());
    }
    assert_eq!(session.head().unwrap().status, 200);
    for _ in 0..LARGE / MIB {
        assert!(session.read(MIB).unwrap() == chunk, "other bytes");
        most = most.max(memory());
    }
    let grown = most.saturating_sub(before);
    assert!(grown < 40 * MIB, "{grown} bytes");
    let line = &gateway.lines(1)[0];
    assert_eq!(
        (&line["bytesIn"], &line["bytesOut"]),
        (&LARGE.into(), &LARGE.into())
    );
    gateway.stop();
}

/// A client that does not read holds its upstream back: the proxy's buffers are bounded.
#[test]
fn a_client_that_does_not_read_slows_its_upstream_down() {
    let (sent, sending) = mpsc::channel();
    let sent = Mutex::new(sent);
    let upstream = Upstream::with(move |stream, _| {
        read_request(stream);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = vec![b'x'; MIB];
        for _ in 0..LARGE / MIB {
            stream.write_all(&chunk).unwrap();
            sent.lock().unwrap().send(()).unwrap();
        }
    });
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    session.ask("/").unwrap();
    assert_eq!(session.head().unwrap().status, 200);
    let mut written = 0;
    // The kernel's buffers take some MiB; then the upstream stands still.
    while sending.recv_timeout(tollgate_tests::h2::NOT_YET).is_ok() {
        written += 1;
    }
    assert!(written < LARGE / MIB / 2, "{written} MiB are gone");
    for _ in 0..LARGE / MIB {
        session.read(MIB).unwrap();
    }
    written += sending.iter().take(LARGE / MIB - written).count();
    assert_eq!(written, LARGE / MIB);
    gateway.stop();
}

#[test]
fn trailers_of_an_answer_reach_the_client() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
         x-sum: 7\r\n\r\n",
    );
    let gateway = Gateway::in_front_of(&upstream);
    let ask = |more: &str| {
        let mut session = Session::open(gateway.address());
        let head = "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n";
        session.write(format!("{head}{more}\r\n")).unwrap();
        session.rest().unwrap()
    };
    let answer = ask("te: trailers\r\n");
    assert!(
        answer.ends_with("\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{answer}"
    );
    let answer = ask("");
    assert!(
        answer.ends_with("\r\n5\r\nhello\r\n0\r\n\r\n"),
        "not asked for: {answer}"
    );
    gateway.stop();
}

/// Some servers take trailers for fields of the head: a client could say there who it is.
#[test]
fn trailers_of_a_request_stay_behind() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    let head = "POST / HTTP/1.1\r\nhost: a.example\r\ntrailer: x-real-ip\r\ntransfer-encoding: chunked\r\n";
    session
        .write(format!(
            "{head}\r\n1\r\na\r\n0\r\nx-real-ip: 192.0.2.1\r\n\r\n"
        ))
        .unwrap();
    assert_eq!(session.reply().unwrap().status, 200);
    let seen = &upstream.seen(1)[0];
    assert!(!seen.contains("x-real-ip"), "{seen}");
    assert!(seen.ends_with("\r\n1\r\na\r\n0\r\n\r\n"), "{seen}");
    gateway.stop();
}

#[test]
fn a_chunked_upload_arrives_chunked_and_whole() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    let head = "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n";
    session
        .write(format!("{head}5;ext=1\r\nfirst\r\n4\r\nrest\r\n0\r\n\r\n"))
        .unwrap();
    assert_eq!(session.reply().unwrap().status, 200);
    let seen = &upstream.seen(1)[0];
    assert!(
        seen.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{seen}"
    );
    assert!(!seen.contains("content-length"), "{seen}");
    let (_, body) = seen.split_once("\r\n\r\n").unwrap();
    let data: String = body.split("\r\n").filter(|part| part.len() > 1).collect();
    assert_eq!(data, "firstrest");
    gateway.stop();
}

#[test]
fn a_client_that_expects_100_continue_gets_it_and_sends() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    let head =
        "POST / HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: 4\r\n";
    session.write(format!("{head}\r\n")).unwrap();
    assert_eq!(session.head().unwrap().status, 100);
    session.write("body").unwrap();
    assert_eq!(session.reply().unwrap().body, "hello");
    let seen = &upstream.seen(1)[0];
    assert!(seen.ends_with("\r\n\r\nbody"), "{seen}");
    gateway.stop();
}

#[test]
fn a_client_that_leaves_mid_answer_is_recorded_and_its_upstream_let_go() {
    let (left, has_left) = mpsc::channel();
    let left = Mutex::new(left);
    let upstream = Upstream::with(move |stream, _| {
        read_request(stream);
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        left.lock().unwrap().send(()).unwrap();
    });
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    session.ask("/").unwrap();
    session.head().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || drop(session));
    });
    has_left
        .recv_timeout(tollgate_tests::gateway::DEADLINE)
        .unwrap();
    assert_eq!(gateway.lines(1)[0]["reason"], "ClientGone");
    gateway.stop();
}
