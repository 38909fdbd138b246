//! What a scrape reads: the cells of all cores, summed, and what the operating system knows.
//!
//! In: the cells. Out: metric families. Reading takes nothing from the cores but a cache line each;
//! a scrape sees every cell whole, though not all of them at one instant.

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{
    metrics::{
        cells::Cells,
        family::Named,
        histogram::{Histogram, Sum},
        kernel,
    },
    refusal::{Blame, Reason},
};

const REQUESTS: Named = Named {
    name: "tollgate_requests_total",
    help: "Requests that are over, by the protocol of the client and the status of the answer.",
    labels: &["protocol", "status"],
};
const REFUSALS: Named = Named {
    name: "tollgate_refusals_total",
    help: "Requests that were refused or broke off, by reason and by who is to blame.",
    labels: &["reason", "blame"],
};
const DURATION: Named = Named {
    name: "tollgate_request_duration_seconds",
    help: "Time from the head of a request to the end of its answer.",
    labels: &[],
};
const UPSTREAM_DURATION: Named = Named {
    name: "tollgate_upstream_duration_seconds",
    help: "Time that upstreams took, of the requests that reached one.",
    labels: &[],
};
const REQUEST_BYTES: Named = Named {
    name: "tollgate_request_bytes_total",
    help: "Bytes of request bodies that came from clients.",
    labels: &[],
};
const RESPONSE_BYTES: Named = Named {
    name: "tollgate_response_bytes_total",
    help: "Bytes of answers' bodies that went to clients.",
    labels: &[],
};
const IN_FLIGHT: Named = Named {
    name: "tollgate_requests_in_flight",
    help: "Requests that are being served.",
    labels: &[],
};
const CONNECTIONS_OPEN: Named = Named {
    name: "tollgate_connections_open",
    help: "Connections of clients that are open.",
    labels: &[],
};
const CONNECTIONS: Named = Named {
    name: "tollgate_connections_total",
    help: "Connections of clients that were accepted.",
    labels: &[],
};
const UPSTREAM_CONNECTIONS_OPEN: Named = Named {
    name: "tollgate_upstream_connections_open",
    help: "Connections to upstreams that are open, idle ones included.",
    labels: &[],
};
const UPSTREAM_CONNECTIONS: Named = Named {
    name: "tollgate_upstream_connections_total",
    help: "Connections to upstreams that were opened.",
    labels: &[],
};
const RESIDENT_MEMORY: Named = Named {
    name: "process_resident_memory_bytes",
    help: "Physical memory that the process has.",
    labels: &[],
};
const CPU: Named = Named {
    name: "process_cpu_seconds_total",
    help: "CPU time that the process has used, in user and kernel mode.",
    labels: &[],
};
const OPEN_FDS: Named = Named {
    name: "process_open_fds",
    help: "File descriptors that the process has open.",
    labels: &[],
};
const START_TIME: Named = Named {
    name: "process_start_time_seconds",
    help: "When the process started, in seconds since 1970.",
    labels: &[],
};

const ALL: [&Named; 15] = [
    &REQUESTS,
    &REFUSALS,
    &DURATION,
    &UPSTREAM_DURATION,
    &REQUEST_BYTES,
    &RESPONSE_BYTES,
    &IN_FLIGHT,
    &CONNECTIONS_OPEN,
    &CONNECTIONS,
    &UPSTREAM_CONNECTIONS_OPEN,
    &UPSTREAM_CONNECTIONS,
    &RESIDENT_MEMORY,
    &CPU,
    &OPEN_FDS,
    &START_TIME,
];

/// The cells of every core that was given a pen.
pub(super) type Cores = Arc<Mutex<Vec<Arc<Cells>>>>;

/// Reads the cells and the process at each scrape.
pub(super) struct Scrape {
    cores: Cores,
    started: SystemTime,
    descs: Vec<Desc>,
}

impl Scrape {
    pub(super) fn new(cores: Cores, started: SystemTime) -> prometheus::Result<Self> {
        Ok(Self {
            cores,
            started,
            descs: ALL
                .iter()
                .map(|named| named.desc())
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Nothing in this file or its parent can panic while it holds the lock.
        let cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        let total = |cell: fn(&Cells) -> &AtomicU64| iter::once(([], sum(&cores, cell)));
        let level = |cell: fn(&Cells) -> &AtomicU64| Some(sum(&cores, cell));
        vec![
            requests(&cores),
            refusals(&cores),
            DURATION.histogram(&durations(&cores, |core| &core.duration)),
            UPSTREAM_DURATION.histogram(&durations(&cores, |core| &core.upstream_duration)),
            REQUEST_BYTES.counter(total(|core| &core.bytes_in)),
            RESPONSE_BYTES.counter(total(|core| &core.bytes_out)),
            IN_FLIGHT.gauge(level(|core| &core.in_flight)),
            CONNECTIONS_OPEN.gauge(level(|core| &core.connections.open)),
            CONNECTIONS.counter(total(|core| &core.connections.total)),
            UPSTREAM_CONNECTIONS_OPEN.gauge(level(|core| &core.upstream_connections.open)),
            UPSTREAM_CONNECTIONS.counter(total(|core| &core.upstream_connections.total)),
            RESIDENT_MEMORY.gauge(kernel::resident_memory_bytes()),
            CPU.counter(kernel::cpu_seconds().map(|seconds| ([], seconds))),
            OPEN_FDS.gauge(kernel::open_fds()),
            START_TIME.gauge(Some(kernel::unix_seconds(self.started))),
        ]
    }
}

fn requests(cores: &[Arc<Cells>]) -> MetricFamily {
    let mut sums = BTreeMap::<_, u64>::new();
    for (protocol, status, count) in cores.iter().flat_map(|core| core.requests_seen()) {
        *sums.entry((protocol.as_str(), status)).or_default() += count;
    }
    REQUESTS.counter(
        sums.into_iter().map(|((protocol, status), count)| {
            ([protocol.into(), status.to_string()], count as f64)
        }),
    )
}

/// Every reason has a row from the start, so that a rate over its first refusal is not lost.
fn refusals(cores: &[Arc<Cells>]) -> MetricFamily {
    REFUSALS.counter(Reason::ALL.into_iter().map(|reason| {
        let labels = [reason.label().into(), blame_label(reason.blame()).into()];
        (labels, sum(cores, |core| &core.refusals[reason.index()]))
    }))
}

fn blame_label(blame: Blame) -> &'static str {
    match blame {
        Blame::Client => "client",
        Blame::Upstream => "upstream",
        Blame::Gateway => "gateway",
    }
}

fn durations(cores: &[Arc<Cells>], histogram: fn(&Cells) -> &Histogram) -> Sum {
    let mut sum = Sum::default();
    cores.iter().for_each(|core| sum.add(histogram(core)));
    sum
}

fn sum(cores: &[Arc<Cells>], cell: impl Fn(&Cells) -> &AtomicU64) -> f64 {
    let sum: u64 = cores.iter().map(|core| cell(core).load(Relaxed)).sum();
    sum as f64
}
