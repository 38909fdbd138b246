//! `tollgate-proxy check DIR`: what is wrong with some manifests, without serving them.
//!
//! In: a folder. Out: a line for each problem, `file:line Kind namespace/name field: reason`, and an
//! outcome. Silent when all is well. It reads and compiles exactly as `serve` does.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    io::{self, Write},
    path::Path,
};

use crate::config::directory::{
    Manifests, UnusableFolder,
    compile::{Compiler, ObjectRef, Problem, Severity},
};

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing was said.
    Clean,
    /// There are warnings alone.
    Warnings,
    /// Something would not be served.
    Problems,
}

impl Outcome {
    /// The exit code of the command. A folder that can't be read is [`UNUSABLE`].
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean | Self::Warnings => 0,
            Self::Problems => 1,
        }
    }
}

/// The exit code when nothing could be checked.
pub const UNUSABLE: u8 = 2;

/// Why nothing could be checked.
#[derive(Debug)]
pub enum Unchecked {
    /// The folder can't be read.
    Folder(UnusableFolder),
    /// The lines can't be written.
    Output(io::Error),
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.fmt(f),
            Self::Output(_) => f.write_str("the problems can't be written"),
        }
    }
}

impl Error for Unchecked {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Folder(_) => None,
            Self::Output(error) => Some(error),
        }
    }
}

/// Checks all manifests below `dir` and writes a line for each problem, by file and line.
///
/// # Errors
/// [`Unchecked`] when `dir` can't be read or `out` can't be written.
pub fn check(dir: &Path, out: &mut impl Write) -> Result<Outcome, Unchecked> {
    let (manifests, scan) = Manifests::open(dir).map_err(Unchecked::Folder)?;
    let mut compiler = Compiler::default();
    // What an object lacks may come later: only its last word counts.
    let mut by_object: BTreeMap<ObjectRef, Vec<Problem>> = BTreeMap::new();
    for change in scan.changes {
        by_object.extend(compiler.apply(change).problems);
    }
    let problems: Vec<Problem> = by_object.into_values().flatten().collect();
    let files = manifests.problems();
    let lines = manifests.locations().print_sorted(&files, &problems);
    for line in lines {
        writeln!(out, "{line}").map_err(Unchecked::Output)?;
    }
    let is_serious = |problem: &Problem| problem.reason.severity() == Severity::Problem;
    if !files.is_empty() || problems.iter().any(is_serious) {
        Ok(Outcome::Problems)
    } else if problems.is_empty() {
        Ok(Outcome::Clean)
    } else {
        Ok(Outcome::Warnings)
    }
}
