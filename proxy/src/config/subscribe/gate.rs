//! Which snapshots are not even looked at: those that are older than what is held, for a while, and
//! those that ended this program twice.
//!
//! In: what is offered, what is held, the time. Out: whether to take it. A replica of the
//! controller that lags behind another must not bring back a key that was revoked; an API server
//! that was restored from a backup must be followed in the end.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tollgate_snapshot::Hash;

/// How long older snapshots are refused, from the first one on.
pub(super) const OLDER_REFUSED: Duration = Duration::from_secs(60);

/// Why a snapshot is not looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Closed {
    /// It is older than the one that is held.
    Older {
        /// The highest resourceVersion that went into what is offered.
        offered: u64,
        /// The highest that went into what is held.
        held: u64,
    },
    /// It was run, and this program ended twice soon after.
    RolledBack(Hash),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { offered, held } => write!(
                f,
                "resourceVersion {offered} is older than {held}, which is held; it is refused for {} s",
                OLDER_REFUSED.as_secs()
            ),
            Self::RolledBack(root) => write!(
                f,
                "rolled back: the proxy crashed twice within 60 s of adopting {root}"
            ),
        }
    }
}

/// A snapshot, by what tells it from others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Root hash; none: nothing is there.
    pub(super) root: Option<Hash>,
    /// The highest resourceVersion that went into it; 0: unknown.
    pub(super) resource_version: u64,
}

/// Lets snapshots in or not. It outlives streams.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Since when older snapshots have been offered, and nothing else was adopted.
    older_since: Option<Instant>,
    rolled_back: Vec<Hash>,
}

impl Gate {
    /// Refuses these roots.
    pub(super) fn new(rolled_back: Vec<Hash>) -> Self {
        Self {
            older_since: None,
            rolled_back,
        }
    }

    /// The roots that are refused.
    pub(super) fn rolled_back(&self) -> &[Hash] {
        &self.rolled_back
    }

    /// Whether a snapshot may be looked at. The one that is held always may: a replica that has
    /// watched for longer names a lower version for the same.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn admit(&mut self, offered: Mark, held: Mark, now: Instant) -> Result<(), Closed> {
        if let Some(root) = offered.root
            && self.rolled_back.contains(&root)
        {
            return Err(Closed::RolledBack(root));
        }
        let (newest, known) = (held.resource_version, offered.resource_version);
        if known == 0 || newest == 0 || known >= newest || offered.root == held.root {
            return Ok(());
        }
        let since = *self.older_since.get_or_insert(now);
        if now.duration_since(since) >= OLDER_REFUSED {
            return Ok(());
        }
        Err(Closed::Older {
            offered: known,
            held: newest,
        })
    }

    /// Says that a snapshot was adopted: what is older than it is refused anew, and those that were
    /// rolled back may be tried again if the controller ever wants them again.
    pub(super) fn adopted(&mut self) {
        self.older_since = None;
        self.rolled_back.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Hash = Hash::from_bytes([1; 32]);
    const OTHER: Hash = Hash::from_bytes([2; 32]);

    fn mark(root: Hash, resource_version: u64) -> Mark {
        Mark {
            root: Some(root),
            resource_version,
        }
    }

    #[test]
    fn an_older_snapshot_is_refused_for_a_minute_and_then_taken() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut gate = Gate::default();
        let older = Err(Closed::Older {
            offered: 7,
            held: 9,
        });
        let rows = [
            ("newer", at(0), 10, 9, Ok(())),
            ("equal", at(0), 9, 9, Ok(())),
            ("unknown", at(0), 0, 9, Ok(())),
            ("nothing known of what is held", at(0), 7, 0, Ok(())),
            ("older", at(5), 7, 9, older),
            ("older, a second before its time", at(64), 7, 9, older),
            ("older, in its time", at(65), 7, 9, Ok(())),
        ];
        for (name, now, offered, held, expected) in rows {
            let admitted = gate.admit(mark(ROOT, offered), mark(OTHER, held), now);
            assert_eq!(admitted, expected, "{name}");
        }
        gate.adopted();
        let again = gate.admit(mark(ROOT, 7), mark(OTHER, 9), at(66));
        assert_eq!(again, older);
    }

    #[test]
    fn what_is_held_is_not_older_whatever_version_it_has_elsewhere() {
        let mut gate = Gate::default();
        let admitted = gate.admit(mark(ROOT, 7), mark(ROOT, 9), Instant::now());
        assert_eq!(admitted, Ok(()));
    }

    #[test]
    fn a_snapshot_that_was_rolled_back_stays_out_until_another_one_is_adopted() {
        let now = Instant::now();
        let mut gate = Gate::new(vec![ROOT]);
        let admit = |gate: &mut Gate, root| gate.admit(mark(root, 1), mark(OTHER, 1), now);
        assert_eq!(admit(&mut gate, ROOT), Err(Closed::RolledBack(ROOT)));
        assert_eq!(admit(&mut gate, OTHER), Ok(()));
        gate.adopted();
        assert_eq!(admit(&mut gate, ROOT), Ok(()));
    }
}
