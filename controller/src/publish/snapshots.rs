//! The newest set of every gateway, shared by all who serve or judge its proxies.
//!
//! In: sets, from the publisher alone. Out: the newest one to follow, skipping what came in
//! between; and the one of some root hash, as long as it is remembered.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
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
    /// The sets before, the oldest first.
    before: VecDeque<UnitSet>,
}

impl Snapshots {
    /// Follows the set of a gateway. `None`: not everything is listed yet, so that nobody knows. A
    /// gateway that does not exist has an empty set.
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
            let mut all = newest.iter().chain(kept.before.iter().rev());
            all.find(|set| set.root() == *root).cloned()
        })
    }

    /// Every gateway that anybody has published or followed.
    pub fn gateways(&self) -> Vec<ObjectName> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.gateways.keys().cloned().collect()
    }

    pub(super) fn put(&self, gateway: &ObjectName, set: UnitSet) {
        self.with(gateway, |kept| {
            if let Some(before) = kept.newest.send_replace(Some(set)) {
                kept.before.push_back(before);
                if kept.before.len() > REMEMBERED {
                    kept.before.pop_front();
                }
            }
        });
    }

    /// Everything has been listed: a gateway without a set has none.
    pub(super) fn listed(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut inner.listed, true) {
            return;
        }
        for kept in inner.gateways.values() {
            kept.newest.send_if_modified(|newest| {
                let unknown = newest.is_none();
                newest.get_or_insert_default();
                unknown
            });
        }
    }

    /// The lock is held for a few instructions, and never across an await.
    fn with<T>(&self, gateway: &ObjectName, f: impl FnOnce(&mut Kept) -> T) -> T {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = inner.listed;
        let kept = inner.gateways.entry(gateway.clone());
        f(kept.or_insert_with(|| Kept {
            newest: watch::Sender::new(listed.then(UnitSet::default)),
            before: VecDeque::new(),
        }))
    }
}
