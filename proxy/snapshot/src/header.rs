//! Header fields that concern one connection: what neither a proxy sends on nor an object may name.

/// Whether a field, in lower case, concerns the connection on which it comes (RFC 9110 section
/// 7.6.1).
///
/// Beside those that the RFC names: `http2-settings` (RFC 7540 section 3.2.1), `proxy-connection`,
/// which old clients send for `connection`, the fields that a proxy and its client keep between
/// them (RFC 9110 section 11.7), and `expect`, which whoever reads the body answers (section
/// 10.1.1).
// Not a list: a match looks at the length first, and this is asked of every field of a request.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}
