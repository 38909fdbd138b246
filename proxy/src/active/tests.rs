//! What several tests of this module need: configurations from manifests as text, and questions to
//! them as one line.

mod ask;
mod hosts;
mod incremental;
mod port;
mod table;

use http::Request;
use tollgate_compile::compile;
use tollgate_snapshot::UnitChange;

use super::Active;
use crate::{
    config::directory::document,
    pipeline::{normalise::Target, route},
    refusal::Reason,
};

/// The units of some manifests, as a start would take them in.
pub(super) fn changes(yaml: &str) -> Vec<UnitChange> {
    let (changes, _) = document::changes(yaml).unwrap();
    let compiled = compile(changes);
    assert!(compiled.held.is_empty(), "{:#?}", compiled.problems);
    compiled.units.into_values().map(UnitChange::Put).collect()
}

/// What runs after a start with some manifests.
pub(super) fn active(yaml: &str) -> Active {
    let mut active = Active::default();
    assert_eq!(active.apply(&changes(yaml)), []);
    active
}

/// A gateway `g` with these listeners (YAML flow).
pub(super) fn gateway(listeners: &str) -> String {
    object("ApiGateway", "name: g", &format!("listeners: {listeners}"))
}

/// A gateway `g` with one listener, `http`, for any host.
pub(super) fn any_host() -> String {
    gateway("[{name: http, port: 80, protocol: HTTP}]")
}

/// An object of ours.
pub(super) fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: \
         {{{spec}}}\n"
    )
}

/// A route of the gateway `g`: its metadata, the rest of its spec, and its rules, each as
/// `name: [METHOD] /path [header=value]… [?query=value]…`.
pub(super) fn route(metadata: &str, more: &str, rules: &[&str]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| self::rule(rule)).collect();
    let rules = rules.join(", ");
    let gateways = if more.contains("gateways:") {
        ""
    } else {
        "gateways: [{name: g}], "
    };
    object(
        "ApiRoute",
        metadata,
        &format!("{gateways}{more}rules: [{rules}]"),
    )
}

fn rule(text: &str) -> String {
    let (name, matched) = text.split_once(": ").unwrap();
    let (mut method, mut path) = (String::new(), "");
    let (mut headers, mut query) = (Vec::new(), Vec::new());
    for word in matched.split(' ') {
        let pair = |text: &str| {
            let (name, value) = text.split_once('=').unwrap();
            format!("{{name: {name}, value: \"{value}\"}}")
        };
        match word.strip_prefix('?') {
            Some(parameter) => query.push(pair(parameter)),
            None if word.starts_with('/') => path = word,
            None if word.contains('=') => headers.push(pair(word)),
            None => method = format!("method: {word}, "),
        }
    }
    let (headers, query) = (headers.join(", "), query.join(", "));
    format!(
        "{{name: {name}, match: [{{{method}path: \"{path}\", headers: [{headers}], query: \
         [{query}]}}], respond: {{status: 200}}}}"
    )
}

/// Who takes a request, given as `METHOD host/path [header=value]…`, at the first port: the route
/// and the rule, or the status of the refusal with the methods that it names.
pub(super) fn taker(active: &Active, request: &str) -> String {
    let slot = active.ports().next().map(|(slot, _)| slot).unwrap();
    taker_at(active, slot, request)
}

/// The same at one port.
pub(super) fn taker_at(active: &Active, slot: usize, request: &str) -> String {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let slash = target.find('/').unwrap();
    let mut request = Request::builder().method(method);
    for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let target = Target {
        host: target[..slash].into(),
        port: None,
        authority: None,
        path: target[slash..].parse().unwrap(),
    };
    match route::find(active.port(slot).unwrap(), &target, &parts) {
        Ok(matched) => {
            let rule = matched.rule();
            format!("{}/{}", rule.object.name, rule.name)
        }
        Err(refusal) if refusal.reason == Reason::NotFound => "404".into(),
        Err(refusal) => {
            assert_eq!(refusal.reason, Reason::MethodNotAllowed);
            format!("405 {}", refusal.header.unwrap().1)
        }
    }
}

/// Asks each row's question; rows are a name, a request and who is to take it.
pub(super) fn ask(active: &Active, rows: &[(&str, &str, &str)]) {
    for (name, request, expected) in rows {
        assert_eq!(taker(active, request), *expected, "{name}: {request}");
    }
}
