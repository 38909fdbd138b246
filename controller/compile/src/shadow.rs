//! Overlaps: rules that take exactly the requests that another rule takes already.
//!
//! In: the units of routes. Out: for each route, which of its matches never see a request, and
//! whose they are. Only equals are found: the same listener and host, the same template but for the
//! names of parameters, the same method, headers and query. Anything less equal has an order of its
//! own.
//!
//! Of equals the older route wins; a route without a time of creation is younger than any with one,
//! and among those the order is that of namespace and name. Within a route the earlier rule wins. A
//! held route claims nothing: which version of it runs is not known here.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use tollgate_snapshot::{
    ObjectName,
    route::{Match, Route, Segment},
};

use crate::{Kind, ObjectRef, Problem, Reason, template};

/// Most claims of one route that are compared; the product of its listeners, hosts and matches.
const CLAIMS_MAX: usize = 20_000;

/// The requests of a match, whatever its parameters are called.
#[derive(Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Requests {
    /// Hash of the other fields, always the same for the same: most claims differ, and most of
    /// those start alike, so that comparing them field by field would cost more than the rest.
    fingerprint: u64,
    /// With nameless parameters: `/products/{}`. No literal has a brace in it.
    template: String,
    method: Option<String>,
    headers: BTreeSet<(String, String)>,
    query: BTreeSet<(String, String)>,
}

/// Some requests at one place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Claim {
    requests: Arc<Requests>,
    host: Arc<str>,
    listener: Arc<str>,
    gateway: ObjectName,
}

/// Who claims, the winner first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Claimant {
    undated: bool,
    created: Option<Arc<str>>,
    route: ObjectName,
    rule: usize,
    one: usize,
    rule_name: Arc<str>,
}

/// All claims, and what they say of each other.
#[derive(Debug, Default)]
pub(crate) struct Overlaps {
    claimants: BTreeMap<Arc<Claim>, BTreeSet<Claimant>>,
    claims: BTreeMap<ObjectName, Vec<(Arc<Claim>, Claimant)>>,
    /// Routes with more claims than are compared.
    unchecked: BTreeSet<ObjectName>,
    /// Who won each claim before the edits that are not settled yet.
    winners: BTreeMap<Arc<Claim>, Option<Claimant>>,
    edited: BTreeSet<ObjectName>,
}

impl Overlaps {
    /// Puts the claims of a route in place of those that it had; none: it claims nothing.
    pub(crate) fn set(&mut self, name: &ObjectName, route: Option<&Route>) {
        let before = self.claims.remove(name).unwrap_or_default();
        let too_many = route.is_some_and(|route| count(route) > CLAIMS_MAX);
        let after = match route {
            Some(route) if !too_many => claims(name, route),
            Some(_) | None => Vec::new(),
        };
        let unchecked_before = match too_many {
            true => !self.unchecked.insert(name.clone()),
            false => self.unchecked.remove(name),
        };
        if before == after && unchecked_before == too_many {
            self.keep(name, before);
            return;
        }
        for (claim, claimant) in before {
            self.withdraw(claim, &claimant);
        }
        for (claim, claimant) in &after {
            self.note_winner(claim);
            let claimants = self.claimants.entry(Arc::clone(claim)).or_default();
            claimants.insert(claimant.clone());
        }
        self.keep(name, after);
        self.edited.insert(name.clone());
    }

    fn keep(&mut self, name: &ObjectName, claims: Vec<(Arc<Claim>, Claimant)>) {
        if !claims.is_empty() {
            self.claims.insert(name.clone(), claims);
        }
    }

    fn withdraw(&mut self, claim: Arc<Claim>, claimant: &Claimant) {
        self.note_winner(&claim);
        if let Some(claimants) = self.claimants.get_mut(&claim) {
            claimants.remove(claimant);
            if claimants.is_empty() {
                self.claimants.remove(&claim);
            }
        }
    }

    fn note_winner(&mut self, claim: &Arc<Claim>) {
        if !self.winners.contains_key(claim) {
            let winner = self.winner(claim).cloned();
            self.winners.insert(Arc::clone(claim), winner);
        }
    }

    fn winner(&self, claim: &Claim) -> Option<&Claimant> {
        self.claimants.get(claim)?.first()
    }

    /// The routes whose warnings may differ since this was last asked. Only a new winner concerns
    /// the other claimants, so that an edit among many losers costs the edited route alone.
    pub(crate) fn settle(&mut self) -> BTreeSet<ObjectName> {
        let mut routes = std::mem::take(&mut self.edited);
        for (claim, before) in std::mem::take(&mut self.winners) {
            if self.winner(&claim) != before.as_ref() {
                let claimants = self.claimants.get(&claim).into_iter().flatten();
                routes.extend(claimants.map(|claimant| claimant.route.clone()));
            }
        }
        routes
    }

