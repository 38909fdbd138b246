//! The routes of one host: a trie over path segments, copied on write.
//!
//! In: matches with their templates; a request's path, method, headers and query. Out: the match
//! that takes the request, or the methods that would be taken. It knows nothing of hosts and of
//! what a rule does. A general router crate can't be used: none searches on when a template fits
//! whose method, headers or query do not.
//!
//! Nodes are shared by `Arc`: changing a copy of a table copies the nodes from its root to the
//! change, and the table that requests are reading stays as it is.

use std::{cmp::Reverse, collections::BTreeSet, mem, sync::Arc};

use http::{HeaderMap, HeaderName, Method};
use smallvec::SmallVec;
use tollgate_snapshot::{
    ObjectName,
    route::{Match, Segment},
};

use super::{Unusable, literals::Literals, rule::Rule, tail::Tail};

/// A hash map that is cheap to copy.
pub(super) type Map<K, V> =
    imbl::GenericHashMap<K, V, foldhash::fast::RandomState, imbl::shared_ptr::DefaultSharedPtr>;

/// The place of a match among those that fit alike: less is tried first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Rank {
    /// A match that names its method goes before one for any.
    pub(super) any_method: bool,
    /// More header and query conditions go first.
    pub(super) conditions: Reverse<usize>,
    /// An object without a date goes after those with one.
    pub(super) undated: bool,
    /// Older objects go first.
    pub(super) created: Option<Arc<str>>,
    /// Then by namespace and name.
    pub(super) route: ObjectName,
    /// Then as the object has them.
    pub(super) position: (usize, usize),
}

/// One match of a rule, armed, at one listener.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(super) rank: Rank,
    test: Test,
    /// The template below the base path, as its author wrote it.
    pub(crate) template: Box<str>,
    /// The template with the base path.
    pub(crate) segments: Box<[Segment]>,
    /// Name of the listener through which the request comes.
    pub(crate) listener: Arc<str>,
    /// The rule.
    pub(crate) rule: Arc<Rule>,
}

/// What a match asks of a request beside its path; in one place, because it is read for each.
#[derive(Debug)]
struct Test {
    method: Option<Method>,
    headers: Box<[(HeaderName, Box<[u8]>)]>,
    query: Box<[(Box<str>, Box<str>)]>,
}

/// What matching looks at beside the path.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
}

impl Candidate {
    /// Arms a match of `rule` at a listener. `position` is its place in the object.
    pub(super) fn arm(
        matched: &Match,
        rule: &Arc<Rule>,
        listener: &Arc<str>,
        created: Option<Arc<str>>,
        position: (usize, usize),
    ) -> Result<Self, Unusable> {
        let unusable = |what: &str| Unusable(format!("rule {}: match {what}", rule.name));
        let method = matched.method.as_deref().map(str::parse).transpose();
        let header =
            |(name, value): &(String, String)| Ok((name.parse()?, value.as_bytes().into()));
        let headers: Result<_, http::Error> = matched.headers.iter().map(header).collect();
        let boxed = |(n, v): &(String, String)| (n.as_str().into(), v.as_str().into());
        Ok(Self {
            rank: Rank {
                any_method: matched.method.is_none(),
                conditions: Reverse(matched.headers.len() + matched.query.len()),
                undated: created.is_none(),
                created,
                route: rule.object.clone(),
                position,
            },
            test: Test {
                method: method.map_err(|_| unusable("method"))?,
                headers: headers.map_err(|_| unusable("header name"))?,
                query: matched.query.iter().map(boxed).collect(),
            },
            template: matched.path.as_str().into(),
            segments: matched.segments.as_slice().into(),
            listener: Arc::clone(listener),
            rule: Arc::clone(rule),
        })
    }
}

impl Test {
    fn fits(&self, head: Head<'_>, method: &Method) -> bool {
        self.method.as_ref().is_none_or(|own| own == method) && self.conditions_fit(head)
    }

    fn conditions_fit(&self, head: Head<'_>) -> bool {
        self.headers.iter().all(|(name, value)| {
            head.headers
                .get(name)
                .is_some_and(|v| v.as_bytes() == &**value)
        }) && self
            .query
            .iter()
            .all(|(name, value)| query_has(head.query, name, value))
    }
}

