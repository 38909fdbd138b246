//! Argo CD's view of our objects: each kind has a script that tells its health from its status, run
//! here as Argo CD runs it, in Lua 5.1 with the base and table libraries alone.

#![allow(clippy::unwrap_used, reason = "a broken script fails its test")]

use std::{fs, path::Path};

use mlua::{Lua, LuaOptions, StdLib, Table, Value as Foreign};
use serde_json::{Value, json};

/// The generation that is synced.
const GENERATION: i64 = 3;

fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/tollgate/argocd");
    let kinds = tollgate_crds::all_crds()
        .into_iter()
        .map(|crd| crd.spec.names.kind);
    let script = |kind: String| {
        let text = fs::read_to_string(folder.join(&kind).join("health.lua")).unwrap();
        (kind, text)
    };
    kinds.map(script).collect()
}

fn foreign(lua: &Lua, value: &Value) -> Foreign {
    match value {
        Value::Null => Foreign::Nil,
        Value::Bool(flag) => Foreign::Boolean(*flag),
        Value::Number(number) => Foreign::Number(number.as_f64().unwrap()),
        Value::String(text) => Foreign::String(lua.create_string(text).unwrap()),
        Value::Array(items) => {
            let items = items.iter().map(|item| foreign(lua, item));
            Foreign::Table(lua.create_sequence_from(items).unwrap())
        }
        Value::Object(map) => {
            let fields = map
                .iter()
                .map(|(name, value)| (name.as_str(), foreign(lua, value)));
            Foreign::Table(lua.create_table_from(fields).unwrap())
        }
    }
}

/// Status and message of an object of the synced generation.
fn health(script: &str, status: &Value) -> (String, String) {
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default()).unwrap();
    let object = json!({"metadata": {"name": "a", "generation": GENERATION}, "status": status});
    lua.globals().set("obj", foreign(&lua, &object)).unwrap();
    let said: Table = lua.load(script).eval().unwrap();
    (said.get("status").unwrap(), said.get("message").unwrap())
}

/// A condition of the synced generation, as `Type=Status Reason message`.
fn condition(text: &str) -> Value {
    let (kind, rest) = text.split_once('=').unwrap();
    let mut words = rest.splitn(3, ' ');
    json!({
        "type": kind,
        "status": words.next(),
        "reason": words.next(),
        "message": words.next().unwrap_or_default(),
        "observedGeneration": GENERATION,
    })
}

fn conditions(texts: &[&str]) -> Value {
    let conditions: Vec<_> = texts.iter().map(|text| condition(text)).collect();
    json!({"observedGeneration": GENERATION, "conditions": conditions})
}

const GOOD: [&str; 4] = [
    "Accepted=True Accepted",
    "ResolvedRefs=True ResolvedRefs",
    "Programmed=True Programmed",
    "Ready=True Ready",
];

/// All is good but for one condition.
fn good_but(text: &str) -> Value {
    let (kind, _) = text.split_once('=').unwrap();
    let same = |other: &&&str| !other.starts_with(&format!("{kind}="));
    let mut texts: Vec<&str> = GOOD.iter().filter(same).copied().collect();
    texts.push(text);
    conditions(&texts)
}

/// All is good in an older generation.
fn old() -> Value {
    let mut status = conditions(&GOOD);
    status["observedGeneration"] = json!(GENERATION - 1);
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["observedGeneration"] = json!(GENERATION - 1);
    }
    status
}

fn without_generations(mut status: Value) -> Value {
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["observedGeneration"].take();
    }
    status
}

#[test]
fn a_status_tells_the_health_of_every_kind() {
    let rows = [
        (
            "no status",
            Value::Null,
            "Progressing",
            "waiting for Accepted",
        ),
        (
            "no conditions",
            json!({}),
            "Progressing",
            "waiting for Accepted",
        ),
        (
            "all is good",
            conditions(&GOOD),
            "Healthy",
            "every proxy runs it",
        ),
        ("old", old(), "Progressing", "waiting for Accepted"),
        (
            "old by the status alone",
            without_generations(old()),
            "Progressing",
            "waiting for Accepted",
        ),
        (
            "good by the status alone",
            without_generations(conditions(&GOOD)),
            "Healthy",
            "every proxy runs it",
        ),
        (
            "refused",
            good_but("Accepted=False Invalid spec.rules: at least one rule"),
            "Degraded",
            "Invalid: spec.rules: at least one rule",
        ),
        (
            "reference to nothing",
            good_but("ResolvedRefs=False BackendNotFound no Service shop/a"),
            "Degraded",
            "BackendNotFound: no Service shop/a",
        ),
        (
            "not accepted yet",
            good_but("Accepted=Unknown Pending"),
            "Progressing",
            "Pending",
        ),
        (
            "on some proxies",
            good_but("Programmed=False Pending 1 of 2 proxies"),
            "Progressing",
            "Pending: 1 of 2 proxies",
        ),
        (
            "no proxies",
            good_but("Programmed=False NoProxies"),
            "Progressing",
            "NoProxies",
        ),
        (
            "not ready",
            good_but("Ready=False Waiting for an address"),
            "Progressing",
            "Waiting: for an address",
        ),
        (
            "a person must act",
            good_but("Stalled=True Rejected rules[2].path"),
            "Degraded",
            "Rejected: rules[2].path",
        ),
        (
            "nobody must act",
            good_but("Stalled=False Fine"),
            "Healthy",
            "every proxy runs it",
        ),
        (
            "no summary",
            conditions(&GOOD[..3]),
            "Progressing",
            "waiting for Ready",
        ),
        (
            "refused and not programmed",
            conditions(&["Accepted=False Invalid", "Programmed=False Rejected"]),
            "Degraded",
            "Invalid",
        ),
    ];
    for (kind, script) in scripts() {
        for (name, status, expected, words) in &rows {
            let (health, message) = health(&script, status);
            assert_eq!(health, *expected, "{kind}: {name}: {message}");
            assert!(message.starts_with(words), "{kind}: {name}: {message}");
        }
    }
}

fn script(kind: &str) -> String {
    let scripts = scripts().into_iter();
    let mut found = scripts.filter(|(name, _)| name == kind);
    found.next().unwrap().1
}

#[test]
fn a_route_says_how_far_each_gateway_is() {
    let mut status = good_but("Programmed=False Pending");
    status["gateways"] = json!([
        {"name": "public", "acked": 1, "total": 2},
        {"name": "internal", "acked": 3, "total": 3},
    ]);
    let (_, message) = health(&script("ApiRoute"), &status);
    assert_eq!(message, "Pending (public 1/2, internal 3/3)");
}

#[test]
fn a_gateway_says_where_it_is() {
    let mut status = conditions(&GOOD);
    status["addresses"] = json!(["192.0.2.1", "192.0.2.2"]);
    let (_, message) = health(&script("ApiGateway"), &status);
    assert_eq!(message, "every proxy runs it, at 192.0.2.1, 192.0.2.2");
}

#[test]
fn a_function_that_nothing_uses_is_healthy() {
    let status = good_but("Programmed=True NotReferenced");
    let (health, message) = health(&script("Function"), &status);
    assert_eq!(
        (health.as_str(), message.as_str()),
        ("Healthy", "no gateway uses it")
    );
}
