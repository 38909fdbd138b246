//! Failpoints: bugs that we don't have, for tests of what a bug can do. Only with the feature
//! `failpoints`, which no program of a release has.
//!
//! In: a route's name. Out: a panic, or the end of the program.

use std::{process::abort, thread::sleep, time::Duration};

use tollgate_snapshot::UnitId;

/// A route of this name can't be armed: that panics.
const PANIC: &str = "panic-when-armed";

/// A second after a route of this name is run, the program ends as by a segmentation fault.
const ABORT: &str = "abort-soon-after";

/// How soon. By then the snapshot is on disk.
const SOON: Duration = Duration::from_secs(1);

/// A unit is about to be armed.
#[allow(clippy::panic, reason = "it is what it is for")]
pub(crate) fn arming(unit: &UnitId) {
    if &*unit.object.name == PANIC {
        panic!("a failpoint");
    }
}

/// A unit is run.
pub(crate) fn adopted(unit: &UnitId) {
    if &*unit.object.name == ABORT {
        std::thread::spawn(|| {
            sleep(SOON);
            abort();
        });
    }
}
