//! How long a status may wait, so that one write says what two would have said.
//!
//! In: the status that an object has, and the one that it should have. Out: the wait. Good news
//! doesn't wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::status::{
    ledger::{Judged, Known},
    queue::Wait,
    words::ConditionType,
};

/// Time for the proxies to take a new object up, before it is said that they have not.
const SETTLE: Duration = Duration::from_millis(60);

/// Time for a proxy that has just become ready to say what it runs, before something is said of it
/// that is not known.
const HEARING: Duration = Duration::from_secs(10);

/// Time for all proxies to be heard of by a replica that has just become the one that writes: they
/// and the other replicas rest up to 30 s between two attempts to dial, and an attempt takes up to
/// ten.
const HEARING_ALL: Duration = Duration::from_secs(45);

/// Time between writes that say nothing but how many proxies there are.
const NUMBERS: Duration = Duration::from_secs(2);

/// How long this status may wait. `leading`: since when this replica has been the one that hears of
/// all proxies.
pub(super) fn wait(known: &Known, judged: &Judged, leading: Instant, now: Instant) -> Wait {
    let report = &judged.report;
    let Some(before) = &known.report else {
        return settled(report.is_true(ConditionType::Programmed));
    };
    if before.generation != report.generation {
        return settled(report.is_true(ConditionType::Programmed));
    }
    if let Some(since) = judged.unheard {
        let until = (since + HEARING).max(leading + HEARING_ALL);
        if now < until && before.is_true(ConditionType::Programmed) {
            return Wait::Until(until);
        }
    }
    if report.differs_in_numbers_alone(before) {
        return Wait::For(NUMBERS);
    }
    let was = before.is_true(ConditionType::Programmed);
    settled(!was && report.is_true(ConditionType::Programmed))
}

fn settled(at_once: bool) -> Wait {
    Wait::For(if at_once { Duration::ZERO } else { SETTLE })
}
