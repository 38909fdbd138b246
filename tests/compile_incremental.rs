//! Compile has no history: whatever the edits that led to some objects, the result is that of
//! compiling those objects from scratch; and its deltas, replayed, give that result.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::select,
    test_runner::TestCaseError,
};
use tollgate_compile::{
    Change, Compiled, Compiler, Delta, Kind, Object, ObjectRef, Standing, compile,
};
use tollgate_tests::{manifests, property::runner};

/// Objects of few names and few ways to differ, so that they meet.
fn object() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => route(),
        2 => gateway(),
        1 => service(),
        1 => slice(),
        1 => function(),
        1 => described_namespace(),
        1 => grant(),
    ]
}

fn namespace() -> impl Strategy<Value = &'static str> {
    select(vec!["shop", "shop", "shop", "infra"])
}

fn metadata() -> impl Strategy<Value = String> {
    let created = select(vec![
        "",
        ", creationTimestamp: \"2026-01-01T00:00:00Z\"",
        ", creationTimestamp: \"2026-02-01T00:00:00Z\"",
    ]);
    (select(vec!["a", "b", "c"]), namespace(), created).prop_map(|(name, namespace, created)| {
        format!("{{name: {name}, namespace: {namespace}{created}}}")
    })
}

/// Mostly the first, so that most objects are well-formed and meet.
fn mostly(usual: &[&'static str], slips: &[&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => select(usual.to_vec()), 1 => select(slips.to_vec())]
}

fn route() -> impl Strategy<Value = String> {
    let gateways = mostly(
        &[
            "[{name: a}]",
            "[{name: a}, {name: b}]",
            "[{name: a}, {name: b, listener: two}]",
            "[{name: a, namespace: infra}]",
        ],
        &["[{name: a, namespace: infra}, {name: c}]", "[]"],
    );
    let hosts = mostly(
        &[
            "[]",
            "[a.example.com]",
            "[\"*.example.com\", b.example.com]",
        ],
        &["[-]", "5"],
    );
    let base = mostly(&["/v1", "/"], &["//", "/{x}", "7"]);
    let rules = (rule("one"), rule("two"), rule("three"), 0..4_usize);
    let rules = rules.prop_map(|(one, two, three, count)| [one, two, three][..count].join(", "));
    (metadata(), gateways, hosts, base, rules).prop_map(
        |(metadata, gateways, hosts, base, rules)| {
            format!(
                "apiVersion: tollgate.dev/v1alpha1\nkind: ApiRoute\nmetadata: {metadata}\nspec:\n  gateways: {gateways}\n  hostnames: {hosts}\n  basePath: {base}\n  rules: [{rules}]\n"
            )
        },
    )
}

fn rule(name: &'static str) -> impl Strategy<Value = String> {
    let name = prop_oneof![19 => select(vec![name]), 1 => select(vec!["one"])];
    let path = mostly(&["/x", "/x/{id}", "/x/{name}", "/v1/x"], &["/x//y"]);
    let action = mostly(
        &[
            "respond: {status: 200}",
            "backends: [{service: {name: a, port: 80}}]",
            "backends: [{service: {name: b, port: web}}]",
            "backends: [{function: {name: a}}, {service: {name: c, port: 80}}]",
            "backends: [{service: {name: a, namespace: infra, port: 80}}]",
            "backends: [{function: {name: a, namespace: infra}}]",
        ],
        &["backends: {}"],
    );
    (name, path, action).prop_map(|(name, path, action)| {
        format!("{{name: {name}, match: [{{path: \"{path}\"}}], {action}}}")
    })
}

fn gateway() -> impl Strategy<Value = String> {
    let listeners = mostly(
        &[
            "[{name: one, port: 80, protocol: HTTP}]",
            "[{name: one, port: 80, protocol: HTTP, hostname: \"*.example.com\"}, {name: two, port: 81, protocol: HTTP}]",
        ],
        &[
            "[{name: one, port: 80, protocol: HTTP, hostname: \"-\"}]",
            "[{name: one, port: 80, protocol: HTTP}, {name: one, port: 80, protocol: HTTP}]",
            "[{name: two, port: x, protocol: HTTP}]",
            "5",
        ],
    );
    let allow = mostly(
        &[
            "[]",
            "[{namespaces: All}]",
            "[{namespaces: All, hostnames: [a.example.com]}]",
            "[{namespaces: Selector, selector: {matchLabels: {team: x}}}]",
            "[{namespaces: Same}, {namespaces: Selector, selector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}, hostnames: [\"*.example.com\"]}]",
        ],
        &["[{namespaces: None}]", "[{namespaces: Selector}]"],
    );
    let count = mostly(&["1", "2"], &["0"]);
    (metadata(), listeners, allow, count).prop_map(|(metadata, listeners, allow, count)| {
        format!(
            "apiVersion: tollgate.dev/v1alpha1\nkind: ApiGateway\nmetadata: {metadata}\nspec:\n  listeners: {listeners}\n  allow: {allow}\n  limits: {{headerCount: {count}}}\n"
        )
    })
}

fn service() -> impl Strategy<Value = String> {
    let spec = select(vec![
        "{ports: [{port: 80}]}",
        "{ports: [{name: web, port: 80}, {name: admin, port: 81}]}",
        "{ports: [{name: web, port: 8080}]}",
        "{ports: [{name: web, port: 0}]}",
        "{type: ExternalName, externalName: a.example.com}",
        "{ports: 5}",
    ]);
    (metadata(), spec).prop_map(|(metadata, spec)| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {metadata}\nspec: {spec}\n")
    })
}

