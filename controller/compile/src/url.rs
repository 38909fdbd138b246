//! The URL of a backend: `http://host[:port][/path]`.
//!
//! In: text. Out: host, port and path in the form that the proxy connects with, or what is wrong.
//! Whether the host exists, and which addresses it has, only the proxy sees.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use tollgate_snapshot::integrate::Target;

use crate::{
    Reason, hosts,
    template::{self, InvalidTemplate},
    value,
};

/// Why a text is not the URL of a backend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum InvalidUrl {
    Https,
    Scheme,
    UserInfo,
    Query,
    Fragment,
    Host,
    Port,
    Path(InvalidTemplate),
    /// An address that no backend has: link-local (metadata services too), multicast, unspecified.
    Forbidden(IpAddr),
}

impl InvalidUrl {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Https => Reason::Unsupported,
            Self::Forbidden(_) => Reason::BackendUnusable,
            Self::Scheme
            | Self::UserInfo
            | Self::Query
            | Self::Fragment
            | Self::Host
            | Self::Port
            | Self::Path(_) => Reason::Invalid,
        }
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https => f.write_str("https is not supported yet, only http is"),
            Self::Scheme => f.write_str("not of the form http://host[:port][/path]"),
            Self::UserInfo => f.write_str("must have no user or password"),
            Self::Query => f.write_str("must have no query"),
            Self::Fragment => f.write_str("must have no fragment"),
            Self::Host => f.write_str("not a host name or IP address after http://"),
            Self::Port => f.write_str("the port must be 1 to 65535"),
            Self::Path(invalid) => write!(f, "path: {invalid}"),
            Self::Forbidden(address) => write!(f, "no backend may be at {address}"),
        }
    }
}

/// The target that a URL names.
pub(crate) fn parse(text: &str) -> Result<Target, InvalidUrl> {
    let (authority, path) = split(text)?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(InvalidUrl::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| InvalidUrl::Host)?;
            let port = match port.strip_prefix(':') {
                None if port.is_empty() => None,
                None => return Err(InvalidUrl::Host),
                Some(port) => Some(port),
            };
            (address.to_string(), port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                None => (authority, None),
                Some((host, port)) => (host, Some(port)),
            };
            let host = hosts::parse_exact(host).map_err(|_| InvalidUrl::Host)?;
            (host, port)
        }
    };
    if let Ok(address) = host.parse()
        && is_forbidden(address)
    {
        return Err(InvalidUrl::Forbidden(address));
    }
    Ok(Target::Url {
        host,
        port: port.map_or(Ok(80), parse_port)?,
        path: template::literal_path(path).map_err(InvalidUrl::Path)?,
    })
}

/// Authority and path.
fn split(text: &str) -> Result<(&str, &str), InvalidUrl> {
    let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
    if scheme.eq_ignore_ascii_case("https") {
        return Err(InvalidUrl::Https);
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(InvalidUrl::Scheme);
    }
    if rest.contains('#') {
        return Err(InvalidUrl::Fragment);
    }
    if rest.contains('?') {
        return Err(InvalidUrl::Query);
    }
    let (authority, path) = match rest.find('/') {
        None => (rest, "/"),
        Some(slash) => rest.split_at(slash),
    };
    if authority.contains('@') {
        return Err(InvalidUrl::UserInfo);
    }
    Ok((authority, path))
}

fn parse_port(text: &str) -> Result<u16, InvalidUrl> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidUrl::Port);
    }
    let number: i32 = text.parse().map_err(|_| InvalidUrl::Port)?;
    value::port(number).map_err(|_| InvalidUrl::Port)
}

/// Whether nothing that a user names may be at this address. Loopback may, standalone.
pub(crate) fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16, path: &str) -> Result<Target, InvalidUrl> {
        Ok(Target::Url {
            host: host.into(),
            port,
            path: path.into(),
        })
    }

    #[test]
    fn a_url_is_host_port_and_path() {
        let rows = [
            ("host", "http://a.example", target("a.example", 80, "")),
            ("port", "http://a:8080/", target("a", 8080, "")),
            ("path", "http://a/b/c/", target("a", 80, "/b/c")),
            (
                "upper case",
                "HTTP://A.Example/B",
                target("a.example", 80, "/B"),
            ),
            ("address", "http://10.0.0.1:1", target("10.0.0.1", 1, "")),
            ("loopback", "http://127.0.0.1", target("127.0.0.1", 80, "")),
            ("v6", "http://[::1]:8080/a", target("::1", 8080, "/a")),
            ("v6 without port", "http://[::1]", target("::1", 80, "")),
        ];
        for (name, text, expected) in rows {
            assert_eq!(parse(text), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_such_a_url_is_refused_with_its_reason() {
        let rows = [
            ("https", "https://a", InvalidUrl::Https),
            ("other scheme", "ftp://a", InvalidUrl::Scheme),
            ("no scheme", "a.example", InvalidUrl::Scheme),
            ("user", "http://u:p@a/", InvalidUrl::UserInfo),
            ("query", "http://a/?b", InvalidUrl::Query),
            ("query without path", "http://a?b", InvalidUrl::Query),
            ("fragment", "http://a/#b", InvalidUrl::Fragment),
            ("no host", "http:///a", InvalidUrl::Host),
            ("wildcard", "http://*.a", InvalidUrl::Host),
            ("half a v6", "http://[::1", InvalidUrl::Host),
            ("v6 with a tail", "http://[::1]a", InvalidUrl::Host),
            (
                "v6 with a zone",
                "http://[fe80::1%25eth0]",
                InvalidUrl::Host,
            ),
            ("empty port", "http://a:/", InvalidUrl::Port),
            ("port zero", "http://a:0", InvalidUrl::Port),
            ("large port", "http://a:65536", InvalidUrl::Port),
            ("signed port", "http://a:+80", InvalidUrl::Port),
            (
                "dots",
                "http://a/../b",
                InvalidUrl::Path(InvalidTemplate::DotSegment),
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(parse(text), Err(expected), "{name}");
        }
    }

    #[test]
    fn no_backend_is_at_a_link_local_address() {
        for host in [
            "169.254.169.254",
            "[fe80::1]",
            "[::ffff:169.254.0.1]",
            "0.0.0.0",
        ] {
            let parsed = parse(&format!("http://{host}/"));
            assert!(matches!(parsed, Err(InvalidUrl::Forbidden(_))), "{host}");
        }
    }
}
