//! What one core counts: cells that only it writes and that a scrape reads.
//!
//! In: the outcome of a request, a connection opened or closed. Out: numbers in arrays, indexed by
//! what they are about. A cell has one writer, so adding is a plain load and store: no lock, no
//! locked instruction, no cache line that two cores fight for.

use std::{
    cell::Cell,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{metrics::histogram::Histogram, refusal::Reason};

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    H2,
}

impl Protocol {
    /// Every protocol, in the order of their metric index.
    pub const ALL: [Self; 3] = [Self::Http10, Self::Http11, Self::H2];

    /// The protocol as metrics and the access log show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::H2 => "HTTP/2",
        }
    }
}

/// What metrics keep of a request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What the client spoke.
    pub protocol: Protocol,
    /// Status of the answer, 100 to 999; others count as the nearer end.
    pub status: u16,
    /// Why we answered, if it was a refusal.
    pub reason: Option<Reason>,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// The part of it that the upstream took; `None`: it was not asked.
    pub upstream_duration: Option<Duration>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

/// The pen of one core. It moves to the core's thread and stays there: it is neither `Sync` nor
/// `Clone`, so that every cell has one writer.
#[derive(Debug)]
pub struct CoreMetrics {
    cells: Arc<Cells>,
    one_writer: PhantomData<Cell<()>>,
}

impl CoreMetrics {
    pub(super) fn new(cells: Arc<Cells>) -> Self {
        Self {
            cells,
            one_writer: PhantomData,
        }
    }

    /// Counts a request that is over, whatever became of it.
    pub fn request(&self, outcome: &Outcome) {
        let cells = &*self.cells;
        add(cells.requests(outcome.protocol, outcome.status), 1);
        if let Some(reason) = outcome.reason {
            add(&cells.refusals[reason.index()], 1);
        }
        cells.duration.observe(outcome.duration);
        if let Some(duration) = outcome.upstream_duration {
            cells.upstream_duration.observe(duration);
        }
        add(&cells.bytes_in, outcome.bytes_in);
        add(&cells.bytes_out, outcome.bytes_out);
    }

    /// A request's head has been read. Its end is told by [`CoreMetrics::request_ended`].
    pub fn request_started(&self) {
        add(&self.cells.in_flight, 1);
    }

    /// A request that was started is over.
    pub fn request_ended(&self) {
        subtract_one(&self.cells.in_flight);
    }

    /// A client has connected.
    pub fn connection_opened(&self) {
        self.cells.connections.open();
    }

    /// A client's connection is gone.
    pub fn connection_closed(&self) {
        self.cells.connections.close();
    }

    /// An upstream has been connected to.
    pub fn upstream_opened(&self) {
        add(&self.cells.upstream_connections.total, 1);
    }

    /// Says how many connections to upstreams there are now.
    pub fn upstreams_open(&self, count: usize) {
        self.cells
            .upstream_connections
            .open
            .store(count as u64, Relaxed);
    }
}

/// One cell for each status from 100 to 999.
const STATUSES: usize = 900;

/// The numbers of one core.
#[derive(Debug)]
pub(super) struct Cells {
    requests: [[AtomicU64; STATUSES]; Protocol::ALL.len()],
    pub(super) refusals: [AtomicU64; Reason::ALL.len()],
    pub(super) duration: Histogram,
    pub(super) upstream_duration: Histogram,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) connections: Connections,
    pub(super) upstream_connections: Connections,
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            requests: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            refusals: Default::default(),
            duration: Histogram::default(),
            upstream_duration: Histogram::default(),
            bytes_in: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
            in_flight: AtomicU64::default(),
            connections: Connections::default(),
            upstream_connections: Connections::default(),
        }
    }
}

impl Cells {
    fn requests(&self, protocol: Protocol, status: u16) -> &AtomicU64 {
        &self.requests[protocol as usize][usize::from(status.clamp(100, 999)) - 100]
    }

    /// The requests that were counted, by protocol and status.
    pub(super) fn requests_seen(&self) -> impl Iterator<Item = (Protocol, u16, u64)> {
        Protocol::ALL.into_iter().flat_map(move |protocol| {
            (100..=999)
                .map(move |status| {
                    (
                        protocol,
                        status,
                        self.requests(protocol, status).load(Relaxed),
                    )
                })
                .filter(|(_, _, count)| *count > 0)
        })
    }
}

/// Connections on one side: how many there are and how many there were.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) open: AtomicU64,
    pub(super) total: AtomicU64,
}

impl Connections {
    fn open(&self) {
        add(&self.open, 1);
        add(&self.total, 1);
    }

    fn close(&self) {
        subtract_one(&self.open);
    }
}

/// Adds to a cell that nobody else writes.
pub(super) fn add(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
}

/// Takes one from a cell that nobody else writes; none is none.
fn subtract_one(cell: &AtomicU64) {
    cell.store(cell.load(Relaxed).saturating_sub(1), Relaxed);
}
