//! Scans to units: compile, with the text of every problem kept for whoever asks.
//!
//! In: what a scan found. Out: changes of units to adopt at once, and lines about what is new. It
//! keeps the problems of every object; the objects are kept by the compiler.

use std::collections::BTreeMap;

use tollgate_compile::{Compiler, ObjectRef, Problem, Severity};
use tollgate_snapshot::UnitChange;

use super::{Manifests, Scan};

/// Compiles what a folder holds.
#[derive(Default)]
pub struct Lowering {
    compiler: Compiler,
    problems: BTreeMap<ObjectRef, Vec<Problem>>,
}

impl Lowering {
    /// Takes the changes out of a scan: those of units, and the problems that were not there
    /// before.
    pub fn lower(
        &mut self,
        scan: &mut Scan,
        manifests: &Manifests,
    ) -> (Vec<UnitChange>, Vec<String>) {
        let mut delta = self.compiler.apply_all(std::mem::take(&mut scan.changes));
        let changes = delta.take_changes();
        let mut fresh = Vec::new();
        for (object, problems) in delta.problems {
            let known = self.problems.remove(&object).unwrap_or_default();
            fresh.extend(
                problems
                    .iter()
                    .filter(|problem| !known.contains(problem))
                    .cloned(),
            );
            if !problems.is_empty() {
                self.problems.insert(object, problems);
            }
        }
        (
            changes,
            manifests.locations().print_sorted(&scan.problems, &fresh),
        )
    }

    /// All that is wrong now, each with its file and line. This looks at every object, and reads
    /// the files at fault once more.
    pub fn problems(&self, manifests: &Manifests) -> Vec<String> {
        let objects: Vec<Problem> = self.problems.values().flatten().cloned().collect();
        manifests
            .locations()
            .print_sorted(&manifests.problems(), &objects)
    }

    /// Whether an object is not served as it asks. Warnings do not count.
    pub fn has_serious(&self) -> bool {
        let mut objects = self.problems.values().flatten();
        objects.any(|problem| problem.reason.severity() == Severity::Problem)
    }
}
