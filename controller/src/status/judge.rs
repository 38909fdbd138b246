//! Judge: the status of one object, from its grounds alone.
//!
//! In: [`Grounds`], and the status before. Out: the [`Report`] that is true now. There is no I/O
//! here; the time is only written where a condition turns.

mod accepted;
mod programmed;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use tollgate_compile::{Kind, Reason};
use tollgate_crds::status::RouteGatewayStatus;
use tollgate_snapshot::ObjectName;

use super::{
    grounds::Grounds,
    report::{self, Report},
    text,
    words::{ConditionType, Word},
};
use crate::watch::Held;

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Because {
    Fault(Reason),
    Word(Word),
}

/// What is found of one condition.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Finding {
    holds: bool,
    because: Because,
    message: String,
}

impl Finding {
    fn holds(word: Word, message: impl Into<String>) -> Self {
        Self {
            holds: true,
            because: Because::Word(word),
            message: message.into(),
        }
    }

    fn fails(because: Because, message: impl Into<String>) -> Self {
        Self {
            holds: false,
            because,
            message: message.into(),
        }
    }

    fn reason(&self) -> &'static str {
        match self.because {
            Because::Fault(reason) => reason.as_str(),
            Because::Word(word) => word.as_str(),
        }
    }

    /// Whether nothing but an edit of the object helps. What lacks another object is not stalled:
    /// that one may be about to come.
    fn needs_edit(&self) -> bool {
        match self.because {
            Because::Fault(Reason::Invalid | Reason::Unsupported | Reason::Duplicate)
            | Because::Word(Word::Rejected) => !self.holds,
            Because::Fault(
                Reason::NotAllowedByGateway
                | Reason::NoSuchListener
                | Reason::NoMatchingHostname
                | Reason::HostnameNotAllowed
                | Reason::GatewayNotFound
                | Reason::BackendNotFound
                | Reason::BackendUnusable
                | Reason::RefNotPermitted
                | Reason::Shadowed
                | Reason::ReferenceHeld
                | Reason::Ignored,
            )
            | Because::Word(
                Word::Accepted
                | Word::ResolvedRefs
                | Word::Ready
                | Word::NotReferenced
                | Word::Programmed
                | Word::Pending
                | Word::NoProxies
                | Word::NotAttached
                | Word::HeldAtLastGood
                | Word::HeldWithoutLastGood
                | Word::Refused
                | Word::ListHeld,
            ) => false,
        }
    }
}

/// The status that is true now.
pub(super) fn judge(grounds: &Grounds<'_>, before: Option<&Report>, now: Timestamp) -> Report {
    let three = [
        (ConditionType::Accepted, accepted::accepted(grounds)),
        (ConditionType::ResolvedRefs, accepted::resolved(grounds)),
        (ConditionType::Programmed, programmed::programmed(grounds)),
    ];
    let ready = ready(&three);
    let stalled = three.iter().map(|(_, finding)| finding);
    let stalled = stalled.clone().find(|finding| finding.needs_edit());
    let stalled = stalled.map(|finding| Finding {
        holds: true,
        ..finding.clone()
    });
    let mut findings = Vec::from(three);
    findings.push((ConditionType::Ready, ready));
    findings.extend(stalled.map(|finding| (ConditionType::Stalled, finding)));
    findings.extend(degraded(grounds).map(|finding| (ConditionType::Degraded, finding)));
    let writer = Writer {
        generation: grounds.generation,
        now,
    };
    let conditions = before.map_or(&[][..], |before| &before.conditions);
    Report {
        generation: Some(grounds.generation),
        conditions: writer.conditions(findings, conditions),
        gateways: gateways(grounds, before, &writer),
        addresses: grounds.addresses.to_vec(),
    }
}

fn ready(three: &[(ConditionType, Finding)]) -> Finding {
    let mut findings = three.iter().map(|(_, finding)| finding);
    match findings.find(|finding| !finding.holds) {
        Some(finding) => finding.clone(),
        None => Finding::holds(Word::Ready, ""),
    }
}

fn degraded(grounds: &Grounds<'_>) -> Option<Finding> {
    if grounds.kind != Kind::ApiGateway || grounds.held.is_empty() {
        return None;
    }
    let message = text::joined(grounds.held.iter().map(Held::to_string));
    Some(Finding::holds(Word::ListHeld, message))
}

fn gateways(
    grounds: &Grounds<'_>,
    before: Option<&Report>,
    writer: &Writer,
) -> Vec<RouteGatewayStatus> {
    let before = before.map_or(&[][..], |before| &before.gateways);
    let mut gateways = Vec::new();
    for place in &grounds.places {
        if !grounds.named.contains(&place.gateway) {
            continue;
        }
        let (name, namespace) = written(&place.gateway, grounds);
        let mut was = before.iter();
        let was = was.find(|was| was.name == name && was.namespace == namespace);
        let findings = vec![
            (
                ConditionType::Accepted,
                accepted::at_gateway(grounds, &place.gateway),
            ),
            (ConditionType::Programmed, programmed::at_gateway(place)),
        ];
        gateways.push(RouteGatewayStatus {
            name,
            namespace,
            acked: count(place.acked()),
            total: count(place.stages.len()),
            conditions: writer.conditions(findings, was.map_or(&[], |was| &was.conditions)),
        });
    }
    gateways
}

/// A gateway as a route names it: without the namespace that they share.
fn written(gateway: &ObjectName, grounds: &Grounds<'_>) -> (String, Option<String>) {
    let foreign = gateway.namespace != grounds.namespace;
    let namespace = foreign.then(|| gateway.namespace.to_string());
    (gateway.name.to_string(), namespace)
}

fn count(proxies: usize) -> i32 {
    i32::try_from(proxies).unwrap_or(i32::MAX)
}

/// Writes conditions down.
struct Writer {
    generation: i64,
    now: Timestamp,
}

impl Writer {
    fn conditions(
        &self,
        findings: Vec<(ConditionType, Finding)>,
        before: &[Condition],
    ) -> Vec<Condition> {
        let written = findings.into_iter().map(|(type_, finding)| {
            let status = if finding.holds { "True" } else { "False" };
            let was = report::find(before, type_).filter(|was| was.status == status);
            let since = was.map(|was| was.last_transition_time.clone());
            Condition {
                last_transition_time: since.unwrap_or(Time(self.now)),
                reason: finding.reason().to_owned(),
                message: finding.message,
                observed_generation: Some(self.generation),
                status: status.to_owned(),
                type_: type_.as_str().to_owned(),
            }
        });
        written.collect()
    }
}

#[cfg(test)]
mod tests;