/// Whether the first parameter of this name has this value, both percent-decoded.
fn query_has(query: Option<&str>, name: &str, value: &str) -> bool {
    let pairs = query.unwrap_or_default().split('&');
    let mut named = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    named
        .find(|(n, _)| decodes_to(n, name))
        .is_some_and(|(_, v)| decodes_to(v, value))
}

fn decodes_to(raw: &str, expected: &str) -> bool {
    let spaced = raw.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).eq(expected.bytes())
}

/// The matches of templates that end at the same place, best first; most often one.
pub(super) type Candidates = SmallVec<[Arc<Candidate>; 1]>;

/// A node: what follows the segments that lead to it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// One template, or none yet.
    Tail(Tail),
    /// Several. Boxed, to keep the many nodes of the other form small.
    Fork(Box<Fork>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Tail(Tail::default())
    }
}

impl Node {
    /// Adds a match at its template's place.
    pub(super) fn insert(&mut self, candidate: Arc<Candidate>) {
        self.add(0, candidate);
    }

    /// Adds a match whose first `depth` segments lead here. A fork stays one when matches go.
    fn add(&mut self, depth: usize, candidate: Arc<Candidate>) {
        match self {
            Self::Fork(fork) => fork.add(depth, candidate),
            Self::Tail(tail) => {
                let segments = &candidate.segments[depth..];
                if tail.candidates.is_empty() {
                    *tail = Tail::of(segments);
                }
                if tail.is_of(segments) {
                    return rank_in(&mut tail.candidates, candidate);
                }
                let mut fork = Box::<Fork>::default();
                for other in mem::take(&mut tail.candidates) {
                    fork.add(depth, other);
                }
                fork.add(depth, candidate);
                *self = Self::Fork(fork);
            }
        }
    }

    /// Takes away the matches of a route that end at a template's place.
    pub(super) fn remove(&mut self, segments: &[Segment], route: &ObjectName) {
        match self {
            Self::Fork(fork) => fork.remove(segments, route),
            Self::Tail(tail) if tail.is_of(segments) => drop_route(&mut tail.candidates, route),
            Self::Tail(_) => {}
        }
    }

    /// Whether nothing ends at or below this node.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Fork(fork) => fork.is_empty(),
            Self::Tail(tail) => tail.candidates.is_empty(),
        }
    }

    /// The match that takes a request for the canonical `path`.
    pub(crate) fn find(&self, path: &str, head: Head<'_>) -> Option<&Arc<Candidate>> {
        self.descend(segments_of(path), head)
    }

    fn descend(&self, rest: Option<&str>, head: Head<'_>) -> Option<&Arc<Candidate>> {
        match self {
            Self::Fork(fork) => fork.descend(rest, head),
            Self::Tail(tail) if tail.fits(rest) => pick(&tail.candidates, head),
            Self::Tail(_) => None,
        }
    }

    /// The methods that rules name for a path that none of them takes; empty when no template fits,
    /// or when one fits whose method is the request's: then something else is missing.
    pub(crate) fn allowed(&self, path: &str, head: Head<'_>) -> BTreeSet<&str> {
        let mut fitting = Vec::new();
        self.collect(segments_of(path), &mut fitting);
        let mut methods = BTreeSet::new();
        for candidate in fitting {
            match &candidate.test.method {
                Some(method) if !answers(method, head.method) => methods.insert(method.as_str()),
                Some(_) | None => return BTreeSet::new(),
            };
        }
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        methods
    }

    fn collect<'a>(&'a self, rest: Option<&str>, into: &mut Vec<&'a Candidate>) {
        match self {
            Self::Fork(fork) => fork.collect(rest, into),
            Self::Tail(tail) if tail.fits(rest) => {
                into.extend(tail.candidates.iter().map(|c| &**c));
            }
            Self::Tail(_) => {}
        }
    }
}

/// A node that leads to several templates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fork {
    literals: Literals,
    param: Option<Arc<Node>>,
    /// Templates that end here.
    here: Candidates,
    /// Templates that end here with `{rest+}`.
    rest: Candidates,
}

impl Fork {
    fn add(&mut self, depth: usize, candidate: Arc<Candidate>) {
        let child = match candidate.segments.get(depth) {
            None => return rank_in(&mut self.here, candidate),
            Some(Segment::Rest(_)) => return rank_in(&mut self.rest, candidate),
            Some(Segment::Literal(text)) => self.literals.entry(text),
            Some(Segment::Param(_)) => self.param.get_or_insert_default(),
        };
        Arc::make_mut(child).add(depth + 1, candidate);
    }

