//! What is kept of a holding, and what is made of it later.

use tollgate_snapshot::{Function, Payload, UnitSet};

use super::*;
use crate::config::adopt::Adopter;

fn unit(name: &str, timeout_ms: u64) -> Unit {
    let payload = Payload::Function(Function {
        timeout_ms,
        ..Function::default()
    });
    Unit::new(ObjectName::new("shop", name), payload).unwrap()
}

fn gateway() -> ObjectName {
    ObjectName::new("shop", "public")
}

/// A proxy's end: what it holds and runs.
struct Case {
    holding: Holding,
    adopter: Adopter,
}

impl Case {
    fn new() -> Self {
        Self {
            holding: Holding::default(),
            adopter: Adopter::new(Default::default()),
        }
    }

    /// Adopts entries; `None`: gone; `Err`: can't be read.
    async fn take(&mut self, entries: &[(&str, Option<Result<Entry, String>>)]) {
        let id = |name: &str| unit(name, 0).id;
        let mut transaction = Transaction {
            seq: 1,
            root: Hash::from_bytes([0; 32]),
            resource_version: 7,
            full: false,
            entries: BTreeMap::new(),
            removed: BTreeSet::new(),
        };
        for (name, entry) in entries {
            match entry {
                None => drop(transaction.removed.insert(id(name))),
                Some(entry) => {
                    let arrival = Arrival {
                        hash: entry
                            .as_ref()
                            .map_or(Hash::from_bytes([9; 32]), Entry::hash),
                        held: matches!(entry, Ok(Entry::Held { .. })),
                        entry: entry.clone(),
                    };
                    transaction.entries.insert(id(name), arrival);
                }
            }
        }
        self.holding = self.holding.after(&transaction);
        let active = self.adopter.active();
        let steps = transaction.steps(&active, self.adopter.exceptions().keys());
        let mut armed = self.adopter.arm(steps.changes).await;
        for (id, why) in steps.unreadable {
            armed.reject(id, why);
        }
        self.adopter.swap(armed);
    }

    /// The same after a restart.
    async fn restarted(&self) -> Self {
        let saved = self.holding.saved(&gateway(), &self.adopter.active());
        let mut next = Self::new();
        let (holding, [puts, holds]) = Holding::restore(saved);
        next.holding = holding;
        next.adopter.adopt(&puts);
        next.adopter.adopt(&holds);
        next
    }

    /// Each unit that runs: name, timeout, whether it stands in.
    fn runs(&self) -> Vec<(String, u64, bool)> {
        let active = self.adopter.active();
        let each = active.units().map(|unit| {
            let Payload::Function(function) = &*unit.payload else {
                panic!("another kind")
            };
            let (_, stands_in) = active.unit(&unit.id).unwrap();
            (
                unit.id.object.name.to_string(),
                function.timeout_ms,
                stands_in,
            )
        });
        each.collect()
    }

    fn verdicts(&self) -> Vec<(String, String)> {
        let exceptions = self.adopter.exceptions().iter();
        let each =
            exceptions.map(|(id, verdict)| (id.object.name.to_string(), format!("{verdict:?}")));
        each.collect()
    }
}

fn put(name: &str, timeout_ms: u64) -> Option<Result<Entry, String>> {
    Some(Ok(Entry::Unit(unit(name, timeout_ms))))
}

fn held(stand_in: Option<Unit>) -> Option<Result<Entry, String>> {
    Some(Ok(Entry::Held { stand_in }))
}

fn unreadable() -> Option<Result<Entry, String>> {
    Some(Err("of the future".to_owned()))
}

fn row(name: &str, timeout_ms: u64, stands_in: bool) -> (String, u64, bool) {
    (name.to_owned(), timeout_ms, stands_in)
}

#[tokio::test]
async fn a_restart_runs_what_was_run_and_says_so() {
    let mut case = Case::new();
    case.take(&[
        ("good", put("good", 1)),
        ("held", put("held", 1)),
        ("gone", put("gone", 1)),
    ])
    .await;
    case.take(&[
        ("held", held(Some(unit("held", 9)))),
        ("new", held(Some(unit("new", 9)))),
        ("none", held(None)),
        ("gone", None),
    ])
    .await;
    let expected = [
        row("good", 1, false),
        row("held", 1, false),
        row("new", 9, true),
    ];
    assert_eq!(case.runs(), expected);
    let again = case.restarted().await;
    assert_eq!(again.runs(), expected);
    assert_eq!(again.verdicts(), case.verdicts());
    assert_eq!(again.holding.root(), case.holding.root());
    assert_eq!(again.holding.have(), case.holding.have());
    assert_eq!(again.holding.resource_version(), 7);
}

#[tokio::test]
async fn a_restart_asks_again_for_what_could_not_be_run() {
    let mut case = Case::new();
    case.take(&[("old", put("old", 1))]).await;
    case.take(&[("old", unreadable()), ("new", unreadable())])
        .await;
    assert_eq!(case.runs(), [row("old", 1, false)]);
    assert_eq!(case.verdicts().len(), 2);
    let again = case.restarted().await;
    assert_eq!(again.runs(), [row("old", 1, false)]);
    assert_eq!(again.verdicts(), []);
    let have = again.holding.have();
    let [entry] = &have[..] else {
        panic!("{have:?}")
    };
    assert_eq!(entry.hash, unit("old", 1).hash.as_bytes());
}

#[tokio::test]
async fn a_stand_in_survives_a_version_that_cannot_be_read_and_a_restart() {
    let mut case = Case::new();
    case.take(&[("a", held(Some(unit("a", 9))))]).await;
    case.take(&[("a", unreadable())]).await;
    assert_eq!(case.runs(), [row("a", 9, true)]);
    assert_eq!(case.restarted().await.runs(), [row("a", 9, true)]);
}

#[test]
fn what_is_held_has_the_root_of_the_controllers_set() {
    let entries = [
        (unit("a", 1).id, Entry::Unit(unit("a", 1))),
        (
            unit("b", 1).id,
            Entry::Held {
                stand_in: Some(unit("b", 2)),
            },
        ),
    ];
    let set = UnitSet::new(entries.iter().cloned().collect(), 7);
    let saved = Saved {
        gateway: gateway(),
        version: String::new(),
        resource_version: 7,
        entries: entries
            .iter()
            .map(|(id, entry)| SavedEntry::of(id, entry))
            .collect(),
    };
    assert_eq!(Holding::restore(saved).0.root(), Some(set.root()));
}
