//! Messages of conditions, kept short.
//!
//! In: problems, or texts. Out: one line of at most about a kilobyte, which says how much it left
//! out.

use std::fmt::Write;

use tollgate_compile::{Problem, Reason};

/// Longest message, in bytes, without the words that say how many more there are.
const BYTES: usize = 900;

/// What some problems say under a condition with this reason.
pub(super) fn of_problems<'a>(
    problems: impl IntoIterator<Item = &'a Problem>,
    reason: Option<Reason>,
) -> String {
    joined(problems.into_iter().map(|problem| said(problem, reason)))
}

fn said(problem: &Problem, reason: Option<Reason>) -> String {
    let mut text = problem.message.clone();
    if !problem.field.is_empty() {
        text = format!("{}: {text}", problem.field);
    }
    if reason != Some(problem.reason) {
        _ = write!(text, " ({})", problem.reason.as_str());
    }
    text
}

/// Some texts as one.
pub(super) fn joined(texts: impl IntoIterator<Item = String>) -> String {
    let mut texts = texts.into_iter();
    let mut all = texts.next().unwrap_or_default();
    shorten(&mut all);
    let mut more = 0;
    for text in texts {
        if more == 0 && all.len() + text.len() + 2 <= BYTES {
            all.push_str("; ");
            all.push_str(&text);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        _ = write!(all, "; and {more} more");
    }
    all
}

fn shorten(text: &mut String) {
    if text.len() > BYTES {
        let ends = (0..=BYTES).rev();
        let end = ends.into_iter().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use tollgate_compile::{Kind, ObjectRef};

    use super::*;

    fn problem(reason: Reason, field: &str, message: &str) -> Problem {
        Problem {
            object: ObjectRef::new(Kind::ApiRoute, "shop", "products"),
            field: field.to_owned(),
            reason,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_message_names_the_field_and_a_reason_that_is_not_the_condition_s() {
        let problems = [
            problem(Reason::Invalid, "spec.rules[0].timeout", "not a duration"),
            problem(Reason::Duplicate, "", "two rules are named a"),
        ];
        let text = of_problems(&problems, Some(Reason::Invalid));
        let expected = "spec.rules[0].timeout: not a duration; two rules are named a (Duplicate)";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_message_is_capped_and_says_how_much_is_missing() {
        let long = "é".repeat(300);
        let text = joined(vec![long; 5]);
        assert!(text.len() <= BYTES + 30, "{} bytes", text.len());
        assert!(text.ends_with("; and 4 more"), "{text}");
        let one = joined(["é".repeat(5000)]);
        assert!(one.len() <= BYTES + 30 && one.ends_with('…'));
    }
}
