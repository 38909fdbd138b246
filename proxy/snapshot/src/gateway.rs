//! A gateway, compiled: where to listen and the bounds on every request, all defaults filled in.

use serde::{Deserialize, Serialize};

/// An ApiGateway, compiled.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Gateway {
    /// When the object was created, RFC 3339. Of two that want the same, the older wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Networks (CIDR) whose word counts for the client's address.
    pub trusted_cidrs: Vec<String>,
    /// Bounds on every request.
    pub limits: Limits,
    /// Whether requests are logged.
    pub access_log: bool,
}

/// One port and hostname.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Listener {
    /// Name, unique in the gateway.
    pub name: String,
    /// IP address to bind; none: the proxy's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// TCP port.
    pub port: u16,
    /// Exact host or `*.suffix`, lower case; none: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// Bounds on every request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Largest request body.
    pub body_bytes: u64,
    /// Largest request head.
    pub header_bytes: u64,
    /// Most header fields.
    pub header_count: u32,
    /// Longest time from the first byte of a head to its end.
    pub header_timeout_ms: u64,
    /// Longest rest between requests or without progress in an answer.
    pub idle_timeout_ms: u64,
    /// Longest time to the head of the answer, for rules without one of their own.
    pub request_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 << 20,
            header_bytes: 64 << 10,
            header_count: 100,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            request_timeout_ms: 29_000,
        }
    }
}
