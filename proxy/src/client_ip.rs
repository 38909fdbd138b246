//! Who the client is: the peer, or whom a trusted peer forwards for.
//!
//! In: the peer's address, the networks that are trusted, the field lines of `X-Forwarded-For`.
//! Out: one address, and whether the peer is trusted. Nothing to the left of an address that isn't
//! trusted is ever believed, since anyone may have written it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderValue;
use ipnet::IpNet;

/// The address that limits, logs and functions see as the client's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientAddress {
    /// The address; an IPv4 address mapped into IPv6 is shown as IPv4.
    pub ip: IpAddr,
    /// Whether the peer is trusted, so that its forwarded fields and its request id count.
    pub peer_trusted: bool,
}

/// Finds the client behind `peer`. `forwarded_for` are the values of all `X-Forwarded-For` lines in
/// the order in which they came; they count as one list.
///
/// From a trusted peer, the client is the right-most address that isn't trusted itself; when all
/// are, the left-most. What is no address ends the search, and the last good one is the client.
pub fn client_ip<'a>(
    peer: IpAddr,
    trusted: &[IpNet],
    forwarded_for: impl DoubleEndedIterator<Item = &'a HeaderValue>,
) -> ClientAddress {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut ip = peer.to_canonical();
    let peer_trusted = is_trusted(&ip);
    if peer_trusted {
        for element in elements_from_right(forwarded_for) {
            let Some(before) = parse(element) else { break };
            ip = before;
            if !is_trusted(&ip) {
                break;
            }
        }
    }
    ClientAddress { ip, peer_trusted }
}

/// The elements of a list of field lines, right to left; empty ones don't count (RFC 9110 section
/// 5.6.1).
fn elements_from_right<'a>(
    lines: impl DoubleEndedIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = &'a [u8]> {
    lines
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let bare = || text.parse().ok();
    let bracketed = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let ip: IpAddr = bare().or_else(bracketed).or_else(with_port)?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUSTED: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

    fn client(peer: &str, lines: &[&str]) -> (String, bool) {
        let trusted = TRUSTED.map(|net| net.parse().unwrap());
        let lines: Vec<_> = lines
            .iter()
            .map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap())
            .collect();
        let address = client_ip(peer.parse().unwrap(), &trusted, lines.iter());
        (address.ip.to_string(), address.peer_trusted)
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        let rows = [
            ("silent", "192.0.2.9", vec![], "192.0.2.9"),
            ("claims", "192.0.2.9", vec!["198.51.100.1"], "192.0.2.9"),
            ("claims trust", "192.0.2.9", vec!["10.0.0.1"], "192.0.2.9"),
            ("mapped", "::ffff:192.0.2.9", vec![], "192.0.2.9"),
            ("ipv6", "2001:db8::9", vec!["10.0.0.1"], "2001:db8::9"),
        ];
        for (name, peer, lines, expected) in rows {
            assert_eq!(client(peer, &lines), (expected.into(), false), "{name}");
        }
    }

    #[test]
    fn a_trusted_peer_forwards_for_the_rightmost_stranger() {
        let rows = [
            ("silent", vec![], "10.0.0.1"),
            ("one", vec!["192.0.2.1"], "192.0.2.1"),
            ("forged left", vec!["1.1.1.1, 192.0.2.1"], "192.0.2.1"),
            ("hops", vec!["192.0.2.1, 10.0.0.2,10.0.0.3"], "192.0.2.1"),
            ("two lines", vec!["1.1.1.1", "192.0.2.1"], "192.0.2.1"),
            ("hop lines", vec!["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            ("all trusted", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("garbage", vec!["192.0.2.1, unknown"], "10.0.0.1"),
            ("garbage inside", vec!["192.0.2.1, x, 10.0.0.2"], "10.0.0.2"),
            ("garbage left", vec!["x, 192.0.2.1"], "192.0.2.1"),
            ("not utf-8", vec!["192.0.2.1, é"], "10.0.0.1"),
            ("empty elements", vec!["192.0.2.1, ,", ""], "192.0.2.1"),
            ("port", vec!["192.0.2.1:4711"], "192.0.2.1"),
            ("bad port", vec!["192.0.2.1:99999"], "10.0.0.1"),
            ("octal", vec!["0300.0.2.1"], "10.0.0.1"),
            ("ipv6", vec!["2001:db8::1, fd00::2"], "2001:db8::1"),
            ("brackets", vec!["[2001:db8::1]"], "2001:db8::1"),
            ("brackets and port", vec!["[2001:db8::1]:80"], "2001:db8::1"),
            ("brackets on ipv4", vec!["[192.0.2.1]"], "10.0.0.1"),
            ("mapped", vec!["::ffff:192.0.2.1"], "192.0.2.1"),
            (
                "mapped hop",
                vec!["192.0.2.1, ::ffff:10.0.0.2"],
                "192.0.2.1",
            ),
        ];
        for (name, lines, expected) in rows {
            let found = client("10.0.0.1", &lines);
            assert_eq!(found, (expected.into(), true), "{name}");
        }
    }

    #[test]
    fn a_mapped_peer_is_trusted_as_ipv4() {
        let found = client("::ffff:10.0.0.1", &["192.0.2.1"]);
        assert_eq!(found, ("192.0.2.1".into(), true));
    }
}
