//! A client's socket as hyper reads and writes it, watched.
//!
//! In: a TCP stream. Out: the same bytes; on the way the connection's [`Vigil`] learns when a head
//! begins and that there is progress, and whether a request line holds a `#`, which hyper would cut
//! off silently.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::vigil::Vigil;

/// A client's socket. The stream is shared so that a bare answer can be written past hyper.
pub(super) struct Socket {
    stream: Rc<TcpStream>,
    vigil: Rc<Vigil>,
    eof: bool,
}

impl Socket {
    pub(super) fn new(stream: Rc<TcpStream>, vigil: Rc<Vigil>) -> Self {
        Self {
            stream,
            vigil,
            eof: false,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.eof {
                return Poll::Ready(Ok(()));
            }
            ready!(self.stream.poll_read_ready(cx))?;
            let start = buf.filled().len();
            match self.stream.try_read_buf(buf) {
                Ok(count) => {
                    self.eof = count == 0;
                    self.vigil.read(&buf.filled()[start..]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Socket {
    fn poll_writing(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            // Write first: it almost always goes through, and readiness is asked for only if not.
            ready!(self.stream.poll_write_ready(cx))?;
            match write(&self.stream) {
                Ok(count) => {
                    self.vigil.wrote();
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // `TcpStream` shuts down only by an exclusive reference; a borrowed one of socket2 can.
        let socket = socket2::SockRef::from(&*self.stream);
        match socket.shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            Ok(()) | Err(_) => Poll::Ready(Ok(())),
        }
    }
}
