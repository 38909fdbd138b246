//! Thousands of literals of one node: a hash map in pieces.
//!
//! In: a segment's text. Out: its node. A change copies the piece that it is in and shares the
//! others; finding fetches little memory, because the pieces are ordinary hash maps. A map made of
//! small shared nodes copies less, but is walked through from node to node, each far from the last.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use foldhash::fast;
use smol_str::SmolStr;

use super::table::Node;

/// Most entries of a shard, on average: so many are copied for a change, beside a pointer for each
/// shard.
const SHARD_MAX: usize = 128;

type Shard = HashMap<SmolStr, Arc<Node>, fast::RandomState>;

/// Nodes by literal.
#[derive(Clone, Debug)]
pub(super) struct Shards {
    /// At least one.
    shards: Vec<Arc<Shard>>,
    count: usize,
    /// Says which shard a text is in; each shard hashes for itself.
    hasher: fast::RandomState,
}

impl Shards {
    /// A map with these entries.
    pub(super) fn of(entries: impl IntoIterator<Item = (SmolStr, Arc<Node>)>) -> Self {
        let shard: Shard = entries.into_iter().collect();
        Self {
            count: shard.len(),
            shards: vec![Arc::new(shard)],
            hasher: fast::RandomState::default(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The node of a literal.
    pub(super) fn get(&self, text: &str) -> Option<&Arc<Node>> {
        self.shards[self.place(text)].get(text)
    }

    /// The node of a literal, to change it.
    pub(super) fn get_mut(&mut self, text: &str) -> Option<&mut Arc<Node>> {
        let place = self.place(text);
        Arc::make_mut(&mut self.shards[place]).get_mut(text)
    }

    /// The node of a literal, a new one if there was none.
    pub(super) fn entry(&mut self, text: &str) -> &mut Arc<Node> {
        if !self.shards[self.place(text)].contains_key(text) {
            self.count += 1;
            if self.count > SHARD_MAX * self.shards.len() {
                self.split();
            }
        }
        let place = self.place(text);
        Arc::make_mut(&mut self.shards[place])
            .entry(text.into())
            .or_default()
    }

    /// Takes a literal away. Shards stay as many as they were.
    pub(super) fn remove(&mut self, text: &str) {
        let place = self.place(text);
        if Arc::make_mut(&mut self.shards[place])
            .remove(text)
            .is_some()
        {
            self.count -= 1;
        }
    }

    /// The shard of a text: so many bits of its hash as there are shards for, one fewer where that
    /// shard is still to come. (Linear hashing: W. Litwin, 1980.)
    fn place(&self, text: &str) -> usize {
        let hash = self.hasher.hash_one(text) as usize;
        let full = self.shards.len().next_power_of_two();
        let place = hash & (full - 1);
        if place < self.shards.len() {
            place
        } else {
            place & (full / 2 - 1)
        }
    }

    /// Adds a shard, with those entries of one other that now belong there. So growing costs the
    /// same for every entry, and never all at once.
    fn split(&mut self) {
        let added = self.shards.len();
        self.shards.push(Arc::default());
        let source = added & (self.shards.len().next_power_of_two() / 2 - 1);
        let (stay, go): (Shard, Shard) = self.shards[source]
            .iter()
            .map(|(text, node)| (text.clone(), Arc::clone(node)))
            .partition(|(text, _)| self.place(text) == source);
        self.shards[source] = Arc::new(stay);
        self.shards[added] = Arc::new(go);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_stay_small_and_a_change_copies_one() {
        let mut shards = Shards::of([]);
        let texts: Vec<_> = (0..40 * SHARD_MAX).map(|n| n.to_string()).collect();
        for text in &texts {
            shards.entry(text);
        }
        assert_eq!(shards.shards.len(), 40);
        let longest = shards.shards.iter().map(|shard| shard.len()).max();
        // A shard that is still to be split has twice as many as one that has been.
        assert!(longest < Some(3 * SHARD_MAX), "{longest:?}");

        let before = shards.clone();
        shards.remove(&texts[7]);
        let pairs = before.shards.iter().zip(&shards.shards);
        let shared = pairs.filter(|(old, new)| Arc::ptr_eq(old, new)).count();
        assert_eq!(shared, 39);
        assert!(before.get(&texts[7]).is_some() && shards.get(&texts[7]).is_none());
    }
}
