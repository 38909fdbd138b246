//! Route: which rule takes the request.
//!
//! In: the port's hosts and the request's target. Out: [`Matched`], which only this stage can make;
//! or 404, or 405 with the methods that rules name.

use std::sync::Arc;

use http::{header, request::Parts};

use super::normalise::Target;
use crate::{
    active::{
        port::Port,
        rule::Rule,
        table::{Candidate, Head},
    },
    refusal::{Reason, Refusal},
};

/// Proof that a rule takes the request.
#[derive(Debug)]
pub(crate) struct Matched(Arc<Candidate>);

impl Matched {
    /// The match that fits.
    pub(crate) fn candidate(&self) -> &Arc<Candidate> {
        &self.0
    }

    /// The rule that takes the request.
    pub(crate) fn rule(&self) -> &Rule {
        &self.0.rule
    }
}

/// Finds the rule.
pub(crate) fn find(port: &Port, target: &Target, parts: &Parts) -> Result<Matched, Refusal> {
    let table = port.hosts.find(&target.host).ok_or(Reason::NotFound)?;
    let query = target.path.query();
    let head = Head {
        method: &parts.method,
        headers: &parts.headers,
        query,
    };
    if let Some(candidate) = table.find(target.path(), head) {
        return Ok(Matched(Arc::clone(candidate)));
    }
    let allowed = table.allowed(target.path(), head);
    if allowed.is_empty() {
        return Err(Reason::NotFound.into());
    }
    let allow = allowed.into_iter().collect::<Vec<_>>().join(", ");
    Err(Refusal {
        header: Some((header::ALLOW, allow)),
        ..Reason::MethodNotAllowed.into()
    })
}
