//! The controller's stream: the source of configuration in a cluster.
//!
//! In: a controller's address, what was kept on disk. Out: units adopted, one transaction at a
//! time, and a verdict on each of them for the controller. The controller may come and go: what is
//! run goes on. Requests are never seen here.
//!
//! ```text
//! last_good ──> start ──┐
//! dial ──> stream ──> session ──> adopt ──> swap ──> listeners ──> Verdicts
//!                                   └──> marks       └──> last_good
//! ```

mod backoff;
mod dial;
mod gate;
mod report;
mod session;
mod stream;
mod words;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    reason = "generated; the docs are in the proto file"
)]
mod push {
    include!(concat!(env!("OUT_DIR"), "/client/tollgate.push.v1.rs"));
}

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, sleep_until, timeout},
};
use tollgate_snapshot::Hash;

use self::{backoff::Backoff, gate::Gate};
pub use self::{
    dial::{Controller, Undialled},
    report::{Report, SnapshotFacts, SnapshotSource},
};
use crate::config::{
    adopt::Adopter,
    holding::{Holding, Steps, Transaction},
    last_good::{Found, Keeper, Marks, Origin, PROBATION, Persisted, Shot, Store},
};

/// Longest time to wait for the listeners to be those of a snapshot before the controller is told
/// that it runs.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Says that a snapshot is in force; to be answered when the listeners are those that it wants.
pub type InForce = oneshot::Sender<()>;

/// Follows a controller.
pub struct Subscriber {
    controller: Controller,
    store: Store,
    adopter: Adopter,
    keeper: Keeper,
    /// Shared with whoever says that the program is about to end; never locked while waiting.
    marks: Arc<Mutex<Marks>>,
    gate: Gate,
    backoff: Backoff,
    holding: Holding,
    /// Whether the controller may be told what is held, to send only what differs.
    tells: bool,
    /// When the probation of what is run is over.
    settles_at: Option<Instant>,
    report: watch::Sender<Report>,
    in_force: mpsc::Sender<InForce>,
}

/// What others see of a subscriber.
pub struct Outside {
    /// How it goes.
    pub report: watch::Receiver<Report>,
    /// How keeping the snapshots goes.
    pub persisted: watch::Receiver<Persisted>,
    /// Hears of each snapshot that is put into force after the start.
    pub in_force: mpsc::Receiver<InForce>,
}

impl Subscriber {
    /// Adopts what was kept, if there is something.
    pub async fn open(controller: Controller, store: Store, adopter: Adopter) -> (Self, Outside) {
        let (found, marks) = store.open();
        let keeper = Keeper::start(store.clone(), found.as_ref());
        let (report, reported) = watch::channel(Report {
            rolled_back: marks.rolled_back().to_vec(),
            ..Report::default()
        });
        let (in_force, follow) = mpsc::channel(1);
        let outside = Outside {
            report: reported,
            persisted: keeper.persisted(),
            in_force: follow,
        };
        let mut subscriber = Self {
            controller,
            store,
            adopter,
            keeper,
            gate: Gate::new(marks.rolled_back().to_vec()),
            marks: Arc::new(Mutex::new(marks)),
            backoff: Backoff::default(),
            holding: Holding::default(),
            tells: false,
            settles_at: None,
            report,
            in_force,
        };
        if let Some(found) = found {
            subscriber.begin_with(found).await;
        }
        (subscriber, outside)
    }

    /// Follows the controller until told to stop; then what is run is kept. Told before that this
    /// program is about to end, it takes no end for a crash, and goes on.
    pub async fn run(mut self, about_to_end: oneshot::Receiver<()>, stop: oneshot::Receiver<()>) {
        let marks = Arc::clone(&self.marks);
        let told = async {
            // Whoever lets go of the other end wants an end, too.
            let _ = about_to_end.await;
            lock(&marks).stop();
            let _ = stop.await;
        };
        tokio::select! {
            biased;
            () = told => {}
            _ = self.follow() => {}
        }
        self.keeper.stop().await;
    }

