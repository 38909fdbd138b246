//! The objects that the benches put in front of Tollgate.
//!
//! In: ports and numbers. Out: manifests as JSON values, for the compiler directly and as files for
//! the proxy. All routes are on one host, the hardest case for the table; each has one rule.

use std::fmt::Write;

use serde_json::{Value, json};

/// The host of every route made by [`numbered_route`].
pub(crate) const HOST: &str = "api.example.com";

/// A gateway with one listener on loopback.
pub(crate) fn gateway(port: u16, access_log: bool) -> Value {
    json!({
        "apiVersion": "tollgate.dev/v1alpha1",
        "kind": "ApiGateway",
        "metadata": {"name": "public", "namespace": "default"},
        "spec": {
            "listeners": [
                {"name": "http", "port": port, "protocol": "HTTP", "address": "127.0.0.1"}
            ],
            "accessLog": {"enabled": access_log}
        }
    })
}

/// The Service that every route forwards to.
pub(crate) fn service(upstream: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "products", "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": upstream}]}
    })
}

/// Its one endpoint, on loopback.
pub(crate) fn endpoints(upstream: u16) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "products-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "products"}
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": upstream, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]
    })
}

/// The one route of the plain proxying benches, on any host: `/v1/products/ID` fits it.
#[allow(dead_code, reason = "not every program of the bench proxies")]
pub(crate) fn plain_route() -> Value {
    route("products", None, "/products/{id}")
}

/// Route `n` of many on [`HOST`]; no two take the same requests. `/v1/apis/N/items/ID` fits it.
pub(crate) fn numbered_route(n: usize) -> Value {
    route(
        &format!("api-{n}"),
        Some(HOST),
        &format!("/apis/{n}/items/{{id}}"),
    )
}

fn route(name: &str, host: Option<&str>, path: &str) -> Value {
    let mut route = json!({
        "apiVersion": "tollgate.dev/v1alpha1",
        "kind": "ApiRoute",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "gateways": [{"name": "public"}],
            "basePath": "/v1",
            "rules": [{
                "name": "item",
                "match": [{"method": "GET", "path": path}],
                "backends": [{"service": {"name": "products", "port": 80}}]
            }]
        }
    });
    if let Some(host) = host {
        route["spec"]["hostnames"] = json!([host]);
    }
    route
}

/// The objects as one file of YAML documents (JSON is YAML).
#[allow(dead_code, reason = "not every program of the bench writes files")]
pub(crate) fn manifest(objects: &[Value]) -> String {
    objects.iter().fold(String::new(), |mut text, object| {
        // Writing to a String never fails.
        let _ = writeln!(text, "---\n{object}");
        text
    })
}

#[cfg(test)]
mod tests {
    use tollgate_compile::{Kind, Object};

    use super::*;

    #[test]
    fn every_object_decodes_as_its_kind() {
        let rows = [
            (Kind::ApiGateway, gateway(8080, true)),
            (Kind::Service, service(8081)),
            (Kind::EndpointSlice, endpoints(8081)),
            (Kind::ApiRoute, plain_route()),
            (Kind::ApiRoute, numbered_route(7)),
        ];
        for (kind, manifest) in rows {
            assert_eq!(manifest["kind"], kind.as_str());
            let version = manifest["apiVersion"].as_str().unwrap();
            assert!(kind.api_versions().contains(&version), "{version}");
            let object = Object::decode(kind, manifest).unwrap();
            assert_eq!(object.reference().kind, kind);
        }
    }
}
