//! Objects as users write them.

use serde_json::{Value, json};

/// A gateway with one listener.
pub fn gateway(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiGateway",
           "metadata": {"namespace": namespace, "name": name},
           "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}})
}

/// A route of the gateway `public`, with the host `<name>.example`, that answers by itself.
pub fn route(namespace: &str, name: &str, body: &str) -> Value {
    route_at(namespace, name, &format!("{name}.example"), body)
}

/// A route of the gateway `public`, with a host of its own, that answers by itself.
pub fn route_at(namespace: &str, name: &str, host: &str, body: &str) -> Value {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
           "metadata": {"namespace": namespace, "name": name},
           "spec": {"gateways": [{"name": "public"}], "hostnames": [host],
                    "rules": [{"name": "all", "match": [{"path": "/{rest+}"}],
                               "respond": {"status": 200, "body": body}}]}})
}
