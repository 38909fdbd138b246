//! Status: what users are told of their objects.
//!
//! In: what the objects say and what compile says of them, the sets that are published, who runs
//! which, and which proxies are ready. Out: conditions, written to the objects by the holder of the
//! Lease alone, and events when they turn. Nobody decides anything by what is written here.

mod grounds;
mod judge;
mod ledger;
mod metrics;
mod pods;
mod queue;
mod report;
#[cfg(test)]
mod scene;
mod text;
mod transition;
pub mod words;
mod write;
mod writer;

use std::collections::BTreeMap;

use kube::Client;
use tokio::sync::{mpsc, watch};
use tollgate_compile::{Change, ObjectRef, Problem};

use self::writer::Writer;
pub use self::{metrics::StatusMetrics, pods::is_of_a_gateway};
use crate::{
    events::Transition,
    holder::Holder,
    proxies::Proxies,
    publish::Snapshots,
    watch::{Held, Seen},
};

/// What status is to know; sent once all of it is published.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Objects of our own kinds that are new, different or (`None`) gone.
    pub seen: Vec<(ObjectRef, Option<Seen>)>,
    /// All problems of the objects whose problems changed; none left: an empty list.
    pub problems: BTreeMap<ObjectRef, Vec<Problem>>,
    /// Changes of Services and EndpointSlices for which [`is_of_a_gateway`]; others are skipped.
    pub endpoints: Vec<Change>,
    /// All that is held; `None`: as before.
    pub held: Option<Vec<Held>>,
}

/// All that status needs beside the news.
#[derive(Debug)]
pub struct Sources {
    /// What is published.
    pub snapshots: Snapshots,
    /// Who runs what.
    pub proxies: Proxies,
    /// Who holds the Lease.
    pub holder: watch::Receiver<Holder>,
}

/// Keeps every status true until the news end. `events`: where transitions go; they are dropped
/// while it is full.
pub async fn run(
    client: Client,
    news: mpsc::Receiver<News>,
    sources: Sources,
    events: mpsc::Sender<Transition>,
    metrics: StatusMetrics,
) {
    Writer::new(client, sources, events, metrics)
        .run(news)
        .await;
}
