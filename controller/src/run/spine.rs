//! The spine: what is watched is compiled, and what is compiled is published.
//!
//! In: batches. Out: sets for the streams; then, once they can be had, the news for status. Nothing
//! here waits for anybody but the watch: while status is busy, its news are put together.

use std::{collections::BTreeMap, mem};

use tokio::sync::{mpsc, watch};
use tollgate_compile::{Compiler, Kind, ObjectRef, Problem};
use tracing::{debug, info, warn};

use crate::{
    publish::{Publisher, Snapshots},
    status::{self, News},
    watch::{Batch, Watch},
};

/// The compiler between the watch and the others.
pub(super) struct Spine {
    compiler: Compiler,
    publisher: Publisher,
    status: mpsc::Sender<News>,
    /// What status has not been told.
    untold: News,
    has_untold: bool,
    is_listed: bool,
    /// What is not listed yet, for whoever asks why.
    missing: watch::Sender<Vec<String>>,
}

impl Spine {
    pub(super) fn new(
        snapshots: Snapshots,
        status: mpsc::Sender<News>,
        missing: watch::Sender<Vec<String>>,
    ) -> Self {
        Self {
            compiler: Compiler::default(),
            publisher: Publisher::new(snapshots),
            status,
            untold: News::default(),
            has_untold: false,
            is_listed: false,
            missing,
        }
    }

    /// Runs until `ending` says true, or nobody takes the news.
    pub(super) async fn run(mut self, mut watch: Watch, mut ending: watch::Receiver<bool>) {
        let status = self.status.clone();
        loop {
            tokio::select! {
                batch = watch.next() => {
                    if !self.is_listed {
                        self.missing.send_replace(watch.missing());
                    }
                    self.take(batch);
                }
                permit = status.reserve(), if self.is_listed && self.has_untold => {
                    let Ok(permit) = permit else { return };
                    permit.send(mem::take(&mut self.untold));
                    self.has_untold = false;
                }
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }

    fn take(&mut self, batch: Batch) {
        let endpoints = batch
            .changes
            .iter()
            .filter(|change| status::is_of_a_gateway(change));
        self.untold.endpoints.extend(endpoints.cloned());
        self.untold.seen.extend(batch.seen);
        if batch.held.is_some() {
            self.untold.held = batch.held;
        }
        let mut delta = self.compiler.apply_all(batch.changes);
        let units = delta.take_changes();
        debug!(
            units = units.len(),
            version = batch.resource_version,
            "compiled"
        );
        self.publisher.apply(units);
        warn_of_others(&delta.problems);
        self.untold.problems.extend(delta.problems);
        self.has_untold = true;
        // Before everything is listed, a gateway would lose what is not listed yet.
        if batch.listed {
            self.publisher.publish(batch.resource_version);
            if !mem::replace(&mut self.is_listed, true) {
                info!(version = batch.resource_version, "everything is listed");
            }
        }
    }
}

/// Logs the problems of objects that have no status of ours: nobody else would say them.
fn warn_of_others(problems: &BTreeMap<ObjectRef, Vec<Problem>>) {
    for (object, problems) in problems {
        match object.kind {
            Kind::ApiGateway | Kind::ApiRoute | Kind::Function => {}
            Kind::Service | Kind::EndpointSlice | Kind::Namespace | Kind::ReferenceGrant => {
                for problem in problems {
                    warn!(%problem, "an object can't be used");
                }
            }
        }
    }
}
