//! Units of a gateway, compiled of manifests.

use imbl::OrdMap;
use serde_json::{Value, json};
use tollgate_compile::{Change, Compiler, Kind, Object};
use tollgate_snapshot::{Entry, ObjectName, UnitChange, UnitSet};

/// The gateway of these tests.
pub(crate) fn gateway() -> ObjectName {
    ObjectName::new("shop", "public")
}

/// The gateway's manifest, with one listener.
pub(crate) fn public() -> Value {
    json!({
        "kind": "ApiGateway", "metadata": {"namespace": "shop", "name": "public"},
        "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    })
}

/// A route that answers `text` at `/<name>`.
pub(crate) fn route(name: &str, text: &str) -> Value {
    json!({
        "kind": "ApiRoute", "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "gateways": [{"name": "public"}],
            "rules": [{
                "name": "all", "match": [{"path": format!("/{name}")}],
                "respond": {"status": 200, "body": text},
            }],
        },
    })
}

/// A route that compile refuses: what it was before is held.
pub(crate) fn bad_route(name: &str) -> Value {
    let mut route = route(name, "never");
    route["spec"]["rules"][0]["match"][0]["path"] = json!("no slash");
    route
}

/// A route with another backend.
pub(crate) fn forwarding(name: &str, backend: Value) -> Value {
    let mut route = route(name, "");
    let rule = &mut route["spec"]["rules"][0];
    rule.as_object_mut().unwrap().remove("respond");
    rule["backends"] = json!([backend]);
    route
}

/// A function.
pub(crate) fn function(name: &str) -> Value {
    json!({
        "kind": "Function", "metadata": {"namespace": "shop", "name": name},
        "spec": {"contract": "lambda", "process": {"command": ["/bin/sh", "-c", "exit 1"]}},
    })
}

/// All that manifests compile to, of one version.
pub(crate) fn set(manifests: &[Value], resource_version: u64) -> UnitSet {
    let changes = manifests.iter().map(|manifest| {
        let kind = manifest["kind"].as_str().unwrap();
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == kind).unwrap();
        Change::Put(Object::decode(kind, manifest.clone()).unwrap())
    });
    let changes = Compiler::default().apply_all(changes).take_changes();
    let entries = changes.into_iter().filter_map(|change| match change {
        UnitChange::Put(unit) => Some((unit.id.clone(), Entry::Unit(unit))),
        UnitChange::Hold { id, stand_in } => Some((id, Entry::Held { stand_in })),
        UnitChange::Remove(_) => None,
    });
    UnitSet::new(entries.collect::<OrdMap<_, _>>(), resource_version)
}
