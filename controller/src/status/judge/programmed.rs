//! Whether the proxies run an object.
//!
//! In: how it stands at each gateway. Out: `Programmed`, which is only true when every ready proxy
//! of every gateway concerned runs it; else the worst that can be said, and of whom.

use std::collections::BTreeMap;

use tollgate_compile::Kind;

use super::{Because, Finding, Grounds};
use crate::status::{
    grounds::{Place, Stage},
    text,
    words::Word,
};

/// Whether all proxies concerned run it.
pub(super) fn programmed(grounds: &Grounds<'_>) -> Finding {
    let judged: Vec<(Word, String)> = grounds.places.iter().map(standing).collect();
    let Some(worst) = judged.iter().map(|(word, _)| *word).max() else {
        return unplaced(grounds.kind);
    };
    let worst_ones = judged.into_iter().filter(|(word, _)| *word == worst);
    finding(worst, text::joined(worst_ones.map(|(_, message)| message)))
}

/// Whether the proxies of one gateway run it.
pub(super) fn at_gateway(place: &Place<'_>) -> Finding {
    let (word, message) = standing(place);
    finding(word, message)
}

fn finding(word: Word, message: String) -> Finding {
    if word == Word::Programmed {
        return Finding::holds(word, message);
    }
    Finding::fails(Because::Word(word), message)
}

fn unplaced(kind: Kind) -> Finding {
    match kind {
        Kind::ApiRoute => Finding::fails(Because::Word(Word::NotAttached), "no gateway serves it"),
        Kind::ApiGateway
        | Kind::Function
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Namespace
        | Kind::ReferenceGrant => Finding::holds(Word::NotReferenced, "no gateway uses it"),
    }
}

/// The worst that can be said of one gateway's proxies.
fn standing(place: &Place<'_>) -> (Word, String) {
    let gateway = &place.gateway;
    if !place.served {
        let message = format!("gateway {gateway} does not serve it");
        return (Word::NotAttached, message);
    }
    let Some(worst) = place.stages.iter().max() else {
        return (
            Word::NoProxies,
            format!("gateway {gateway} has no ready proxy"),
        );
    };
    let at = |stage| {
        let count = place.stages.iter().filter(|at| **at == stage).count();
        let total = place.stages.len();
        format!("{count} of {total} proxies of gateway {gateway}")
    };
    match worst {
        Stage::Running => (Word::Programmed, format!("{} run it", at(Stage::Running))),
        Stage::Behind => (Word::Pending, format!("{} run it", at(Stage::Running))),
        Stage::HeldAtLastGood => {
            let message = format!("{} go on with its last good version", at(*worst));
            (Word::HeldAtLastGood, message)
        }
        Stage::HeldWithoutLastGood => {
            let message = format!("{} have no good version of it", at(*worst));
            (Word::HeldWithoutLastGood, message)
        }
        Stage::Refused(_) => (Word::Refused, reasons(place)),
        Stage::Rejected { .. } => (Word::Rejected, reasons(place)),
    }
}

/// What the proxies that are as badly off as it gets say, each reason once.
fn reasons(place: &Place<'_>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let rejects = |stage: &Stage<'_>| matches!(stage, Stage::Rejected { .. });
    let rejected = place.stages.iter().any(rejects);
    for stage in &place.stages {
        let why = match stage {
            Stage::Refused(why) if !rejected => (*why).to_owned(),
            Stage::Rejected { part: None, why } => (*why).to_owned(),
            Stage::Rejected {
                part: Some(part),
                why,
            } => format!("{part}: {why}"),
            Stage::Running
            | Stage::Behind
            | Stage::HeldAtLastGood
            | Stage::HeldWithoutLastGood
            | Stage::Refused(_) => continue,
        };
        *counts.entry(why).or_default() += 1;
    }
    let (gateway, total) = (&place.gateway, place.stages.len());
    text::joined(
        counts.into_iter().map(|(why, count)| {
            format!("{why} (at {count} of {total} proxies of gateway {gateway})")
        }),
    )
}
