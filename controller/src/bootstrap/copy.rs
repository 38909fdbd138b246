//! A set as it is kept. Pure.

use std::collections::BTreeMap;

use tollgate_snapshot::{
    Hash, ObjectName, Root, Unit, UnitId, UnitSet,
    saved::{Saved, SavedEntry},
};

/// What is kept of a set; of what is refused, the version that the copy before had.
pub(super) fn of(gateway: &ObjectName, set: &UnitSet, before: Option<&Saved>) -> Saved {
    let before = before.iter().flat_map(|before| &before.entries);
    let good: BTreeMap<&UnitId, &Unit> = before
        .filter_map(|entry| Some((&entry.id, entry.good.as_ref()?)))
        .collect();
    let entries = set.entries().iter().map(|(id, entry)| {
        let mut kept = SavedEntry::of(id, entry);
        if kept.held {
            kept.good = good.get(id).copied().cloned();
        }
        kept
    });
    Saved {
        gateway: gateway.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resource_version: set.resource_version(),
        entries: entries.collect(),
    }
}

/// Root hash of the set that is kept.
pub(super) fn root(saved: &Saved) -> Hash {
    let entries = saved.entries.iter();
    Root::hash_of(entries.map(|entry| (&entry.id, &entry.wanted)))
}
