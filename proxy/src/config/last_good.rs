//! Last good: what was run before, so that a start needs no controller.
//!
//! In: snapshots that were adopted. Out: their files, written beside everything else; at a start,
//! the newest of them that can be trusted. The file's format is the snapshot crate's. A disk that
//! can't be written costs a warning and nothing else.
//!
//! ```text
//! start:  marks ──> find (generations, then the bootstrap copy) ──> what to adopt first
//! later:  an attempt ──> marks, before the swap        a swap ──> keep ──> generations
//! ```

mod bootstrap;
mod find;
mod generations;
mod keep;
mod marks;

use std::{fmt, path::PathBuf, sync::Arc};

use tollgate_snapshot::{ObjectName, saved::SealKey};

pub use self::{
    find::Found,
    keep::{Keeper, Persisted, Shot},
    marks::{Marks, PROBATION},
};

/// Where snapshots are kept.
#[derive(Clone)]
pub struct Store {
    /// The gateway whose snapshots they are.
    pub gateway: ObjectName,
    /// Folder of the generations; none: nothing is kept.
    pub cache: Option<PathBuf>,
    /// Folder of the bootstrap copy.
    pub bootstrap: Option<PathBuf>,
    /// With which they are sealed; none: they are not.
    pub key: Option<Arc<SealKey>>,
}

impl fmt::Debug for Store {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("gateway", &self.gateway)
            .field("cache", &self.cache)
            .field("bootstrap", &self.bootstrap)
            .field("is_sealed", &self.key.is_some())
            .finish()
    }
}

/// Where a snapshot was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A generation.
    LastGood(u64),
    /// The bootstrap copy.
    Bootstrap,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastGood(generation) => write!(f, "snapshot-{generation}"),
            Self::Bootstrap => f.write_str("bootstrap copy"),
        }
    }
}

impl Store {
    /// What to start with, and the marks that the start before left.
    pub fn open(&self) -> (Option<Found>, Marks) {
        let mut marks = Marks::open(self.cache.as_deref());
        let found = find::find(self, &mut marks);
        (found, marks)
    }

    /// The bootstrap copy, if it can be used by now.
    pub fn bootstrap_copy(&self) -> Option<Found> {
        find::bootstrap_copy(self)
    }
}

#[cfg(test)]
mod tests;
