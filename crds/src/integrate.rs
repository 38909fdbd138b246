//! What answers a request: the `backends`, `respond`, `redirect` and `rewrite` parts of a rule.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::{FunctionRef, ServiceRef};

/// One place that can answer. Exactly one of `function`, `service` and `url`.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "[has(self.function), has(self.service), has(self.url)].filter(x, x).size() == 1"
).message("exactly one of function, service and url"))]
pub struct Backend {
    /// A Function, called with an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionRef>,
    /// A port of a Service; its ready endpoints share the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,
    /// Any HTTP endpoint, as `http://host[:port][/path]`. Its path is put in front of the
    /// request's, and its host becomes the request's. Link-local and metadata addresses are
    /// refused, also after name resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(
        validation = kube::core::Rule::new(
            "!self.lowerAscii().startsWith('https:')"
        ).message("https is not supported yet, only http is"),
        validation = kube::core::Rule::new(
            "self.lowerAscii().startsWith('https:') || self.matches('^[Hh][Tt][Tt][Pp]://[^/?#@]+(/[^?#]*)?$')"
        ).message("must be of the form http://host[:port][/path], without user, query and fragment")
    )]
    pub url: Option<String>,
    /// Share of the requests, relative to the other backends of the rule; 0 to 1000000. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000000))]
    pub weight: Option<i32>,
}

/// A fixed answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Respond {
    /// Status code, 200 to 599.
    #[schemars(range(min = 200, max = 599))]
    pub status: i32,
    /// Header fields. Default: none, or `content-type: application/json` when there is a body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::value::header_fields")]
    pub headers: BTreeMap<String, String>,
    /// Body, sent as it is. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub body: Option<String>,
}

/// An answer that sends the client elsewhere. The parts that are absent are the request's own, and
/// the query is kept.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "has(self.scheme) || has(self.host) || has(self.port) || has(self.path)"
).message("at least one of scheme, host, port and path"))]
pub struct Redirect {
    /// Status code: 301, 302, 303, 307 or 308. Default 302.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 301, max = 308))]
    #[x_kube(validation = kube::core::Rule::new(
        "self in [301, 302, 303, 307, 308]"
    ).message("must be 301, 302, 303, 307 or 308"))]
    pub status: Option<i32>,
    /// Scheme of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Host of the target, without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = kube::core::Rule::new(
            "self.matches('^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$')"
        ).message("must be one host, without * and without a port"),
        validation = crate::rule::host()
    )]
    pub host: Option<String>,
    /// Port of the target. Default: the request's, or the scheme's own when `scheme` or `host` is
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Path of the target, starting with a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    #[x_kube(validation = crate::rule::literal_path(), validation = crate::rule::no_dots())]
    pub path: Option<String>,
}

/// A URL scheme.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// A change of the path before it is forwarded.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewrite {
    /// Whole leading segments to take off the full path, `basePath` included. A path that does not
    /// start with them is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    #[x_kube(validation = crate::rule::literal_path(), validation = crate::rule::no_dots())]
    pub strip_prefix: Option<String>,
}
