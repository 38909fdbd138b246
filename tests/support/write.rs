//! Manifests as tests write them: short, with defaults.

use std::net::SocketAddr;

/// A gateway with one listener, on which `rules` (YAML of a rule list, indented by two) are served
/// for any host.
pub fn gateway_with(rules: &str) -> String {
    format!("{}---\n{}", gateway("{}"), route("r", "", rules))
}

/// A gateway `g` with one listener `http` and these limits (YAML flow).
pub fn gateway(limits: &str) -> String {
    format!(
        "apiVersion: tollgate.dev/v1alpha1\nkind: ApiGateway\nmetadata: {{name: g}}\nspec:\n  \
         listeners: [{{name: http, port: 80, protocol: HTTP}}]\n  limits: {limits}\n"
    )
}

/// A route of the gateway `g`, with more fields of its spec and its rules, both indented by two.
pub fn route(name: &str, more: &str, rules: &str) -> String {
    format!(
        "apiVersion: tollgate.dev/v1alpha1\nkind: ApiRoute\nmetadata: {{name: {name}}}\nspec:\n  \
         gateways: [{{name: g}}]\n{more}  rules:\n{rules}\n"
    )
}

/// A Service and its EndpointSlice, port 80, with these endpoints.
pub fn service(name: &str, endpoints: &[SocketAddr]) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{name: \
         http, port: 80}}]}}\n"
    );
    for (index, endpoint) in endpoints.iter().enumerate() {
        text.push_str(&format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: \
             {name}-{index}, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\n\
             ports: [{{name: http, port: {}}}]\nendpoints: [{{addresses: [\"{}\"]}}]\n",
            endpoint.port(),
            endpoint.ip()
        ));
    }
    text
}

/// A gateway whose one rule, `all`, forwards everything to a service with this endpoint.
pub fn forwarding_to(endpoint: SocketAddr) -> String {
    gateway_with(
        "  - {name: all, match: [{path: \"/{rest+}\"}, {path: /}], backends: [{service: {name: \
         up, port: 80}}]}",
    ) + &service("up", &[endpoint])
}
