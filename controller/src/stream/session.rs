//! One proxy's stream as a state machine. Pure: no sockets, no clock.
//!
//! In: what the proxy says, and the newest set of its gateway. Out: the transaction to send next,
//! what the proxy runs, or why the stream must end. One transaction is under way at most; sets that
//! come meanwhile replace each other.

mod hello;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use imbl::OrdMap;
use thiserror::Error;
use tollgate_snapshot::{
    Hash, Root, UnitId, UnitSet,
    wire::{Hello, PROTOCOL, Verdicts, proxy_message::Message},
};

use super::{transaction::Transaction, verdict};
use crate::{
    metrics::{Refused, Took},
    proxies::{self, Verdict},
};

/// How long a proxy may take for its Hello.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a proxy may take from a Commit to its Verdicts.
pub(super) const VERDICTS_TIMEOUT: Duration = Duration::from_secs(30);

/// When a set that a proxy refused as a whole is offered to it again, if there is no newer one: it
/// refuses an older set than it has for this long.
pub(super) const OFFER_AGAIN: Duration = Duration::from_secs(61);

/// Why a stream ends.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(super) enum Ended {
    /// The proxy speaks another version.
    #[error("hello: protocol {0}: this controller speaks {PROTOCOL} only")]
    Protocol(u32),
    /// A message that can't be right.
    #[error("{0}")]
    Garbage(String),
    /// No message in time.
    #[error("no {0} in time")]
    Slow(&'static str),
    /// Its root hash is wrong again after all entries were sent.
    #[error("verdicts: root: wrong again after all entries were sent")]
    Drift,
}

impl Ended {
    /// How it is counted.
    pub(super) fn counted(&self) -> Refused {
        match self {
            Self::Protocol(_) => Refused::Protocol,
            Self::Garbage(_) | Self::Drift => Refused::Garbage,
            Self::Slow(_) => Refused::Slow,
        }
    }
}

/// What the proxy has, as far as it is known.
#[derive(Debug)]
enum Known {
    /// Entries with these hashes.
    Hashes(BTreeMap<UnitId, Hash>),
    /// Exactly this set.
    Set(UnitSet),
    /// Nothing, or who knows what.
    Nothing,
}

impl Known {
    fn root(&self) -> Option<Hash> {
        match self {
            Self::Hashes(hashes) => Some(Root::hash_of(hashes)),
            Self::Set(set) => Some(set.root()),
            Self::Nothing => None,
        }
    }
}

/// What the proxy runs, as it says.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Root hash of what it has adopted.
    pub(super) root: Option<Hash>,
    /// What it does not simply run.
    pub(super) exceptions: OrdMap<UnitId, Verdict>,
    /// Why it refused the newest set.
    pub(super) refused: Option<String>,
    /// Since when it has that root, or since when it is known.
    pub(super) since: Instant,
}

/// The transaction under way.
#[derive(Debug)]
struct Pending {
    seq: u64,
    target: UnitSet,
    before: Known,
    full: bool,
    /// When it was sent wholly.
    sent: Option<Instant>,
}

/// A set that the proxy did not take.
#[derive(Debug)]
struct RefusedSet {
    root: Hash,
    again: Instant,
}

#[derive(Debug)]
enum State {
    /// Nothing came yet.
    Silent { since: Instant },
    /// It has said Hello, and nothing was sent yet.
    Greeted(Known),
    /// A transaction is under way.
    Pending(Pending),
    /// It has said what it made of the last one.
    Idle(Known),
}

/// The state of a stream.
#[derive(Debug)]
pub(super) struct Session {
    state: State,
    newest: Option<UnitSet>,
    seq: u64,
    refused: Option<RefusedSet>,
    running: Option<Running>,
}

impl Session {
    /// A stream that begins.
    pub(super) fn new(newest: Option<UnitSet>, now: Instant) -> Self {
        Self {
            state: State::Silent { since: now },
            newest,
            seq: 0,
            refused: None,
            running: None,
        }
    }

    /// What the proxy runs; nothing before its Hello.
    pub(super) fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// There is a newer set.
    pub(super) fn newest(&mut self, set: Option<UnitSet>) {
        // Once known, a set does not become unknown.
        self.newest = set.or_else(|| self.newest.take());
    }

    /// Takes in a message. Says what became of a transaction, if it is that.
    pub(super) fn take(&mut self, message: Message, now: Instant) -> Result<Option<Took>, Ended> {
        match message {
            Message::Hello(hello) => self.hello(hello, now).map(|()| None),
            Message::Verdicts(verdicts) => self.verdicts(verdicts, now).map(Some),
        }
    }

    fn hello(&mut self, hello: Hello, now: Instant) -> Result<(), Ended> {
        if !matches!(self.state, State::Silent { .. }) {
            return Err(Ended::Garbage("hello: only once".to_owned()));
        }
        if hello.protocol != PROTOCOL {
            return Err(Ended::Protocol(hello.protocol));
        }
        let root = root("hello", &hello.root)?;
        let known = hello::known(root, hello.have)?;
        self.running = Some(Running {
            root,
            exceptions: verdict::read(hello.exceptions),
            refused: None,
            since: now,
        });
        self.state = State::Greeted(known);
        Ok(())
    }

