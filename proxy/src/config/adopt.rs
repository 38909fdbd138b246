//! Adopt: arm what changed, swap, and say what became of each unit.
//!
//! In: changes of units, from wherever the configuration comes. Out: a new [`Active`] in place of
//! the old one, in one step; and the verdict on every unit. A unit that can't be armed, even one
//! that makes arming panic, costs only itself: its older version goes on. Requests are never seen
//! here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arc_swap::ArcSwap;
use tollgate_snapshot::{UnitChange, UnitId};

use crate::active::{Active, Unusable};

/// What became of a unit that is not simply run as its object says. A unit without one is active.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Its object is refused; the version before is run.
    HeldAtLastGood,
    /// Its object is refused and there is no version before; its hosts answer 503, if it has any.
    HeldWithoutLastGood,
    /// The unit can't be armed; the version before is run, if there is one.
    Rejected(String),
}

/// Swaps configurations.
pub struct Adopter {
    active: Arc<ArcSwap<Active>>,
    exceptions: imbl::OrdMap<UnitId, Verdict>,
}

impl Adopter {
    /// Adopts into `active`.
    pub fn new(active: Arc<ArcSwap<Active>>) -> Self {
        Self {
            active,
            exceptions: imbl::OrdMap::new(),
        }
    }

    /// Takes in changes, all at once.
    pub fn adopt(&mut self, changes: &[UnitChange]) {
        if changes.is_empty() {
            return;
        }
        let before = self.active.load_full();
        let (after, unusable) = arm_all(&before, changes);
        self.active.store(Arc::new(after));
        for change in changes {
            self.note(before.has_good(change.id()), change);
        }
        for (id, why) in unusable {
            self.exceptions.insert(id, Verdict::Rejected(why.0));
        }
    }

    fn note(&mut self, had_good: bool, change: &UnitChange) {
        let verdict = match change {
            UnitChange::Put(_) | UnitChange::Remove(_) => {
                self.exceptions.remove(change.id());
                return;
            }
            UnitChange::Hold { .. } if had_good => Verdict::HeldAtLastGood,
            UnitChange::Hold { .. } => Verdict::HeldWithoutLastGood,
        };
        self.exceptions.insert(change.id().clone(), verdict);
    }

    /// The units that are not simply run as their objects say; cheap to copy.
    pub fn exceptions(&self) -> &imbl::OrdMap<UnitId, Verdict> {
        &self.exceptions
    }
}

/// Arms all changes at once; if one of them panics, each on its own, to lose only that one.
fn arm_all(before: &Active, changes: &[UnitChange]) -> (Active, Vec<(UnitId, Unusable)>) {
    if let Some(armed) = arm(before, changes) {
        return armed;
    }
    let (mut active, mut unusable) = (before.clone(), Vec::new());
    for change in changes {
        match arm(&active, std::slice::from_ref(change)) {
            Some((next, more)) => {
                active = next;
                unusable.extend(more);
            }
            None => unusable.push((change.id().clone(), Unusable("arming it panicked".into()))),
        }
    }
    (active, unusable)
}

/// Arms changes in a copy; none if that panics: the half-changed copy is thrown away.
fn arm(before: &Active, changes: &[UnitChange]) -> Option<(Active, Vec<(UnitId, Unusable)>)> {
    let mut next = before.clone();
    let armed = catch_unwind(AssertUnwindSafe(move || {
        let unusable = next.apply(changes);
        (next, unusable)
    }));
    armed.ok()
}
