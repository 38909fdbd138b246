//! Upstreams that do as they are told, and remember byte for byte what they got.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::gateway::{DEADLINE, eventually};

/// An upstream on a free port. It lives as long as the test's process.
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Answers every request with 200, `hello` and what it got remembered, keeping connections
    /// open.
    pub fn echo() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    }

    /// Answers every request with these bytes, and keeps connections open.
    pub fn answering(answer: &'static str) -> Self {
        Self::with(move |stream, seen| {
            while let Some(request) = read_request(stream) {
                seen.lock().unwrap().push(request);
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers the first request of a connection with these bytes and closes it.
    pub fn closing(answer: &'static str) -> Self {
        Self::with(move |stream, seen| {
            if let Some(request) = read_request(stream) {
                seen.lock().unwrap().push(request);
                let _ = stream.write_all(answer.as_bytes());
            }
        })
    }

    /// Serves each connection with a function of its own thread.
    pub fn with(
        serve: impl Fn(&mut TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (serve, shared) = (Arc::new(serve), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (serve, seen) = (Arc::clone(&serve), Arc::clone(&shared));
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                thread::spawn(move || serve(&mut stream, &seen));
            }
        });
        Self { address, seen }
    }

    /// An address at which nobody listens.
    pub fn nowhere() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    }

    /// The requests that it got, heads and bodies as they came, once there are at least `count`.
    pub fn seen(&self, count: usize) -> Vec<String> {
        eventually(|| {
            let seen = self.seen.lock().unwrap();
            (seen.len() >= count).then(|| seen.clone())
        })
    }

    /// How many requests it got so far.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// Reads one request with its body, as it is on the wire; none at the end of the connection.
pub fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(read_byte(stream)?);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    if let Some(length) = length {
        let mut body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut body).ok()?;
        bytes.extend(body);
    } else if head.contains("transfer-encoding: chunked") {
        while !bytes.ends_with(b"0\r\n\r\n") {
            bytes.push(read_byte(stream)?);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_byte(stream: &mut TcpStream) -> Option<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    Some(byte[0])
}
