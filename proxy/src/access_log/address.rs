//! Addresses as the log writes them.
//!
//! In: an address or an upstream. Out: bytes at the end of a line. Most addresses are IPv4: four
//! small numbers, which need no formatter.

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
};

use crate::access_log::{Upstream, escape};

/// `10.0.0.1:80`, `[2001:db8::1]:80` or the name.
pub(super) fn push_upstream(out: &mut Vec<u8>, upstream: Upstream<'_>) {
    match upstream {
        Upstream::Address(SocketAddr::V4(address)) => {
            push_ip(out, IpAddr::V4(*address.ip()));
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(address.port()).as_bytes());
        }
        Upstream::Address(SocketAddr::V6(address)) => {
            // Writing to memory never fails.
            let _ = write!(out, "{address}");
        }
        Upstream::Name(name) => escape::push_capped(out, name),
    }
}

/// `192.0.2.7` or `2001:db8::1`.
pub(super) fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(ip) => {
            // Writing to memory never fails.
            let _ = write!(out, "{ip}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_typed() {
        for address in ["10.0.0.1:80", "255.0.10.200:65535", "[2001:db8::1]:443"] {
            let mut out = Vec::new();
            push_upstream(&mut out, Upstream::Address(address.parse().unwrap()));
            assert_eq!(out, address.as_bytes());
        }
    }

    #[test]
    fn names_are_escaped() {
        let mut out = Vec::new();
        push_upstream(&mut out, Upstream::Name("a\"b"));
        assert_eq!(out, br#"a\"b"#);
    }
}
