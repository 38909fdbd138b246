//! What a scrape says of the controller's snapshot: which one is run, since when, from where.
//!
//! In: facts, asked for at each scrape. Out: metric families. Standalone there are none.

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::Named;

const CONNECTED: Named = Named {
    name: "tollgate_controller_connected",
    help: "Whether a stream from the controller is open: 1 or 0. Only in a cluster.",
    labels: &[],
};
const INFO: Named = Named {
    name: "tollgate_snapshot_info",
    help: "Always 1; says which snapshot is run and where it came from. Only in a cluster.",
    labels: &["root", "source"],
};
const AGE: Named = Named {
    name: "tollgate_snapshot_age_seconds",
    help: "Time since the snapshot was put into force. Only in a cluster.",
    labels: &[],
};
const REFUSED: Named = Named {
    name: "tollgate_snapshot_refused",
    help: "Whether the controller's newest snapshot was refused as a whole: 1 or 0. Only in a cluster.",
    labels: &[],
};
const PERSIST_FAILED: Named = Named {
    name: "tollgate_snapshot_persist_failed",
    help: "Whether the last try to keep the snapshot on disk failed: 1 or 0. Only in a cluster.",
    labels: &[],
};

/// What is known of the controller's snapshot.
#[derive(Clone, Debug, Default)]
pub struct SnapshotSeen {
    /// Whether a stream from the controller is open.
    pub connected: bool,
    /// Root hash, source and seconds in force of the snapshot that is run.
    pub snapshot: Option<(String, &'static str, f64)>,
    /// Whether the newest snapshot was refused.
    pub refused: bool,
    /// Whether the last try to keep it on disk failed.
    pub persist_failed: bool,
}

/// Asks for the facts at each scrape.
pub(super) struct Seen {
    facts: Box<dyn Fn() -> SnapshotSeen + Send + Sync>,
    descs: Vec<Desc>,
}

impl Seen {
    pub(super) fn new(
        facts: impl Fn() -> SnapshotSeen + Send + Sync + 'static,
    ) -> prometheus::Result<Self> {
        let all = [&CONNECTED, &INFO, &AGE, &REFUSED, &PERSIST_FAILED];
        let descs = all.iter().map(|named| named.desc());
        Ok(Self {
            facts: Box::new(facts),
            descs: descs.collect::<Result<_, _>>()?,
        })
    }
}

impl Collector for Seen {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let seen = (self.facts)();
        let flag = |is_set: bool| Some(f64::from(u8::from(is_set)));
        let age = seen.snapshot.as_ref().map(|(_, _, age)| *age);
        let info = seen
            .snapshot
            .map(|(root, source, _)| [root, source.to_owned()]);
        let all = [
            CONNECTED.gauge(flag(seen.connected)),
            INFO.info(info),
            AGE.gauge(age),
            REFUSED.gauge(flag(seen.refused)),
            PERSIST_FAILED.gauge(flag(seen.persist_failed)),
        ];
        // The encoder refuses a family without a metric.
        all.into_iter()
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}
