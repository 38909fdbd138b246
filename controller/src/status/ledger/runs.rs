//! What one proxy runs, as far as is known.
//!
//! In: what the proxy says of itself, and the sets that are remembered. Out: how it stands to one
//! entry, and what differs when it says something else. Of a root hash that nobody knows nothing
//! is concluded: what was known before stands.

use std::collections::BTreeSet;

use imbl::{OrdMap, ordmap::DiffItem};
use tollgate_snapshot::{Entry, Hash, ObjectName, Unit, UnitId, UnitKind, UnitSet};

use crate::{
    proxies::{Proxy, Running, Verdict},
    publish::{self, Snapshots},
    status::grounds::Stage,
};

/// What one proxy runs.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    /// Its gateway.
    pub(super) gateway: ObjectName,
    root: Option<Hash>,
    /// The last set that it was known to run.
    set: Option<UnitSet>,
    exceptions: OrdMap<UnitId, Verdict>,
    refused: Option<String>,
}

impl Runs {
    /// What a proxy runs that says so; `before`: what was known of it.
    pub(super) fn of(proxy: &Proxy, before: Option<&Self>, snapshots: &Snapshots) -> Self {
        let before = before.filter(|before| before.gateway == proxy.gateway);
        let mut runs = Self {
            gateway: proxy.gateway.clone(),
            root: proxy.root,
            set: before.and_then(|before| before.set.clone()),
            exceptions: proxy.exceptions.clone(),
            refused: proxy.refused.clone(),
        };
        runs.look_up(snapshots);
        runs
    }

    /// Looks its root hash up; says whether that tells something new.
    pub(super) fn look_up(&mut self, snapshots: &Snapshots) -> bool {
        let Some(root) = self.root else {
            return false;
        };
        if self.set.as_ref().is_some_and(|set| set.root() == root) {
            return false;
        }
        let found = snapshots.find(&self.gateway, &root);
        let is_found = found.is_some();
        self.set = found.or_else(|| self.set.take());
        is_found
    }

    /// Whether anything is known of it.
    pub(super) fn is_known(&self) -> bool {
        self.set.is_some()
    }

    /// How it stands to an entry that it is to run.
    pub(super) fn stage(&self, id: &UnitId, wanted: &Entry) -> Stage<'_> {
        let entry = self.set.as_ref().and_then(|set| set.entries().get(id));
        if entry.is_none_or(|entry| entry.hash() != wanted.hash()) {
            return match &self.refused {
                Some(why) => Stage::Refused(why),
                None => Stage::Behind,
            };
        }
        let exception = self.exceptions.get(id);
        match (exception.map(|verdict| verdict.running), wanted) {
            (None, Entry::Unit(unit)) => self.rejected_need(unit).unwrap_or(Stage::Running),
            (Some(Running::Rejected), _) => {
                let why = exception.map_or("", |verdict| &verdict.reason);
                Stage::Rejected { part: None, why }
            }
            (Some(Running::HeldAtLastGood), Entry::Held { .. }) => Stage::HeldAtLastGood,
            (Some(Running::HeldWithoutLastGood), Entry::Held { .. }) => Stage::HeldWithoutLastGood,
            // It has not said yet what it makes of it.
            (None, Entry::Held { .. })
            | (Some(Running::HeldAtLastGood | Running::HeldWithoutLastGood), Entry::Unit(_)) => {
                Stage::Behind
            }
        }
    }

    /// The entries to which it stands otherwise than before; `None`: maybe to all.
    pub(super) fn differences(&self, before: Option<&Self>) -> Option<BTreeSet<UnitId>> {
        let before = before?;
        let (was, is) = (before.set.as_ref(), self.set.as_ref());
        if before.refused != self.refused || was.is_some() != is.is_some() {
            return None;
        }
        let mut ids = BTreeSet::new();
        if let (Some(was), Some(is)) = (was, is)
            && was.root() != is.root()
        {
            ids.extend(is.changes_since(was).into_keys());
        }
        for id in before.exceptions.diff(&self.exceptions).map(id_of) {
            if id.kind == UnitKind::Endpoints {
                ids.extend(self.users(&id));
            }
            ids.insert(id);
        }
        Some(ids)
    }

    /// Endpoints that a route needs and the proxy can't run: they have no object of ours that could
    /// say so.
    fn rejected_need(&self, unit: &Unit) -> Option<Stage<'_>> {
        let mut exceptions = self.exceptions.iter();
        let (part, verdict) = exceptions.find(|(id, verdict)| {
            id.kind == UnitKind::Endpoints
                && verdict.running == Running::Rejected
                && publish::needs(unit).contains(id)
        })?;
        Some(Stage::Rejected {
            part: Some(part),
            why: &verdict.reason,
        })
    }

    /// The routes that need some endpoints.
    fn users(&self, endpoints: &UnitId) -> Vec<UnitId> {
        let entries = self.set.iter().flat_map(|set| set.entries());
        let users = entries.filter(|(_, entry)| match entry {
            Entry::Unit(unit) => publish::needs(unit).contains(endpoints),
            Entry::Held { .. } => false,
        });
        users.map(|(id, _)| id.clone()).collect()
    }
}

fn id_of(item: DiffItem<'_, '_, UnitId, Verdict>) -> UnitId {
    match item {
        DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { new: (id, _), .. } => {
            id.clone()
        }
    }
}
