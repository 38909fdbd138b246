//! Stand-ins: what answers for a refused route on a proxy that has no older version of it.
//!
//! In: what is well-formed of the route's place: gateways, hosts, base path. Out: a route that
//! answers 503 there, or nothing. A stand-in is never wider than the route can have meant: without
//! a host that is certain it would shut out other routes, so there is none.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tollgate_crds::{ApiRoute, reference::GatewayRef};
use tollgate_snapshot::{
    ObjectName, Payload,
    integrate::Action,
    route::{Match, Route, Rule, Segment},
};

use crate::{
    ObjectRef, attach, findings::Findings, hosts, object::Kind, resources::Lookup, template, value,
};

/// Name of a stand-in's only rule, and of the rest of the path in its template.
const HELD: &str = "held";

/// The place of a route, as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Place {
    created: Option<String>,
    gateways: Vec<GatewayRef>,
    /// None: some were named, not one is well-formed.
    hosts: Option<Vec<String>>,
    any_host: bool,
    base: BasePath,
}

#[derive(Debug, Default)]
enum BasePath {
    #[default]
    None,
    Literal(Vec<Segment>),
    Malformed,
}

impl Place {
    /// The place of a route.
    pub(crate) fn of(route: &ApiRoute) -> Self {
        let spec = &route.spec;
        let named = spec.hostnames.iter().map(String::as_str);
        Self {
            created: value::created(&route.metadata),
            gateways: spec.gateways.clone(),
            hosts: well_formed(named, !spec.hostnames.is_empty()),
            any_host: spec.hostnames.is_empty(),
            base: spec.base_path.as_deref().map_or(BasePath::None, base_path),
        }
    }

    /// The place that a manifest names which does not fit its schema; what has the wrong type is
    /// skipped.
    pub(crate) fn of_manifest(manifest: &Value) -> Self {
        let spec = manifest.get("spec").unwrap_or(&Value::Null);
        let created = manifest.pointer("/metadata/creationTimestamp");
        let hostnames = present(spec, "hostnames");
        let any_host = hostnames.is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
        let named = items(hostnames).filter_map(Value::as_str);
        Self {
            created: created.and_then(read::<Time>).as_ref().map(value::written),
            gateways: gateways(manifest),
            hosts: well_formed(named, !any_host),
            any_host,
            base: match present(spec, "basePath") {
                None => BasePath::None,
                Some(path) => path.as_str().map_or(BasePath::Malformed, base_path),
            },
        }
    }

    /// What answers 503 on the base path and below it.
    pub(crate) fn stand_in(self, name: &ObjectName, lookup: &mut Lookup<'_>) -> Option<Payload> {
        let base = match self.base {
            BasePath::Literal(segments) => segments,
            BasePath::None => Vec::new(),
            // The whole of a host that is the route's own, but not the whole of every host.
            BasePath::Malformed if self.any_host => return None,
            BasePath::Malformed => Vec::new(),
        };
        // The route's problems say already what is wrong with its gateways.
        let object = ObjectRef {
            kind: Kind::ApiRoute,
            name: name.clone(),
        };
        let mut unsaid = Findings::new(&object);
        let hosts = self.hosts?;
        let attachments =
            attach::attachments(&name.namespace, &self.gateways, &hosts, lookup, &mut unsaid);
        (!attachments.is_empty()).then(|| {
            Payload::Route(Route {
                created: self.created,
                attachments,
                base_path: template::written(&base),
                rules: vec![closed(base)],
            })
        })
    }
}

/// The gateways that a manifest names which does not fit its schema, as far as they can be read.
pub(crate) fn gateways(manifest: &Value) -> Vec<GatewayRef> {
    let gateways = manifest.pointer("/spec/gateways");
    items(gateways).filter_map(read).collect()
}

fn closed(base: Vec<Segment>) -> Rule {
    let mut below = base.clone();
    below.push(Segment::Rest(HELD.to_owned()));
    let matches = [("/".to_owned(), base), (format!("/{{{HELD}+}}"), below)];
    let matches = matches.into_iter().map(|(path, segments)| Match {
        path,
        segments,
        ..Match::default()
    });
    Rule {
        name: HELD.to_owned(),
        matches: matches.collect(),
        action: Action::Closed,
        timeout_ms: None,
    }
}

fn well_formed<'a>(names: impl Iterator<Item = &'a str>, named: bool) -> Option<Vec<String>> {
    if !named {
        return Some(vec![hosts::ANY.to_owned()]);
    }
    let hosts: Vec<String> = names.filter_map(|name| hosts::parse(name).ok()).collect();
    (!hosts.is_empty()).then_some(hosts)
}

fn base_path(text: &str) -> BasePath {
    template::literals(text).map_or(BasePath::Malformed, BasePath::Literal)
}

/// A field that is there; `null` is as good as absent.
fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
