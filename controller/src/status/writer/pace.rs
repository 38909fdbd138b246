//! How long a status may wait, so that one write says what two would have said.
//!
//! In: the status that an object has, and the one that it should have. Out: a delay. Good news
//! doesn't wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::status::{
    ledger::{Judged, Known},
    words::ConditionType,
};

/// Time for the proxies to take a new object up, before it is said that they have not.
const SETTLE: Duration = Duration::from_millis(60);

/// Time for a proxy that has just become ready to say what it runs, before something is said of it
/// that is not known.
const HEARING: Duration = Duration::from_secs(10);

/// Time between writes that say nothing but how many proxies there are.
const NUMBERS: Duration = Duration::from_secs(2);

/// How long this status may wait. `leading`: since when this replica has been the one that hears of
/// all proxies.
pub(super) fn delay(known: &Known, judged: &Judged, leading: Instant, now: Instant) -> Duration {
    let report = &judged.report;
    let Some(before) = &known.report else {
        return settled(report.is_true(ConditionType::Programmed));
    };
    if before.generation != report.generation {
        return settled(report.is_true(ConditionType::Programmed));
    }
    if let Some(since) = judged.unheard {
        let until = since.max(leading) + HEARING;
        if now < until && before.is_true(ConditionType::Programmed) {
            return until - now;
        }
    }
    if report.differs_in_numbers_alone(before) {
        return NUMBERS;
    }
    let was = before.is_true(ConditionType::Programmed);
    settled(!was && report.is_true(ConditionType::Programmed))
}

fn settled(at_once: bool) -> Duration {
    if at_once { Duration::ZERO } else { SETTLE }
}
