//! A transaction, as the messages that carry it.
//!
//! In: what changes. Out: Begin, chunks, Commit, each made when it is asked for: of a proxy that
//! reads slowly no more is in memory than the message that it has not taken.

use std::{collections::BTreeMap, collections::btree_map::IntoIter};

use tollgate_snapshot::{
    Entry, UnitId, UnitSet,
    wire::{
        self, Begin, CHUNK_BYTES, Chunk, Commit, ControllerMessage, controller_message::Message,
    },
};

/// What is still to be said.
#[derive(Debug)]
enum Left {
    Begin(Begin),
    Chunks,
    Nothing,
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Its number.
    pub(super) seq: u64,
    /// Whether it names all entries.
    pub(super) full: bool,
    left: Left,
    changes: IntoIter<UnitId, Option<Entry>>,
    /// Made already, and too much for the chunk before.
    carried: Option<wire::Entry>,
}

impl Transaction {
    /// The one that makes what a proxy has into `target`.
    pub(super) fn new(
        seq: u64,
        target: &UnitSet,
        full: bool,
        changes: BTreeMap<UnitId, Option<Entry>>,
    ) -> Self {
        let begin = Begin {
            seq,
            root: target.root().as_bytes().to_vec(),
            resource_version: target.resource_version(),
            full,
        };
        Self {
            seq,
            full,
            left: Left::Begin(begin),
            changes: changes.into_iter(),
            carried: None,
        }
    }

    /// The next chunk, if there is anything left for one.
    fn chunk(&mut self) -> Result<Option<Chunk>, serde_json::Error> {
        let mut chunk = Chunk {
            seq: self.seq,
            ..Chunk::default()
        };
        let mut size = 0;
        if let Some(entry) = self.carried.take() {
            size += weight(&entry);
            chunk.entries.push(entry);
        }
        while size < CHUNK_BYTES {
            match self.changes.next() {
                None => break,
                Some((id, None)) => {
                    let id = id.to_string();
                    size += id.len();
                    chunk.removed.push(id);
                }
                Some((id, Some(entry))) => {
                    let entry = wire::encode(&id, &entry)?;
                    let fits = size == 0 || size + weight(&entry) <= CHUNK_BYTES;
                    if !fits {
                        self.carried = Some(entry);
                        break;
                    }
                    size += weight(&entry);
                    chunk.entries.push(entry);
                }
            }
        }
        Ok((size > 0).then_some(chunk))
    }
}

/// Bytes of an entry, but for a few.
fn weight(entry: &wire::Entry) -> usize {
    entry.id.len() + entry.hash.len() + entry.payload.len()
}

impl Iterator for Transaction {
    type Item = Result<ControllerMessage, serde_json::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Begin(begin) => {
                self.left = Left::Chunks;
                Message::Begin(begin)
            }
            Left::Chunks => match self.chunk() {
                Ok(Some(chunk)) => {
                    self.left = Left::Chunks;
                    Message::Chunk(chunk)
                }
                Ok(None) => Message::Commit(Commit { seq: self.seq }),
                Err(error) => return Some(Err(error)),
            },
            Left::Nothing => return None,
        };
        let message = Some(message);
        Some(Ok(ControllerMessage { message }))
    }
}
