//! Which gateways serve a route, and which backends it calls.
//!
//! In: a route's unit, or what is left of a route that is refused. Out: names. Nothing is looked up
//! here.

use std::collections::BTreeSet;

use tollgate_snapshot::{
    ObjectName, Payload, Unit, UnitId, UnitKind,
    integrate::{Action, Target},
    route::{Route, Rule},
};

/// Where a route belongs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Membership {
    /// The gateways.
    pub(super) gateways: BTreeSet<ObjectName>,
    /// Whether the gateways are known; not those of a refused route of which nothing was seen.
    pub(super) knows_gateways: bool,
    /// Functions and endpoints.
    pub(super) needs: BTreeSet<UnitId>,
}

impl Membership {
    /// Of a route that is served as it says.
    pub(super) fn of_unit(unit: &Unit) -> Self {
        match &*unit.payload {
            Payload::Route(route) => Self {
                gateways: gateways(route),
                knows_gateways: true,
                needs: route.rules.iter().flat_map(needs_of_rule).collect(),
            },
            Payload::Gateway(_) | Payload::Function(_) | Payload::Endpoints(_) => Self::default(),
        }
    }

    /// Of a refused route: where its version before is, and its stand-in.
    pub(super) fn of_held(stand_in: Option<&Unit>, before: Option<&Self>) -> Self {
        let mut membership = stand_in.map(Self::of_unit).unwrap_or_default();
        let Some(before) = before else {
            // The proxies may have a version that was never seen here, at any gateway.
            membership.knows_gateways = !membership.gateways.is_empty();
            return membership;
        };
        membership.knows_gateways |= before.knows_gateways;
        membership.gateways.extend(before.gateways.iter().cloned());
        membership.needs.extend(before.needs.iter().cloned());
        membership
    }
}

/// The functions and endpoints that a unit needs.
pub(crate) fn needs(unit: &Unit) -> BTreeSet<UnitId> {
    Membership::of_unit(unit).needs
}

fn gateways(route: &Route) -> BTreeSet<ObjectName> {
    let attachments = route.attachments.iter();
    attachments.map(|at| at.gateway.clone()).collect()
}

fn needs_of_rule(rule: &Rule) -> Vec<UnitId> {
    let backends = match &rule.action {
        Action::Forward(forward) => &forward.backends[..],
        Action::Respond(_) | Action::Redirect(_) | Action::Closed => &[],
    };
    let need = |target: &Target| {
        let (kind, object) = match target {
            Target::Function { function, .. } => (UnitKind::Function, function),
            Target::Service { service, .. } => (UnitKind::Endpoints, service),
            Target::Url { .. } => return None,
        };
        let object = object.clone();
        Some(UnitId { kind, object })
    };
    let needs = backends.iter().filter_map(|backend| need(&backend.target));
    needs.collect()
}
