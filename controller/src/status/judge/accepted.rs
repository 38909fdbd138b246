//! Whether an object says what it should, and whether what it names is there.
//!
//! In: its problems. Out: `Accepted` and `ResolvedRefs`, each with all problems that belong to it.

use tollgate_compile::{Problem, problem::Condition};
use tollgate_snapshot::ObjectName;

use super::{Because, Finding, Grounds};
use crate::status::{text, words::Word};

/// Whether the object says what it should. Warnings are said here too, and change nothing.
pub(super) fn accepted(grounds: &Grounds<'_>) -> Finding {
    let problems: Vec<&Problem> = grounds.problems.iter().filter(refuses).collect();
    if let Some(first) = problems.first() {
        return fault(first, &problems);
    }
    let warnings = grounds.problems.iter();
    let warnings = warnings.filter(|problem| problem.reason.condition().is_none());
    Finding::holds(Word::Accepted, text::of_problems(warnings, None))
}

/// Whether all that the object names is there.
pub(super) fn resolved(grounds: &Grounds<'_>) -> Finding {
    let problems = grounds.problems.iter();
    let problems = problems.filter(|problem| belongs(problem, Condition::ResolvedRefs));
    let problems: Vec<&Problem> = problems.collect();
    match problems.first() {
        Some(first) => fault(first, &problems),
        None => Finding::holds(Word::ResolvedRefs, ""),
    }
}

/// Whether one gateway takes a route: no problem of the route as a whole, and none with how it
/// names this gateway.
pub(super) fn at_gateway(grounds: &Grounds<'_>, gateway: &ObjectName) -> Finding {
    let concerns = |problem: &&Problem| match index(problem) {
        Some(index) => grounds.named.get(index) == Some(gateway) && !is_warning(problem),
        None => refuses(problem),
    };
    let problems: Vec<&Problem> = grounds.problems.iter().filter(concerns).collect();
    match problems.first() {
        Some(first) => fault(first, &problems),
        None => Finding::holds(Word::Accepted, ""),
    }
}

/// An object that is held is not accepted, whatever holds it.
fn refuses(problem: &&Problem) -> bool {
    belongs(problem, Condition::Accepted) || problem.reason.holds()
}

fn belongs(problem: &Problem, condition: Condition) -> bool {
    problem.reason.condition() == Some(condition)
}

fn is_warning(problem: &Problem) -> bool {
    problem.reason.condition().is_none()
}

fn fault(first: &Problem, all: &[&Problem]) -> Finding {
    let message = text::of_problems(all.iter().copied(), Some(first.reason));
    Finding::fails(Because::Fault(first.reason), message)
}

/// Which of the named gateways a problem is about: `spec.gateways[1]` and below.
fn index(problem: &Problem) -> Option<usize> {
    let rest = problem.field.strip_prefix("spec.gateways[")?;
    rest.split_once(']')?.0.parse().ok()
}
