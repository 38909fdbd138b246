//! A gateway put to the test, one bad exchange at a time.
//!
//! In: bytes for a connection of their own. Out: an [`Outcome`]: every answer on that connection,
//! what the upstream got of it, and its lines of the access log, no more and no fewer. An exchange
//! ends with a good request on a new connection: the proxy lives, and since one core logs in order,
//! all that there is to log has been.

use std::{cell::Cell, net::TcpStream};

use serde_json::Value;

use crate::{
    client::{self, Reply},
    gateway::{Gateway, eventually},
    upstream::Upstream,
    write,
};

/// The rule that answers the good request which ends each exchange.
pub const AFTER: &str =
    "  - {name: after, match: [{path: \"/after/{n}\"}], respond: {status: 200}}\n";

/// A good request that asks for the connection to be closed: what is put behind a bad one.
pub const BEHIND: &str = "GET /behind HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";

/// The gateway and the upstream behind it.
pub struct Trial {
    /// The gateway.
    pub gateway: Gateway,
    /// The upstream of the rule `all`.
    pub upstream: Upstream,
    turn: Cell<usize>,
    logged: Cell<usize>,
    forwarded: Cell<usize>,
}

/// What came of an exchange.
#[derive(Debug)]
pub struct Outcome {
    /// What the client got, whole.
    pub text: String,
    /// The requests that the upstream got, heads and bodies as they came.
    pub forwarded: Vec<String>,
    /// The lines of the access log.
    pub lines: Vec<Value>,
}

