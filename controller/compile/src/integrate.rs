//! What answers the requests of a rule.
//!
//! In: a rule's `backends`, `respond`, `redirect` and `rewrite`, the Services and Functions that it
//! names, and the grants of their namespaces. Out: an action in which every reference is resolved.
//! A backend that does not exist closes its rule alone: an error in one place, never a hole in
//! another.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tollgate_crds::{
    api_route::RouteRule,
    integrate as crd,
    reference::{EventFormat, FunctionRef, ServiceRef},
};
use tollgate_snapshot::{
    ObjectName,
    integrate::{self, Action, Backend, Forward, Redirect, Respond, Target},
};

use crate::{
    Kind, ObjectRef, Reason,
    endpoints::Ports,
    findings::{Field, Findings},
    grant::Permission,
    header, hosts,
    resources::Lookup,
    template::{self, InvalidTemplate},
    url, value,
};

/// Largest weight of a backend.
const WEIGHT_MAX: u32 = 1_000_000;

/// The action of a rule. What is ill-formed is in the findings and holds the route; the action is
/// then of no use.
pub(crate) fn action(
    namespace: &str,
    rule: &RouteRule,
    field: Field<'_>,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Action {
    let strip_prefix = strip_prefix(rule, field, findings);
    let backends = rule.backends.as_deref();
    let backends = backends.map(|written| {
        let forward = backends_of(namespace, written, field, lookup, findings);
        forward.map_or(Action::Closed, |backends| {
            Action::Forward(Forward {
                backends,
                strip_prefix,
            })
        })
    });
    let respond = rule.respond.as_ref();
    let respond = respond.map(|written| respond_of(written, field, findings));
    let redirect = rule.redirect.as_ref();
    let redirect = redirect.map(|written| redirect_of(written, field, findings));
    match (backends, respond, redirect) {
        (Some(action), None, None) | (None, Some(action), None) | (None, None, Some(action)) => {
            action
        }
        (_, _, _) => {
            findings.invalid(field, "exactly one of backends, respond and redirect");
            Action::Closed
        }
    }
}

fn strip_prefix(rule: &RouteRule, field: Field<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let rewrite = rule.rewrite.as_ref()?;
    let field = field.key("rewrite");
    if rule.backends.is_none() {
        findings.invalid(field, "rewrite goes with backends");
    }
    let prefix = template::literal_path(rewrite.strip_prefix.as_deref()?);
    let prefix = findings.parsed(field.key("stripPrefix"), prefix)?;
    (!prefix.is_empty()).then_some(prefix)
}

/// The backends of a rule; nothing if one of them can't be reached.
fn backends_of(
    namespace: &str,
    written: &[crd::Backend],
    rule: Field<'_>,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Backend>> {
    let field = rule.key("backends");
    let mut total = 0;
    let mut backends = Vec::with_capacity(written.len());
    for (i, one) in written.iter().enumerate() {
        let field = field.index(i);
        let weight = findings.parsed(field.key("weight"), weight(one.weight));
        // Ill-formed counts as 1 here: one slip, one problem.
        total += weight.unwrap_or(1);
        let target = target(namespace, one, field, lookup, findings);
        backends.push(
            target
                .zip(weight)
                .map(|(target, weight)| Backend { weight, target }),
        );
    }
    if backends.is_empty() {
        findings.invalid(field, "at least one backend");
    } else if total == 0 {
        findings.invalid(field, "at least one backend needs a weight above 0");
    }
    backends.into_iter().collect()
}

fn weight(written: Option<i32>) -> Result<u32, &'static str> {
    match written.map_or(Ok(1), u32::try_from) {
        Ok(weight) if weight <= WEIGHT_MAX => Ok(weight),
        Ok(_) | Err(_) => Err("must be 0 to 1000000"),
    }
}

fn target(
    namespace: &str,
    written: &crd::Backend,
    field: Field<'_>,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Option<Target> {
    match (&written.function, &written.service, &written.url) {
        (Some(function), None, None) => {
            function_of(namespace, function, field.key("function"), lookup, findings)
        }
        (None, Some(service), None) => {
            service_of(namespace, service, field.key("service"), lookup, findings)
        }
        (None, None, Some(text)) => {
            let parsed = url::parse(text);
            let refused = |invalid: url::InvalidUrl| {
                findings.add(invalid.reason(), field.key("url"), invalid);
            };
            parsed.map_err(refused).ok()
        }
        (_, _, _) => {
            findings.invalid(field, "exactly one of function, service and url");
            None
        }
    }
}

/// A function that is refused for now still resolves: proxies go on with the one that they have.
fn function_of(
    namespace: &str,
    written: &FunctionRef,
    field: Field<'_>,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Option<Target> {
    let target = written.namespace.as_deref().unwrap_or(namespace);
    let function = ObjectName::new(target, &written.name);
    let unresolved = match permission(namespace, Kind::Function, &function, lookup) {
        Err(unresolved) => Some(unresolved),
        Ok(()) if !lookup.function(&function) => {
            Some((Reason::BackendNotFound, format!("no Function {function}")))
        }
        Ok(()) => None,
    };
    if let Some((reason, message)) = unresolved {
        findings.add(reason, field, message);
        return None;
    }
    let event = match written.event.unwrap_or_default() {
        EventFormat::V2 => integrate::EventFormat::V2,
    };
    Some(Target::Function { function, event })
}

fn service_of(
    namespace: &str,
    written: &ServiceRef,
    field: Field<'_>,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Option<Target> {
    let port = &written.port;
    findings.parsed(field.key("port"), check_port(port))?;
    let target = written.namespace.as_deref().unwrap_or(namespace);
    let service = ObjectName::new(target, &written.name);
    let permission = permission(namespace, Kind::Service, &service, lookup);
    match permission.and_then(|()| find_port(&service, port, lookup)) {
        Ok(port) => Some(Target::Service { service, port }),
        Err((reason, message)) => {
            findings.add(reason, field, message);
            None
        }
    }
}