    fn verdicts(&mut self, verdicts: Verdicts, now: Instant) -> Result<Took, Ended> {
        let state = std::mem::replace(&mut self.state, State::Silent { since: now });
        let pending = match state {
            State::Pending(pending) if pending.seq == verdicts.seq && pending.sent.is_some() => {
                pending
            }
            State::Pending(_) | State::Silent { .. } | State::Greeted(_) | State::Idle(_) => {
                let why = format!("verdicts: seq: no transaction {} is done", verdicts.seq);
                return Err(Ended::Garbage(why));
            }
        };
        let root = root("verdicts", &verdicts.root)?;
        let exceptions = verdict::read(verdicts.exceptions);
        let refused = (!verdicts.refused.is_empty()).then(|| verdict::reason(verdicts.refused));
        // What the operator holds is no proxy's doing.
        let mut all = exceptions.values();
        let is_rejected = all.any(|verdict| verdict.running == proxies::Running::Rejected);
        let took = match (&refused, is_rejected) {
            (Some(_), _) => Took::Nothing,
            (None, true) => Took::Partly,
            (None, false) => Took::All,
        };
        self.refused = None;
        let known = if refused.is_some() {
            self.refused = Some(RefusedSet {
                root: pending.target.root(),
                again: now + OFFER_AGAIN,
            });
            match pending.before.root() == root {
                true => pending.before,
                false => Known::Nothing,
            }
        } else if root == Some(pending.target.root()) {
            Known::Set(pending.target)
        } else if pending.full {
            return Err(Ended::Drift);
        } else {
            Known::Nothing
        };
        self.state = State::Idle(known);
        self.runs(root, exceptions, refused, now);
        Ok(took)
    }

    fn runs(
        &mut self,
        root: Option<Hash>,
        exceptions: OrdMap<UnitId, Verdict>,
        refused: Option<String>,
        now: Instant,
    ) {
        let before = self.running.as_ref().filter(|before| before.root == root);
        self.running = Some(Running {
            root,
            exceptions,
            refused,
            since: before.map_or(now, |before| before.since),
        });
    }

    /// The transaction to send now, if one may begin. Once it is sent, [`Self::sent`] must be told.
    pub(super) fn next(&mut self, now: Instant) -> Option<Transaction> {
        let newest = self.newest.as_ref()?;
        let due = match &self.state {
            State::Silent { .. } | State::Pending(_) => false,
            // The answer to a Hello is never left out: its Verdicts say that all is well.
            State::Greeted(_) => true,
            State::Idle(known) => match &self.refused {
                Some(refused) if refused.root == newest.root() => now >= refused.again,
                // Even if it has that already: its Verdicts say that all is well again.
                Some(_) => true,
                None => known.root() != Some(newest.root()),
            },
        };
        if !due {
            return None;
        }
        let target = newest.clone();
        let state = std::mem::replace(&mut self.state, State::Silent { since: now });
        let before = match state {
            State::Greeted(known) | State::Idle(known) => known,
            State::Silent { .. } | State::Pending(_) => return None,
        };
        let changes = match &before {
            Known::Hashes(hashes) => target.changes_since_hashes(hashes),
            Known::Set(set) => target.changes_since(set),
            Known::Nothing => target.changes_since(&UnitSet::default()),
        };
        let full = matches!(before, Known::Nothing);
        self.seq += 1;
        let transaction = Transaction::new(self.seq, &target, full, changes);
        self.state = State::Pending(Pending {
            seq: self.seq,
            target,
            before,
            full,
            sent: None,
        });
        Some(transaction)
    }

    /// The transaction is sent wholly.
    pub(super) fn sent(&mut self, now: Instant) {
        match &mut self.state {
            State::Pending(pending) => pending.sent = Some(now),
            State::Silent { .. } | State::Greeted(_) | State::Idle(_) => {}
        }
    }

    /// When [`Self::next`] and [`Self::overdue`] must be asked again at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Silent { since } => Some(*since + HELLO_TIMEOUT),
            State::Pending(pending) => pending.sent.map(|sent| sent + VERDICTS_TIMEOUT),
            State::Idle(_) => self.refused.as_ref().map(|refused| refused.again),
            State::Greeted(_) => None,
        }
    }

    /// Whether the proxy has been silent for too long.
    pub(super) fn overdue(&self, now: Instant) -> Result<(), Ended> {
        let past = self.deadline().is_some_and(|deadline| now >= deadline);
        match &self.state {
            State::Silent { .. } if past => Err(Ended::Slow("hello")),
            State::Pending(_) if past => Err(Ended::Slow("verdicts")),
            State::Silent { .. } | State::Pending(_) | State::Greeted(_) | State::Idle(_) => Ok(()),
        }
    }
}

/// Reads a root hash; empty: none.
fn root(message: &str, bytes: &[u8]) -> Result<Option<Hash>, Ended> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| Ended::Garbage(format!("{message}: root: not 32 bytes long")));
    bytes.map(|bytes| Some(Hash::from_bytes(bytes)))
}

#[cfg(test)]
mod tests;
