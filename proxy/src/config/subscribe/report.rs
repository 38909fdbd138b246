//! What can be said about a subscription from outside: where the units come from, and how it goes.

use std::{
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use imbl::OrdMap;
use tollgate_snapshot::{Hash, UnitId, wire::Boot};

use crate::config::adopt::Verdict;

/// How a subscription goes.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The snapshot that is run.
    pub snapshot: Option<SnapshotFacts>,
    /// The controller's replica that is connected, and since when.
    pub connected: Option<(SocketAddr, SystemTime)>,
    /// Why there is no connection, or was none the last time.
    pub disconnected: Option<String>,
    /// Why the newest transaction was not taken.
    pub refused: Option<String>,
    /// Snapshots that crashed this program and are not run.
    pub rolled_back: Vec<Hash>,
    /// The units that are not simply run.
    pub exceptions: OrdMap<UnitId, Verdict>,
}

/// A snapshot that is run.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotFacts {
    /// Where it came from.
    pub source: SnapshotSource,
    /// Its root hash.
    pub root: Hash,
    /// The highest resourceVersion that went into it; 0: unknown.
    pub resource_version: u64,
    /// Since when it is run.
    pub since: Instant,
}

/// Where a snapshot came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SnapshotSource {
    /// The controller.
    Controller,
    /// This generation on disk.
    Disk(u64),
    /// The bootstrap copy.
    Bootstrap,
}

impl SnapshotSource {
    /// The word for it in `/config` and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Disk(_) => "disk",
            Self::Bootstrap => "bootstrap",
        }
    }

    /// The word for it in a Hello.
    pub(super) fn boot(self) -> Boot {
        match self {
            Self::Controller => Boot::Running,
            Self::Disk(_) => Boot::LastGood,
            Self::Bootstrap => Boot::Bootstrap,
        }
    }
}
