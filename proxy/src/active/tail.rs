//! The rest of a single template: what a node holds below which nothing branches.
//!
//! In: the segments of a template from a node on, and its matches. Out: whether a path goes the
//! same way. Most templates are alone from some segment on, and looking through one list costs a
//! fetch from memory where a node for each segment would cost as many.

use smallvec::SmallVec;
use smol_str::SmolStr;
use tollgate_snapshot::route::Segment;

use super::table::{Candidates, split_segment};

/// One template from a node on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    steps: Steps,
    /// The matches of the template, best first; none in a node that is new.
    pub(super) candidates: Candidates,
}

/// Two are in place: an id behind the name of its kind.
type Steps = SmallVec<[Step; 2]>;

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Literal(SmolStr),
    Param,
    Rest,
}

impl Step {
    fn of(segment: &Segment) -> Self {
        match segment {
            Segment::Literal(text) => Self::Literal(text.as_str().into()),
            Segment::Param(_) => Self::Param,
            Segment::Rest(_) => Self::Rest,
        }
    }
}

/// What follows the rest of a path is never looked at.
fn steps_of(segments: &[Segment]) -> Steps {
    let is_rest = |segment: &Segment| matches!(segment, Segment::Rest(_));
    let end = segments
        .iter()
        .position(is_rest)
        .map_or(segments.len(), |at| at + 1);
    segments[..end].iter().map(Step::of).collect()
}

impl Tail {
    /// A template without matches yet.
    pub(super) fn of(segments: &[Segment]) -> Self {
        Self {
            steps: steps_of(segments),
            candidates: Candidates::new(),
        }
    }

    /// Whether it is this template's.
    pub(super) fn is_of(&self, segments: &[Segment]) -> bool {
        self.steps == steps_of(segments)
    }

    /// Whether what is left of a path goes this way.
    pub(super) fn fits(&self, mut rest: Option<&str>) -> bool {
        for step in &self.steps {
            let Some(text) = rest else { return false };
            let (first, after) = split_segment(text);
            match step {
                Step::Literal(own) if own != first => return false,
                Step::Literal(_) | Step::Param => rest = after,
                Step::Rest => return true,
            }
        }
        rest.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(template: &str) -> Tail {
        let segment = |text: &str| match text.strip_prefix('{') {
            Some("rest+}") => Segment::Rest("rest".into()),
            Some(_) => Segment::Param("id".into()),
            None => Segment::Literal(text.into()),
        };
        let segments: Vec<_> = template.split_terminator('/').map(segment).collect();
        Tail::of(&segments)
    }

    #[test]
    fn a_path_goes_the_way_of_a_template_to_its_end() {
        let rows = [
            ("nothing", "", None, true),
            ("more", "", Some("a"), false),
            ("literal", "a", Some("a"), true),
            ("other literal", "a", Some("b"), false),
            ("longer literal", "a", Some("ab"), false),
            ("no segment", "a", None, false),
            ("parameter", "a/{id}", Some("a/b"), true),
            ("no parameter", "a/{id}", Some("a"), false),
            ("behind the parameter", "a/{id}", Some("a/b/c"), false),
            ("three", "a/{id}/c", Some("a/b/c"), true),
            ("rest", "a/{rest+}", Some("a/b"), true),
            ("long rest", "a/{rest+}", Some("a/b/c"), true),
            ("no rest", "a/{rest+}", Some("a"), false),
        ];
        for (name, template, rest, expected) in rows {
            assert_eq!(tail(template).fits(rest), expected, "{name}");
        }
    }
}
