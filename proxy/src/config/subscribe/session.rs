//! One stream's messages, as a state machine: what a message means and what to do about it.
//!
//! In: the controller's messages, what is held, the time. Out: a transaction to adopt, or why there
//! is none. Nothing here reads, writes or waits. A message out of order ends the session: the two
//! sides no longer agree on where they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use thiserror::Error;
use tollgate_snapshot::{
    Hash,
    unit::PAYLOAD_BYTES,
    wire::{self, BadMessage, Begin, Chunk, ControllerMessage, Entry, controller_message::Message},
};

use super::gate::{Closed, Gate, Mark};
use crate::config::holding::{Arrival, Holding, Transaction};

/// Largest sum of payloads in a transaction, in bytes: 50,000 routes of 5 KiB.
pub(super) const TRANSACTION_BYTES: usize = 256 << 20;

/// What to do about a message.
#[derive(Debug)]
pub(super) enum Step {
    /// Wait for the next one.
    Wait,
    /// Adopt a transaction; then this is what is held.
    Adopt(Transaction, Holding),
    /// Take nothing of a transaction, and say so.
    Refuse {
        /// Its number.
        seq: u64,
        /// Why.
        why: Refusal,
    },
}

/// Why nothing of a transaction is taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(super) enum Refusal {
    /// It may not be looked at.
    #[error("{0}")]
    Closed(Closed),
    /// The two sides do not agree on what is held.
    #[error("the root hash is {found} and should be {expected}")]
    Root {
        /// What came out.
        found: Hash,
        /// What the controller says.
        expected: Hash,
    },
    /// An id comes twice.
    #[error("{0} comes twice")]
    Twice(String),
    /// A message can't be read.
    #[error("{0}")]
    Unreadable(BadMessage),
    /// It is too large.
    #[error("it has more than {TRANSACTION_BYTES} bytes")]
    TooLarge,
    /// A message that does not come here.
    #[error("{0}")]
    Order(String),
}

impl Refusal {
    /// Whether the stream goes on after it.
    pub(super) fn keeps_stream(&self) -> bool {
        matches!(self, Self::Closed(Closed::RolledBack(_)))
    }

    /// Whether the next stream has to begin with everything anew.
    pub(super) fn wants_all(&self) -> bool {
        !matches!(self, Self::Closed(_))
    }
}

/// Where a stream is.
#[derive(Debug, Default)]
pub(super) struct Session {
    last_seq: u64,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
enum UnderWay {
    /// A transaction that is taken in.
    Taken {
        transaction: Transaction,
        bytes: usize,
    },
    /// A transaction that is refused when it has come to its end.
    Refused { seq: u64, why: Closed },
}

impl Session {
    /// Takes the next message.
    pub(super) fn take(
        &mut self,
        message: ControllerMessage,
        held: &Holding,
        gate: &mut Gate,
        now: Instant,
    ) -> Step {
        let (seq, outcome) = match message.message {
            Some(Message::Begin(begin)) => (
                begin.seq,
                self.begin(&begin, held, gate, now).map(|()| Step::Wait),
            ),
            Some(Message::Chunk(chunk)) => (chunk.seq, self.chunk(chunk).map(|()| Step::Wait)),
            Some(Message::Commit(commit)) => (commit.seq, self.commit(commit.seq, held)),
            None => (self.last_seq, order("a message without content")),
        };
        outcome.unwrap_or_else(|why| Step::Refuse { seq, why })
    }

    fn begin(
        &mut self,
        begin: &Begin,
        held: &Holding,
        gate: &mut Gate,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.under_way.is_some() {
            return order("a transaction begins within another");
        }
        if begin.seq <= self.last_seq {
            return order(format!("transaction {} after {}", begin.seq, self.last_seq));
        }
        let root = <[u8; 32]>::try_from(&begin.root[..]).map(Hash::from_bytes);
        let root = root.or_else(|_| order("the root hash is not 32 bytes long"))?;
        self.last_seq = begin.seq;
        let offered = Mark {
            root: Some(root),
            resource_version: begin.resource_version,
        };
        let held = Mark {
            root: held.root(),
            resource_version: held.resource_version(),
        };
        match gate.admit(offered, held, now) {
            Ok(()) => {}
            Err(why @ Closed::RolledBack(_)) => {
                let seq = begin.seq;
                self.under_way = Some(UnderWay::Refused { seq, why });
                return Ok(());
            }
            Err(why @ Closed::Older { .. }) => return Err(Refusal::Closed(why)),
        }
        self.under_way = Some(UnderWay::Taken {
            transaction: Transaction {
                seq: begin.seq,
                root,
                resource_version: begin.resource_version,
                full: begin.full,
                entries: BTreeMap::new(),
                removed: BTreeSet::new(),
            },
            bytes: 0,
        });
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<(), Refusal> {
        let (transaction, bytes) = match &mut self.under_way {
            Some(UnderWay::Refused { seq, .. }) if *seq == chunk.seq => return Ok(()),
            Some(UnderWay::Taken { transaction, bytes }) if transaction.seq == chunk.seq => {
                (transaction, bytes)
            }
            Some(_) | None => return order("a chunk of a transaction that has not begun"),
        };
        for entry in chunk.entries {
            *bytes += entry.id.len() + entry.payload.len();
            if *bytes > TRANSACTION_BYTES {
                return Err(Refusal::TooLarge);
            }
            transaction.arrive(entry)?;
        }
        for id in chunk.removed {
            *bytes += id.len();
            let id = wire::unit_id(id).map_err(Refusal::Unreadable)?;
            if transaction.entries.contains_key(&id) || !transaction.removed.insert(id.clone()) {
                return Err(Refusal::Twice(id.to_string()));
            }
        }
        Ok(())
    }

    fn commit(&mut self, seq: u64, held: &Holding) -> Result<Step, Refusal> {
        match self.under_way.take() {
            Some(UnderWay::Refused { seq: refused, why }) if refused == seq => {
                Err(Refusal::Closed(why))
            }
            Some(UnderWay::Taken {
                mut transaction, ..
            }) if transaction.seq == seq => {
                if held.root() == Some(transaction.root) {
                    let known = transaction.resource_version.max(held.resource_version());
                    transaction.resource_version = known;
                }
                let next = held.after(&transaction);
                match next.root() {
                    Some(root) if root != transaction.root => Err(Refusal::Root {
                        found: root,
                        expected: transaction.root,
                    }),
                    Some(_) | None => Ok(Step::Adopt(transaction, next)),
                }
            }
            Some(_) | None => order("the end of a transaction that has not begun"),
        }
    }
}

impl Transaction {
    fn arrive(&mut self, entry: Entry) -> Result<(), Refusal> {
        let (held, large) = (entry.held, entry.payload.len() > PAYLOAD_BYTES);
        let arrived = wire::decode(entry).map_err(Refusal::Unreadable)?;
        let arrival = Arrival {
            hash: arrived.hash,
            held,
            entry: match large {
                true => Err(format!("it has more than {PAYLOAD_BYTES} bytes")),
                false => arrived.entry,
            },
        };
        let id = arrived.id;
        if self.removed.contains(&id) || self.entries.insert(id.clone(), arrival).is_some() {
            return Err(Refusal::Twice(id.to_string()));
        }
        Ok(())
    }
}

fn order<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Order(why.into()))
}

#[cfg(test)]
mod tests;
