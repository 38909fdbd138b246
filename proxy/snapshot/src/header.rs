//! Header fields that concern one connection: what neither a proxy sends on nor an object may name.

/// Fields that concern the connection on which they come (RFC 9110 section 7.6.1), in lower case.
///
/// Beside those that the RFC names: `http2-settings` (RFC 7540 section 3.2.1), `proxy-connection`,
/// which old clients send for `connection`, the fields that a proxy and its client keep between
/// them (RFC 9110 section 11.7), and `expect`, which whoever reads the body answers (section
/// 10.1.1).
pub const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
