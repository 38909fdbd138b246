//! Which condition of an object turned, if one did that people should hear of.
//!
//! In: the status before and after. Out: one transition at most for each write, the most telling.

use tollgate_compile::ObjectRef;

use super::{
    ledger::Known,
    report::Report,
    words::{ConditionType, Word},
};
use crate::events::Transition;

/// What is told of, the most telling first.
const TOLD: [ConditionType; 3] = [
    ConditionType::Accepted,
    ConditionType::Programmed,
    ConditionType::Ready,
];

/// The transition from the status that an object had to `after`.
pub(super) fn of(object: &ObjectRef, known: &Known, after: &Report) -> Option<Transition> {
    let before = known.report.as_ref();
    let turned = |type_: &ConditionType| {
        let was = before.and_then(|before| before.condition(*type_));
        let was = was.map(|was| was.status == "True");
        let is = after.is_true(*type_);
        // That an object has just come and is not programmed yet, is no news.
        was != Some(is) && (was.is_some() || is || !is_pending(after, *type_))
    };
    let failed = TOLD
        .into_iter()
        .find(|type_| turned(type_) && !after.is_true(*type_));
    let type_ = failed.or_else(|| {
        let ready = ConditionType::Ready;
        (turned(&ready) && after.is_true(ready)).then_some(ready)
    })?;
    let condition = after.condition(type_)?;
    Some(Transition {
        object: object.clone(),
        uid: known.uid.clone(),
        condition: type_.as_str(),
        holds: after.is_true(type_),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    })
}

fn is_pending(report: &Report, type_: ConditionType) -> bool {
    let condition = report.condition(type_);
    condition.is_some_and(|condition| condition.reason == Word::Pending.as_str())
}
