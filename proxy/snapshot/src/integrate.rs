//! What answers a request, compiled: every reference resolved or the rule closed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::unit::ObjectName;

/// What answers the requests of a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// One of some backends.
    Forward(Forward),
    /// A fixed answer.
    Respond(Respond),
    /// An answer that sends the client elsewhere.
    Redirect(Redirect),
    /// Nothing: what the rule needs is missing or refused. 503.
    Closed,
}

/// Backends that share the requests by weight.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// The backends; at least one, and not all of weight 0.
    pub backends: Vec<Backend>,
    /// Canonical path whose segments are taken off the front of the full path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
}

/// One backend.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Share of the requests, relative to the other backends.
    pub weight: u32,
    /// Where it is.
    pub target: Target,
}

/// Where a backend is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A Function, called with an event.
    Function {
        /// Which one.
        function: ObjectName,
        /// Format of the event.
        event: EventFormat,
    },
    /// A port of a Service; the addresses are in the Service's endpoints unit.
    Service {
        /// Which one.
        service: ObjectName,
        /// Number of the Service's port.
        port: u16,
    },
    /// An HTTP endpoint.
    Url {
        /// Host name or IP address (an IPv6 address without brackets).
        host: String,
        /// TCP port.
        port: u16,
        /// Canonical path in front of the request's, without a trailing slash; may be empty.
        path: String,
    },
}

/// The event formats.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EventFormat {
    /// AWS HTTP API payload format 2.0.
    V2,
}

/// A fixed answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Respond {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Header fields.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: String,
}

/// An answer that sends the client elsewhere. Absent parts are the request's own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    /// Status code: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Host without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port; none: the request's, or the scheme's own when scheme or host is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
