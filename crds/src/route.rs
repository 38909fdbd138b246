//! Which requests a rule takes: the `match` part of a rule.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One description of requests. All that it names must fit.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Request method. Default: any. A rule for `GET` also answers `HEAD`, unless another rule
    /// names `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[A-Z][A-Z-]*$"))]
    pub method: Option<String>,
    /// Path template below `basePath`, segment by segment: a literal, `{name}` for one segment, or
    /// at the end `{name+}` for one segment or more. Literals win over `{name}`, that over
    /// `{name+}`. Case matters; a trailing slash does not.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    #[x_kube(validation = crate::rule::template(), validation = crate::rule::no_dots())]
    pub path: String,
    /// Header fields that must be there with exactly this value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]),
        validation = kube::core::Rule::new(
            r#"self.all(header, !header.name.matches(r"[^-!#-'*+.\w^`|~]"))"#
        ).message("a header name is of letters, digits and - _ . without spaces"),
        validation = kube::core::Rule::new(
            "self.all(header, header.name.lowerAscii() != 'host')"
        ).message("hosts are named in spec.hostnames")
    )]
    pub headers: Vec<ValueMatch>,
    /// Query parameters that must be there with exactly this value, percent-decoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub query: Vec<ValueMatch>,
}

/// A name and the exact value that it must have. When a request carries it more than once, the
/// first counts.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueMatch {
    /// Name. Header names ignore case; query names do not.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Value, compared byte by byte.
    #[schemars(length(max = 4096))]
    pub value: String,
}
