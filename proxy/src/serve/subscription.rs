//! A controller's stream, followed beside everything else; what is said and shown of it.
//!
//! In: whom to dial, what is kept. Out: what is new to listen to; lines on stderr, `/config`,
//! metrics.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use arc_swap::ArcSwap;
use imbl::ordmap::DiffItem;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tollgate_snapshot::UnitId;

use super::view::View;
use crate::{
    active::Active,
    config::{
        adopt::{Adopter, Verdict},
        last_good::{Persisted, Store},
        subscribe::{Controller, InForce, Report, SnapshotSource, Subscriber},
    },
    metrics::{Metrics, SnapshotSeen},
};

/// How long the last write of the snapshot may take at the end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A stream that is followed.
pub(super) struct Subscription {
    report: watch::Receiver<Report>,
    in_force: mpsc::Receiver<InForce>,
    about_to_end: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    said: imbl::OrdMap<UnitId, Verdict>,
    view: View,
}

impl Subscription {
    /// Adopts what was kept, and dials.
    pub(super) async fn open(
        controller: Controller,
        store: Store,
        active: Arc<ArcSwap<Active>>,
        view: &View,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let gateway = store.gateway.to_string();
        let (subscriber, outside) = Subscriber::open(controller, store, Adopter::new(active)).await;
        let seen = Seen {
            gateway,
            report: outside.report.clone(),
            persisted: outside.persisted,
        };
        let shown = seen.clone();
        view.set_source(move || shown.document());
        let shown = metrics.show_snapshot(move || seen.metrics());
        shown.context("a metric can't be registered")?;
        let (about_to_end, is_about_to_end) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let mut subscription = Self {
            report: outside.report,
            in_force: outside.in_force,
            about_to_end,
            stop,
            task: tokio::spawn(subscriber.run(is_about_to_end, stopped)),
            said: imbl::OrdMap::new(),
            view: view.clone(),
        };
        subscription.show();
        Ok(subscription)
    }

    /// Waits until a snapshot is in force.
    pub(super) async fn follow(&mut self) -> InForce {
        match self.in_force.recv().await {
            Some(in_force) => {
                self.show();
                in_force
            }
            None => {
                tracing::error!("the controller is not followed any more: what is served goes on");
                pending().await
            }
        }
    }

    fn show(&mut self) {
        let exceptions = self.report.borrow().exceptions.clone();
        for item in self.said.diff(&exceptions) {
            match item {
                DiffItem::Add(id, verdict)
                | DiffItem::Update {
                    new: (id, verdict), ..
                } => say(id, verdict),
                DiffItem::Remove(id, _) => eprintln!("as wanted again {id}"),
            }
        }
        self.view.set_config(&exceptions);
        self.said = exceptions;
    }

    /// Whether a snapshot is in force.
    pub(super) fn is_loaded(&self) -> bool {
        self.report.borrow().snapshot.is_some()
    }

    /// Tells it that this program is about to end, and goes on until the result is awaited.
    pub(super) fn stop(self) -> impl Future<Output = ()> {
        let (stop, task) = (self.stop, self.task);
        // It may have ended by itself. The listeners are nobody's any more: it is not asked to wait
        // for them.
        let _ = self.about_to_end.send(());
        async move {
            let _ = stop.send(());
            if tokio::time::timeout(STOP_PATIENCE, task).await.is_err() {
                tracing::warn!("the last snapshot could not be kept in time");
            }
        }
    }
}

fn say(id: &UnitId, verdict: &Verdict) {
    match verdict {
        Verdict::HeldAtLastGood => eprintln!("held {id}: the version before goes on"),
        Verdict::HeldWithoutLastGood => eprintln!("held {id}: there is no version before"),
        Verdict::Rejected(why) => eprintln!("rejected {id}: {why}"),
    }
}

/// What there is to show, whenever somebody asks.
#[derive(Clone)]
struct Seen {
    gateway: String,
    report: watch::Receiver<Report>,
    persisted: watch::Receiver<Persisted>,
}

impl Seen {
    fn document(&self) -> Value {
        let report = self.report.borrow();
        let source = report.snapshot.map(|snapshot| snapshot.source);
        let connected = report.connected.as_ref();
        let rolled_back = report.rolled_back.iter();
        json!({
            "from": source.map_or("nothing", SnapshotSource::as_str),
            "gateway": self.gateway,
            "generation": match source {
                Some(SnapshotSource::Disk(generation)) => Some(generation),
                Some(SnapshotSource::Controller | SnapshotSource::Bootstrap) | None => None,
            },
            "root": report.snapshot.map(|snapshot| snapshot.root.to_string()),
            "resourceVersion": report.snapshot.map(|snapshot| snapshot.resource_version),
            "seconds": report.snapshot.map(|snapshot| snapshot.since.elapsed().as_secs()),
            "controller": connected.map(|(address, _)| address.to_string()),
            "connectedSince": connected.and_then(|(_, since)| rfc3339(*since)),
            "disconnected": report.disconnected,
            "refused": report.refused,
            "rolledBack": rolled_back.map(ToString::to_string).collect::<Vec<_>>(),
            "kept": match &*self.persisted.borrow() {
                Persisted::Not => None,
                Persisted::Generation(generation) => Some(format!("snapshot-{generation}")),
                Persisted::Failed(why) => Some(format!("failed: {why}")),
            },
            "exceptions": report.exceptions.len(),
        })
    }

    fn metrics(&self) -> SnapshotSeen {
        let report = self.report.borrow();
        let snapshot = report.snapshot.map(|snapshot| {
            let age = snapshot.since.elapsed().as_secs_f64();
            (snapshot.root.to_string(), snapshot.source.as_str(), age)
        });
        SnapshotSeen {
            connected: report.connected.is_some(),
            snapshot,
            refused: report.refused.is_some(),
            persist_failed: matches!(*self.persisted.borrow(), Persisted::Failed(_)),
        }
    }
}

fn rfc3339(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(format!("{time:.3}"))
}
