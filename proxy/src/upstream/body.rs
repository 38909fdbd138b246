//! The request's body on its way to the upstream: streamed, counted and bounded.
//!
//! In: the body as the client sends it. Out: the same frames, or an error as soon as they exceed
//! the gateway's bound. What happened is left where the answer to the client is decided.

use std::{
    cell::Cell,
    error::Error,
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// How far the client has got with its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// More is to come.
    Open,
    /// All of it has come.
    Complete,
    /// It is larger than the gateway allows.
    TooLarge,
    /// The client framed it wrong.
    Broken,
    /// The client went away before its end.
    Gone,
}

impl Progress {
    /// Who ended a body too early: a client that writes no more of it, or one that writes it wrong.
    fn ended_by(error: &hyper::Error) -> Self {
        let Some(source) = error.source() else {
            return Self::Broken;
        };
        let wrong = if let Some(error) = source.downcast_ref::<io::Error>() {
            matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            )
        } else if let Some(error) = source.downcast_ref::<h2::Error>() {
            !error.is_remote() && !error.is_io()
        } else {
            // The connection failed elsewhere meanwhile: hyper says so in words.
            false
        };
        if wrong { Self::Broken } else { Self::Gone }
    }
}

/// What is known of a request's body while it streams.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) progress: Cell<Progress>,
    /// Whether the client was asked for more and has not sent it.
    pub(crate) awaited: Cell<bool>,
    pub(crate) bytes: Cell<u64>,
    /// The alarm that ends the request's time, while one is set.
    pub(crate) alarm: Cell<Option<u64>>,
}

impl Upload {
    pub(crate) fn new(body: &Incoming) -> Rc<Self> {
        let complete = body.is_end_stream();
        let progress = if complete {
            Progress::Complete
        } else {
            Progress::Open
        };
        Rc::new(Self {
            progress: Cell::new(progress),
            awaited: Cell::new(false),
            bytes: Cell::new(0),
            alarm: Cell::new(None),
        })
    }
}

/// A client's body, bounded.
pub(crate) struct RequestBody {
    incoming: Incoming,
    upload: Rc<Upload>,
    bytes_max: u64,
}

/// Why a request's body ended early.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than the gateway allows.
    TooLarge,
    /// The client's side of it failed.
    Client(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("request body larger than the gateway's limit"),
            Self::Client(error) => write!(f, "request body: {error}"),
        }
    }
}

impl Error for BodyError {}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, upload: Rc<Upload>, bytes_max: u64) -> Self {
        Self {
            incoming,
            upload,
            bytes_max,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        let upload = &self.upload;
        upload.awaited.set(polled.is_pending());
        let frame = ready!(polled);
        Poll::Ready(match frame {
            None => {
                upload.progress.set(Progress::Complete);
                None
            }
            Some(Err(error)) => {
                upload.progress.set(Progress::ended_by(&error));
                Some(Err(BodyError::Client(error)))
            }
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Buf::remaining) as u64;
                upload.bytes.set(upload.bytes.get() + length);
                if upload.bytes.get() > self.bytes_max {
                    upload.progress.set(Progress::TooLarge);
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                }
                if self.incoming.is_end_stream() {
                    upload.progress.set(Progress::Complete);
                }
                Some(Ok(frame))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
