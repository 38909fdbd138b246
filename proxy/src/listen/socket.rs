//! A client's socket as hyper reads and writes it, watched.
//!
//! In: a TCP stream. Out: the same bytes; on the way the connection's [`Vigil`] learns when a head
//! begins and that there is progress, and whether a request line holds a `#`, which hyper would cut
//! off silently.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::core::vigil::Vigil;

/// A client's stream, shared so that a bare answer can be written past hyper.
pub(super) type Shared = Rc<RefCell<TcpStream>>;

/// A client's socket.
pub(super) struct Socket {
    stream: Shared,
    vigil: Rc<Vigil>,
}

impl Socket {
    pub(super) fn new(stream: Shared, vigil: Rc<Vigil>) -> Self {
        Self { stream, vigil }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(result, Poll::Ready(Ok(_))) {
            self.vigil.wrote();
        }
        result
    }
}

impl AsyncRead for Socket {
    /// By the stream's own `poll_read`: after a read that did not fill the buffer it waits for the
    /// next event, where `try_read` would ask the kernel once more.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, buf))?;
        self.vigil.read(&buf.filled()[start..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}
