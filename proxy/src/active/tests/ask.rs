//! Who asks beside the request path gets its answer.

use http::Method;
use tollgate_snapshot::ObjectName;

use super::{active, gateway, route};

#[test]
fn the_rule_that_takes_a_request_is_found_by_the_name_of_its_listener() {
    let listeners =
        "[{name: one, port: 80, protocol: HTTP}, {name: two, port: 81, protocol: HTTP}]";
    let hosts = "gateways: [{name: g, listener: two}], hostnames: [a.h], ";
    let rules = ["read: GET /a/{id}", "write: POST /a/{id}"];
    let active = active(&(gateway(listeners) + &route("name: r", hosts, &rules)));
    let g = ObjectName::new("default", "g");
    let found = |listener: &str, method: &Method, host: &str, path: &str| {
        let taker = active.routes(&g, listener)?.find(method, host, path)?;
        Some(format!("{}/{}", taker.route(), taker.rule()))
    };
    let rows = [
        (
            "read",
            "two",
            Method::GET,
            "a.h",
            "/a/1",
            Some("default/r/read"),
        ),
        (
            "write",
            "two",
            Method::POST,
            "a.h",
            "/a/1",
            Some("default/r/write"),
        ),
        ("another method", "two", Method::PUT, "a.h", "/a/1", None),
        ("another path", "two", Method::GET, "a.h", "/b", None),
        ("another host", "two", Method::GET, "b.h", "/a/1", None),
        ("another listener", "one", Method::GET, "a.h", "/a/1", None),
        (
            "no such listener",
            "three",
            Method::GET,
            "a.h",
            "/a/1",
            None,
        ),
    ];
    for (name, listener, method, host, path, expected) in rows {
        let found = found(listener, &method, host, path);
        assert_eq!(found.as_deref(), expected, "{name}");
    }
    assert!(
        active
            .routes(&ObjectName::new("default", "x"), "two")
            .is_none()
    );
}
