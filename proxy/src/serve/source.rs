//! The folder's changes, made to take effect.
//!
//! In: scans of the folder. Out: units adopted, functions set, problems said on stderr and shown in
//! `/config`. A function is there before a route leads to it, and goes after the last one has left.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use serde_json::json;
use tollgate_snapshot::{ObjectName, Payload, UnitChange, UnitId, UnitKind};

use super::view::View;
use crate::{
    active::Active,
    config::{
        adopt::{Adopter, Verdict},
        directory::{Directory, Lowering, Manifests, Scan, UnusableFolder},
    },
    function::{FunctionSpec, Functions},
};

/// A folder that is followed.
pub(super) struct Source {
    directory: Directory,
    /// Shared with the view, which asks for the problems.
    lowering: Arc<Mutex<Lowering>>,
    adopter: Adopter,
    functions: Functions,
    /// The bounds of each function that is run.
    bounds: BTreeMap<ObjectName, (Duration, u64)>,
    view: View,
}

impl Source {
    /// Adopts what the folder holds now.
    pub(super) fn open(
        dir: &Path,
        active: &Arc<ArcSwap<Active>>,
        functions: &Functions,
        view: View,
    ) -> Result<Self, UnusableFolder> {
        let (directory, scan) = Directory::open(dir)?;
        let lowering = Arc::<Mutex<Lowering>>::default();
        view.set_problems(problems(directory.shared(), Arc::clone(&lowering)));
        view.set_source(|| json!({"from": "manifests"}));
        let mut source = Self {
            directory,
            lowering,
            adopter: Adopter::new(Arc::clone(active)),
            functions: functions.clone(),
            bounds: BTreeMap::new(),
            view,
        };
        source.take(scan);
        Ok(source)
    }

    /// Waits for the next change of the folder and makes it take effect.
    pub(super) async fn follow(&mut self) {
        let scan = self.directory.changed().await;
        self.take(scan);
    }

    fn take(&mut self, mut scan: Scan) {
        let mut lowering = self.lowering.lock().unwrap_or_else(PoisonError::into_inner);
        let (changes, said) = lowering.lower(&mut scan, &self.directory.manifests());
        drop(lowering);
        for line in said {
            eprintln!("{line}");
        }
        self.start_functions(&changes, &scan);
        let before = self.adopter.exceptions().clone();
        self.adopter.adopt(&changes);
        say_verdicts(&changes, &before, self.adopter.exceptions());
        self.stop_functions(&changes);
        self.view.set_config(self.adopter.exceptions());
    }

    fn start_functions(&mut self, changes: &[UnitChange], scan: &Scan) {
        let mut touched: Vec<&ObjectName> = scan.processes.keys().collect();
        for change in changes {
            if let UnitChange::Put(unit) = change
                && let Payload::Function(function) = &*unit.payload
            {
                let timeout = Duration::from_millis(function.timeout_ms);
                self.bounds
                    .insert(unit.id.object.clone(), (timeout, function.memory_mb));
                touched.push(&unit.id.object);
            }
        }
        for name in touched {
            if self.is_held(name, changes) {
                continue;
            }
            let Some((timeout, memory_mb)) = self.bounds.get(name).copied() else {
                continue;
            };
            let process = self.directory.manifests().processes().get(name).cloned();
            let spec = process.map(|process| FunctionSpec {
                timeout,
                memory_mb,
                process,
            });
            self.functions.set(name, spec);
        }
    }

    /// Whether a function's newest version is refused: then the process of the one before goes on,
    /// too.
    fn is_held(&self, name: &ObjectName, changes: &[UnitChange]) -> bool {
        let id = UnitId {
            kind: UnitKind::Function,
            object: name.clone(),
        };
        match changes.iter().find(|change| *change.id() == id) {
            Some(UnitChange::Hold { .. }) => true,
            Some(UnitChange::Put(_) | UnitChange::Remove(_)) => false,
            None => self.adopter.exceptions().contains_key(&id),
        }
    }

    fn stop_functions(&mut self, changes: &[UnitChange]) {
        for change in changes {
            if let UnitChange::Remove(id) = change
                && id.kind == UnitKind::Function
            {
                self.bounds.remove(&id.object);
                self.functions.set(&id.object, None);
            }
        }
    }
}

/// Says what is wrong now, when asked: the more there is wrong, the longer that takes, and an edit
/// must not wait for it.
fn problems(
    manifests: Arc<Mutex<Manifests>>,
    lowering: Arc<Mutex<Lowering>>,
) -> impl Fn() -> Vec<String> + Send + Sync + 'static {
    move || {
        // In the order in which `take` locks them.
        let lowering = lowering.lock().unwrap_or_else(PoisonError::into_inner);
        let manifests = manifests.lock().unwrap_or_else(PoisonError::into_inner);
        lowering.problems(&manifests)
    }
}

/// Says which objects are held, and which are served as they ask again.
fn say_verdicts(
    changes: &[UnitChange],
    before: &imbl::OrdMap<UnitId, Verdict>,
    after: &imbl::OrdMap<UnitId, Verdict>,
) {
    for id in changes.iter().map(UnitChange::id) {
        match (before.get(id), after.get(id)) {
            (_, Some(Verdict::HeldAtLastGood)) => {
                eprintln!("held {id}: the version before goes on");
            }
            (_, Some(Verdict::HeldWithoutLastGood)) => {
                eprintln!("held {id}: there is no version before");
            }
            (_, Some(Verdict::Rejected(why))) => eprintln!("rejected {id}: {why}"),
            (Some(_), None) => eprintln!("served again {id}"),
            (None, None) => {}
        }
    }
}
