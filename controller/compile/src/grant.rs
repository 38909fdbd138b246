//! Grants: what a namespace lets the routes of others refer to.
//!
//! In: the ReferenceGrants of the namespace that is referred to. Out: whether a route of another
//! namespace may call a Service or a Function there. What is there at all is not known here, and
//! who may not call it is not told.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use tollgate_crds::{GROUP, ReferenceGrant, reference_grant::ReferenceGrantSpec};

use crate::{
    Kind, ObjectRef,
    findings::{Field, Findings},
};

/// What routes read of a ReferenceGrant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Grant {
    /// Namespaces whose routes may refer.
    from: BTreeSet<String>,
    services: Names,
    functions: Names,
}

/// The objects of one kind that may be referred to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Names {
    all: bool,
    named: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, name: Option<&String>) {
        match name {
            None => self.all = true,
            Some(name) => {
                self.named.insert(name.clone());
            }
        }
    }
}

/// Whether something may be referred to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Permission {
    Given,
    Missing,
    /// Nobody gives it, but a grant is refused and can't be read.
    Unknown,
}

impl Grant {
    pub(crate) fn of(grant: &ReferenceGrant) -> Self {
        Self::of_spec(&grant.spec)
    }

    /// What a manifest grants that does not fit its schema; nothing if that can't be read.
    pub(crate) fn of_manifest(manifest: &Value) -> Option<Self> {
        let spec = ReferenceGrantSpec::deserialize(manifest.get("spec")?).ok()?;
        Some(Self::of_spec(&spec))
    }

    fn of_spec(spec: &ReferenceGrantSpec) -> Self {
        let mut grant = Self::default();
        for from in &spec.from {
            if from.group == GROUP && from.kind == Kind::ApiRoute.as_str() {
                grant.from.insert(from.namespace.clone());
            }
        }
        for to in &spec.to {
            match (to.group.as_str(), to.kind.as_str()) {
                ("", "Service") => grant.services.add(to.name.as_ref()),
                (GROUP, "Function") => grant.functions.add(to.name.as_ref()),
                // Grants are for other programs, too.
                _ => {}
            }
        }
        grant
    }

    /// Whether routes of a namespace may refer to an object of the grant's own.
    pub(crate) fn permits(&self, from: &str, to: &ObjectRef) -> bool {
        self.from.contains(from) && self.covers(to)
    }

    /// The namespaces whose routes may refer to an object.
    pub(crate) fn permitted(&self, to: &ObjectRef) -> impl Iterator<Item = &str> {
        let covers = self.covers(to);
        let from = self.from.iter().map(String::as_str);
        from.filter(move |_| covers)
    }

    /// Whether routes of a namespace may refer to anything.
    pub(crate) fn is_from(&self, namespace: &str) -> bool {
        self.from.contains(namespace)
    }

    fn covers(&self, to: &ObjectRef) -> bool {
        let names = match to.kind {
            Kind::Service => &self.services,
            Kind::Function => &self.functions,
            Kind::ApiGateway
            | Kind::ApiRoute
            | Kind::EndpointSlice
            | Kind::Namespace
            | Kind::ReferenceGrant => return false,
        };
        names.all || names.named.contains(&*to.name.name)
    }
}

/// What is wrong with a grant.
pub(crate) fn check(grant: &ReferenceGrant, findings: &mut Findings<'_>) {
    let spec = Field::Root("spec");
    if grant.spec.from.is_empty() {
        findings.invalid(spec.key("from"), "at least one");
    }
    if grant.spec.to.is_empty() {
        findings.invalid(spec.key("to"), "at least one");
    }
}