fn slice() -> impl Strategy<Value = String> {
    let names = (
        select(vec!["a", "b", "c"]),
        namespace(),
        select(vec!["a", "b", "c"]),
    );
    let ports = select(vec![
        "[{port: 8080}]",
        "[{name: web, port: 8080}]",
        "[]",
        "5",
    ]);
    let address = select(vec!["10.0.0.1", "10.0.0.2", "x"]);
    let text = |(names, ports, address, ready)| {
        let (name, namespace, service): (&str, &str, &str) = names;
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, \
             namespace: {namespace}, labels: {{kubernetes.io/service-name: {service}}}}}\n\
             addressType: IPv4\nports: {ports}\nendpoints: [{{addresses: [{address}], \
             conditions: {{ready: {ready}, serving: true, terminating: true}}}}]\n"
        )
    };
    (names, ports, address, any::<bool>()).prop_map(text)
}

fn function() -> impl Strategy<Value = String> {
    let spec = select(vec![
        "{contract: lambda, process: {command: [x]}}",
        "{contract: lambda, process: {command: [x]}, concurrency: 2}",
        "{contract: http, process: {command: [x]}}",
        "{contract: other}",
    ]);
    (metadata(), spec).prop_map(|(metadata, spec)| {
        format!("apiVersion: tollgate.dev/v1alpha1\nkind: Function\nmetadata: {metadata}\nspec: {spec}\n")
    })
}

fn described_namespace() -> impl Strategy<Value = String> {
    let labels = mostly(&["{}", "{team: x}", "{team: y}"], &["{team: 5}"]);
    (namespace(), labels).prop_map(|(name, labels)| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n")
    })
}

fn grant() -> impl Strategy<Value = String> {
    let from = mostly(
        &[
            "[{group: tollgate.dev, kind: ApiRoute, namespace: shop}]",
            "[{group: tollgate.dev, kind: ApiRoute, namespace: infra}]",
            "[{group: apps, kind: ApiRoute, namespace: shop}]",
        ],
        &["[]", "5"],
    );
    let to = mostly(
        &[
            "[{group: \"\", kind: Service}, {group: tollgate.dev, kind: Function}]",
            "[{group: \"\", kind: Service, name: a}]",
            "[{group: tollgate.dev, kind: Function, name: b}]",
        ],
        &["[{kind: Service}]"],
    );
    let names = (
        select(vec!["a", "b"]),
        select(vec!["infra", "infra", "shop"]),
    );
    (names, from, to).prop_map(|((name, namespace), from, to)| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  from: {from}\n  to: {to}\n"
        )
    })
}

fn removal() -> impl Strategy<Value = Change> {
    let names = (namespace(), select(vec!["a", "b", "c"]));
    (select(Kind::ALL.to_vec()), names).prop_map(|(kind, (namespace, name))| {
        Change::Remove(match kind.is_namespaced() {
            true => ObjectRef::new(kind, namespace, name),
            false => ObjectRef::new(kind, "", namespace),
        })
    })
}

