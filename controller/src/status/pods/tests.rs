//! Which pods count, and where a gateway is.

use serde_json::{Value, json};
use tollgate_compile::ObjectRef;

use super::*;

fn put(kind: Kind, manifest: Value) -> Change {
    Change::Put(Object::decode(kind, manifest).unwrap())
}

fn slice(name: &str, service: &str, endpoints: Value) -> Change {
    let manifest = json!({
        "metadata": {
            "namespace": "shop", "name": name,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
    });
    put(Kind::EndpointSlice, manifest)
}

fn endpoint(uid: &str, conditions: Value) -> Value {
    let target = json!({"kind": "Pod", "uid": uid});
    json!({"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": target})
}

fn public() -> ObjectName {
    ObjectName::new("shop", "public")
}

fn ready(pods: &Pods) -> Vec<String> {
    pods.ready(&public())
        .iter()
        .map(|pod| pod.to_string())
        .collect()
}

#[test]
fn ready_pods_of_all_slices_count_once() {
    let mut pods = Pods::default();
    let mut node = endpoint("node", json!({}));
    node["targetRef"]["kind"] = "Node".into();
    let first = json!([
        endpoint("a", json!({"ready": true})),
        endpoint("going", json!({"ready": false, "serving": true, "terminating": true})),
        endpoint("silent", json!({})),
        {"addresses": ["10.0.0.8"], "targetRef": {"uid": "trimmed"}},
        {"addresses": ["10.0.0.9"]},
        node,
    ]);
    let second = json!([
        endpoint("a", json!({"ready": true})),
        endpoint("b", json!({}))
    ]);
    assert_eq!(
        pods.take(&slice("one", "tollgate-public", first)),
        Some(public())
    );
    assert_eq!(
        pods.take(&slice("two", "tollgate-public", second)),
        Some(public())
    );
    assert_eq!(ready(&pods), ["a", "b", "silent", "trimmed"]);
    let gone = Change::Remove(ObjectRef::new(Kind::EndpointSlice, "shop", "one"));
    assert_eq!(pods.take(&gone), Some(public()));
    assert_eq!(ready(&pods), ["a", "b"]);
}

#[test]
fn slices_of_other_services_are_nobody_s() {
    let mut pods = Pods::default();
    let other = slice("one", "products", json!([endpoint("a", json!({}))]));
    assert!(!is_of_a_gateway(&other));
    assert_eq!(pods.take(&other), None);
    let gone = Change::Remove(ObjectRef::new(Kind::EndpointSlice, "shop", "one"));
    assert_eq!(pods.take(&gone), None);
}

#[test]
fn a_gateway_s_addresses_are_the_best_that_its_service_has() {
    let balanced =
        json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}});
    let spec = json!({"clusterIPs": ["10.0.0.10", "fd00::10"], "externalIPs": ["198.51.100.7"]});
    let rows = [
        (
            "balancer",
            spec.clone(),
            balanced,
            vec!["192.0.2.1", "lb.example"],
        ),
        ("external", spec, json!({}), vec!["198.51.100.7"]),
        (
            "cluster",
            json!({"clusterIPs": ["10.0.0.10"]}),
            json!({}),
            vec!["10.0.0.10"],
        ),
        (
            "headless",
            json!({"clusterIPs": ["None"]}),
            json!({}),
            vec![],
        ),
    ];
    for (name, spec, status, expected) in rows {
        let mut pods = Pods::default();
        let metadata = json!({"namespace": "shop", "name": "tollgate-public"});
        let service = json!({"metadata": metadata, "spec": spec, "status": status});
        let change = put(Kind::Service, service);
        assert!(is_of_a_gateway(&change), "{name}");
        assert_eq!(pods.take(&change), Some(public()), "{name}");
        assert_eq!(pods.addresses(&public()), expected, "{name}");
        let gone = Change::Remove(ObjectRef::new(Kind::Service, "shop", "tollgate-public"));
        pods.take(&gone);
        assert!(pods.addresses(&public()).is_empty(), "{name}");
    }
}
