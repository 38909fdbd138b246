//! What a proxy has been told to run, entry by entry: what it says that it has, and the root hash
//! of that.
//!
//! In: transactions, a saved snapshot. Out: the next holding, the changes of units that lead there,
//! and what to save. It knows what is wanted; what is really run is [`Active`]'s.

use std::collections::{BTreeMap, BTreeSet};

use imbl::OrdMap;
use tollgate_snapshot::{
    Entry, Hash, ObjectName, Root, Unit, UnitChange, UnitId,
    saved::{Saved, SavedEntry},
    set::held_hash,
    wire::EntryHash,
};

use crate::active::Active;

/// What a proxy has been told to run. Cheap to copy.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    wanted: OrdMap<UnitId, Wanted>,
    parts: Root,
    /// None: it has been told nothing.
    root: Option<Hash>,
    resource_version: u64,
}

/// What is wanted for one object.
#[derive(Clone, Debug)]
struct Wanted {
    /// The entry's part of the root hash.
    hash: Hash,
    /// Whether the object is refused.
    held: bool,
    /// What to run while it is refused and there is no good version.
    stand_in: Option<Unit>,
}

/// A transaction that came to its end: all of what it says, checked but for its root.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its number in the stream.
    pub seq: u64,
    /// Root hash of all entries once it is done.
    pub root: Hash,
    /// The highest resourceVersion that went into it; 0: unknown.
    pub resource_version: u64,
    /// Whether it names all entries.
    pub full: bool,
    /// Entries that are new or different.
    pub entries: BTreeMap<UnitId, Arrival>,
    /// Entries that are gone.
    pub removed: BTreeSet<UnitId>,
}

/// An entry that came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its part of the root hash.
    pub hash: Hash,
    /// Whether the object is refused.
    pub held: bool,
    /// What to run, or why this program can't.
    pub entry: Result<Entry, String>,
}

/// What leads from what is active to what a transaction wants.
#[derive(Debug, Default)]
pub struct Steps {
    /// For [`crate::config::adopt`].
    pub changes: Vec<UnitChange>,
    /// Units that can't be read, and why.
    pub unreadable: Vec<(UnitId, String)>,
}

impl Holding {
    /// Root hash of what it has; `None`: nothing.
    pub fn root(&self) -> Option<Hash> {
        self.root
    }

    /// The highest resourceVersion that went into it; 0: unknown.
    pub fn resource_version(&self) -> u64 {
        self.resource_version
    }

    /// The entries by hash, for a Hello.
    pub fn have(&self) -> Vec<EntryHash> {
        let entries = self.wanted.iter().map(|(id, wanted)| EntryHash {
            id: id.to_string(),
            hash: wanted.hash.as_bytes().to_vec(),
        });
        entries.collect()
    }

    /// What it is after a transaction. Its root tells whether the two sides agree.
    pub fn after(&self, transaction: &Transaction) -> Self {
        let mut next = match transaction.full {
            true => Self::default(),
            false => self.clone(),
        };
        for (id, arrival) in &transaction.entries {
            let stand_in = match &arrival.entry {
                Ok(Entry::Held { stand_in }) => stand_in.clone(),
                Ok(Entry::Unit(_)) | Err(_) => None,
            };
            let wanted = Wanted {
                hash: arrival.hash,
                held: arrival.held,
                stand_in,
            };
            next.set(id, Some(wanted));
        }
        for id in &transaction.removed {
            next.set(id, None);
        }
        next.complete(transaction.resource_version)
    }

    /// What a saved snapshot makes it, and the steps that lead there: in two halves, since a unit
    /// must run before it can be held. It says that it has what is run, so that what could not be
    /// run before is sent again.
    pub fn restore(saved: Saved) -> (Self, [Vec<UnitChange>; 2]) {
        let (mut holding, mut puts, mut holds) = (Self::default(), Vec::new(), Vec::new());
        for SavedEntry {
            id,
            good,
            held,
            stand_in,
            wanted: _,
        } in saved.entries
        {
            let hash = match (&good, held) {
                (_, true) => held_hash(stand_in.as_ref().map(|unit| &unit.hash)),
                (Some(unit), false) => unit.hash,
                (None, false) => continue,
            };
            puts.extend(good.map(UnitChange::Put));
            if held {
                holds.push(UnitChange::Hold {
                    id: id.clone(),
                    stand_in: stand_in.clone(),
                });
            }
            let wanted = Wanted {
                hash,
                held,
                stand_in,
            };
            holding.set(&id, Some(wanted));
        }
        (holding.complete(saved.resource_version), [puts, holds])
    }

    /// What to save while `active` is what is run of it.
    pub fn saved(&self, gateway: &ObjectName, active: &Active) -> Saved {
        let entries = self.wanted.iter().map(|(id, wanted)| {
            let (good, spare) = match active.unit(id) {
                Some((unit, false)) => (Some(unit.clone()), None),
                Some((unit, true)) => (None, Some(unit.clone())),
                None => (None, None),
            };
            SavedEntry {
                id: id.clone(),
                wanted: wanted.hash,
                good,
                // A stand-in that is run although a version of the object's own came, which can't
                // be run, is one that can't be told from that of a refused object.
                held: wanted.held || spare.is_some(),
                stand_in: wanted.stand_in.clone().or(spare),
            }
        });
        Saved {
            gateway: gateway.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            resource_version: self.resource_version,
            entries: entries.collect(),
        }
    }

    /// Takes in an entry, or that there is none any more.
    fn set(&mut self, id: &UnitId, wanted: Option<Wanted>) {
        self.parts
            .set(id, wanted.as_ref().map(|wanted| wanted.hash));
        match wanted {
            Some(wanted) => self.wanted.insert(id.clone(), wanted),
            None => self.wanted.remove(id),
        };
    }

    fn complete(mut self, resource_version: u64) -> Self {
        self.root = Some(self.parts.hash());
        self.resource_version = resource_version;
        self
    }
}

impl Transaction {
    /// What leads from `active`, and the other units that are known, to what this wants.
    pub fn steps<'a>(
        self,
        active: &'a Active,
        exceptions: impl Iterator<Item = &'a UnitId>,
    ) -> Steps {
        let mut steps = Steps::default();
        let mut removed = self.removed;
        if self.full {
            let known = active.units().map(|unit| &unit.id).chain(exceptions);
            removed.extend(known.filter(|id| !self.entries.contains_key(*id)).cloned());
        }
        steps
            .changes
            .extend(removed.into_iter().map(UnitChange::Remove));
        for (id, arrival) in self.entries {
            let change = match arrival.entry {
                Ok(entry) => entry.change(&id),
                Err(why) => {
                    if !arrival.held || active.unit(&id).is_none_or(|(_, spare)| spare) {
                        steps.unreadable.push((id.clone(), why));
                    }
                    if !arrival.held {
                        continue;
                    }
                    UnitChange::Hold { id, stand_in: None }
                }
            };
            steps.changes.push(change);
        }
        steps
    }
}

#[cfg(test)]
mod tests;
