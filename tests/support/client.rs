//! A client without manners: it sends what it is told and shows what comes back.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::gateway::DEADLINE;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Field lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Reply {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads an answer from text.
    pub fn parse(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }
}

impl Reply {
    /// Reads all answers of a connection. The last may lack its end.
    pub fn all(text: &str) -> Vec<Self> {
        let (mut all, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let mut reply = Self::parse(rest);
            let body_at = rest.len() - reply.body.len();
            let length = match reply.header("content-length") {
                Some(length) => length.parse().unwrap(),
                None if reply.header("transfer-encoding").is_some() => reply
                    .body
                    .find("\r\n0\r\n\r\n")
                    .map_or(usize::MAX, |at| at + 7),
                None if matches!(reply.status, 100..=199 | 204 | 304) => 0,
                None => usize::MAX,
            };
            let length = length.min(reply.body.len());
            rest = &rest[body_at + length..];
            reply.body.truncate(length);
            all.push(reply);
        }
        all
    }
}

/// Writes bytes. The other end may answer and close before it has read everything.
pub fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Reads one answer with its body, by its length, and leaves the connection open.
pub fn read_one(stream: &mut TcpStream) -> String {
    let mut bytes = read_until(stream, b"\r\n\r\n");
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    bytes.extend(body);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads up to and with some bytes.
pub fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        let read = stream.read_exact(&mut byte);
        read.unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&bytes)));
        bytes.extend(byte);
    }
    bytes
}

/// Sends bytes, says that no more come, and reads to the end.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // The other end may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    read(&mut stream)
}

/// Connects; every read has a deadline.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Reads to the end, or to a reset.
pub fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}: {:?}", String::from_utf8_lossy(&bytes)),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks for a path of the host `a.example`, on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, "GET", path, &[], "")
}

/// Sends a request, on a connection of its own.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        text.push_str("host: a.example\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let mut stream = connect(address);
    stream
        .write_all(format!("{text}\r\n{body}").as_bytes())
        .unwrap();
    Reply::parse(&read(&mut stream))
}
