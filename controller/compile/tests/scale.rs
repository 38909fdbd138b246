//! Ten thousand routes on one host: an edit touches what it must and nothing else. The times are
//! printed (`cargo test --release -p tollgate-compile -- --nocapture`), not judged: benches do
//! that.

#![allow(clippy::unwrap_used, reason = "a broken fixture fails its test")]

use std::time::Instant;

use serde_json::json;
use tollgate_compile::{Change, Compiler, Kind, Object, ObjectRef};

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
