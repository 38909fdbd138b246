//! ApiGateway: where requests come in, who may attach routes, and the bounds put on every request.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    status::ApiGatewayStatus,
    value::{Duration, Size},
};

/// A gateway: its listeners, who may attach routes to it, and what holds for every request.
#[derive(CustomResource, Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "tollgate.dev",
    version = "v1alpha1",
    kind = "ApiGateway",
    plural = "apigateways",
    shortname = "apigw",
    category = "tollgate",
    namespaced,
    status = "ApiGatewayStatus",
    derive = "PartialEq",
    doc = "A gateway: its listeners, who may attach routes to it, and what holds for every request.",
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
    printcolumn(name = "Address", type_ = "string", json_path = ".status.addresses[0]"),
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
pub struct ApiGatewaySpec {
    /// Where requests come in, each with a name of its own. Two listeners may share a port when
    /// their hostnames differ.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]),
        validation = kube::core::Rule::new(
            "self.all(a, self.exists_one(b, a.port == b.port && (has(a.address) ? has(b.address) && a.address == b.address : !has(b.address)) && (has(a.hostname) ? has(b.hostname) && a.hostname == b.hostname : !has(b.hostname))))"
        ).message("two listeners have the same address, port and hostname")
    )]
    pub listeners: Vec<Listener>,
    /// From which namespaces ApiRoutes may attach, and under which hosts; any entry admits.
    /// Default: the gateway's own namespace, under any host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub allow: Vec<Allow>,
    /// Whose word counts for the client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<ClientIp>,
    /// Bounds on every request. Each has a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// One log line for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
}

/// One port and hostname on which the gateway takes requests.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name, unique in this gateway. Routes can name it, logs and metrics show it.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// TCP port, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// What is spoken on the port. `HTTP`: HTTP/1.1, and HTTP/2 by prior knowledge.
    pub protocol: Protocol,
    /// Serves only this host, or with a leading `*.` every host below it. Default: any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(
            pattern = "^(\\*\\.)?[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$"
        )
    )]
    #[x_kube(validation = crate::rule::host())]
    pub hostname: Option<String>,
    /// IP address to bind. Default: 127.0.0.1 standalone, every address in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 45))]
    #[x_kube(validation = kube::core::Rule::new("isIP(self)").message("not an IP address"))]
    pub address: Option<String>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Protocol {
    /// HTTP/1.1 and h2c by prior knowledge, in clear.
    HTTP,
}

/// Admits the routes of some namespaces, under some hosts or under any.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "has(self.selector) == (self.namespaces == 'Selector')"
).message("selector goes with namespaces: Selector, and only with it"))]
pub struct Allow {
    /// `Same`: the gateway's own namespace. `All`: every namespace. `Selector`: those that
    /// `selector` selects.
    pub namespaces: Namespaces,
    /// The namespaces, by their labels. Every namespace has the label
    /// `kubernetes.io/metadata.name`, with its name as the value; nobody can give it another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
    /// What these namespaces may claim: hosts, each exact or with a leading `*.` for every host
    /// below. A route is served only under those of its hosts that an entry for its namespace
    /// covers, and a route that names no host needs an entry without `hostnames`. Default: any
    /// host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 253),
            regex(
                pattern = "^(\\*\\.)?[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$"
            )
        )
    )]
    #[x_kube(validation = crate::rule::hosts())]
    pub hostnames: Option<Vec<String>>,
}

/// A choice of namespaces.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Namespaces {
    /// The gateway's own namespace.
    Same,
    /// Every namespace.
    All,
    /// Those with certain labels.
    Selector,
}

/// Selects namespaces by their labels: all that is said here must hold. It works as the label
/// selectors of Kubernetes
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>),
/// but an empty one is refused: to admit every namespace is `namespaces: All`.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)"
).message("at least one of matchLabels and matchExpressions; every namespace is namespaces: All"))]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::value::short_texts")]
    pub match_labels: BTreeMap<String, String>,
    /// What else must hold of the labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// What must hold of one label.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)"
).message("values go with In and NotIn, and only with them"))]
pub struct LabelRequirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = kube::core::Rule::new(
        "!format.qualifiedName().validate(self).hasValue()"
    ).message("not the key of a label"))]
    pub key: String,
    /// How the label is looked at.
    pub operator: LabelOperator,
    /// The values of `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label is looked at.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum LabelOperator {
    /// It is there, with one of the values.
    In,
    /// It is not there, or with none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// Whose word counts for the client's address.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientIp {
    /// Proxies in front of this gateway. A peer with an address in one of these networks is
    /// believed: the client's address is the right-most one of `X-Forwarded-For` that is in none of
    /// them, and its `X-Forwarded-*` and `X-Request-Id` are kept. Default: none is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 49)))]
    #[x_kube(validation = kube::core::Rule::new(
        "self.all(network, isCIDR(network))"
    ).message("each is a network such as 10.0.0.0/8"))]
    pub trusted_cidrs: Vec<String>,
}

/// Bounds on every request.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Largest request body. Default `10Mi`. Larger: 413. A function takes at most 6Mi, whatever
    /// is said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Size>,
    /// Largest request head, request line and header fields together; 8Ki to 1Mi. Default `64Ki`.
    /// Larger: 431.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(
        "!isQuantity(string(self)) || (quantity(string(self)).compareTo(quantity('8Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Mi')) <= 0)"
    ).message("must be 8Ki to 1Mi"))]
    pub headers: Option<Size>,
    /// Most header fields of a request; 1 to 1000. Default 100. More: 431.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub header_count: Option<i32>,
    /// Longest time from the first byte of a request head to its end. Default `10s`. Longer: 408,
    /// and the connection is closed. It holds for HTTP/1; a head over HTTP/2 has the time of
    /// `idleTimeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = crate::rule::above_zero())]
    pub header_timeout: Option<Duration>,
    /// Longest time that a connection may rest: between requests, or in an answer that makes no
    /// progress. Default `60s`. Longer: the connection is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = crate::rule::above_zero())]
    pub idle_timeout: Option<Duration>,
    /// Longest time from the end of a request's head to the head of its answer, for rules without
    /// a `timeout`; time in queues included, up to 15m. Default `29s`. Longer: 504, or 408 when the
    /// client was late with its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = crate::rule::timeout())]
    pub request_timeout: Option<Duration>,
}

/// The access log, one line for each request on standard output.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// Whether lines are written. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}
