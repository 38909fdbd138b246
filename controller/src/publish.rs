//! Publish: what each gateway is to run, cut out of what everything compiles to.
//!
//! In: changes of units. Out: for every gateway the newest set of its units, in [`Snapshots`]. A
//! gateway gets its own unit, the routes attached to it, and the functions and endpoints that those
//! routes call; nothing else, so that a proxy never learns of another gateway's routes. Streams are
//! not known here.

mod membership;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};

use imbl::OrdMap;
use tollgate_snapshot::{Entry, ObjectName, UnitChange, UnitId, UnitKind};

use self::membership::Membership;
pub(crate) use self::membership::needs;
pub use self::snapshots::Snapshots;

/// One gateway's share.
#[derive(Debug, Default)]
struct Share {
    entries: OrdMap<UnitId, Entry>,
    /// How many of its routes need a function or the endpoints of a Service.
    users: BTreeMap<UnitId, usize>,
}

/// Cuts and publishes the sets.
#[derive(Debug)]
pub struct Publisher {
    snapshots: Snapshots,
    shares: BTreeMap<ObjectName, Share>,
    /// Functions and endpoints, whoever needs them.
    backends: BTreeMap<UnitId, Entry>,
    routes: BTreeMap<UnitId, Placed>,
    /// The gateways whose shares are not published yet.
    dirty: BTreeSet<ObjectName>,
}

/// A route, and where it is.
#[derive(Debug)]
struct Placed {
    entry: Entry,
    membership: Membership,
}

impl Publisher {
    /// Publishes into `snapshots`.
    pub fn new(snapshots: Snapshots) -> Self {
        Self {
            snapshots,
            shares: BTreeMap::new(),
            backends: BTreeMap::new(),
            routes: BTreeMap::new(),
            dirty: BTreeSet::new(),
        }
    }

    /// Takes in what changed. `resource_version`: the highest that went into it.
    pub fn apply(&mut self, changes: Vec<UnitChange>) {
        let mut unsettled = false;
        for change in changes {
            let (id, entry) = match change {
                UnitChange::Put(unit) => (unit.id.clone(), Some(Entry::Unit(unit))),
                UnitChange::Hold { id, stand_in } => (id, Some(Entry::Held { stand_in })),
                UnitChange::Remove(id) => (id, None),
            };
            match id.kind {
                UnitKind::Gateway => unsettled |= self.set_gateway(id, entry),
                UnitKind::Route => self.set_route(id, entry),
                UnitKind::Function | UnitKind::Endpoints => {
                    unsettled |= self.set_backend(id, entry);
                }
            }
        }
        if unsettled {
            self.settle_held();
        }
    }

    /// Publishes what differs; each set says that `resource_version` went into it. The first call
    /// says that everything is listed.
    pub fn publish(&mut self, resource_version: u64) {
        for gateway in std::mem::take(&mut self.dirty) {
            let entries = self.shares.get(&gateway).map(|share| share.entries.clone());
            let before = self.snapshots.newest(&gateway).unwrap_or_default();
            let set = before.followed_by(entries.unwrap_or_default(), resource_version);
            if set.entries().is_empty() {
                self.shares.remove(&gateway);
            }
            self.snapshots.put(&gateway, set);
        }
        self.snapshots.listed();
    }

    /// Says whether there is another gateway now, or one less.
    fn set_gateway(&mut self, id: UnitId, entry: Option<Entry>) -> bool {
        let gateway = id.object.clone();
        let share = self.shares.entry(gateway.clone()).or_default();
        let is_there = entry.is_some();
        let was_there = match entry {
            Some(entry) => share.entries.insert(id, entry),
            None => share.entries.remove(&id),
        };
        self.dirty.insert(gateway);
        was_there.is_some() != is_there
    }

