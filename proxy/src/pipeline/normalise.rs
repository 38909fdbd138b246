//! Normalise: one reading of the request that every later stage shares.
//!
//! In: the head as hyper parsed it. Out: [`Target`], the host without port and case and the path in
//! its canonical form; or the refusal of what could be read in two ways. Nothing is changed here.

use std::{borrow::Cow, net::Ipv6Addr};

use http::{
    HeaderMap, HeaderValue, Method, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use tollgate_snapshot::path;

use crate::{
    active::port::Limits,
    core::link::Link,
    refusal::{Reason, Refusal},
};

/// Whom and what a request asks for.
#[derive(Debug)]
pub(crate) struct Target {
    /// Host, lower case, without port; empty when HTTP/1.0 names none.
    pub(crate) host: Box<str>,
    /// Port, if the client named one.
    pub(crate) port: Option<u16>,
    /// The Host field as it is forwarded.
    pub(crate) authority: Option<HeaderValue>,
    /// Path in canonical form, and query as it came.
    pub(crate) path: PathAndQuery,
}

impl Target {
    /// The canonical path.
    pub(crate) fn path(&self) -> &str {
        self.path.path()
    }
}

/// Reads a head.
pub(crate) fn target(parts: &Parts, link: &Link, limits: &Limits) -> Result<Target, Refusal> {
    if link.vigil.saw_fragment() {
        return Err(Refusal::closing(Reason::BadRequest));
    }
    let facts = Facts::of(&parts.headers);
    if !facts.framed_for_sure(parts.version) {
        return Err(Refusal::closing(Reason::BadRequest));
    }
    // hyper counts the fields of HTTP/1.1 itself, and knows no such bound for HTTP/2.
    if parts.headers.len() > limits.header_count {
        return Err(Reason::HeadersTooLarge.into());
    }
    if parts.method == Method::CONNECT || facts.asks_for_more {
        return Err(Refusal::closing(Reason::NotImplemented));
    }
    let authority = authority(parts, &facts)?;
    let (host, port) = match &authority {
        Some(value) => host_and_port(value.as_bytes()).ok_or(Reason::BadRequest)?,
        None => ("".into(), None),
    };
    let path = canonical(parts)?;
    if facts.length > limits.body_bytes {
        return Err(Refusal::closing(Reason::BodyTooLarge));
    }
    Ok(Target {
        host,
        port,
        authority,
        path,
    })
}

/// What the fields say of framing and protocol, read in one pass.
#[derive(Default)]
struct Facts<'a> {
    host: Option<&'a HeaderValue>,
    hosts: u32,
    encodings: u32,
    chunked: bool,
    lengths: u32,
    /// The length that is announced; none: 0.
    length: u64,
    /// The request needs a protocol that is not built yet: WebSocket, gRPC.
    asks_for_more: bool,
}

impl<'a> Facts<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut facts = Self::default();
        for (name, value) in headers {
            if *name == header::HOST {
                facts.host = Some(value);
                facts.hosts += 1;
            } else if *name == header::CONTENT_LENGTH {
                let text = value.to_str().ok();
                facts.length = text.and_then(|text| text.parse().ok()).unwrap_or(0);
                facts.lengths += 1;
            } else if *name == header::TRANSFER_ENCODING {
                facts.chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
                facts.encodings += 1;
            } else if *name == header::CONTENT_TYPE {
                facts.asks_for_more |= value.as_bytes().starts_with(b"application/grpc");
            } else if *name == header::UPGRADE {
                facts.asks_for_more |= names_websocket(value);
            }
        }
        facts
    }

    /// Refuses what a server behind us might frame otherwise (RFC 9112 section 6). hyper refuses
    /// most of it before; what it lets through is refused here.
    fn framed_for_sure(&self, version: Version) -> bool {
        let chunked_once = self.encodings == 1 && self.chunked && version == Version::HTTP_11;
        (self.encodings == 0 || chunked_once) && self.lengths <= 1
    }
}

fn names_websocket(upgrade: &HeaderValue) -> bool {
    let tokens = upgrade.as_bytes().split(|byte| *byte == b',');
    tokens
        .map(<[u8]>::trim_ascii)
        .any(|token| token.eq_ignore_ascii_case(b"websocket"))
}