fn edit() -> impl Strategy<Value = Change> {
    let put = object().prop_filter_map("not a manifest", |text| manifests::changes(&text).pop());
    prop_oneof![4 => put, 1 => removal()]
}

fn name(change: &Change) -> ObjectRef {
    match change {
        Change::Put(object) => object.reference(),
        Change::Refuse { object, .. } | Change::Remove(object) => object.clone(),
    }
}

fn replay(delta: Delta, onto: &mut Compiled) {
    for (id, standing) in delta.units {
        onto.units.remove(&id);
        onto.held.remove(&id);
        match standing {
            Some(Standing::Unit(unit)) => drop(onto.units.insert(id, unit)),
            Some(Standing::Held { stand_in }) => drop(onto.held.insert(id, stand_in)),
            None => {}
        }
    }
    for (object, problems) in delta.problems {
        match problems.is_empty() {
            true => drop(onto.problems.remove(&object)),
            false => drop(onto.problems.insert(object, problems)),
        }
    }
}

fn check(batches: Vec<Vec<Change>>) -> Result<(), TestCaseError> {
    let mut compiler = Compiler::default();
    let mut objects = BTreeMap::new();
    let mut replayed = Compiled::default();
    for batch in batches {
        for change in &batch {
            objects.insert(name(change), change.clone());
        }
        replay(compiler.apply_all(batch), &mut replayed);
        let scratch = compile(objects.values().cloned());
        proptest::prop_assert_eq!(&compiler.compiled(), &scratch);
        proptest::prop_assert_eq!(&replayed, &scratch);
    }
    Ok(())
}

#[test]
fn any_edits_lead_to_what_a_start_from_scratch_gives() {
    let edits = vec(edit().prop_map(|change| vec![change]), 1..40);
    runner(96).run(&edits, check).unwrap();
}

#[test]
fn edits_taken_together_lead_to_the_same() {
    let batches = vec(vec(edit(), 1..12), 1..8);
    runner(48).run(&batches, check).unwrap();
}

#[test]
fn an_edit_that_changes_nothing_says_nothing() {
    let objects = vec(edit(), 1..20);
    let outcome = runner(48).run(&objects, |changes| {
        let mut compiler = Compiler::default();
        compiler.apply_all(changes.clone());
        let mut last = BTreeMap::new();
        for change in changes {
            last.insert(name(&change), change);
        }
        let again = compiler.apply_all(last.into_values());
        proptest::prop_assert_eq!(again, Delta::default());
        Ok(())
    });
    outcome.unwrap();
}

const CALLS_STOCK: &str = "\
apiVersion: v1
kind: Service
metadata: {name: a, namespace: stock}
spec: {ports: [{port: 80}]}
---
apiVersion: tollgate.dev/v1alpha1
kind: ApiGateway
metadata: {name: a, namespace: shop}
spec: {listeners: [{name: one, port: 80, protocol: HTTP}]}
---
apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: a, namespace: shop}
spec:
  gateways: [{name: a}, {name: b}, {name: c, namespace: stock}]
  rules: [{name: one, match: [{path: /}], backends: [{service: {name: a, namespace: stock,
    port: 80}}]}]
";

const GRANT: &str = "\
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: a, namespace: stock}
spec:
  from: [{group: tollgate.dev, kind: ApiRoute, namespace: shop}]
  to: [{group: \"\", kind: Service}]
";

/// Whether each unit that a delta names is there after it.
fn there(delta: &Delta) -> Vec<(String, bool)> {
    let units = delta.units.iter();
    let there = units.map(|(id, unit)| (id.to_string(), unit.is_some()));
    there.collect()
}

#[test]
fn a_grant_opens_a_rule_and_its_removal_closes_it_again() {
    let mut compiler = Compiler::default();
    compiler.apply_all(manifests::changes(CALLS_STOCK));
    let closed = compiler.compiled();
    let opened = compiler.apply_all(manifests::changes(GRANT));
    let (route, endpoints) = ("route/shop/a".to_owned(), "endpoints/stock/a".to_owned());
    assert_eq!(
        there(&opened),
        [(route.clone(), true), (endpoints.clone(), true)]
    );
    let grant = ObjectRef::new(Kind::ReferenceGrant, "stock", "a");
    let shut = compiler.apply(Change::Remove(grant));
    assert_eq!(there(&shut), [(route, true), (endpoints, false)]);
    assert_eq!(compiler.compiled(), closed);
}

#[test]
fn labels_that_no_gateway_looks_at_are_no_news() {
    let mut compiler = Compiler::default();
    compiler.apply_all(manifests::changes(CALLS_STOCK));
    let labels = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: x}}\n";
    assert_eq!(
        compiler.apply_all(manifests::changes(labels)),
        Delta::default()
    );
}

