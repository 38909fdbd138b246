//! Clients of HTTP/2 by prior knowledge: one with manners, and one that writes frames by hand.
//!
//! In: requests. Out: answers; from the one by hand, what became of each stream.

use std::{
    convert::Infallible,
    io::Read,
    net::{SocketAddr, TcpStream},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Body, Frame},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::{Builder, Runtime};

use crate::{
    client::{self, Reply},
    gateway::DEADLINE,
};

/// A body whose length is not known before.
#[derive(Default)]
pub struct Parts(pub Vec<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = (!self.0.is_empty()).then(|| self.0.remove(0));
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// A connection.
pub struct Connection {
    runtime: Runtime,
    sender: SendRequest<Parts>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = shaken.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// Sends a request; an error when its stream is reset before the answer's end.
    pub fn send(&mut self, request: Request<Parts>) -> Result<Reply, hyper::Error> {
        let answer = self.sender.send_request(request);
        self.runtime.block_on(async {
            let exchange = async {
                let (head, body) = answer.await?.into_parts();
                let body = body.collect().await?.to_bytes();
                let field = |(name, value): (&hyper::header::HeaderName, _)| {
                    let value: &hyper::header::HeaderValue = value;
                    (name.to_string(), value.to_str().unwrap().to_owned())
                };
                Ok(Reply {
                    status: head.status.as_u16(),
                    headers: head.headers.iter().map(field).collect(),
                    body: String::from_utf8_lossy(&body).into_owned(),
                })
            };
            tokio::time::timeout(DEADLINE, exchange).await.unwrap()
        })
    }

    /// Asks for a path of the host `a.example`.
    pub fn get(&mut self, path: &str) -> Result<Reply, hyper::Error> {
        let uri = format!("http://a.example{path}");
        self.send(Request::get(uri).body(Parts::default()).unwrap())
    }
}

/// What became of a stream, or of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Its answer's head came. The first byte of the field block says which, where it is common:
    /// 0x88 is 200, 0x8c is 400 (RFC 7541 appendix A).
    Answered(u8),
    /// It was reset, with this code.
    Reset(u32),
    /// The connection ends, with this code.
    Away(u32),
}

/// Connects, sends requests as lists of fields, each on a stream of its own, and reads until the
/// last one has a fate or the connection ends.
pub fn by_hand(address: SocketAddr, requests: &[&[(&str, &str)]]) -> Vec<(u32, Fate)> {
    let mut stream = client::connect(address);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, 4, 0, 0, &[]);
    for (fields, id) in requests.iter().zip((1..).step_by(2)) {
        let mut block = Vec::new();
        for (name, value) in *fields {
            // A literal field, not indexed (RFC 7541 section 6.2.2).
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).unwrap());
                block.extend_from_slice(text.as_bytes());
            }
        }
        // END_STREAM and END_HEADERS.
        frame(&mut bytes, 1, 5, id, &block);
    }
    client::write(&mut stream, &bytes);
    let last = u32::try_from(requests.len()).unwrap() * 2 - 1;
    fates(&mut stream, last)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap();
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn fates(stream: &mut TcpStream, last: u32) -> Vec<(u32, Fate)> {
    let mut fates = Vec::new();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return fates;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).unwrap();
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match head[3] {
            1 => fates.push((id, Fate::Answered(payload[0]))),
            3 => fates.push((id, Fate::Reset(code(0)))),
            7 => fates.push((0, Fate::Away(code(4)))),
            _ => continue,
        }
        if id == last || id == 0 {
            return fates;
        }
    }
}
