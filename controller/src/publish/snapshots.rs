//! The newest set of every gateway, shared by all who serve or judge its proxies.
//!
//! In: sets, from the publisher alone. Out: the newest one to follow, skipping what came in
//! between; and the one of some root hash, as long as it is remembered.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tollgate_snapshot::{Hash, ObjectName, UnitSet};

/// How many sets of a gateway are remembered by their root hash: those that a proxy of another
/// replica may report to run.
const REMEMBERED: usize = 32;

/// The newest set of each gateway.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether everything has been listed once.
    listed: bool,
    gateways: BTreeMap<ObjectName, Kept>,
}

#[derive(Debug)]
struct Kept {
    newest: watch::Sender<Option<UnitSet>>,
    /// The sets before, the oldest first, and when each was replaced.
    before: VecDeque<(UnitSet, Instant)>,
}

impl Snapshots {
    /// Follows the set of a gateway. `None`: nobody knows. Not everything is listed yet, or this
    /// gateway has not been seen since the start; was it deleted before, or did a list lack it by
    /// mistake? Its proxies are told nothing, and go on. One whose delete was seen has an empty
    /// set.
    pub fn follow(&self, gateway: &ObjectName) -> watch::Receiver<Option<UnitSet>> {
        self.with(gateway, |kept| kept.newest.subscribe())
    }

    /// The newest set of a gateway.
    pub fn newest(&self, gateway: &ObjectName) -> Option<UnitSet> {
        self.with(gateway, |kept| kept.newest.borrow().clone())
    }

    /// The set of a gateway that has this root hash, if it is remembered.
    pub fn find(&self, gateway: &ObjectName, root: &Hash) -> Option<UnitSet> {
        self.with(gateway, |kept| {
            let newest = kept.newest.borrow().clone();
            let before = kept.before.iter().rev().map(|(set, _)| set);
            let mut all = newest.iter().chain(before);
            all.find(|set| set.root() == *root).cloned()
        })
    }

    /// Whether everything has been listed once.
    pub fn is_listed(&self) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.listed
    }

    /// For how long there has been a newer set than the one of this root hash. Zero: there is none.
    /// Of a set that is not remembered: since the oldest newer one that is; `None`: nobody knows.
    pub fn behind(&self, gateway: &ObjectName, root: &Hash, now: Instant) -> Option<Duration> {
        self.with(gateway, |kept| {
            let newest = kept.newest.borrow().as_ref().map(UnitSet::root)?;
            if newest == *root {
                return Some(Duration::ZERO);
            }
            let mut later = kept.before.iter().rev();
            let found = later.find(|(set, _)| set.root() == *root);
            let oldest = || kept.before.front();
            let (_, replaced) = found.or_else(oldest)?;
            Some(now.saturating_duration_since(*replaced))
        })
    }

    /// Every gateway that anybody has published or followed.
    pub fn gateways(&self) -> Vec<ObjectName> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.gateways.keys().cloned().collect()
    }

    /// Publishes a set.
    pub(crate) fn put(&self, gateway: &ObjectName, set: UnitSet) {
        self.with(gateway, |kept| {
            // Of a gateway that is gone nothing is kept but that.
            let is_gone = set.entries().is_empty();
            if let Some(before) = kept.newest.send_replace(Some(set)) {
                kept.before.push_back((before, Instant::now()));
                if kept.before.len() > REMEMBERED {
                    kept.before.pop_front();
                }
            }
            if is_gone {
                kept.before.clear();
            }
        });
    }

    /// Everything has been listed.
    pub(super) fn listed(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.listed = true;
    }

    /// The lock is held for a few instructions, and never across an await.
    fn with<T>(&self, gateway: &ObjectName, f: impl FnOnce(&mut Kept) -> T) -> T {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.gateways.entry(gateway.clone());
        f(kept.or_insert_with(|| Kept {
            newest: watch::Sender::new(None),
            before: VecDeque::new(),
        }))
    }
}
