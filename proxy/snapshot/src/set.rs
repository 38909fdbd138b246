//! A gateway's whole snapshot: what it is to run for every object, and the root hash of all that.
//!
//! In: entries. Out: the set, and what made one set into another. A set is cheap to copy, and two
//! sets of which one came from the other share what is equal. Nothing here knows who runs a set.

use std::collections::BTreeMap;

use imbl::{OrdMap, ordmap::DiffItem};
use sha2::{Digest, Sha256};

use crate::{
    root::Root,
    unit::{Hash, Unit, UnitChange, UnitId},
};

/// What a proxy is to run for one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// This unit.
    Unit(Unit),
    /// The object is refused: the unit that the proxy has; without one, the stand-in, if any.
    Held {
        /// What to run without an older version.
        stand_in: Option<Unit>,
    },
}

impl Entry {
    /// The entry's part of the root hash. A held entry never has the hash of a unit.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Unit(unit) => unit.hash,
            Self::Held { stand_in } => held_hash(stand_in.as_ref().map(|unit| &unit.hash)),
        }
    }

    /// What a receiver of units is told of it.
    pub fn change(&self, id: &UnitId) -> UnitChange {
        match self {
            Self::Unit(unit) => UnitChange::Put(unit.clone()),
            Self::Held { stand_in } => UnitChange::Hold {
                id: id.clone(),
                stand_in: stand_in.clone(),
            },
        }
    }
}

/// The hash of a held entry whose stand-in has this hash.
pub fn held_hash(stand_in: Option<&Hash>) -> Hash {
    let mut sha = Sha256::new();
    sha.update(b"held");
    if let Some(hash) = stand_in {
        sha.update(hash.as_bytes());
    }
    Hash::from_bytes(sha.finalize().into())
}

/// All entries of one gateway.
#[derive(Clone, Debug)]
pub struct UnitSet {
    entries: OrdMap<UnitId, Entry>,
    parts: Root,
    root: Hash,
    resource_version: u64,
}

impl Default for UnitSet {
    fn default() -> Self {
        let mut parts = Root::default();
        Self {
            root: parts.hash(),
            entries: OrdMap::new(),
            parts,
            resource_version: 0,
        }
    }
}

impl UnitSet {
    /// The set of some entries. `resource_version` is the highest that went into them; 0: unknown.
    pub fn new(entries: OrdMap<UnitId, Entry>, resource_version: u64) -> Self {
        Self::default().followed_by(entries, resource_version)
    }

    /// The set that comes after this one. It costs the difference when the one's entries came from
    /// the other's.
    pub fn followed_by(&self, entries: OrdMap<UnitId, Entry>, resource_version: u64) -> Self {
        let mut parts = self.parts.clone();
        for change in self.entries.diff(&entries) {
            match change {
                DiffItem::Add(id, entry)
                | DiffItem::Update {
                    new: (id, entry), ..
                } => parts.set(id, Some(entry.hash())),
                DiffItem::Remove(id, _) => parts.set(id, None),
            }
        }
        Self {
            root: parts.hash(),
            entries,
            parts,
            resource_version,
        }
    }

    /// The entries.
    pub fn entries(&self) -> &OrdMap<UnitId, Entry> {
        &self.entries
    }

    /// Hash of all entries.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The highest resourceVersion that went into it; 0: unknown.
    pub fn resource_version(&self) -> u64 {
        self.resource_version
    }

    /// What makes `before` into this set; `None`: the entry is gone. It costs the difference when
    /// one set came from the other.
    pub fn changes_since(&self, before: &Self) -> BTreeMap<UnitId, Option<Entry>> {
        let changes = before.entries.diff(&self.entries).map(|item| match item {
            DiffItem::Add(id, entry)
            | DiffItem::Update {
                new: (id, entry), ..
            } => (id.clone(), Some(entry.clone())),
            DiffItem::Remove(id, _) => (id.clone(), None),
        });
        changes.collect()
    }

    /// What makes a set of which only the hashes are known into this set.
    pub fn changes_since_hashes(
        &self,
        before: &BTreeMap<UnitId, Hash>,
    ) -> BTreeMap<UnitId, Option<Entry>> {
        let different = self
            .entries
            .iter()
            .filter(|(id, entry)| before.get(*id) != Some(&entry.hash()))
            .map(|(id, entry)| (id.clone(), Some(entry.clone())));
        let gone = before
            .keys()
            .filter(|id| !self.entries.contains_key(*id))
            .map(|id| (id.clone(), None));
        different.chain(gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Function, ObjectName, Payload};

    fn unit(name: &str, timeout_ms: u64) -> Unit {
        let payload = Payload::Function(Function {
            timeout_ms,
            ..Function::default()
        });
        Unit::new(ObjectName::new("shop", name), payload).unwrap()
    }

    fn set(units: &[Unit]) -> UnitSet {
        let entries = units
            .iter()
            .map(|unit| (unit.id.clone(), Entry::Unit(unit.clone())));
        UnitSet::new(entries.collect(), 0)
    }

    #[test]
    fn changes_since_name_what_is_new_different_and_gone() {
        let before = set(&[unit("same", 1), unit("edited", 1), unit("gone", 1)]);
        let after = set(&[unit("same", 1), unit("edited", 2), unit("new", 1)]);
        let changes = after.changes_since(&before);
        let expected = BTreeMap::from([
            (unit("edited", 2).id, Some(Entry::Unit(unit("edited", 2)))),
            (unit("gone", 1).id, None),
            (unit("new", 1).id, Some(Entry::Unit(unit("new", 1)))),
        ]);
        assert_eq!(changes, expected);
        let hashes = before.entries().iter();
        let hashes = hashes
            .map(|(id, entry)| (id.clone(), entry.hash()))
            .collect();
        assert_eq!(after.changes_since_hashes(&hashes), expected);
    }

    #[test]
    fn a_held_entry_has_another_root_than_its_stand_in() {
        let one = unit("one", 1);
        let held = Entry::Held {
            stand_in: Some(one.clone()),
        };
        assert_ne!(held.hash(), one.hash);
        let none = Entry::Held { stand_in: None };
        assert_ne!(held.hash(), none.hash());
    }

    #[test]
    fn equal_entries_have_equal_roots_whatever_their_history() {
        let straight = set(&[unit("a", 1), unit("b", 2)]);
        let mut entries = set(&[unit("b", 2), unit("c", 3)]).entries().clone();
        entries.remove(&unit("c", 3).id);
        entries.insert(unit("a", 1).id, Entry::Unit(unit("a", 1)));
        assert_eq!(straight.root(), UnitSet::new(entries, 0).root());
    }
}