    fn set_route(&mut self, id: UnitId, entry: Option<Entry>) {
        let before = self.routes.remove(&id);
        let Some(entry) = entry else {
            self.unplace(&id, before.map(|placed| placed.membership));
            return;
        };
        let membership = match &entry {
            Entry::Unit(unit) => Membership::of_unit(unit),
            Entry::Held { stand_in } => {
                let before = before.as_ref().map(|placed| &placed.membership);
                Membership::of_held(stand_in.as_ref(), before)
            }
        };
        let membership = self.settled(&id, &entry, membership);
        self.unplace(&id, before.map(|placed| placed.membership));
        self.place(&id, &entry, &membership);
        self.routes.insert(id, Placed { entry, membership });
    }

    /// Says whether it is new or gone.
    fn set_backend(&mut self, id: UnitId, entry: Option<Entry>) -> bool {
        for (gateway, share) in &mut self.shares {
            if !share.users.contains_key(&id) {
                continue;
            }
            match &entry {
                Some(entry) => share.entries.insert(id.clone(), entry.clone()),
                None => share.entries.remove(&id),
            };
            self.dirty.insert(gateway.clone());
        }
        let is_there = entry.is_some();
        let was_there = match entry {
            Some(entry) => self.backends.insert(id, entry),
            None => self.backends.remove(&id),
        };
        was_there.is_some() != is_there
    }

    fn place(&mut self, id: &UnitId, entry: &Entry, membership: &Membership) {
        for gateway in &membership.gateways {
            let share = self.shares.entry(gateway.clone()).or_default();
            share.entries.insert(id.clone(), entry.clone());
            for need in &membership.needs {
                *share.users.entry(need.clone()).or_default() += 1;
                if let Some(entry) = self.backends.get(need) {
                    share.entries.insert(need.clone(), entry.clone());
                }
            }
            self.dirty.insert(gateway.clone());
        }
    }

    fn unplace(&mut self, id: &UnitId, membership: Option<Membership>) {
        let Some(membership) = membership else {
            return;
        };
        for gateway in &membership.gateways {
            let Some(share) = self.shares.get_mut(gateway) else {
                continue;
            };
            share.entries.remove(id);
            for need in &membership.needs {
                let users = share.users.get_mut(need);
                let left = users.map_or(0, |users| {
                    *users -= 1;
                    *users
                });
                if left == 0 {
                    share.users.remove(need);
                    share.entries.remove(need);
                }
            }
            self.dirty.insert(gateway.clone());
        }
    }

    /// Held routes go where any older version may be, and need what that one may need: whenever
    /// gateways or backends come or go, that is asked again.
    fn settle_held(&mut self) {
        let held = self.routes.iter();
        let held = held.filter(|(_, placed)| matches!(placed.entry, Entry::Held { .. }));
        let held: Vec<UnitId> = held.map(|(id, _)| id.clone()).collect();
        for id in held {
            let Some(placed) = self.routes.remove(&id) else {
                continue;
            };
            let membership = self.settled(&id, &placed.entry, placed.membership.clone());
            if membership != placed.membership {
                self.unplace(&id, Some(placed.membership));
                self.place(&id, &placed.entry, &membership);
            }
            let entry = placed.entry;
            self.routes.insert(id, Placed { entry, membership });
        }
    }

    /// The membership with what nobody can know of a held route filled in: every gateway when none
    /// is known, and every backend of its namespace.
    fn settled(&self, id: &UnitId, entry: &Entry, mut membership: Membership) -> Membership {
        match entry {
            Entry::Unit(_) => return membership,
            Entry::Held { .. } => {}
        }
        if !membership.knows_gateways {
            let exist = |(gateway, share): (&ObjectName, &Share)| {
                let id = UnitId {
                    kind: UnitKind::Gateway,
                    object: gateway.clone(),
                };
                share.entries.contains_key(&id).then(|| gateway.clone())
            };
            membership.gateways = self.shares.iter().filter_map(exist).collect();
        }
        let namespace = &id.object.namespace;
        let near = self.backends.keys();
        let near = near.filter(|id| id.object.namespace == *namespace);
        membership.needs.extend(near.cloned());
        membership
    }
}

#[cfg(test)]
mod tests;
