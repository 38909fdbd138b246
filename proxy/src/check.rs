//! `tollgate-proxy check DIR`: what is wrong with some manifests, without serving them.
//!
//! In: a folder. Out: a line for each problem, `file:line Kind namespace/name field: reason`, and
//! an outcome. Silent when all is well. It reads and compiles exactly as `serve` does.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    path::Path,
};

use crate::config::directory::{Lowering, Manifests, UnusableFolder};

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
    /// The exit code of the command; 2 is for what could not be checked.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean | Self::Warnings => 0,
            Self::Problems => 1,
        }
    }
}

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
    let (manifests, mut scan) = Manifests::open(dir).map_err(Unchecked::Folder)?;
    let mut lowering = Lowering::default();
    lowering.lower(&mut scan, &manifests);
    let lines = lowering.problems(&manifests);
    for line in &lines {
        writeln!(out, "{line}").map_err(Unchecked::Output)?;
    }
    if !manifests.problems().is_empty() || lowering.has_serious() {
        Ok(Outcome::Problems)
    } else if lines.is_empty() {
        Ok(Outcome::Clean)
    } else {
        Ok(Outcome::Warnings)
    }
}
