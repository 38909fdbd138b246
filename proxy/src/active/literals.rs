//! The literal segments that may follow a node, each with the node that it leads to.
//!
//! In: a segment's text. Out: its node. Most nodes have one literal or none, and a few have
//! thousands: a hash map sets aside half a KiB for its first entry, so it is only made where there
//! are several. Among thousands of routes a look-up's time is that of fetching memory: a text is
//! compared where it stands.

use std::sync::Arc;

use smallvec::SmallVec;
use smol_str::SmolStr;

use super::{shards::Shards, table::Node};

/// Most entries that are looked through one by one.
const FEW_MAX: usize = 8;

/// Nodes by literal.
#[derive(Clone, Debug)]
pub(super) enum Literals {
    /// At most [`FEW_MAX`], in no order.
    Few(SmallVec<[(SmolStr, Arc<Node>); 1]>),
    /// More; it stays a map when entries go.
    Many(Shards),
}

impl Default for Literals {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Literals {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    /// The node of a literal.
    pub(super) fn get(&self, text: &str) -> Option<&Arc<Node>> {
        match self {
            Self::Few(few) => few.iter().find(|(own, _)| own == text).map(|(_, n)| n),
            Self::Many(many) => many.get(text),
        }
    }

    /// The node of a literal, to change it.
    pub(super) fn get_mut(&mut self, text: &str) -> Option<&mut Arc<Node>> {
        match self {
            Self::Few(few) => {
                let mut few = few.iter_mut();
                few.find(|(own, _)| own == text).map(|(_, node)| node)
            }
            Self::Many(many) => many.get_mut(text),
        }
    }

    /// The node of a literal, a new one if there was none.
    pub(super) fn entry(&mut self, text: &str) -> &mut Arc<Node> {
        if let Self::Few(few) = self
            && few.len() == FEW_MAX
            && few.iter().all(|(own, _)| own != text)
        {
            *self = Self::Many(Shards::of(std::mem::take(few)));
        }
        match self {
            Self::Few(few) => {
                let at = few.iter().position(|(own, _)| own == text);
                let at = at.unwrap_or_else(|| {
                    few.push((text.into(), Arc::default()));
                    few.len() - 1
                });
                &mut few[at].1
            }
            Self::Many(many) => many.entry(text),
        }
    }

    /// Takes a literal away.
    pub(super) fn remove(&mut self, text: &str) {
        match self {
            Self::Few(few) => few.retain(|(own, _)| own != text),
            Self::Many(many) => many.remove(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_literal_has_its_own_node_however_many_there_are() {
        let mut literals = Literals::default();
        let texts: Vec<_> = (0..500 * FEW_MAX).map(|n| n.to_string()).collect();
        for text in &texts {
            let added = Arc::clone(literals.entry(text));
            assert!(Arc::ptr_eq(literals.entry(text), &added), "{text}");
        }
        let nodes: Vec<_> = texts.iter().map(|t| literals.get(t).unwrap()).collect();
        let different: HashSet<_> = nodes.iter().map(|node| Arc::as_ptr(node)).collect();
        assert_eq!(different.len(), texts.len());
        for text in &texts {
            assert!(!literals.is_empty());
            literals.remove(text);
            assert!(literals.get(text).is_none() && literals.get_mut(text).is_none());
        }
        assert!(literals.is_empty());
    }
}
