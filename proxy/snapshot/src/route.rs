//! An API, compiled: where it is attached, and its rules with parsed matches.

use serde::{Deserialize, Serialize};

use crate::{integrate::Action, unit::ObjectName};

/// An ApiRoute, compiled.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Route {
    /// When the object was created, RFC 3339. Of two rules that fit alike, the older route's wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The listeners that serve it, each with the hosts that listener and route have in common.
    pub attachments: Vec<Attachment>,
    /// Canonical path in front of the paths of all rules, without a trailing slash; may be empty.
    pub base_path: String,
    /// The rules, in the object's order.
    pub rules: Vec<Rule>,
}

/// A listener that serves a route.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The gateway.
    pub gateway: ObjectName,
    /// Name of its listener.
    pub listener: String,
    /// Hosts: exact, `*.suffix`, or `*` for any; lower case; never empty.
    pub hosts: Vec<String>,
}

/// Some requests and what answers them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name, unique in the route.
    pub name: String,
    /// The requests: those that fit any of these.
    pub matches: Vec<Match>,
    /// What answers.
    pub action: Action,
    /// Longest time to the head of the answer; none: the gateway's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// One description of requests.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Match {
    /// Method; none: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The template below `base_path`, as the user wrote it: the name that events and logs show.
    pub path: String,
    /// The template with `base_path` included, parsed.
    pub segments: Vec<Segment>,
    /// Header fields (lower-case names) and their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Query parameters and their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
}

/// One segment of a template. A literal is in the canonical form of [`crate::path`].
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Segment {
    /// Exactly this segment.
    Literal(String),
    /// Any one segment, under this name.
    Param(String),
    /// One segment or more, to the end, under this name.
    Rest(String),
}