/// The one authority of a request: its target's, or its Host's, and never two that differ (RFC 9112
/// section 3.2, RFC 9113 section 8.3.1).
fn authority(parts: &Parts, facts: &Facts<'_>) -> Result<Option<HeaderValue>, Refusal> {
    if facts.hosts > 1 {
        return Err(Refusal::closing(Reason::BadRequest));
    }
    match (parts.uri.authority(), facts.host) {
        (None, None) if parts.version == Version::HTTP_10 => Ok(None),
        (None, None) => Err(Reason::BadRequest.into()),
        (None, Some(host)) => Ok(Some(host.clone())),
        (Some(target), None) if parts.version == Version::HTTP_2 => as_value(target).map(Some),
        (Some(_), None) => Err(Reason::BadRequest.into()),
        (Some(target), Some(host)) => {
            let same = target
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(host.as_bytes());
            if same {
                Ok(Some(host.clone()))
            } else {
                Err(Reason::BadRequest.into())
            }
        }
    }
}

fn as_value(authority: &Authority) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(authority.as_str()).map_err(|_| Reason::BadRequest.into())
}

/// Splits `host[:port]`; none when it is anything else, such as with userinfo. A dot at the end of
/// the host is the same host.
pub(super) fn host_and_port(authority: &[u8]) -> Option<(Box<str>, Option<u16>)> {
    let end = host_length(authority)?;
    let (host, rest) = authority.split_at(end);
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            Some(std::str::from_utf8(digits).ok()?.parse().ok()?)
        }
        _ => return None,
    };
    let host = host.strip_suffix(b".").unwrap_or(host);
    let mut host: Box<str> = std::str::from_utf8(host).ok()?.into();
    host.make_ascii_lowercase();
    (!host.is_empty()).then_some((host, port))
}

/// How many bytes the host has: an IPv6 address in brackets, or a name.
fn host_length(authority: &[u8]) -> Option<usize> {
    if authority.first() == Some(&b'[') {
        let end = authority.iter().position(|byte| *byte == b']')?;
        let inner = std::str::from_utf8(&authority[1..end]).ok()?;
        return inner.parse::<Ipv6Addr>().is_ok().then_some(end + 1);
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let end = authority
        .iter()
        .position(|byte| !plain(byte))
        .unwrap_or(authority.len());
    Some(end)
}

/// The path in canonical form, with its query.
fn canonical(parts: &Parts) -> Result<PathAndQuery, Refusal> {
    let Some(given) = parts.uri.path_and_query() else {
        return Err(Reason::BadRequest.into());
    };
    // `OPTIONS *` asks about the server as a whole: well-formed, and no rule serves it.
    if given.path() == "*" {
        return Err(Reason::NotFound.into());
    }
    match path::canonical(given.path()).map_err(|_| Reason::BadRequest)? {
        Cow::Borrowed(_) => Ok(given.clone()),
        Cow::Owned(path) => with_query(path, given.query()),
    }
}

/// Joins a path and a query.
pub(crate) fn with_query(mut path: String, query: Option<&str>) -> Result<PathAndQuery, Refusal> {
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    PathAndQuery::try_from(path).map_err(|_| Reason::BadRequest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_authority_without_userinfo() {
        let rows = [
            ("plain", "a.example", Some(("a.example", None))),
            ("port", "a.example:8080", Some(("a.example", Some(8080)))),
            ("case", "A.Example", Some(("a.example", None))),
            ("trailing dot", "a.example.", Some(("a.example", None))),
            ("empty port", "a.example:", Some(("a.example", None))),
            ("ipv4", "127.0.0.1:80", Some(("127.0.0.1", Some(80)))),
            ("ipv6", "[::1]:80", Some(("[::1]", Some(80)))),
            ("ipv6 alone", "[::1]", Some(("[::1]", None))),
            ("empty", "", None),
            ("port alone", ":80", None),
            ("userinfo", "user@a.example", None),
            ("bad port", "a:b", None),
            ("port too large", "a:65536", None),
            ("two ports", "a:1:2", None),
            ("not ipv6", "[a]", None),
            ("after ipv6", "[::1]x", None),
            ("slash", "a/b", None),
            ("space", "a b", None),
            ("star", "*.a", None),
        ];
        for (name, authority, expected) in rows {
            let found = host_and_port(authority.as_bytes());
            let found = found.as_ref().map(|(host, port)| (&**host, *port));
            assert_eq!(found, expected, "{name}");
        }
    }
}