type Unresolved = (Reason, String);

/// Whether a route of `namespace` may refer to a backend. Asked before anything else: who may not
/// learns not even whether the backend exists.
fn permission(
    namespace: &str,
    kind: Kind,
    target: &ObjectName,
    lookup: &mut Lookup<'_>,
) -> Result<(), Unresolved> {
    if *target.namespace == *namespace {
        return Ok(());
    }
    let target = ObjectRef {
        kind,
        name: target.clone(),
    };
    let there = &target.name.namespace;
    match lookup.permission(namespace, &target) {
        Permission::Given => Ok(()),
        Permission::Missing => {
            let message = format!(
                "no ReferenceGrant of namespace {there} lets an ApiRoute of {namespace} refer to \
                 {target}"
            );
            Err((Reason::RefNotPermitted, message))
        }
        Permission::Unknown => {
            let message =
                format!("a ReferenceGrant of namespace {there} is refused and can't be read");
            Err((Reason::ReferenceHeld, message))
        }
    }
}

fn find_port(
    service: &ObjectName,
    port: &IntOrString,
    lookup: &mut Lookup<'_>,
) -> Result<u16, Unresolved> {
    match lookup.service(service) {
        None => Err((Reason::BackendNotFound, format!("no Service {service}"))),
        Some(None) => {
            let message = format!("Service {service} is refused and its ports can't be read");
            Err((Reason::ReferenceHeld, message))
        }
        Some(Some(Ports { external: true, .. })) => {
            let message = format!("Service {service} is an ExternalName: it has no endpoints");
            Err((Reason::BackendUnusable, message))
        }
        Some(Some(ports)) => ports.find(port).ok_or_else(|| {
            let port = said(port);
            let message = format!("Service {service} has no TCP port {port}, it has {ports}");
            (Reason::BackendNotFound, message)
        }),
    }
}

fn said(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => format!("{name:?}"),
    }
}

fn check_port(written: &IntOrString) -> Result<(), &'static str> {
    match written {
        IntOrString::Int(number) => value::port(*number).map(|_| ()),
        IntOrString::String(name) if name.is_empty() => Err("must be a number or a name"),
        IntOrString::String(_) => Ok(()),
    }
}

fn respond_of(written: &crd::Respond, rule: Field<'_>, findings: &mut Findings<'_>) -> Action {
    let field = rule.key("respond");
    let status = u16::try_from(written.status).ok();
    let status = status.filter(|status| (200..=599).contains(status));
    let status = status.ok_or("must be 200 to 599");
    let status = findings
        .parsed(field.key("status"), status)
        .unwrap_or_default();
    let body = written.body.clone().unwrap_or_default();
    if !body.is_empty() && matches!(status, 204 | 304) {
        let message = format!("an answer with status {status} has no body");
        findings.add(Reason::Ignored, field.key("body"), message);
    }
    let mut headers = answer_headers(&written.headers, field, findings);
    if written.headers.is_empty() && !body.is_empty() {
        headers.insert("content-type".to_owned(), "application/json".to_owned());
    }
    Action::Respond(Respond {
        status,
        headers,
        body,
    })
}

fn answer_headers(
    written: &BTreeMap<String, String>,
    respond: Field<'_>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let field = respond.key("headers");
    let mut headers = BTreeMap::new();
    for (name, value) in written {
        let field = field.key(name);
        let Some(name) = findings.parsed(field, header::answered_name(name)) else {
            continue;
        };
        let Some(value) = findings.parsed(field, header::value(value)) else {
            continue;
        };
        if headers.contains_key(&name) {
            let message = "the same name in other letters is there too";
            findings.add(Reason::Duplicate, field, message);
        }
        headers.insert(name, value.to_owned());
    }
    headers
}

fn redirect_of(written: &crd::Redirect, rule: Field<'_>, findings: &mut Findings<'_>) -> Action {
    let field = rule.key("redirect");
    let scheme = written.scheme.map(|scheme| match scheme {
        crd::Scheme::Http => "http".to_owned(),
        crd::Scheme::Https => "https".to_owned(),
    });
    if scheme.is_none()
        && written.host.is_none()
        && written.port.is_none()
        && written.path.is_none()
    {
        findings.invalid(field, "at least one of scheme, host, port and path");
    }
    let status = findings.parsed(field.key("status"), redirect_status(written.status));
    let host = written.host.as_deref().map(hosts::parse_exact);
    let host = host.and_then(|host| findings.parsed(field.key("host"), host));
    let port = written.port.map(value::port);
    let port = port.and_then(|port| findings.parsed(field.key("port"), port));
    let path = written.path.as_deref().map(redirect_path);
    let path = path.and_then(|path| findings.parsed(field.key("path"), path));
    Action::Redirect(Redirect {
        status: status.unwrap_or_default(),
        scheme,
        host,
        port,
        path,
    })
}

fn redirect_status(written: Option<i32>) -> Result<u16, &'static str> {
    match written {
        None => Ok(302),
        Some(301) => Ok(301),
        Some(302) => Ok(302),
        Some(303) => Ok(303),
        Some(307) => Ok(307),
        Some(308) => Ok(308),
        Some(_) => Err("must be 301, 302, 303, 307 or 308"),
    }
}

/// A trailing slash stays here: it is the target's own.
fn redirect_path(text: &str) -> Result<String, InvalidTemplate> {
    let mut path = template::literal_path(text)?;
    if text.ends_with('/') {
        path.push('/');
    }
    Ok(path)
}
