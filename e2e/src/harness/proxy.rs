//! A proxy as a process.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use super::{Front, program::Program, until};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A proxy that runs.
#[derive(Debug)]
pub struct Proxy {
    pub program: Program,
    /// Leads to its listener once that is known.
    pub(super) front: Front,
}

impl Proxy {
    /// Waits until it serves, and has its front lead to it.
    pub fn ready(mut self) -> Self {
        let address = self.listens();
        let health = self.operators("health");
        until("the proxy is ready", || {
            (get(health, "proxy", "/readyz").ok()?.0 == 200).then_some(())
        });
        self.front.lead_to(&[address]);
        self
    }

    /// Where its listener is.
    pub fn listens(&mut self) -> SocketAddr {
        let port: u16 = self.program.says("the proxy listens", |line| {
            let (_, port) = line.split_once("listener=http address=0.0.0.0:")?;
            port.parse().ok()
        });
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Whether it wants requests.
    pub fn is_ready(&mut self) -> bool {
        let health = self.operators("health");
        get(health, "proxy", "/readyz").is_ok_and(|(status, _)| status == 200)
    }

    fn operators(&mut self, which: &str) -> SocketAddr {
        self.program.says("the proxy's own address", |line| {
            line.strip_prefix(which)?
                .strip_prefix(" address=")?
                .parse()
                .ok()
        })
    }

    /// What `/config` shows.
    pub fn config(&mut self) -> Value {
        let admin = self.operators("admin");
        let (status, text) = get(admin, "proxy", "/config").unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What `/metrics` says.
    pub fn metrics(&mut self) -> String {
        let health = self.operators("health");
        get(health, "proxy", "/metrics").unwrap().1
    }

    /// What `/config` shows of the source of its configuration.
    pub fn source(&mut self) -> Value {
        self.config()["source"].clone()
    }

    /// Waits until something holds of the source of its configuration.
    pub fn until_source(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(what, || {
            let source = self.source();
            holds(&source).then_some(source)
        })
    }

    /// What it answers to GET.
    pub fn answer(&mut self, host: &str, path: &str) -> (u16, String) {
        get(self.listens(), host, path).unwrap()
    }

    /// Waits for an answer.
    pub fn until_answer(&mut self, host: &str, expected: (u16, &str)) {
        let address = self.listens();
        let mut last = None;
        until(&format!("{host} answers {expected:?}"), || {
            let answer = get(address, host, "/x").ok();
            let fits = answer
                .as_ref()
                .is_some_and(|(s, b)| (*s, b.as_str()) == expected);
            last = answer;
            fits.then_some(())
        });
        drop(last);
    }
}

/// Status and body of an answer to GET.
///
/// # Errors
/// No answer.
pub fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let parsed = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    });
    parsed.ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, text))
}
