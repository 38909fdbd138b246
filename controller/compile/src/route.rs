//! Routes: which requests each rule takes, and where.
//!
//! In: an ApiRoute, and what it reads of gateways, Services and Functions. Out: its unit, or a
//! stand-in when the route is refused. What answers a rule's requests is [`integrate`]'s part.

use std::collections::BTreeSet;

use tollgate_crds::{
    ApiRoute,
    api_route::{ApiRouteSpec, RouteRule},
    route as crd,
};
use tollgate_snapshot::{
    ObjectName, Payload,
    route::{Match, Route, Rule, Segment},
};

use crate::{
    Reason, attach,
    compiler::Outcome,
    findings::{Field, Findings},
    header, hold, hosts, integrate,
    resources::Lookup,
    template, value,
};

const SPEC: Field<'_> = Field::Root("spec");

/// The unit of a route, or its stand-in.
pub(crate) fn compile(
    name: &ObjectName,
    route: &ApiRoute,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Outcome {
    let spec = &route.spec;
    if spec.gateways.is_empty() {
        findings.invalid(SPEC.key("gateways"), "at least one gateway");
    }
    let hosts = own_hosts(&spec.hostnames, findings);
    let attachments =
        attach::attachments(&name.namespace, &spec.gateways, &hosts, lookup, findings);
    let base = base_path(spec, findings);
    let rules = rules(name, spec, &base, lookup, findings);
    if findings.hold() {
        return Outcome::Held(hold::Place::of(route).stand_in(name, lookup));
    }
    Outcome::Unit(Payload::Route(Route {
        created: value::created(&route.metadata),
        attachments,
        base_path: template::written(&base),
        rules,
    }))
}

fn own_hosts(written: &[String], findings: &mut Findings<'_>) -> Vec<String> {
    if written.is_empty() {
        return vec![hosts::ANY.to_owned()];
    }
    let field = SPEC.key("hostnames");
    let named = written.iter().enumerate();
    named
        .filter_map(|(i, text)| findings.parsed(field.index(i), hosts::parse(text)))
        .collect()
}

fn base_path(spec: &ApiRouteSpec, findings: &mut Findings<'_>) -> Vec<Segment> {
    let parsed = spec.base_path.as_deref().map(template::literals);
    let parsed = parsed.and_then(|parsed| findings.parsed(SPEC.key("basePath"), parsed));
    parsed.unwrap_or_default()
}

fn rules(
    name: &ObjectName,
    spec: &ApiRouteSpec,
    base: &[Segment],
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Rule> {
    let field = SPEC.key("rules");
    if spec.rules.is_empty() {
        findings.invalid(field, "at least one rule");
    }
    let default_timeout = default_timeout(spec, findings);
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(spec.rules.len());
    for (i, rule) in spec.rules.iter().enumerate() {
        let field = field.index(i);
        findings.parsed(field.key("name"), value::name(&rule.name));
        if !names.insert(&rule.name) {
            let message = format!("another rule is named {:?}", rule.name);
            findings.add(Reason::Duplicate, field.key("name"), message);
        }
        rules.push(Rule {
            name: rule.name.clone(),
            matches: matches(&rule.matches, base, field, findings),
            action: integrate::action(&name.namespace, rule, field, lookup, findings),
            timeout_ms: timeout(rule, field, findings).or(default_timeout),
        });
    }
    rules
}

fn default_timeout(spec: &ApiRouteSpec, findings: &mut Findings<'_>) -> Option<u64> {
    let field = SPEC.key("defaults");
    let timeout = spec.defaults.as_ref()?.timeout.as_ref()?;
    findings.parsed(field.key("timeout"), value::timeout(timeout))
}

fn timeout(rule: &RouteRule, field: Field<'_>, findings: &mut Findings<'_>) -> Option<u64> {
    let timeout = rule.timeout.as_ref()?;
    findings.parsed(field.key("timeout"), value::timeout(timeout))
}

fn matches(
    written: &[crd::Match],
    base: &[Segment],
    rule: Field<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Match> {
    let field = rule.key("match");
    if written.is_empty() {
        findings.invalid(field, "at least one match");
    }
    let matches = written.iter().enumerate();
    matches
        .map(|(i, one)| parse_match(one, base, field.index(i), findings))
        .collect()
}

fn parse_match(
    written: &crd::Match,
    base: &[Segment],
    field: Field<'_>,
    findings: &mut Findings<'_>,
) -> Match {
    let method = written.method.as_deref().map(method);
    let segments = template::parse(base, &written.path);
    Match {
        method: method.and_then(|method| findings.parsed(field.key("method"), method)),
        path: written.path.clone(),
        segments: findings
            .parsed(field.key("path"), segments)
            .unwrap_or_default(),
        headers: headers(&written.headers, field, findings),
        query: query(&written.query, field, findings),
    }
}

fn method(text: &str) -> Result<String, &'static str> {
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    if first && text.len() <= 32 && text.bytes().all(letters) {
        Ok(text.to_owned())
    } else {
        Err("not a method such as GET, in upper case")
    }
}

/// A field that appears twice has one value for both, its first: two values could never both fit.
fn headers(
    written: &[crd::ValueMatch],
    field: Field<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(String, String)> {
    let field = field.key("headers");
    let mut names = BTreeSet::new();
    let mut headers = Vec::with_capacity(written.len());
    for (i, one) in written.iter().enumerate() {
        let field = field.index(i);
        let name = findings.parsed(field.key("name"), header::matched_name(&one.name));
        let value = findings.parsed(field.key("value"), header::value(&one.value));
        let (Some(name), Some(value)) = (name, value) else {
            continue;
        };
        if !names.insert(name.clone()) {
            let message = format!("header {name:?} is named twice");
            findings.add(Reason::Duplicate, field.key("name"), message);
        }
        headers.push((name, value.to_owned()));
    }
    headers
}

fn query(
    written: &[crd::ValueMatch],
    field: Field<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(String, String)> {
    let field = field.key("query");
    let mut names = BTreeSet::new();
    for (i, one) in written.iter().enumerate() {
        let field = field.index(i);
        let field = field.key("name");
        if one.name.is_empty() {
            findings.invalid(field, "must not be empty");
        }
        if !names.insert(&one.name) {
            let message = format!("parameter {:?} is named twice", one.name);
            findings.add(Reason::Duplicate, field, message);
        }
    }
    let pairs = written.iter();
    pairs
        .map(|one| (one.name.clone(), one.value.clone()))
        .collect()
}
