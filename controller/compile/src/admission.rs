//! Admission: which routes a gateway admits, and under which hosts.
//!
//! In: an ApiGateway's listeners and `allow`; later the namespace of a route. Out: the hosts that
//! routes of that namespace may claim. A gateway of which any of this can't be read admits nobody
//! anew: the proxies go on with an older version of it, and nobody can say here what that one says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tollgate_crds::{
    ApiGateway,
    api_gateway::{Allow, NamespaceSelector, Namespaces},
};
use tollgate_snapshot::ObjectName;

use crate::{
    findings::{Field, Findings},
    hosts,
    resources::Lookup,
    selector, value,
};

/// What routes read of a gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Admission {
    /// Whom the gateway admits: those whom any entry admits.
    entries: Vec<Entry>,
    /// Hosts by name of the listener.
    pub(crate) listeners: BTreeMap<String, String>,
}

/// Whom one entry admits.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    namespaces: Choice,
    /// What these may claim; none: any host.
    hosts: Option<Vec<String>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Choice {
    Same,
    All,
    Selector(NamespaceSelector),
}

/// The hosts that routes of a namespace may claim.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Claimable {
    any: bool,
    hosts: BTreeSet<String>,
}

impl Claimable {
    /// Whether a host, or any host, may be claimed. To have part of a wildcard is not enough.
    pub(crate) fn covers(&self, host: &str) -> bool {
        self.any || self.hosts.iter().any(|wide| hosts::covers(wide, host))
    }
}

/// Why no route of a namespace is admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NotAdmitted {
    /// No entry is for the namespace.
    NoEntry,
    /// The namespace is refused, and its labels can't be read.
    NamespaceHeld,
}

/// The parts of a manifest that an [`Admission`] is made of.
#[derive(Deserialize)]
struct Readable {
    listeners: Vec<ReadableListener>,
    #[serde(default)]
    allow: Option<Vec<Allow>>,
}

#[derive(Deserialize)]
struct ReadableListener {
    name: String,
    #[serde(default)]
    hostname: Option<String>,
}

impl Admission {
    /// What routes read of a gateway, refused or not; nothing when some of it can't be read.
    pub(crate) fn of(gateway: &ApiGateway) -> Option<Self> {
        let spec = &gateway.spec;
        let listeners = spec.listeners.iter();
        Self::new(
            listeners.map(|listener| (&*listener.name, listener.hostname.as_deref())),
            &spec.allow,
        )
    }

    /// The same of a manifest that does not fit its schema.
    pub(crate) fn of_manifest(manifest: &Value) -> Option<Self> {
        let spec = manifest.get("spec").unwrap_or(&Value::Null);
        let readable = Readable::deserialize(spec).ok()?;
        let listeners = readable.listeners.iter();
        Self::new(
            listeners.map(|listener| (&*listener.name, listener.hostname.as_deref())),
            &readable.allow.unwrap_or_default(),
        )
    }

    fn new<'a>(
        named: impl Iterator<Item = (&'a str, Option<&'a str>)>,
        allow: &[Allow],
    ) -> Option<Self> {
        let mut listeners = BTreeMap::new();
        for (name, hostname) in named {
            let name = value::name(name).ok()?;
            let host = match hostname {
                None => hosts::ANY.to_owned(),
                Some(hostname) => hosts::parse(hostname).ok()?,
            };
            if listeners.insert(name.to_owned(), host).is_some() {
                return None;
            }
        }
        let entries = match allow {
            [] => vec![Entry::SAME],
            written => written.iter().map(Entry::of).collect::<Option<_>>()?,
        };
        (!listeners.is_empty()).then_some(Self { entries, listeners })
    }

    /// The hosts that routes of a namespace may claim at this gateway.
    pub(crate) fn claimable(
        &self,
        gateway: &ObjectName,
        namespace: &str,
        lookup: &mut Lookup<'_>,
    ) -> Result<Claimable, NotAdmitted> {
        let mut claimable = Claimable::default();
        let mut refused = NotAdmitted::NoEntry;
        for entry in &self.entries {
            let admits = match &entry.namespaces {
                Choice::All => true,
                Choice::Same => *gateway.namespace == *namespace,
                Choice::Selector(selector) => match lookup.labels(namespace) {
                    Some(labels) => selector::selects(selector, labels),
                    None => {
                        refused = NotAdmitted::NamespaceHeld;
                        false
                    }
                },
            };
            match &entry.hosts {
                _ if !admits => {}
                None => claimable.any = true,
                Some(hosts) => claimable.hosts.extend(hosts.iter().cloned()),
            }
        }
        // What a refused namespace lacks can't be told from what it has.
        let unsure = refused == NotAdmitted::NamespaceHeld && !claimable.any;
        match claimable == Claimable::default() || unsure {
            true => Err(refused),
            false => Ok(claimable),
        }
    }
}

impl Entry {
    /// What a gateway admits that does not say.
    const SAME: Self = Self {
        namespaces: Choice::Same,
        hosts: None,
    };

    /// Nothing if the entry is ill-formed.
    fn of(written: &Allow) -> Option<Self> {
        let namespaces = match (written.namespaces, &written.selector) {
            (Namespaces::Same, None) => Choice::Same,
            (Namespaces::All, None) => Choice::All,
            (Namespaces::Selector, Some(selector)) => Choice::Selector(selector.clone()),
            (Namespaces::Same | Namespaces::All, Some(_)) | (Namespaces::Selector, None) => {
                return None;
            }
        };
        let parsed = |hosts: &Vec<String>| {
            let hosts = hosts.iter().map(|host| hosts::parse(host).ok());
            hosts.collect::<Option<Vec<_>>>()
        };
        let hosts = match &written.hostnames {
            None => None,
            Some(hosts) => Some(parsed(hosts)?),
        };
        Some(Self { namespaces, hosts })
    }
}

/// What is wrong with the entries of `allow`.
pub(crate) fn check(written: &[Allow], field: Field<'_>, findings: &mut Findings<'_>) {
    for (i, entry) in written.iter().enumerate() {
        let field = field.index(i);
        if entry.selector.is_some() != (entry.namespaces == Namespaces::Selector) {
            let message = "selector goes with namespaces: Selector, and only with it";
            findings.invalid(field, message);
        }
        if let Some(selector) = &entry.selector {
            selector::check(selector, field.key("selector"), findings);
        }
        let hostnames = field.key("hostnames");
        if entry.hostnames.as_ref().is_some_and(Vec::is_empty) {
            findings.invalid(
                hostnames,
                "at least one host; any host is no hostnames at all",
            );
        }
        for (j, host) in entry.hostnames.iter().flatten().enumerate() {
            findings.parsed(hostnames.index(j), hosts::parse(host));
        }
    }
}
