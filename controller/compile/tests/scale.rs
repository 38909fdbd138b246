//! Ten thousand routes on one host: an edit touches what it must and nothing else. The times are
//! printed (`cargo test --release -p tollgate-compile -- --nocapture`), not judged: benches do
//! that.

#![allow(clippy::unwrap_used, reason = "a broken fixture fails its test")]

use std::time::Instant;

use serde_json::json;
use tollgate_compile::{Change, Compiler, Kind, Object, ObjectRef, Reason, Standing};

const ROUTES: usize = 10_000;

fn gateway(header_count: u32) -> Change {
    let manifest = json!({
        "metadata": {"name": "public", "namespace": "shop"},
        "spec": {
            "listeners": [{"name": "http", "port": 8080, "protocol": "HTTP"}],
            "limits": {"headerCount": header_count},
        },
    });
    Change::Put(Object::decode(Kind::ApiGateway, manifest).unwrap())
}

fn service() -> Change {
    let manifest = json!({
        "metadata": {"name": "products", "namespace": "shop"},
        "spec": {"ports": [{"name": "web", "port": 80}]},
    });
    Change::Put(Object::decode(Kind::Service, manifest).unwrap())
}

fn route(i: usize, path: &str) -> Change {
    let manifest = json!({
        "metadata": {"name": format!("route-{i}"), "namespace": "shop"},
        "spec": {
            "gateways": [{"name": "public"}],
            "hostnames": ["api.example.com"],
            "basePath": format!("/v1/team-{}", i % 100),
            "rules": [{
                "name": "get",
                "match": [{"method": "GET", "path": path}],
                "backends": [{"service": {"name": "products", "port": "web"}}],
            }],
        },
    });
    Change::Put(Object::decode(Kind::ApiRoute, manifest).unwrap())
}

fn changes() -> Vec<Change> {
    let routes = (0..ROUTES).map(|i| route(i, &format!("/products-{i}/{{id}}")));
    routes.chain([gateway(100), service()]).collect()
}

#[test]
fn one_edit_among_ten_thousand_routes_touches_one_unit() {
    let changes = changes();
    let start = Instant::now();
    let mut compiler = Compiler::default();
    let delta = compiler.apply_all(changes);
    println!("{ROUTES} routes: {:?}", start.elapsed());
    assert_eq!(delta.units.len(), ROUTES + 2);

    let edit = route(5_000, "/other/{id}");
    let start = Instant::now();
    let delta = compiler.apply(edit);
    println!("one edit: {:?}", start.elapsed());
    let units: Vec<_> = delta.units.keys().map(ToString::to_string).collect();
    assert_eq!(units, ["route/shop/route-5000"]);

    let twin = route(0, "/products-100/{id}");
    let start = Instant::now();
    let delta = compiler.apply(twin);
    println!(
        "one edit that takes over another route's requests: {:?}",
        start.elapsed()
    );
    let concerned: Vec<_> = delta.problems.keys().cloned().collect();
    assert_eq!(
        concerned,
        [ObjectRef::new(Kind::ApiRoute, "shop", "route-100")]
    );

    let start = Instant::now();
    let delta = compiler.apply(gateway(50));
    println!("one edit of the gateway's limits: {:?}", start.elapsed());
    assert_eq!(delta.units.len(), 1);
}

#[test]
fn ten_thousand_routes_one_by_one_are_the_same() {
    let changes = changes();
    let together = tollgate_compile::compile(changes.clone());
    let start = Instant::now();
    let mut compiler = Compiler::default();
    for change in changes {
        compiler.apply(change);
    }
    println!(
        "{ROUTES} routes one by one, gateway last: {:?}",
        start.elapsed()
    );
    assert!(compiler.compiled() == together);
}

/// A host of 253 bytes.
fn host(n: usize) -> String {
    let labels = format!("{n:0>61}.{0}.{0}.{0}", "a".repeat(63));
    labels[..253].to_owned()
}

/// A route of 17 KB, which each of 64 listeners of each gateway serves under all its hosts.
fn multiplied(gateways: usize) -> Change {
    let gateways: Vec<_> = (0..gateways)
        .map(|n| json!({"name": format!("g{n}")}))
        .collect();
    let manifest = json!({
        "metadata": {"name": "multiplied", "namespace": "shop"},
        "spec": {
            "gateways": gateways,
            "hostnames": (0..64).map(host).collect::<Vec<_>>(),
            "rules": [{"name": "all", "match": [{"path": "/"}], "respond": {"status": 204}}],
        },
    });
    Change::Put(Object::decode(Kind::ApiRoute, manifest).unwrap())
}

#[test]
fn a_route_that_is_too_large_to_be_sent_is_held_and_says_so() {
    let gateways = (0..8).map(|n| {
        let listeners =
            (0..64).map(|n| json!({"name": format!("l{n}"), "port": 8000 + n, "protocol": "HTTP"}));
        let manifest = json!({
            "metadata": {"name": format!("g{n}"), "namespace": "shop"},
            "spec": {"listeners": listeners.collect::<Vec<_>>()},
        });
        Change::Put(Object::decode(Kind::ApiGateway, manifest).unwrap())
    });
    let mut compiler = Compiler::default();
    compiler.apply_all(gateways);
    let delta = compiler.apply(multiplied(2));
    assert!(
        delta
            .units
            .values()
            .all(|unit| matches!(unit, Some(Standing::Unit(_))))
    );

    let delta = compiler.apply(multiplied(8));
    let standings: Vec<_> = delta.units.into_values().collect();
    assert_eq!(standings, [Some(Standing::Held { stand_in: None })]);
    let problems: Vec<_> = delta.problems.into_values().flatten().collect();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].reason, Reason::Invalid);
    let text = problems[0].to_string();
    assert!(
        text.starts_with("ApiRoute shop/multiplied: compiles to 8"),
        "{text}"
    );
    assert!(
        text.ends_with("at most 4194304 can be sent; divide it"),
        "{text}"
    );

    let delta = compiler.apply(multiplied(1));
    assert!(delta.problems.into_values().flatten().next().is_none());
}

#[test]
fn a_route_with_too_large_rules_keeps_its_place() {
    let gateway = gateway(100);
    let rules = (0..64).map(|n| {
        // What the schema refuses, a cluster may hold from before it did.
        json!({"name": format!("r{n}"), "match": [{"path": format!("/{n}")}],
               "respond": {"status": 200, "body": "x".repeat(200_000)}})
    });
    let manifest = json!({
        "metadata": {"name": "wordy", "namespace": "shop"},
        "spec": {"gateways": [{"name": "public"}], "rules": rules.collect::<Vec<_>>()},
    });
    let route = Change::Put(Object::decode(Kind::ApiRoute, manifest).unwrap());
    let compiled = tollgate_compile::compile([gateway, route]);
    let held: Vec<_> = compiled.held.into_values().collect();
    assert!(matches!(&held[..], [Some(_)]), "{held:?}");
}
