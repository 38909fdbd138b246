//! ApiRoute: a REST API as hostnames, a base path and named rules.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{
    integrate::{Backend, Redirect, Respond, Rewrite},
    reference::GatewayRef,
    route::Match,
    status::ApiRouteStatus,
    value::Duration,
};

/// A REST API: which gateways serve it, under which hosts and paths, and what answers.
#[derive(CustomResource, Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "tollgate.dev",
    version = "v1alpha1",
    kind = "ApiRoute",
    plural = "apiroutes",
    shortname = "aroute",
    category = "tollgate",
    namespaced,
    status = "ApiRouteStatus",
    derive = "PartialEq",
    doc = "A REST API: which gateways serve it, under which hosts and paths, and what answers.",
    printcolumn(name = "Hostnames", type_ = "string", json_path = ".spec.hostnames"),
    printcolumn(
        name = "Gateway",
        type_ = "string",
        json_path = ".spec.gateways[0].name"
    ),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Accepted")].status"#
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ApiRouteSpec {
    /// The gateways that serve this API.
    #[schemars(length(min = 1, max = 16))]
    pub gateways: Vec<GatewayRef>,
    /// Hosts under which it is served, each exact or with a leading `*.` for every host below. A
    /// host is served at a listener only as far as the listener's own hostname covers it. Default:
    /// any host, tried after routes that name theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 1, max = 253),
            regex(
                pattern = "^(\\*\\.)?[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$"
            )
        )
    )]
    #[x_kube(validation = crate::rule::hosts())]
    pub hostnames: Vec<String>,
    /// Literal path in front of the paths of all rules. It is forwarded with them. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^/"))]
    #[x_kube(validation = crate::rule::literal_path(), validation = crate::rule::no_dots())]
    pub base_path: Option<String>,
    /// What holds for every rule that does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// The rules, each with a name of its own.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub rules: Vec<RouteRule>,
}

/// What holds for every rule that does not say otherwise.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// See the rule's `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = crate::rule::timeout())]
    pub timeout: Option<Duration>,
}

/// Some requests and what answers them: exactly one of `backends`, `respond` and `redirect`.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "[has(self.backends), has(self.respond), has(self.redirect)].filter(x, x).size() == 1"
).message("exactly one of backends, respond and redirect"))]
#[x_kube(validation = kube::core::Rule::new(
    "!has(self.rewrite) || has(self.backends)"
).message("rewrite goes with backends"))]
pub struct RouteRule {
    /// Name, unique in this ApiRoute. Logs and status show it.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The requests that this rule takes: those that fit any of these.
    #[serde(rename = "match")]
    #[schemars(length(min = 1, max = 16))]
    pub matches: Vec<Match>,
    /// What answers: one backend, or several that share the requests by weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = kube::core::Rule::new(
        "self.exists(backend, backend.?weight.orValue(1) > 0)"
    ).message("at least one backend needs a weight above 0"))]
    pub backends: Option<Vec<Backend>>,
    /// A fixed answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond: Option<Respond>,
    /// An answer that sends the client elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// A change of the path before it is forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    /// Longest time from the end of the request's head to the head of the answer, time in queues
    /// included; up to 15m. Default: the route's `defaults.timeout`, else the gateway's
    /// `limits.requestTimeout`. Longer: 504, or 408 when the client was late with its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = crate::rule::timeout())]
    pub timeout: Option<Duration>,
}
