//! Attachments: which listeners serve a route, and under which hosts.
//!
//! In: the gateways that a route names, and its hosts. Out: the listeners that admit it, each with
//! the hosts that both have. A gateway that does not serve the route takes nothing from the others:
//! the route is adopted with the attachments that work.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_crds::reference::GatewayRef;
use tollgate_snapshot::{ObjectName, route::Attachment};

use crate::{
    Reason,
    admission::{Admission, Claimable, NotAdmitted},
    findings::{Field, Findings},
    hosts,
    resources::Lookup,
};

/// Hosts by gateway and listener: sorted, so that the order in which a route names its gateways
/// makes no other unit.
type Places = BTreeMap<(ObjectName, String), BTreeSet<String>>;

/// The listeners that serve a route of `namespace`; `hosts` are well-formed.
pub(crate) fn attachments(
    namespace: &str,
    gateways: &[GatewayRef],
    hosts: &[String],
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Attachment> {
    let spec = Field::Root("spec");
    let field = spec.key("gateways");
    let mut places = Places::new();
    for (i, reference) in gateways.iter().enumerate() {
        let field = field.index(i);
        let gateway_namespace = reference.namespace.as_deref().unwrap_or(namespace);
        let gateway = ObjectName::new(gateway_namespace, &reference.name);
        let listener = reference.listener.as_deref();
        let found = admitted(namespace, &gateway, lookup).and_then(|(admission, claimable)| {
            let given = given(namespace, &gateway, hosts, &claimable, field, findings);
            common_hosts(admission, listener, &given)
        });
        match found {
            Ok(found) => {
                for (listener, hosts) in found {
                    let place = (gateway.clone(), listener);
                    places.entry(place).or_default().extend(hosts);
                }
            }
            Err((reason, message)) => findings.add(reason, field, message),
        }
    }
    let places = places.into_iter();
    let attachment = |((gateway, listener), hosts): (_, BTreeSet<String>)| Attachment {
        gateway,
        listener,
        hosts: hosts.into_iter().collect(),
    };
    places.map(attachment).collect()
}

type Refused = (Reason, String);

fn admitted<'a>(
    namespace: &str,
    gateway: &ObjectName,
    lookup: &mut Lookup<'a>,
) -> Result<(&'a Admission, Claimable), Refused> {
    let admission = match lookup.gateway(gateway) {
        Some(Some(admission)) => admission,
        None => {
            let message = format!("no ApiGateway {gateway}");
            return Err((Reason::GatewayNotFound, message));
        }
        // The proxies go on with an older version of the gateway, and with this route's.
        Some(None) => {
            let message = format!("ApiGateway {gateway} is refused and can't be read");
            return Err((Reason::ReferenceHeld, message));
        }
    };
    match admission.claimable(gateway, namespace, lookup) {
        Ok(claimable) => Ok((admission, claimable)),
        Err(NotAdmitted::NoEntry) => {
            let message = format!("ApiGateway {gateway} admits no routes of namespace {namespace}");
            Err((Reason::NotAllowedByGateway, message))
        }
        Err(NotAdmitted::NamespaceHeld) => {
            let message = format!("Namespace {namespace} is refused and its labels can't be read");
            Err((Reason::ReferenceHeld, message))
        }
    }
}

/// Those of a route's hosts that its namespace may claim at a gateway; the others are problems.
fn given<'a>(
    namespace: &str,
    gateway: &ObjectName,
    hosts: &'a [String],
    claimable: &Claimable,
    field: Field<'_>,
    findings: &mut Findings<'_>,
) -> Vec<&'a str> {
    let (given, refused): (Vec<&str>, Vec<&str>) = hosts
        .iter()
        .map(String::as_str)
        .partition(|host| claimable.covers(host));
    for host in refused {
        let message = match host {
            hosts::ANY => format!(
                "ApiGateway {gateway} gives namespace {namespace} certain hosts only, and the \
                 route names none"
            ),
            host => {
                format!("ApiGateway {gateway} does not give host {host} to namespace {namespace}")
            }
        };
        findings.add(Reason::HostnameNotAllowed, field, message);
    }
    given
}

/// The hosts that a route has at each listener, or why it has none.
fn common_hosts(
    admission: &Admission,
    listener: Option<&str>,
    hosts: &[&str],
) -> Result<BTreeMap<String, BTreeSet<String>>, Refused> {
    if let Some(wanted) = listener
        && !admission.listeners.contains_key(wanted)
    {
        let names: Vec<&str> = admission.listeners.keys().map(String::as_str).collect();
        let message = format!(
            "no listener {wanted:?}, the gateway has {}",
            names.join(", ")
        );
        return Err((Reason::NoSuchListener, message));
    }
    let mut found = BTreeMap::new();
    for (name, host) in &admission.listeners {
        if listener.is_some_and(|wanted| wanted != name) {
            continue;
        }
        let common = hosts.iter().filter_map(|own| hosts::common(host, own));
        let common: BTreeSet<String> = common.map(str::to_owned).collect();
        if !common.is_empty() {
            found.insert(name.clone(), common);
        }
    }
    // A route without a well-formed host, or one that it may claim, has its problem already.
    if found.is_empty() && !hosts.is_empty() {
        let message = "no host of the route is among those of the listener".to_owned();
        return Err((Reason::NoMatchingHostname, message));
    }
    Ok(found)
}