    /// The warnings of a route: at most one for each match, about the first place where it loses.
    pub(crate) fn warnings(&self, name: &ObjectName) -> Vec<Problem> {
        let mut said = BTreeMap::new();
        for (claim, own) in self.claims.get(name).into_iter().flatten() {
            if let Some(winner) = self.winner(claim)
                && (&winner.route, winner.rule) != (&own.route, own.rule)
            {
                let warning = || shadowed(claim, own, winner);
                said.entry((own.rule, own.one)).or_insert_with(warning);
            }
        }
        let unchecked = self.unchecked.contains(name).then(|| unchecked(name));
        said.into_values().chain(unchecked).collect()
    }
}

fn count(route: &Route) -> usize {
    let hosts: usize = route.attachments.iter().map(|one| one.hosts.len()).sum();
    let matches: usize = route.rules.iter().map(|rule| rule.matches.len()).sum();
    hosts.saturating_mul(matches)
}

fn claims(name: &ObjectName, route: &Route) -> Vec<(Arc<Claim>, Claimant)> {
    let created: Option<Arc<str>> = route.created.as_deref().map(Arc::from);
    let places = places(route);
    let mut claims = Vec::with_capacity(count(route));
    for (i, rule) in route.rules.iter().enumerate() {
        let rule_name: Arc<str> = Arc::from(rule.name.as_str());
        for (j, one) in rule.matches.iter().enumerate() {
            let requests = Arc::new(requests(one));
            let claimant = Claimant {
                undated: created.is_none(),
                created: created.clone(),
                route: name.clone(),
                rule: i,
                one: j,
                rule_name: Arc::clone(&rule_name),
            };
            claims.extend(places.iter().map(|(gateway, listener, host)| {
                let claim = Claim {
                    requests: Arc::clone(&requests),
                    host: Arc::clone(host),
                    listener: Arc::clone(listener),
                    gateway: gateway.clone(),
                };
                (Arc::new(claim), claimant.clone())
            }));
        }
    }
    claims
}

/// Gateway, listener and host of each place at which a route is served.
fn places(route: &Route) -> Vec<(ObjectName, Arc<str>, Arc<str>)> {
    let mut places = Vec::new();
    for attachment in &route.attachments {
        let listener: Arc<str> = Arc::from(attachment.listener.as_str());
        for host in &attachment.hosts {
            let host = Arc::from(host.as_str());
            places.push((attachment.gateway.clone(), Arc::clone(&listener), host));
        }
    }
    places
}

fn requests(one: &Match) -> Requests {
    let unnamed = |segment: &Segment| match segment {
        Segment::Literal(literal) => Segment::Literal(literal.clone()),
        Segment::Param(_) => Segment::Param(String::new()),
        Segment::Rest(_) => Segment::Rest(String::new()),
    };
    let segments: Vec<Segment> = one.segments.iter().map(unnamed).collect();
    let mut requests = Requests {
        fingerprint: 0,
        template: template::written(&segments),
        method: one.method.clone(),
        headers: one.headers.iter().cloned().collect(),
        query: one.query.iter().cloned().collect(),
    };
    let mut hasher = DefaultHasher::new();
    requests.hash(&mut hasher);
    requests.fingerprint = hasher.finish();
    requests
}

fn shadowed(claim: &Claim, own: &Claimant, winner: &Claimant) -> Problem {
    let rule = &winner.rule_name;
    let whose = if winner.route == own.route {
        format!("the earlier rule {rule:?}")
    } else {
        format!(
            "rule {rule:?} of ApiRoute {}, which comes first",
            winner.route
        )
    };
    let Claim {
        host,
        listener,
        gateway,
        ..
    } = claim;
    problem(
        &own.route,
        format!("spec.rules[{}].match[{}]", own.rule, own.one),
        Reason::Shadowed,
        format!("its requests for host {host} at listener {listener} of {gateway} go to {whose}"),
    )
}

fn unchecked(name: &ObjectName) -> Problem {
    problem(
        name,
        "spec".to_owned(),
        Reason::Ignored,
        format!("more than {CLAIMS_MAX} hosts times matches: not compared with other routes"),
    )
}

fn problem(route: &ObjectName, field: String, reason: Reason, message: String) -> Problem {
    Problem {
        object: ObjectRef {
            kind: Kind::ApiRoute,
            name: route.clone(),
        },
        field,
        reason,
        message,
    }
}