    async fn follow(&mut self) -> Infallible {
        loop {
            match self.connect().await {
                Ok(()) => self.backoff.reset(),
                Err(why) => self.disconnected(why),
            }
            let rest = self.backoff.rest(fastrand::f64());
            self.while_settling(sleep(rest)).await;
            if self.holding.root().is_none()
                && let Some(found) = self.store.bootstrap_copy()
            {
                self.begin_with(found).await;
                self.settle_listeners().await;
            }
        }
    }

    fn disconnected(&mut self, why: String) {
        let is_known = self.report.borrow().disconnected.as_ref() == Some(&why);
        if is_known {
            tracing::debug!(%why, "no stream from the controller");
        } else {
            tracing::warn!(%why, "no stream from the controller");
        }
        self.report.send_modify(|report| {
            report.connected = None;
            report.disconnected = Some(why);
        });
    }

    /// Runs a snapshot that was kept.
    async fn begin_with(&mut self, found: Found) {
        let source = match found.origin {
            Origin::LastGood(generation) => SnapshotSource::Disk(generation),
            Origin::Bootstrap => SnapshotSource::Bootstrap,
        };
        tracing::info!(snapshot = %found.origin, root = %found.root, "starting with a saved snapshot");
        // Another version may know more or other fields: it gets everything anew.
        self.tells = found.saved.version == env!("CARGO_PKG_VERSION");
        let (holding, [puts, holds]) = Holding::restore(found.saved);
        self.try_out(found.root);
        let armed = self.adopter.arm(puts).await;
        self.adopter.swap(armed);
        self.adopter.adopt(&holds);
        self.holding = holding;
        self.in_force(source, found.root);
    }

    /// Runs what a transaction wants.
    async fn adopt(&mut self, transaction: Transaction, next: Holding) {
        let root = transaction.root;
        let active = self.adopter.active();
        let exceptions = self.adopter.exceptions();
        let Steps {
            changes,
            unreadable,
        } = transaction.steps(&active, exceptions.keys());
        self.gate.adopted();
        lock(&self.marks).forgive();
        if self.holding.root() != Some(root) {
            // Arming is ours, too: what can't be caught there is a crash.
            self.try_out(root);
        }
        let mut armed = self.adopter.arm(changes).await;
        for (id, why) in unreadable {
            armed.reject(id, why);
        }
        self.adopter.swap(armed);
        self.holding = next;
        self.tells = true;
        self.in_force(SnapshotSource::Controller, root);
        self.keeper.keep(Shot {
            holding: self.holding.clone(),
            active: self.adopter.active(),
            since: Instant::now(),
        });
        self.settle_listeners().await;
    }

    fn try_out(&mut self, root: Hash) {
        lock(&self.marks).attempt(root);
        self.settles_at = Some(Instant::now() + PROBATION);
    }

    fn in_force(&mut self, source: SnapshotSource, root: Hash) {
        let exceptions = self.adopter.exceptions().clone();
        let snapshot = SnapshotFacts {
            source,
            root,
            resource_version: self.holding.resource_version(),
            since: Instant::now(),
        };
        self.report.send_modify(|report| {
            report.snapshot = Some(snapshot);
            report.exceptions = exceptions;
            report.refused = None;
            report.rolled_back = self.gate.rolled_back().to_vec();
        });
    }

    /// Waits until the listeners are those of the snapshot that is in force.
    async fn settle_listeners(&self) {
        let (done, settled) = oneshot::channel();
        if self.in_force.send(done).await.is_ok() {
            // Who does not answer ends.
            let _ = timeout(SETTLE_TIMEOUT, settled).await;
        }
    }

    /// Waits for something, and ends the probation when its time has come.
    async fn while_settling<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        while let Some(at) = self.settles_at {
            tokio::select! {
                biased;
                done = &mut wait => return done,
                () = sleep_until(at.into()) => {
                    self.settles_at = None;
                    lock(&self.marks).settle();
                }
            }
        }
        wait.await
    }

    fn source(&self) -> Option<SnapshotSource> {
        self.report
            .borrow()
            .snapshot
            .map(|snapshot| snapshot.source)
    }
}

/// Nothing that holds the lock panics half-way through a change.
fn lock(marks: &Mutex<Marks>) -> MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}
