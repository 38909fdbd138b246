//! What goes over the streams.

use prometheus::{Error, Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use super::{Counters, registered};

/// How a transaction was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// All entries.
    Full,
    /// What differs.
    Delta,
}

/// What a proxy made of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Took {
    /// It runs all of it.
    All,
    /// It runs it but for some entries.
    Partly,
    /// It refused it.
    Nothing,
}

/// Why a stream was refused or ended by this side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// No token, or one that is not taken.
    Unauthenticated,
    /// A good token of nobody who may have units.
    Denied,
    /// The API server can't be asked.
    Unavailable,
    /// Too many dial at once.
    Busy,
    /// Another version of the protocol.
    Protocol,
    /// A message that can't be right.
    Garbage,
    /// No message in time.
    Slow,
}

/// The streams to the proxies and between the replicas.
#[derive(Debug)]
pub struct StreamMetrics {
    /// Connections that failed before their first byte of HTTP: no TLS, or too slow.
    pub handshakes_failed: IntCounter,
    /// Streams to proxies that are open.
    pub proxies: IntGauge,
    /// Streams from other replicas that are open.
    pub relays: IntGauge,
    /// Transactions.
    pub sent: Counters<Sent>,
    /// Chunks.
    pub chunks: IntCounter,
    /// Entries, and names of entries that are gone.
    pub units: IntCounter,
    /// Bytes of messages, before TLS.
    pub bytes: IntCounter,
    /// What proxies made of the transactions.
    pub verdicts: Counters<Took>,
    /// Streams that were refused or ended by this side.
    pub refused: Counters<Refused>,
    /// From the publishing of a set until a proxy said what it made of it.
    pub push_seconds: Histogram,
}

impl StreamMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        let gauge = |name, help| registered(registry, IntGauge::new(name, help)?);
        Ok(Self {
            handshakes_failed: counter(
                "tollgate_controller_handshakes_failed_total",
                "Connections to the push port that came to nothing: no TLS, or too slow.",
            )?,
            proxies: gauge(
                "tollgate_controller_streams",
                "Open streams to proxies at this replica.",
            )?,
            relays: gauge(
                "tollgate_controller_relays",
                "Open streams from other replicas, which say what their proxies run.",
            )?,
            sent: Counters::new(
                registry,
                (
                    "tollgate_controller_transactions_total",
                    "Transactions sent to proxies.",
                    "mode",
                ),
                &[(Sent::Full, "full"), (Sent::Delta, "delta")],
            )?,
            chunks: counter(
                "tollgate_controller_chunks_total",
                "Chunks of transactions sent to proxies.",
            )?,
            units: counter(
                "tollgate_controller_units_total",
                "Units sent to proxies, and names of units that are gone.",
            )?,
            bytes: counter(
                "tollgate_controller_sent_bytes_total",
                "Bytes of messages sent to proxies, before TLS.",
            )?,
            verdicts: verdicts(registry)?,
            refused: refused(registry)?,
            push_seconds: push_seconds(registry)?,
        })
    }
}

fn verdicts(registry: &Registry) -> Result<Counters<Took>, Error> {
    Counters::new(
        registry,
        (
            "tollgate_controller_verdicts_total",
            "What proxies made of transactions.",
            "state",
        ),
        &[
            (Took::All, "adopted"),
            (Took::Partly, "partly"),
            (Took::Nothing, "refused"),
        ],
    )
}

fn refused(registry: &Registry) -> Result<Counters<Refused>, Error> {
    Counters::new(
        registry,
        (
            "tollgate_controller_streams_refused_total",
            "Streams that were refused, or ended because of what the other end did.",
            "reason",
        ),
        &[
            (Refused::Unauthenticated, "unauthenticated"),
            (Refused::Denied, "denied"),
            (Refused::Unavailable, "unavailable"),
            (Refused::Busy, "busy"),
            (Refused::Protocol, "protocol"),
            (Refused::Garbage, "garbage"),
            (Refused::Slow, "slow"),
        ],
    )
}

fn push_seconds(registry: &Registry) -> Result<Histogram, Error> {
    let options = HistogramOpts::new(
        "tollgate_controller_push_seconds",
        "From the publishing of a set until a proxy said what it made of it.",
    );
    let buckets = vec![
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
    ];
    registered(registry, Histogram::with_opts(options.buckets(buckets))?)
}
