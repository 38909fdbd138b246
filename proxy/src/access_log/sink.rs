//! The way of a line: a buffer of its core, handed whole to the one thread that writes.
//!
//! In: records. Out: bytes in a writer, in the order in which each core wrote them. Between cores
//! there is no order. The channel to the writer is bounded and a core never waits for it: a buffer
//! that finds it full is dropped, and its lines are counted.

use std::{
    convert::Infallible,
    io::{self, Write},
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{
            Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
        },
    },
    thread,
    time::{Duration, Instant},
};

use prometheus::IntCounter;

use crate::access_log::{Format, Record, clock::Clock, json, readable};

/// A buffer is handed over once it holds this many bytes ...
const BUFFER: usize = 64 << 10;
/// ... or after this time.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// Room for the line that crosses the mark, unless it is a very long one.
const BUFFER_CAPACITY: usize = BUFFER + (8 << 10);
/// Buffers on their way to the writer: 4 MiB at most.
const CHUNKS_MAX: usize = 64;
/// Empty buffers kept for the next hand-over.
const SPARES_MAX: usize = 16;

/// Some lines of one core.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    lines: u64,
}

/// What cores and writer share, beside the channel. Its locks are held for a push or a pop only.
#[derive(Debug)]
struct Shared {
    spares: Mutex<Vec<Vec<u8>>>,
    /// The last lines of cores that have ended.
    rest: Mutex<Vec<Chunk>>,
    dropped: IntCounter,
}

impl Shared {
    /// A buffer to go on with. A core would rather allocate than wait for the lock.
    fn spare(&self) -> Vec<u8> {
        let spare = self
            .spares
            .try_lock()
            .ok()
            .and_then(|mut spares| spares.pop());
        spare.unwrap_or_else(|| Vec::with_capacity(BUFFER_CAPACITY))
    }

    /// Keeps a buffer that was written, unless a very long line has made it large.
    fn keep(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES_MAX && buffer.capacity() <= BUFFER_CAPACITY {
            spares.push(buffer);
        }
    }
}

/// The access log of this process, with the thread that writes it.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    shared: Arc<Shared>,
    chunks: SyncSender<Chunk>,
    /// Nothing is ever sent: it closes when the writer is through.
    written: Receiver<Infallible>,
}

/// The log was not written to its end in the time given.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("access log: its last lines are not taken, or a core still writes")]
pub struct Unwritten;

impl AccessLog {
    /// Starts the thread that writes to `out`. Dropped lines are added to `dropped`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        format: Format,
        out: impl Write + Send + 'static,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            spares: Mutex::default(),
            rest: Mutex::default(),
            dropped,
        });
        let (chunks, arriving) = sync_channel(CHUNKS_MAX);
        let (through, written) = channel();
        let of_writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write(out, &arriving, &of_writer, through))?;
        Ok(Self {
            format,
            shared,
            chunks,
            written,
        })
    }

    /// A log for a core that starts.
    pub fn core(&self) -> CoreLog {
        CoreLog {
            format: self.format,
            clock: Clock::default(),
            buffer: self.shared.spare(),
            lines: 0,
            flushed: None,
            chunks: self.chunks.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits until everything is written. Every core must have ended its log with
    /// [`CoreLog::finish`].
    ///
    /// # Errors
    /// [`Unwritten`] when that takes longer than `within`. The process may end all the same.
    pub fn stop(self, within: Duration) -> Result<(), Unwritten> {
        // With the last sender gone, the writer ends.
        drop(self.chunks);
        match self.written.recv_timeout(within) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(Unwritten),
            Ok(never) => match never {},
        }
    }
}

/// The access log of one core.
#[derive(Debug)]
pub struct CoreLog {
    format: Format,
    clock: Clock,
    buffer: Vec<u8>,
    lines: u64,
    flushed: Option<Instant>,
    chunks: SyncSender<Chunk>,
    shared: Arc<Shared>,
}

impl CoreLog {
    /// Writes a line; it goes out with its buffer. Never waits.
    pub fn record(&mut self, record: &Record<'_>) {
        match self.format {
            Format::Json => json::push(&mut self.buffer, &mut self.clock, record),
            Format::Readable { colour } => {
                readable::push(&mut self.buffer, &mut self.clock, record, colour);
            }
        }
        self.lines += 1;
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    /// Hands the buffer over if 50 ms have passed since the last time that this did. For a timer
    /// that ticks more often than that; one that ticks every 50 ms calls [`CoreLog::flush`].
    pub fn flush_due(&mut self, now: Instant) {
        let due = |at| now.saturating_duration_since(at) >= FLUSH_EVERY;
        if self.lines > 0 && self.flushed.is_none_or(due) {
            self.flush();
            self.flushed = Some(now);
        }
    }

    /// Hands the buffer over, or drops and counts its lines when the writer is behind. Never waits.
    pub fn flush(&mut self) {
        if self.lines == 0 {
            return;
        }
        let chunk = self.take();
        match self.chunks.try_send(chunk) {
            Ok(()) => self.buffer = self.shared.spare(),
            Err(TrySendError::Full(chunk) | TrySendError::Disconnected(chunk)) => {
                self.shared.dropped.inc_by(chunk.lines);
                self.buffer = chunk.bytes;
                self.buffer.clear();
            }
        }
    }

    /// Ends the log of a core that ends. Never waits: the writer takes these lines last, before
    /// [`AccessLog::stop`] returns.
    pub fn finish(mut self) {
        let chunk = self.take();
        let mut rest = self
            .shared
            .rest
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rest.push(chunk);
    }

    fn take(&mut self) -> Chunk {
        Chunk {
            bytes: mem::take(&mut self.buffer),
            lines: mem::take(&mut self.lines),
        }
    }
}

/// The thread that writes. It ends when no core has a sender any more; dropping `_through` says so.
fn write(
    mut out: impl Write,
    chunks: &Receiver<Chunk>,
    shared: &Shared,
    _through: Sender<Infallible>,
) {
    let mut failed = false;
    let mut write = |chunk: &Chunk| {
        let Err(error) = out.write_all(&chunk.bytes).and_then(|()| out.flush()) else {
            failed = false;
            return;
        };
        shared.dropped.inc_by(chunk.lines);
        // Said once: the place for the log may be gone for good, and requests go on.
        if !mem::replace(&mut failed, true) {
            tracing::warn!(%error, "the access log can't be written");
        }
    };
    for chunk in chunks {
        write(&chunk);
        shared.keep(chunk.bytes);
    }
    let rest = mem::take(&mut *shared.rest.lock().unwrap_or_else(PoisonError::into_inner));
    rest.iter().filter(|chunk| chunk.lines > 0).for_each(write);
}

#[cfg(test)]
mod tests;
