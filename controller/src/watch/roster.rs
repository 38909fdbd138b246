//! Which objects of one kind are there; and the guard over lists that shrink.
//!
//! In: what lists and watches name. Out: what is new, what is gone, and what is held. An object
//! that a watch says is deleted is gone. One that a list merely lacks is gone if most of the others
//! are listed; when the list is empty, or has fewer than half of what there was, it is held: it
//! goes on as if it were listed, until it is listed again, deleted, or somebody accepts the loss.
//! A broken API server, a lost permission and a vanished CRD all look like such a list.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use tollgate_snapshot::ObjectName;

/// The roster.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Every object that goes on, held or not, and its version.
    there: BTreeMap<ObjectName, Box<str>>,
    /// Those that go on though they are not listed.
    held: BTreeSet<ObjectName>,
    /// What the list that is under way has named.
    listing: BTreeSet<ObjectName>,
    /// How many were there, not held, when it began.
    had: usize,
}

impl Roster {
    /// A list begins; one that has begun is void.
    pub(super) fn begin(&mut self) {
        self.listing.clear();
        self.had = self.there.len() - self.held.len();
    }

    /// A list names an object; says whether it is new or different.
    pub(super) fn listed(&mut self, name: &ObjectName, version: &str) -> bool {
        self.listing.insert(name.clone());
        let known = self.there.get(name);
        if !version.is_empty() && known.is_some_and(|known| **known == *version) {
            return false;
        }
        self.put(name, version);
        true
    }

    /// The list is complete: what is gone.
    pub(super) fn end(&mut self) -> Vec<ObjectName> {
        let listing = std::mem::take(&mut self.listing);
        self.held.retain(|name| !listing.contains(name));
        let missing = self.there.keys().filter(|name| !listing.contains(name));
        let missing = missing.filter(|name| !self.held.contains(name));
        let missing: Vec<ObjectName> = missing.cloned().collect();
        if is_plausible(self.had, listing.len()) {
            for name in &missing {
                self.there.remove(name);
            }
            return missing;
        }
        self.held.extend(missing);
        Vec::new()
    }

    /// An object is new or has been edited.
    pub(super) fn put(&mut self, name: &ObjectName, version: &str) {
        self.held.remove(name);
        self.there.insert(name.clone(), version.into());
    }

    /// An object is gone; says whether it was there.
    pub(super) fn remove(&mut self, name: &ObjectName) -> bool {
        self.held.remove(name);
        self.there.remove(name).is_some()
    }

    /// Objects are said to be deleted, and it is not believed.
    pub(super) fn hold(&mut self, names: impl IntoIterator<Item = ObjectName>) {
        let there = names.into_iter();
        let there = there.filter(|name| self.there.contains_key(name));
        self.held.extend(there);
    }

    /// Nothing is listed any more: the kind does not exist.
    pub(super) fn hold_all(&mut self) {
        self.held.extend(self.there.keys().cloned());
    }

    /// What is held is gone after all.
    pub(super) fn accept(&mut self) -> Vec<ObjectName> {
        let held: Vec<ObjectName> = std::mem::take(&mut self.held).into_iter().collect();
        for name in &held {
            self.there.remove(name);
        }
        held
    }

    /// How many go on, held or not.
    pub(super) fn len(&self) -> usize {
        self.there.len()
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// The word that accepts the loss of exactly what is held: how many, and a part of the hash of
    /// their names. It is the same at every replica, and fits no other loss.
    pub(super) fn password(&self) -> String {
        let mut sha = Sha256::new();
        for name in &self.held {
            sha.update(name.to_string());
            sha.update([0]);
        }
        let hash = sha.finalize();
        let hash: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("{}-{hash}", self.held.len())
    }
}

/// Whether a list of `listed` objects can be the truth when there were `had`.
fn is_plausible(had: usize, listed: usize) -> bool {
    had == 0 || (listed > 0 && listed * 2 >= had)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str) -> Vec<ObjectName> {
        let names = names.split_whitespace();
        names.map(|name| ObjectName::new("shop", name)).collect()
    }

    fn with(there: &str) -> Roster {
        let mut roster = Roster::default();
        for name in names(there) {
            roster.put(&name, "1");
        }
        roster
    }

    fn list(roster: &mut Roster, list: &str) -> Vec<ObjectName> {
        roster.begin();
        for name in names(list) {
            roster.listed(&name, "1");
        }
        roster.end()
    }

    #[test]
    fn a_list_that_shrinks_is_believed_up_to_half() {
        let rows = [
            ("a first list", "", "a b", "", ""),
            ("a first list that is empty", "", "", "", ""),
            ("the same", "a b c", "a b c", "", ""),
            ("one less", "a b c d", "a b c", "d", ""),
            ("half", "a b c d", "a b", "c d", ""),
            ("fewer than half", "a b c d e", "a b", "", "c d e"),
            ("empty", "a b c", "", "", "a b c"),
            ("the only one", "a", "", "", "a"),
            ("others instead", "a b c", "x y", "a b c", ""),
            ("fewer others instead", "a b c", "x", "", "a b c"),
        ];
        for (name, there, listed, gone, held) in rows {
            let mut roster = with(there);
            assert_eq!(list(&mut roster, listed), names(gone), "{name}");
            assert_eq!(roster.accept(), names(held), "{name}");
        }
    }

    #[test]
    fn what_is_held_stays_until_it_is_listed_deleted_or_given_up() {
        let mut roster = with("a b c d e f");
        list(&mut roster, "");
        assert_eq!((roster.len(), roster.held()), (6, 6));
        // Nothing but the held ones was there, so that any list is plausible: they stay.
        assert_eq!(list(&mut roster, "a"), []);
        assert_eq!((roster.len(), roster.held()), (6, 5));
        roster.put(&names("b")[0], "2");
        assert!(roster.remove(&names("c")[0]));
        assert_eq!((roster.len(), roster.held()), (5, 3));
        assert_eq!(roster.accept(), names("d e f"));
        assert_eq!((roster.len(), roster.held()), (2, 0));
    }

    #[test]
    fn deletes_that_a_watch_says_are_believed_whatever_is_left() {
        let mut roster = with("a b c");
        for name in names("a b c") {
            assert!(roster.remove(&name));
            assert!(!roster.remove(&name));
        }
        assert_eq!(roster.len(), 0);
        assert_eq!(list(&mut roster, ""), []);
    }

    #[test]
    fn a_list_that_stops_in_the_middle_says_nothing() {
        let mut roster = with("a b c");
        roster.begin();
        roster.listed(&names("a")[0], "1");
        assert_eq!(list(&mut roster, "b c"), names("a"));
    }

    #[test]
    fn only_what_differs_is_new() {
        let mut roster = with("a");
        let a = &names("a")[0];
        assert!(!roster.listed(a, "1"));
        assert!(roster.listed(a, "2"));
        roster.put(a, "");
        assert!(roster.listed(a, ""), "without versions nobody can say");
    }

    #[test]
    fn a_password_fits_one_loss() {
        let mut roster = with("a b c");
        roster.hold(names("a b x"));
        let password = roster.password();
        assert!(password.starts_with("2-"), "{password}");
        roster.hold_all();
        assert_ne!(roster.password(), password);
        let mut other = with("a c d");
        other.hold(names("a c"));
        assert_ne!(other.password(), password, "as many, but others");
    }
}
