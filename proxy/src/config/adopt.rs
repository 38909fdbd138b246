//! Adopt: arm what changed, swap, and say what became of each unit.
//!
//! In: changes of units, from wherever the configuration comes. Out: a new [`Active`] in place of
//! the old one, in one step; and the verdict on every unit. A unit that can't be armed, even one
//! that makes arming panic or never end, costs only itself: its older version goes on. Requests are
//! never seen here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tollgate_snapshot::{UnitChange, UnitId};

use crate::active::{Active, Unusable};

/// Longest time to arm all changes at once, and longest time for one of them alone: tens of
/// thousands of routes are armed in a second.
const LIMITS: Limits = Limits {
    all: Duration::from_secs(10),
    one: Duration::from_secs(1),
};

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

/// Changes that are armed and not yet in force.
pub struct Armed {
    before: Arc<Active>,
    after: Active,
    changes: Arc<[UnitChange]>,
    unusable: Vec<(UnitId, Unusable)>,
}

impl Armed {
    /// Says of a unit why not even a change could be made of it.
    pub fn reject(&mut self, id: UnitId, why: String) {
        self.unusable.push((id, Unusable(why)));
    }
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
        self.swap(Armed {
            before,
            after,
            changes: changes.into(),
            unusable,
        });
    }

    /// Arms changes beside what is active, on another thread and within limits of time. They are
    /// for [`Self::swap`], with nothing swapped between.
    pub async fn arm(&self, changes: Vec<UnitChange>) -> Armed {
        let before = self.active.load_full();
        let changes: Arc<[UnitChange]> = changes.into();
        let (after, unusable) = arm_within(&before, &changes, LIMITS, Active::apply).await;
        Armed {
            before,
            after,
            changes,
            unusable,
        }
    }

    /// Puts what is armed into force.
    pub fn swap(&mut self, armed: Armed) {
        self.active.store(Arc::new(armed.after));
        for change in &*armed.changes {
            #[cfg(feature = "failpoints")]
            crate::failpoint::adopted(change.id());
            self.note(armed.before.has_good(change.id()), change);
        }
        for (id, why) in armed.unusable {
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

    /// What is active.
    pub fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// The units that are not simply run as their objects say; cheap to copy.
    pub fn exceptions(&self) -> &imbl::OrdMap<UnitId, Verdict> {
        &self.exceptions
    }
}

/// How long arming may take.
#[derive(Clone, Copy)]
struct Limits {
    /// All changes at once.
    all: Duration,
    /// One of them alone.
    one: Duration,
}

type Unarmed = Vec<(UnitId, Unusable)>;

/// Arms all changes at once; if one of them panics, each on its own, to lose only that one.
fn arm_all(before: &Active, changes: &[UnitChange]) -> (Active, Unarmed) {
    if let Some(armed) = arm(before, changes, Active::apply) {
        return armed;
    }
    let (mut active, mut unusable) = (before.clone(), Vec::new());
    for change in changes {
        match arm(&active, std::slice::from_ref(change), Active::apply) {
            Some((next, more)) => {
                active = next;
                unusable.extend(more);
            }
            None => unusable.push((change.id().clone(), panicked())),
        }
    }
    (active, unusable)
}

/// Arms changes in a copy; none if that panics: the half-changed copy is thrown away.
fn arm<A>(before: &Active, changes: &[UnitChange], apply: A) -> Option<(Active, Unarmed)>
where
    A: Fn(&mut Active, &[UnitChange]) -> Unarmed,
{
    let mut next = before.clone();
    let armed = catch_unwind(AssertUnwindSafe(move || {
        let unusable = apply(&mut next, changes);
        (next, unusable)
    }));
    armed.ok()
}

/// Like [`arm_all`], and gives up what does not end in time. The thread that it hangs on is lost.
async fn arm_within<A>(
    before: &Active,
    changes: &Arc<[UnitChange]>,
    limits: Limits,
    apply: A,
) -> (Active, Unarmed)
where
    A: Fn(&mut Active, &[UnitChange]) -> Unarmed + Copy + Send + 'static,
{
    if let Ok(armed) = timed(before, Arc::clone(changes), limits.all, apply).await {
        return armed;
    }
    let (mut active, mut unusable) = (before.clone(), Vec::new());
    for change in &**changes {
        let alone = Arc::from([change.clone()]);
        match timed(&active, alone, limits.one, apply).await {
            Ok((next, more)) => {
                active = next;
                unusable.extend(more);
            }
            Err(why) => unusable.push((change.id().clone(), why)),
        }
    }
    (active, unusable)
}

async fn timed<A>(
    before: &Active,
    changes: Arc<[UnitChange]>,
    limit: Duration,
    apply: A,
) -> Result<(Active, Unarmed), Unusable>
where
    A: Fn(&mut Active, &[UnitChange]) -> Unarmed + Send + 'static,
{
    let before = before.clone();
    let armed = tokio::task::spawn_blocking(move || arm(&before, &changes, apply));
    match tokio::time::timeout(limit, armed).await {
        Ok(Ok(Some(armed))) => Ok(armed),
        Ok(Ok(None) | Err(_)) => Err(panicked()),
        Err(_) => Err(Unusable(format!("arming it took longer than {limit:?}"))),
    }
}

fn panicked() -> Unusable {
    Unusable("arming it panicked".into())
}

#[cfg(test)]
mod tests;
