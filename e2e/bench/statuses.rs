//! What the operator says of routes, as a watch of them sees it.
//!
//! In: a watch. Out: for every route the generation that is programmed, and how often its status
//! was written. An event that leaves the generation as it was is a write of the status: nobody here
//! edits labels.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::{StreamExt, pin_mut};
use kube::{
    Api,
    api::{DynamicObject, ListParams, WatchParams},
    core::WatchEvent,
};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

/// How long the operator may take to say that a route is programmed.
const DEADLINE: Duration = Duration::from_secs(120);

/// How long a watch lasts, in seconds.
const WATCH_SECONDS: u32 = 290;

/// What is known of a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    uid: String,
    generation: i64,
    /// The generation that every proxy runs, says the operator; 0: none.
    programmed: i64,
    /// Writes of its status.
    pub(crate) writes: u32,
}

/// Follows the routes.
pub(crate) struct Statuses {
    shared: Arc<Shared>,
    task: JoinHandle<anyhow::Result<()>>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<HashMap<String, Known>>,
    /// The route that is waited for.
    changed: Notify,
}

impl Statuses {
    /// Begins to follow.
    ///
    /// # Errors
    /// The routes can't be listed.
    pub(crate) async fn follow(api: Api<DynamicObject>) -> anyhow::Result<Self> {
        let listed = api.list(&ListParams::default()).await?;
        let version = listed
            .metadata
            .resource_version
            .context("a list without a version")?;
        let shared = Arc::new(Shared::default());
        for object in &listed.items {
            shared.take(object);
        }
        let task = tokio::spawn(follow(api, version, Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// Waits until every proxy runs this generation of a route, says the operator.
    ///
    /// # Errors
    /// It doesn't in time, or the watch has failed.
    pub(crate) async fn programmed(&self, name: &str, generation: i64) -> anyhow::Result<()> {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                pin_mut!(changed);
                changed.as_mut().enable();
                let known = self.shared.lock().get(name).cloned().unwrap_or_default();
                if known.programmed >= generation {
                    return;
                }
                changed.await;
            }
        };
        if timeout(DEADLINE, waiting).await.is_err() {
            let known = self.shared.lock().get(name).cloned();
            bail!(
                "{name}: generation {generation} is not programmed: {known:?}; the watch has {}",
                if self.task.is_finished() {
                    "ended"
                } else {
                    "not ended"
                },
            );
        }
        Ok(())
    }

    /// How often the status of every route was written whose name begins so.
    pub(crate) fn writes(&self, prefix: &str) -> Vec<u32> {
        let known = self.shared.lock();
        let named = known.iter().filter(|(name, _)| name.starts_with(prefix));
        named.map(|(_, known)| known.writes).collect()
    }

    /// How often the status of a route was written.
    pub(crate) fn writes_of(&self, name: &str) -> u32 {
        self.shared.lock().get(name).map_or(0, |known| known.writes)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, object: &DynamicObject) {
        let metadata = &object.metadata;
        let (Some(name), Some(uid)) = (&metadata.name, &metadata.uid) else {
            return;
        };
        let generation = metadata.generation.unwrap_or_default();
        let mut known = self.lock();
        let route = known.entry(name.clone()).or_default();
        if route.uid != *uid {
            *route = Known {
                uid: uid.clone(),
                generation,
                ..Known::default()
            };
        } else if route.generation == generation {
            route.writes += 1;
        }
        route.generation = generation;
        route.programmed = programmed(object).unwrap_or_default();
        drop(known);
        self.changed.notify_waiters();
    }

    fn forget(&self, object: &DynamicObject) {
        if let Some(name) = &object.metadata.name {
            self.lock().remove(name);
        }
    }
}

/// The generation of which `Programmed` is said to be true.
fn programmed(object: &DynamicObject) -> Option<i64> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let mut conditions = conditions.iter();
    let is_true = conditions.find(|one| one["type"] == "Programmed" && one["status"] == "True")?;
    is_true["observedGeneration"].as_i64()
}

async fn follow(
    api: Api<DynamicObject>,
    mut version: String,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    loop {
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        let mut events = api.watch(&params, &version).await?.boxed();
        while let Some(event) = events.next().await {
            match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    version = object.metadata.resource_version.clone().unwrap_or(version);
                    shared.take(&object);
                }
                WatchEvent::Deleted(object) => {
                    version = object.metadata.resource_version.clone().unwrap_or(version);
                    shared.forget(&object);
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Error(status) => bail!("the watch failed: {}", status.message),
            }
        }
    }
}
