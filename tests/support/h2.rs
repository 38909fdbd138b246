//! A client that speaks HTTP/2 without TLS, knowing that the other end does (prior knowledge).
//!
//! In: requests. Out: answers as hyper gives them. A test runs it with [`run`].

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{Request, Response, body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, runtime::Builder, task::JoinHandle, time::timeout};

use crate::{client::Reply, gateway::DEADLINE};

/// A body of a request.
pub type Body = BoxBody<Bytes, Infallible>;

/// A connection. Clones are the same connection.
#[derive(Clone)]
pub struct H2 {
    sender: http2::SendRequest<Body>,
}

/// Runs a test's asynchronous part, which has a deadline as everything has.
pub fn run<T>(part: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let whole = async { timeout(DEADLINE * 3, part).await };
    runtime.block_on(whole).unwrap()
}

impl H2 {
    /// Connects. The second result ends when the connection does.
    pub async fn connect(address: SocketAddr) -> (Self, JoinHandle<hyper::Result<()>>) {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let connected = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(64 << 10)
            .handshake(io)
            .await;
        let (sender, connection) = connected.unwrap();
        (Self { sender }, tokio::spawn(connection))
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// When the connection or the stream is broken.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Asks for a path of the host `a.example`, and reads the answer.
    ///
    /// # Errors
    /// When the connection or the stream is broken.
    pub async fn get(&mut self, path: &str) -> hyper::Result<Reply> {
        let response = self
            .send(request("GET", path).body(empty()).unwrap())
            .await?;
        read(response).await
    }
}

/// The head of a request to the host `a.example`.
pub fn request(method: &str, path: &str) -> hyper::http::request::Builder {
    let uri = format!("http://a.example{path}");
    Request::builder().method(method).uri(uri)
}

/// No body.
pub fn empty() -> Body {
    full("")
}

/// A body whose length is known.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// Reads an answer to its end.
///
/// # Errors
/// When it breaks off.
pub async fn read(response: Response<Incoming>) -> hyper::Result<Reply> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let fields = parts.headers.iter();
    let fields = fields.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    });
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: fields.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// How long something that is not to happen is waited for.
pub const NOT_YET: Duration = Duration::from_millis(100);
