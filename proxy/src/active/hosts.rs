//! The hosts of one port, each with its table.
//!
//! In: hosts as units write them (`*`, `*.suffix`, exact); a request's host, lower case and without
//! its port. Out: the one table that decides: exact, else the longest wildcard, else the table for
//! any host. The first that exists decides alone: an exact host never falls back.

use std::sync::Arc;

use super::table::{Candidate, Map, Node};
use tollgate_snapshot::ObjectName;

/// Tables by host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    exact: Map<Arc<str>, Arc<Node>>,
    /// By what follows the star, dot included.
    wildcard: Map<Arc<str>, Arc<Node>>,
    any: Option<Arc<Node>>,
}

impl Hosts {
    /// The table that decides for `host`.
    pub(crate) fn find(&self, host: &str) -> Option<&Node> {
        if let Some(table) = self.exact.get(host) {
            return Some(table);
        }
        if !self.wildcard.is_empty() {
            let dots = host
                .bytes()
                .enumerate()
                .filter(|(at, byte)| *byte == b'.' && *at > 0);
            for (at, _) in dots {
                if let Some(table) = self.wildcard.get(&host[at..]) {
                    return Some(table);
                }
            }
        }
        self.any.as_deref()
    }

    /// Adds a match under a host.
    pub(super) fn insert(&mut self, host: &str, candidate: Arc<Candidate>) {
        let table = match Host::of(host) {
            Host::Any => self.any.get_or_insert_default(),
            Host::Wildcard(suffix) => self.wildcard.entry(suffix.into()).or_default(),
            Host::Exact(name) => self.exact.entry(name.into()).or_default(),
        };
        Arc::make_mut(table).insert(candidate);
    }

    /// Takes away the matches of a route that `candidate` is one of, and the host with the last
    /// one.
    pub(super) fn remove(&mut self, host: &str, candidate: &Candidate, route: &ObjectName) {
        let table = match Host::of(host) {
            Host::Any => self.any.as_mut(),
            Host::Wildcard(suffix) => self.wildcard.get_mut(suffix),
            Host::Exact(name) => self.exact.get_mut(name),
        };
        let Some(table) = table else { return };
        Arc::make_mut(table).remove(&candidate.segments, route);
        if table.is_empty() {
            match Host::of(host) {
                Host::Any => self.any = None,
                Host::Wildcard(suffix) => drop(self.wildcard.remove(suffix)),
                Host::Exact(name) => drop(self.exact.remove(name)),
            }
        }
    }
}

enum Host<'a> {
    Any,
    Wildcard(&'a str),
    Exact(&'a str),
}

impl<'a> Host<'a> {
    fn of(host: &'a str) -> Self {
        match host.strip_prefix('*') {
            Some("") => Self::Any,
            Some(suffix) => Self::Wildcard(suffix),
            None => Self::Exact(host),
        }
    }
}
