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

    /// Whether a snapshot may be looked at. `resource_version` and `held`: 0 is unknown.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn admit(
        &mut self,
        root: Hash,
        resource_version: u64,
        held: u64,
        now: Instant,
    ) -> Result<(), Closed> {
        if self.rolled_back.contains(&root) {
            return Err(Closed::RolledBack(root));
        }
        if resource_version == 0 || held == 0 || resource_version >= held {
            return Ok(());
        }
        let since = *self.older_since.get_or_insert(now);
        if now.duration_since(since) >= OLDER_REFUSED {
            return Ok(());
        }
        Err(Closed::Older {
            offered: resource_version,
            held,
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
            assert_eq!(gate.admit(ROOT, offered, held, now), expected, "{name}");
        }
        gate.adopted();
        assert_eq!(gate.admit(ROOT, 7, 9, at(66)), older);
    }

    #[test]
    fn a_snapshot_that_was_rolled_back_stays_out_until_another_one_is_adopted() {
        let now = Instant::now();
        let mut gate = Gate::new(vec![ROOT]);
        assert_eq!(gate.admit(ROOT, 1, 1, now), Err(Closed::RolledBack(ROOT)));
        assert_eq!(gate.admit(Hash::from_bytes([2; 32]), 1, 1, now), Ok(()));
        gate.adopted();
        assert_eq!(gate.admit(ROOT, 1, 1, now), Ok(()));
    }
}
