//! Objects at the largest sizes that the CRDs allow: the rules are evaluated to their end, within
//! what the API server gives them.

use serde_json::{Value, json};

use crate::{cluster, dry_run};

/// The API server takes requests of up to 3 MiB.
const REQUEST_MAX: usize = 3 << 20;

fn object(kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"},
        "spec": spec})
}

fn list(count: usize, item: impl Fn(usize) -> Value) -> Value {
    Value::Array((0..count).map(item).collect())
}

/// A host of 253 bytes.
fn host(n: usize) -> String {
    let labels = format!("{n:0>61}.{0}.{0}.{0}", "a".repeat(63));
    labels[..253].to_owned()
}

fn path(n: usize) -> String {
    let segment = "a".repeat(200);
    format!("/{n:0>180}/{segment}/{segment}/{segment}/{{rest+}}")
}

fn gateway() -> Value {
    let hosts = list(64, |n| json!(host(n)));
    object(
        "ApiGateway",
        &json!({
            "listeners": list(64, |n| json!({"name": format!("l{n}"), "port": 80,
                "protocol": "HTTP", "hostname": host(n), "address": "::ffff"})),
            "allow": list(64, |_| json!({"namespaces": "All", "hostnames": hosts})),
            "clientIp": {"trustedCidrs": list(64, |_| json!("2001:db8:1234:5678:9abc:def0:1234:0/112"))},
        }),
    )
}

fn route() -> Value {
    let matches = |rule: usize| {
        list(16, |n| {
            json!({"path": path(16 * rule + n), "method": "GET",
                "headers": list(16, |n| json!({"name": format!("x-{n:0>80}"), "value": ""}))})
        })
    };
    let backends = list(
        16,
        |_| json!({"service": {"name": "a", "port": 80}, "weight": 0}),
    );
    let mut spec = json!({
        "gateways": list(16, |_| json!({"name": "a".repeat(253)})),
        "hostnames": list(64, |n| json!(host(n))),
        "rules": list(64, |n| json!({"name": format!("r{n}"), "match": matches(n),
            "timeout": "15m", "backends": backends})),
    });
    for rule in spec["rules"].as_array_mut().unwrap() {
        rule["backends"][15] = json!({"url": format!("http://{}/{}", host(0), "a".repeat(1000))});
    }
    object("ApiRoute", &spec)
}

fn function() -> Value {
    object(
        "Function",
        &json!({"contract": "lambda", "timeout": "15m", "memory": "1Gi",
            "process": {"command": list(64, |_| json!("a".repeat(4096))),
                "env": list(64, |n| json!({"name": format!("V{n}"), "value": "a".repeat(32768)}))}}),
    )
}

#[test]
fn the_largest_objects_cost_no_more_than_the_server_gives() {
    for (name, object) in [
        ("gateway", gateway()),
        ("route", route()),
        ("function", function()),
    ] {
        let size = object.to_string().len();
        assert!(size > REQUEST_MAX / 3, "{name}: only {size} bytes");
        let answer = dry_run(cluster(), &object);
        assert_eq!(answer.status, 201, "{name}: {}", answer.text);
    }
}
