//! Verdicts as they travel, and as the table of proxies has them.

use imbl::OrdMap;
use tollgate_snapshot::{
    UnitId,
    wire::{self, REASON_BYTES, State},
};

use crate::proxies::{Running, Verdict};

/// Reads what a proxy does not simply run. Entries that this program does not know are left out: it
/// has not sent them.
pub(crate) fn read(verdicts: Vec<wire::Verdict>) -> OrdMap<UnitId, Verdict> {
    let read = verdicts.into_iter().filter_map(|verdict| {
        let running = match State::try_from(verdict.state) {
            Ok(State::Active) => return None,
            Ok(State::HeldAtLastGood) => Running::HeldAtLastGood,
            Ok(State::HeldWithoutLastGood) => Running::HeldWithoutLastGood,
            // A state of the future is none that would be all right.
            Ok(State::Rejected) | Err(_) => Running::Rejected,
        };
        let id = wire::unit_id(verdict.id).ok()?;
        let reason = reason(verdict.reason);
        Some((id, Verdict { running, reason }))
    });
    read.collect()
}

/// Writes it.
pub(crate) fn write(exceptions: &OrdMap<UnitId, Verdict>) -> Vec<wire::Verdict> {
    let write = exceptions.iter().map(|(id, verdict)| {
        let state = match verdict.running {
            Running::HeldAtLastGood => State::HeldAtLastGood,
            Running::HeldWithoutLastGood => State::HeldWithoutLastGood,
            Running::Rejected => State::Rejected,
        };
        wire::Verdict {
            id: id.to_string(),
            state: state.into(),
            reason: verdict.reason.clone(),
        }
    });
    write.collect()
}

/// A reason of bounded length.
pub(crate) fn reason(mut text: String) -> String {
    let end = (0..=REASON_BYTES.min(text.len())).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_letters() {
        assert_eq!(reason("short".to_owned()), "short");
        let long = reason(format!("x{}", "ä".repeat(200)));
        assert_eq!(long.len(), 255);
    }

    #[test]
    fn what_is_not_known_here_is_never_all_right() {
        let verdict = |id: &str, state: i32| wire::Verdict {
            id: id.to_owned(),
            state,
            reason: "why".to_owned(),
        };
        let exceptions = read(vec![
            verdict("route/shop/runs", 0),
            verdict("route/shop/held", 1),
            verdict("route/shop/future", 99),
            verdict("wonder/shop/unknown", 3),
        ]);
        let shown: Vec<_> = exceptions
            .iter()
            .map(|(id, v)| (id.to_string(), v.running))
            .collect();
        assert_eq!(
            shown,
            [
                ("route/shop/future".to_owned(), Running::Rejected),
                ("route/shop/held".to_owned(), Running::HeldAtLastGood),
            ]
        );
        assert_eq!(read(write(&exceptions)), exceptions);
    }
}
