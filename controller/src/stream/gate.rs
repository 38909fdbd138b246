//! A connection that can be closed from elsewhere: nobody stays without a token that was taken, and
//! a proxy that shall move dials anew instead of going on with the same connection.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// How long a connection may be without a token that was taken. Turns to begin are waited for, and
/// reviews.
const ADMITTANCE: Duration = Duration::from_secs(15);

/// How long a connection that is to close may take for its last bytes.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    Stranger,
    Admitted,
    Leaving,
}

/// What is known of a connection, for those who serve its requests.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<watch::Sender<Life>>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Life::Stranger)))
    }

    /// Its token was taken.
    pub(super) fn admit(&self) {
        self.0.send_if_modified(|life| {
            let stranger = *life == Life::Stranger;
            if stranger {
                *life = Life::Admitted;
            }
            stranger
        });
    }

    /// It is to close soon.
    pub(super) fn leave(&self) {
        self.0.send_replace(Life::Leaving);
    }

    /// Waits until the connection has to close.
    async fn closing(self) {
        let mut life = self.0.subscribe();
        let known = life.wait_for(|life| *life != Life::Stranger);
        // The sender lives as long as this, so that waiting fails on time alone.
        if timeout(ADMITTANCE, known).await.is_err() {
            return;
        }
        let _ = life.wait_for(|life| *life == Life::Leaving).await;
        sleep(LINGER).await;
    }
}

/// A connection with TLS done.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    gate: Gate,
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    closed: bool,
    /// One of so many.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// A connection of a stranger.
    pub(super) fn new(stream: TlsStream<TcpStream>, permit: OwnedSemaphorePermit) -> Self {
        let gate = Gate::new();
        Self {
            stream,
            closing: Box::pin(gate.clone().closing()),
            gate,
            closed: false,
            _permit: permit,
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.closed && self.closing.as_mut().poll(cx).is_ready() {
            self.closed = true;
        }
        match self.closed {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connected for Connection {
    type ConnectInfo = Gate;

    fn connect_info(&self) -> Gate {
        self.gate.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_open(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_open(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_open(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_open(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
