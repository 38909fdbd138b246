//! When to take the Lease, when to renew it, and when to stop acting as its holder.
//!
//! In: what the Lease said, what was written, and instants of one monotonic clock. Out: what to do
//! next, and who holds the Lease. The rules are client-go's: another one's hold is over once its
//! Lease has stood unchanged before our eyes for as long as it lasts; our own is over, for us,
//! earlier than that.

use std::time::Duration;

use tokio::time::Instant;

use super::record::Record;
use crate::holder::Holder;

/// The figures of an election: `retry` < `renew` < `lease`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// How long a Lease holds without being renewed.
    pub(super) lease: Duration,
    /// How long its holder acts as such without having renewed it.
    pub(super) renew: Duration,
    /// Time between two attempts.
    pub(super) retry: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// Make the Lease: there is none.
    Create,
    /// Write ourselves into it: it is free, or ours already.
    Hold,
    /// Look again later: another one holds it.
    Wait,
}

/// One candidate's view of an election.
#[derive(Debug)]
pub(super) struct Elector {
    identity: String,
    timing: Timing,
    seen: Option<Seen>,
    /// When the last write that made us the holder was sent.
    held: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    record: Record,
    /// Since when we have seen it unchanged.
    since: Instant,
}

impl Elector {
    pub(super) fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            timing,
            seen: None,
            held: None,
        }
    }

    /// Takes in what was read; `None`: there is no Lease.
    pub(super) fn observe(&mut self, record: Option<Record>, now: Instant) {
        if record
            .as_ref()
            .is_none_or(|record| record.holder != self.identity)
        {
            self.held = None;
        }
        self.seen = record.map(|record| {
            let same = self.seen.take().filter(|seen| seen.record == record);
            same.unwrap_or(Seen { record, since: now })
        });
    }

    /// Takes in that a write has made us the holder. `sent`: when it was sent, which is before
    /// anybody else could see it.
    pub(super) fn wrote(&mut self, record: Record, sent: Instant) {
        self.seen = Some(Seen {
            record,
            since: sent,
        });
        self.held = Some(sent);
    }

    /// What to do now.
    pub(super) fn next(&self, now: Instant) -> Action {
        match &self.seen {
            None => Action::Create,
            Some(seen) if seen.record.holder == self.identity => Action::Hold,
            Some(seen) if self.is_free(seen, now) => Action::Hold,
            Some(_) => Action::Wait,
        }
    }

    /// Until when we act as the holder unless we renew; `None`: we don't.
    pub(super) fn mine_until(&self) -> Option<Instant> {
        self.held.map(|sent| sent + self.timing.renew)
    }

    /// Who holds it.
    pub(super) fn holder(&self, now: Instant) -> Holder {
        if self.mine_until().is_some_and(|until| now < until) {
            return Holder::Me;
        }
        match &self.seen {
            Some(seen) if seen.record.holder == self.identity => Holder::Nobody,
            Some(seen) if !self.is_free(seen, now) => Holder::Other {
                identity: seen.record.holder.clone(),
                relay: seen.record.relay.clone(),
            },
            Some(_) | None => Holder::Nobody,
        }
    }

    /// Stops acting as the holder; says whether we did.
    pub(super) fn step_down(&mut self) -> bool {
        self.held.take().is_some()
    }

    fn is_free(&self, seen: &Seen, now: Instant) -> bool {
        // A holder of another version may ask for more time.
        let duration = seen.record.duration.max(self.timing.lease);
        seen.record.holder.is_empty() || now >= seen.since + duration
    }
}

#[cfg(test)]
mod tests;
