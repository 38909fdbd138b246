//! Keeping what was adopted: in the background, the newest only.
//!
//! In: shots of what is run. Out: generations on disk; how the last write went. A write that fails
//! is tried again, less and less often; serving does not notice.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinHandle};
use tollgate_snapshot::{Hash, saved};

use super::{Found, Origin, Store, generations};
use crate::{active::Active, config::holding::Holding};

/// Rest between two writes.
const REST: Duration = Duration::from_secs(1);

/// Rest in times of what the write took, so that writing a large snapshot never takes more than a
/// twentieth of a core.
const REST_FACTOR: u32 = 20;

/// Longest rest after writes that failed.
const REST_MAX: Duration = Duration::from_secs(30);

/// What is run, and what it was made from.
#[derive(Clone)]
pub struct Shot {
    /// What is wanted.
    pub holding: Holding,
    /// What is run of it.
    pub active: Arc<Active>,
    /// When it was first run.
    pub since: Instant,
}

/// How the last write went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Persisted {
    /// There was none.
    #[default]
    Not,
    /// This generation is on disk.
    Generation(u64),
    /// It failed, in words.
    Failed(String),
}

/// Keeps the newest shot on disk.
pub struct Keeper {
    shots: watch::Sender<Option<Shot>>,
    persisted: watch::Receiver<Persisted>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Begins with what was found at the start, which is not written again.
    pub fn start(store: Store, found: Option<&Found>) -> Self {
        let (shots, seen) = watch::channel(None);
        let (report, persisted) = watch::channel(Persisted::Not);
        let mut desk = Desk {
            store,
            since: BTreeMap::new(),
            written: None,
        };
        if let Some(found) = found
            && let Origin::LastGood(generation) = found.origin
        {
            desk.since.insert(generation, Instant::now());
            let is_ours = found.saved.version == env!("CARGO_PKG_VERSION");
            desk.written = is_ours.then_some(found.root);
            report.send_replace(Persisted::Generation(generation));
        }
        Self {
            shots,
            persisted,
            task: tokio::spawn(run(desk, seen, report)),
        }
    }

    /// Keeps this one, and not the one before if that was not written yet.
    pub fn keep(&self, shot: Shot) {
        self.shots.send_replace(Some(shot));
    }

    /// How the last write went, now and later.
    pub fn persisted(&self) -> watch::Receiver<Persisted> {
        self.persisted.clone()
    }

    /// Writes what is not written yet, and ends.
    pub async fn stop(self) {
        drop(self.shots);
        if self.task.await.is_err() {
            tracing::error!("the task that keeps snapshots panicked");
        }
    }
}

/// What writing needs.
#[derive(Clone)]
struct Desk {
    store: Store,
    /// When the generations of this run were first run.
    since: BTreeMap<u64, Instant>,
    /// The root hash of the newest generation.
    written: Option<Hash>,
}

async fn run(
    mut desk: Desk,
    mut shots: watch::Receiver<Option<Shot>>,
    report: watch::Sender<Persisted>,
) {
    let (mut is_new, mut failures) = (false, 0);
    while is_new || shots.changed().await.is_ok() {
        let Some(shot) = shots.borrow_and_update().clone() else {
            continue;
        };
        let Some(dir) = desk.store.cache.clone() else {
            continue;
        };
        if desk.written.is_some() && desk.written == shot.holding.root() {
            is_new = false;
            continue;
        }
        let (began, root, since) = (Instant::now(), shot.holding.root(), shot.since);
        let writer = desk.clone();
        let target = dir.clone();
        let written = tokio::task::spawn_blocking(move || writer.write(&target, &shot)).await;
        let written = written.unwrap_or_else(|_| Err("writing it panicked".to_owned()));
        let rest = match written {
            Ok(generation) => {
                if failures > 0 {
                    tracing::info!("snapshots are kept on disk again");
                }
                failures = 0;
                desk.written = root;
                desk.since
                    .retain(|_, since| since.elapsed() < 2 * super::PROBATION);
                desk.since.insert(generation, since);
                report.send_replace(Persisted::Generation(generation));
                REST.max(began.elapsed() * REST_FACTOR)
            }
            Err(why) => {
                if failures == 0 {
                    tracing::warn!(dir = %dir.display(), %why, "the snapshot can't be kept on disk");
                }
                failures += 1;
                report.send_replace(Persisted::Failed(why));
                let longest = REST.saturating_mul(1 << failures.min(6)).min(REST_MAX);
                REST.max(longest.mul_f64(fastrand::f64()))
            }
        };
        let told = rest_for(rest, &mut shots).await;
        is_new = told == Told::New || (failures > 0 && told != Told::Last);
        if told == Told::Last && failures > 0 {
            return;
        }
    }
}

/// What a rest brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    /// There is another shot.
    New,
    /// There will be no other.
    Last,
}

/// Rests, at most until there will be no other shot.
async fn rest_for(rest: Duration, shots: &mut watch::Receiver<Option<Shot>>) -> Told {
    let mut told = Told::Nothing;
    let all = async {
        while shots.changed().await.is_ok() {
            told = Told::New;
        }
    };
    match (tokio::time::timeout(rest, all).await, told) {
        (_, Told::New) => Told::New,
        (Ok(()), Told::Nothing | Told::Last) => Told::Last,
        (Err(_), Told::Nothing | Told::Last) => Told::Nothing,
    }
}

impl Desk {
    fn write(&self, dir: &Path, shot: &Shot) -> Result<u64, String> {
        let saved = shot.holding.saved(&self.store.gateway, &shot.active);
        let bytes = saved::write(&saved, self.store.key.as_deref());
        let bytes = bytes.map_err(|error| error.to_string())?;
        let there = generations::list(dir).map_err(|error| error.to_string())?;
        let generation = there.last().map_or(0, |newest| newest.saturating_add(1));
        generations::write(dir, generation, &bytes).map_err(|error| error.to_string())?;
        let mut since = self.since.clone();
        since.insert(generation, shot.since);
        let there = generations::list(dir).map_err(|error| error.to_string())?;
        let surplus = generations::surplus(&there, &since, Instant::now());
        generations::remove(dir, &surplus);
        Ok(generation)
    }
}