    fn remove(&mut self, segments: &[Segment], route: &ObjectName) {
        let Some((first, after)) = segments.split_first() else {
            return drop_route(&mut self.here, route);
        };
        match first {
            Segment::Literal(text) => {
                let Some(child) = self.literals.get_mut(text) else {
                    return;
                };
                Arc::make_mut(child).remove(after, route);
                if child.is_empty() {
                    self.literals.remove(text);
                }
            }
            Segment::Param(_) => {
                let Some(child) = &mut self.param else { return };
                Arc::make_mut(child).remove(after, route);
                if child.is_empty() {
                    self.param = None;
                }
            }
            Segment::Rest(_) => drop_route(&mut self.rest, route),
        }
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty()
            && self.rest.is_empty()
            && self.param.is_none()
            && self.literals.is_empty()
    }

    /// Literals before `{param}` before `{rest+}`; what does not fit is a dead end and the search
    /// goes on. The depth is bounded by the templates', which compile bounds.
    fn descend(&self, rest: Option<&str>, head: Head<'_>) -> Option<&Arc<Candidate>> {
        let Some(rest) = rest else {
            return pick(&self.here, head);
        };
        let (segment, after) = split_segment(rest);
        let literal = self
            .literals
            .get(segment)
            .and_then(|child| child.descend(after, head));
        literal
            .or_else(|| {
                self.param
                    .as_ref()
                    .and_then(|child| child.descend(after, head))
            })
            .or_else(|| pick(&self.rest, head))
    }

    fn collect<'a>(&'a self, rest: Option<&str>, into: &mut Vec<&'a Candidate>) {
        let Some(rest) = rest else {
            return into.extend(self.here.iter().map(|c| &**c));
        };
        let (segment, after) = split_segment(rest);
        for child in self.literals.get(segment).into_iter().chain(&self.param) {
            child.collect(after, into);
        }
        into.extend(self.rest.iter().map(|c| &**c));
    }
}

/// Adds a match to those of its template; of equals, the one that came first stays first.
fn rank_in(candidates: &mut Candidates, candidate: Arc<Candidate>) {
    let at = candidates.partition_point(|other| other.rank <= candidate.rank);
    candidates.insert(at, candidate);
}

fn drop_route(candidates: &mut Candidates, route: &ObjectName) {
    candidates.retain(|candidate| candidate.rank.route != *route);
}

/// Whether a rule for `named` takes a request with `method`.
fn answers(named: &Method, method: &Method) -> bool {
    named == method || (method == Method::HEAD && named == Method::GET)
}

/// The first that fits. HEAD is answered by a match for GET when none here names HEAD.
fn pick<'a>(candidates: &'a Candidates, head: Head<'_>) -> Option<&'a Arc<Candidate>> {
    if head.method == Method::HEAD
        && !candidates
            .iter()
            .any(|c| c.test.method == Some(Method::HEAD))
    {
        return candidates.iter().find(|c| c.test.fits(head, &Method::GET));
    }
    candidates.iter().find(|c| c.test.fits(head, head.method))
}

/// What follows the first slash of a path, without a trailing slash; none for the root.
fn segments_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    (!inner.is_empty()).then_some(inner)
}

/// The first segment of what is left of a path, and what follows it.
pub(super) fn split_segment(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once('/') {
        Some((segment, after)) => (segment, Some(after)),
        None => (rest, None),
    }
}

impl Candidate {
    /// The method that the match names.
    pub(crate) fn method(&self) -> Option<&str> {
        self.test.method.as_ref().map(Method::as_str)
    }

    /// The parameters of the template and the raw text that each took of the canonical `path`.
    pub(crate) fn parameters<'a>(&'a self, path: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut rest = segments_of(path);
        let mut found = Vec::new();
        for segment in &self.segments {
            let Some(text) = rest else { break };
            let (first, after) = split_segment(text);
            match segment {
                Segment::Literal(_) => {}
                Segment::Param(name) => found.push((name.as_str(), first)),
                Segment::Rest(name) => found.push((name.as_str(), text)),
            }
            rest = after;
        }
        found
    }
}
