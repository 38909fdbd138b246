//! The root hash: one hash over a whole set of units, at the cost of what changed in it.
//!
//! In: the hash of each entry by its id. Out: the root hash, the same whatever order the entries
//! came in. What an entry is is not known here.
//!
//! The entries are dealt into [`BLOCKS`] blocks by a hash of their id. A block's hash covers its
//! entries in order, and the root hash covers the blocks' hashes: an edit hashes one block and the
//! root anew. (A sum of the entries' hashes would cost less, but whoever may write a few thousand
//! objects can find two sets of equal sum.)

use imbl::{OrdMap, Vector};
use sha2::{Digest, Sha256};

use crate::unit::{Hash, UnitId};

/// How many blocks there are: as many as the first byte of a hash has values.
const BLOCKS: usize = 256;

/// The entries' hashes, and what makes their root hash. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Root {
    blocks: Vector<Block>,
}

#[derive(Clone, Debug, Default)]
struct Block {
    entries: OrdMap<UnitId, Hash>,
    /// None: an entry changed since it was asked for.
    hash: Option<Hash>,
}

impl Default for Root {
    fn default() -> Self {
        Self {
            blocks: std::iter::repeat_n(Block::default(), BLOCKS).collect(),
        }
    }
}

impl Root {
    /// The root hash of these entries.
    pub fn hash_of<'a>(entries: impl IntoIterator<Item = (&'a UnitId, &'a Hash)>) -> Hash {
        let mut root = Self::default();
        for (id, hash) in entries {
            root.set(id, Some(*hash));
        }
        root.hash()
    }

    /// Takes in an entry that is new or different, or with `None` one that is gone.
    pub fn set(&mut self, id: &UnitId, hash: Option<Hash>) {
        let block = &mut self.blocks[place(id)];
        match hash {
            Some(hash) => block.entries.insert(id.clone(), hash),
            None => block.entries.remove(id),
        };
        block.hash = None;
    }

    /// The root hash.
    pub fn hash(&mut self) -> Hash {
        let mut sha = Sha256::new();
        for at in 0..BLOCKS {
            let hash = self.blocks[at].hash.unwrap_or_else(|| {
                let block = &mut self.blocks[at];
                *block.hash.insert(hashed(&block.entries))
            });
            sha.update(hash.as_bytes());
        }
        Hash::from_bytes(sha.finalize().into())
    }
}

fn hashed(entries: &OrdMap<UnitId, Hash>) -> Hash {
    let mut sha = Sha256::new();
    for (id, hash) in entries {
        put(&mut sha, id);
        sha.update(hash.as_bytes());
    }
    Hash::from_bytes(sha.finalize().into())
}

/// In which block an entry is.
fn place(id: &UnitId) -> usize {
    let mut sha = Sha256::new();
    put(&mut sha, id);
    usize::from(sha.finalize()[0])
}

/// A name has no line end, so that nothing else reads the same.
fn put(sha: &mut Sha256, id: &UnitId) {
    sha.update(id.kind.as_str());
    sha.update(b"/");
    sha.update(id.object.namespace.as_bytes());
    sha.update(b"/");
    sha.update(id.object.name.as_bytes());
    sha.update(b"\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::unit::{ObjectName, UnitKind};

    fn id(name: usize) -> UnitId {
        UnitId {
            kind: UnitKind::Route,
            object: ObjectName::new("shop", &name.to_string()),
        }
    }

    #[test]
    fn it_covers_ids_and_hashes() {
        let (one, two) = (Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32]));
        let roots = [
            Root::hash_of([]),
            Root::hash_of([(&id(1), &one)]),
            Root::hash_of([(&id(1), &two)]),
            Root::hash_of([(&id(2), &one)]),
            Root::hash_of([(&id(1), &one), (&id(2), &one)]),
            Root::hash_of([(&id(1), &one), (&id(2), &two)]),
            Root::hash_of([(&id(1), &two), (&id(2), &one)]),
        ];
        let distinct = std::collections::BTreeSet::from(roots);
        assert_eq!(distinct.len(), roots.len());
    }

    proptest! {
        #[test]
        fn edits_lead_where_a_fresh_start_leads(
            edits in prop::collection::vec((0usize..200, prop::option::of(0u8..3)), 0..300),
        ) {
            let (mut entries, mut root) = (OrdMap::new(), Root::default());
            for (name, hash) in edits {
                let hash = hash.map(|byte| Hash::from_bytes([byte; 32]));
                match hash {
                    Some(hash) => entries.insert(id(name), hash),
                    None => entries.remove(&id(name)),
                };
                root.set(&id(name), hash);
                if name % 7 == 0 {
                    root.hash();
                }
            }
            prop_assert_eq!(root.hash(), Root::hash_of(&entries));
        }
    }
}
