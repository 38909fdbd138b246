//! Collects what is wrong with one object while it is compiled.
//!
//! In: a field and a reason. Out: the problems in the order in which they were found. An object is
//! read to its end: its author gets all problems at once, not one for each attempt.

use std::fmt;

use crate::{ObjectRef, Problem, Reason};

/// The path of a field, kept as steps: most fields are well-formed and their paths never written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    /// The first step.
    Root(&'a str),
    /// A field of an object.
    Key(&'a Self, &'a str),
    /// An item of a list.
    Index(&'a Self, usize),
}

impl<'a> Field<'a> {
    pub(crate) fn key(&'a self, name: &'a str) -> Self {
        Self::Key(self, name)
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The problems of one object.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    object: &'a ObjectRef,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(object: &'a ObjectRef) -> Self {
        Self {
            object,
            problems: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, reason: Reason, field: Field<'_>, message: impl fmt::Display) {
        self.problems.push(Problem {
            object: self.object.clone(),
            field: field.to_string(),
            reason,
            message: message.to_string(),
        });
    }

    pub(crate) fn invalid(&mut self, field: Field<'_>, message: impl fmt::Display) {
        self.add(Reason::Invalid, field, message);
    }

    /// The value that was parsed; nothing and a problem if it wasn't.
    pub(crate) fn parsed<T, E: fmt::Display>(
        &mut self,
        field: Field<'_>,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed.map_err(|reason| self.invalid(field, reason)).ok()
    }

    /// Whether the object is held for what was found.
    pub(crate) fn hold(&self) -> bool {
        self.problems.iter().any(|problem| problem.reason.holds())
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