/// What should come of a bad request with [`BEHIND`] behind it.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// An answer of the HTTP library, without a body, and the end of the connection.
    Bare(u16, &'static str),
    /// A refusal, and the end of the connection.
    Closes(u16, &'static str),
    /// A refusal, and an answer to the good request behind.
    Stays(u16, &'static str),
    /// It is no bad request: it is forwarded with this request line, and so is the one behind.
    Forwarded(&'static str),
}

impl Trial {
    /// A gateway with these limits that forwards everything to an upstream which answers `hello`.
    pub fn forwarding(limits: &str) -> Self {
        Self::with(limits, "", Upstream::echo())
    }

    /// A gateway with these limits and, before the rule `all` that forwards to the upstream, these.
    pub fn with(limits: &str, rules: &str, upstream: Upstream) -> Self {
        let all = "  - {name: all, match: [{path: \"/{rest+}\"}, {path: /}], backends: [{service: \
                   {name: up, port: 80}}]}";
        let manifests = format!(
            "{}---\n{}{}",
            write::gateway(limits),
            write::route("r", "", &format!("{AFTER}{rules}{all}")),
            write::service("up", &[upstream.address])
        );
        Self::of(&manifests, upstream)
    }

    /// A gateway with these manifests, which hold the rule [`AFTER`].
    pub fn of(manifests: &str, upstream: Upstream) -> Self {
        Self {
            gateway: Gateway::serving(manifests),
            upstream,
            turn: Cell::new(0),
            logged: Cell::new(0),
            forwarded: Cell::new(0),
        }
    }

    /// A connection to the gateway.
    pub fn connect(&self) -> TcpStream {
        client::connect(self.gateway.address())
    }

    /// Sends bytes on a connection of their own and reads until the gateway closes it.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Outcome {
        let mut stream = self.connect();
        client::write(&mut stream, bytes.as_ref());
        let text = client::read(&mut stream);
        self.outcome(text)
    }

    /// Ends an exchange in which the client got this.
    pub fn outcome(&self, text: String) -> Outcome {
        let turn = self.turn.replace(self.turn.get() + 1);
        let path = format!("/after/{turn}");
        let after = self.gateway.get(&path);
        assert_eq!(after.status, 200, "the gateway lives after {text:?}");
        let lines = eventually(|| {
            let lines = self.gateway.lines(0);
            let end = lines
                .iter()
                .position(|line| line["path"] == path.as_str())?;
            Some(lines[self.logged.replace(end + 1)..end].to_vec())
        });
        let seen = self.upstream.seen(0);
        let forwarded = seen[self.forwarded.replace(seen.len())..].to_vec();
        Outcome {
            text,
            forwarded,
            lines,
        }
    }

    /// Sends a request with a good one behind it and checks what comes of both.
    pub fn check(&self, name: &str, request: impl AsRef<[u8]>, expected: Expect) {
        let mut bytes = request.as_ref().to_vec();
        bytes.extend_from_slice(BEHIND.as_bytes());
        self.send(bytes).check(name, expected);
    }
}

impl Outcome {
    /// The answers in what the client got.
    pub fn answers(&self) -> Vec<Reply> {
        Reply::all(&self.text)
    }

    /// Checks that it is as expected.
    pub fn check(&self, name: &str, expected: Expect) {
        let answers = self.answers();
        let behind: Vec<_> = self.forwarded.iter().map(|request| line(request)).collect();
        let end: &[&str] = match expected {
            Expect::Bare(status, reason) => {
                assert_eq!(answers.len(), 1, "{name}: {self:#?}");
                assert_eq!(answers[0].status, status, "{name}: {self:#?}");
                assert_eq!(answers[0].body, "", "{name}: {self:#?}");
                self.check_bare_line(name, status, reason);
                &[]
            }
            Expect::Closes(status, reason) => {
                assert_eq!(answers.len(), 1, "{name}: {self:#?}");
                check_refusal(name, &answers[0], status);
                assert_eq!(answers[0].header("connection"), Some("close"), "{name}");
                self.check_lines(name, &[(status, Some(reason))]);
                &[]
            }
            Expect::Stays(status, reason) => {
                assert_eq!(answers.len(), 2, "{name}: {self:#?}");
                check_refusal(name, &answers[0], status);
                assert_eq!(answers[1].status, 200, "{name}: {self:#?}");
                self.check_lines(name, &[(status, Some(reason)), (200, None)]);
                &["GET /behind HTTP/1.1"]
            }
            Expect::Forwarded(first) => {
                assert_eq!(answers.len(), 2, "{name}: {self:#?}");
                self.check_lines(name, &[(200, None), (200, None)]);
                assert_eq!(behind, [first, "GET /behind HTTP/1.1"], "{name}");
                return;
            }
        };
        assert_eq!(behind, end, "{name}: what the upstream got");
    }

    /// Checks that there is one line for each of these and no other.
    pub fn check_lines(&self, name: &str, expected: &[(u16, Option<&str>)]) {
        let found: Vec<_> = self.lines.iter().map(status_and_reason).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(status, reason)| (u64::from(*status), *reason))
            .collect();
        assert_eq!(found, expected, "{name}: {self:#?}");
    }

    /// Checks that there is one line, and nothing of a request in it.
    pub fn check_bare_line(&self, name: &str, status: u16, reason: &str) {
        self.check_lines(name, &[(status, Some(reason))]);
        for field in ["request.id", "method", "host", "path", "route", "rule"] {
            assert_eq!(self.lines[0].get(field), None, "{name}: {field}");
        }
    }
}

fn status_and_reason(line: &Value) -> (u64, Option<&str>) {
    let reason = line.get("reason").map(|reason| reason.as_str().unwrap());
    (line["status"].as_u64().unwrap(), reason)
}

/// The first line of a message.
pub fn line(message: &str) -> &str {
    message.split("\r\n").next().unwrap_or_default()
}

/// Checks that an answer is the refusal with this status.
pub fn check_refusal(name: &str, answer: &Reply, status: u16) {
    assert_eq!(answer.status, status, "{name}: {answer:#?}");
    let body = format!(r#"{{"message":"{}"}}"#, message(status));
    assert_eq!(answer.body, body, "{name}");
    let json = Some("application/json");
    assert_eq!(answer.header("content-type"), json, "{name}");
    assert!(answer.header("x-request-id").is_some(), "{name}");
}

/// What the body of a refusal says.
fn message(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Endpoint request timed out",
        other => panic!("no refusal has status {other}"),
    }
}