#[test]
fn the_gateways_of_a_route_are_those_that_it_names_and_that_exist() {
    let mut compiler = Compiler::default();
    compiler.apply_all(manifests::changes(CALLS_STOCK));
    let route = ObjectRef::new(Kind::ApiRoute, "shop", "a");
    let gateway = ObjectRef::new(Kind::ApiGateway, "shop", "a");
    let only = BTreeSet::from([gateway.name.clone()]);
    assert_eq!(compiler.gateways(&route.name), only);
    assert!(compiler.unit(&route).is_some());
    let broken = CALLS_STOCK.replace("name: one, match", "name: 5, match");
    compiler.apply_all(manifests::changes(&broken));
    assert_eq!(compiler.gateways(&route.name), only);
    assert_eq!(compiler.unit(&route), None);
    compiler.apply(Change::Remove(gateway));
    assert!(compiler.gateways(&route.name).is_empty());
}

const READ_SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: a, namespace: shop}
spec:
  gateways: [{name: a}]
  rules: [{name: one, match: [{path: /}], backends: [{service: {name: a, port: 80}}]}]
";

const SLICE: &str = "\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, namespace: shop, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
";

/// What an edit costs shows in what it says: a pod that comes or goes is no news for routes.
#[test]
fn a_slice_touches_the_endpoints_alone() {
    let mut compiler = Compiler::default();
    compiler.apply_all(manifests::changes(READ_SERVICE));
    let delta = compiler.apply_all(manifests::changes(SLICE));
    let units: Vec<_> = delta.units.keys().map(ToString::to_string).collect();
    assert_eq!(units, ["endpoints/shop/a"]);
    assert!(delta.problems.is_empty());
}

#[test]
fn a_service_has_a_unit_only_while_a_route_reads_it() {
    let mut compiler = Compiler::default();
    compiler.apply_all(manifests::changes(READ_SERVICE));
    let delta = compiler.apply(Change::Remove(ObjectRef::new(Kind::ApiRoute, "shop", "a")));
    let units = delta.units.iter();
    let units: Vec<_> = units
        .map(|(id, unit)| (id.to_string(), unit.is_some()))
        .collect();
    let gone = [("route/shop/a", false), ("endpoints/shop/a", false)];
    assert_eq!(units, gone.map(|(id, there)| (id.to_owned(), there)));
}

const TWINS: &str = "\
apiVersion: tollgate.dev/v1alpha1
kind: ApiGateway
metadata: {name: a, namespace: shop}
spec:
  listeners: [{name: http, port: 8080, protocol: HTTP}]
---
apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: older, namespace: shop, creationTimestamp: \"2026-01-01T00:00:00Z\"}
spec:
  gateways: [{name: a}]
  rules: [{name: one, match: [{path: /}], respond: {status: 200}}]
---
apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: mine, namespace: shop}
spec:
  gateways: [{name: a}]
  rules: [{name: one, match: [{path: /}], respond: {status: 200}}]
";

#[test]
fn a_warning_goes_with_the_older_twin_that_it_names() {
    let mut compiler = Compiler::default();
    let mine = ObjectRef::new(Kind::ApiRoute, "shop", "mine");
    let before = compiler.apply_all(manifests::changes(TWINS));
    assert_eq!(before.problems.keys().collect::<Vec<_>>(), [&mine]);
    let older = ObjectRef::new(Kind::ApiRoute, "shop", "older");
    let after = compiler.apply(Change::Remove(older));
    assert_eq!(
        after.problems.into_iter().collect::<Vec<_>>(),
        [(mine, Vec::new())]
    );
}

#[test]
fn an_object_reads_back_under_its_name() {
    let put = manifests::changes("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n").pop();
    let Some(Change::Put(object)) = put else {
        panic!("not read")
    };
    assert!(matches!(object, Object::Service(_)));
    assert_eq!(object.reference().to_string(), "Service default/a");
}
