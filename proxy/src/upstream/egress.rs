//! Which addresses a `url` backend may reach: checked after name resolution, so that no name leads
//! around it.
//!
//! In: an address. Out: whether it is denied. Loopback is allowed standalone and denied in a
//! cluster, where a proxy's own machine is nobody's upstream.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services of clouds that are not link-local: AWS on IPv6, Alibaba Cloud, Oracle Cloud.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Whether a `url` backend may be on this machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Loopback {
    /// It may: the standalone rule.
    #[default]
    Allowed,
    /// It may not: the rule in a cluster.
    Denied,
}

/// Whether requests may not be sent to `address`.
pub(crate) fn denied(address: IpAddr, loopback: Loopback) -> bool {
    let address = embedded_v4(address).map_or(address, IpAddr::V4);
    if address.is_loopback() {
        return loopback == Loopback::Denied;
    }
    if METADATA.contains(&address) || address.is_unspecified() || address.is_multicast() {
        return true;
    }
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291 section 2.5.5.2), compatible
/// (2.5.5.1) or NAT64 (RFC 6052).
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    if v6.is_loopback() || v6.is_unspecified() {
        return None;
    }
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_denied_in_every_form() {
        let rows = [
            ("metadata", "169.254.169.254", true),
            ("link-local", "169.254.0.1", true),
            ("mapped metadata", "::ffff:169.254.169.254", true),
            ("compatible metadata", "::169.254.169.254", true),
            ("nat64 metadata", "64:ff9b::169.254.169.254", true),
            ("link-local v6", "fe80::1", true),
            ("aws metadata v6", "fd00:ec2::254", true),
            ("alibaba metadata", "100.100.100.200", true),
            ("oracle metadata", "192.0.0.192", true),
            ("unspecified", "0.0.0.0", true),
            ("unspecified v6", "::", true),
            ("multicast", "224.0.0.1", true),
            ("broadcast", "255.255.255.255", true),
            ("loopback", "127.0.0.1", false),
            ("loopback v6", "::1", false),
            ("private", "10.0.0.1", false),
            ("public", "192.0.2.1", false),
            ("public v6", "2001:db8::1", false),
        ];
        for (name, address, expected) in rows {
            let denied = denied(address.parse().unwrap(), Loopback::Allowed);
            assert_eq!(denied, expected, "{name}");
        }
    }

    #[test]
    fn loopback_is_denied_in_a_cluster_in_every_form() {
        let rows = [
            ("loopback", "127.0.0.1", true),
            ("all of 127/8", "127.9.8.7", true),
            ("loopback v6", "::1", true),
            ("mapped loopback", "::ffff:127.0.0.1", true),
            ("nat64 loopback", "64:ff9b::127.0.0.1", true),
            ("metadata", "169.254.169.254", true),
            ("private", "10.0.0.1", false),
        ];
        for (name, address, expected) in rows {
            let denied = denied(address.parse().unwrap(), Loopback::Denied);
            assert_eq!(denied, expected, "{name}");
        }
    }
}
