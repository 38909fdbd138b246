//! Header fields on their way through: what concerns one connection stays there, what says who the
//! client is comes from us.
//!
//! In: the fields of a request or an answer. Out: the same, changed in place.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;
use tollgate_snapshot::header::is_hop_by_hop;

/// Chain of clients and proxies.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Host that the client asked for.
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Scheme that the client used.
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Port that the client came to; only functions are told.
pub(crate) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// Id of the request.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What becomes of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Keep,
    /// It concerns one connection (RFC 9110 section 7.6.1).
    Hop,
    /// It says who the client is: only a trusted peer's is believed.
    Identity,
    /// It looks like one of ours to servers that read `_` as `-`.
    Twin,
}

fn fate(name: &HeaderName) -> Fate {
    match name.as_str() {
        text if is_hop_by_hop(text) => Fate::Hop,
        "forwarded" | "x-real-ip" | "x-request-id" => Fate::Identity,
        text if text.starts_with("x-forwarded-") => Fate::Identity,
        // Ours all begin with an x.
        text if text.starts_with('x') && text.contains('_') && is_twin(text) => Fate::Twin,
        _ => Fate::Keep,
    }
}

/// Whether the name is one of ours once `_` is read as `-`.
fn is_twin(name: &str) -> bool {
    let dashed = name.replace('_', "-");
    ["x-forwarded-", "x-real-ip", "x-request-id", "x-tollgate-"]
        .iter()
        .any(|ours| dashed.starts_with(ours))
}

/// Takes out of a request what is not to be forwarded. Names that `Connection` lists go, too, but
/// never those that we set afterwards: they are set anew.
pub(crate) fn strip_request(headers: &mut HeaderMap, peer_trusted: bool) {
    strip(headers, |name| match fate(name) {
        Fate::Keep => false,
        Fate::Hop | Fate::Twin => true,
        Fate::Identity => !peer_trusted,
    });
}

/// Takes out of an answer what concerns the upstream's connection. `Trailer` stays: only the
/// trailers that it names are sent on.
pub(crate) fn strip_answer(headers: &mut HeaderMap) {
    strip(headers, |name| {
        is_hop_by_hop(name.as_str()) && *name != header::TRAILER
    });
}

/// Takes out the fields that are to go, which `Connection` always is, and those that it lists.
fn strip(headers: &mut HeaderMap, gone: impl Fn(&HeaderName) -> bool) {
    let names: Names = headers.keys().filter(|name| gone(name)).cloned().collect();
    if names.contains(&header::CONNECTION) {
        for name in listed(headers) {
            headers.remove(name);
        }
    }
    for name in names {
        headers.remove(name);
    }
}

/// Names to be taken out: most often none or one.
type Names = SmallVec<[HeaderName; 2]>;

/// The fields that `Connection` names.
fn listed(headers: &HeaderMap) -> Names {
    let mut names = Names::new();
    for value in headers.get_all(header::CONNECTION) {
        // The two tokens that almost all lists hold, alone, name no field that is kept anyway.
        if value == "keep-alive" || value == "close" {
            continue;
        }
        let tokens = value.as_bytes().split(|byte| *byte == b',');
        let named = tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok());
        names.extend(named.filter(|name| !is_own(name)));
    }
    names
}

/// Host and length are the message's, whatever a client lists; identity is ours to decide.
fn is_own(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_LENGTH || fate(name) == Fate::Identity
}

/// What is said of the client in the fields of a forwarded request.
pub(crate) struct Identity<'a> {
    pub(crate) peer: &'a HeaderValue,
    pub(crate) peer_trusted: bool,
    pub(crate) host: Option<&'a HeaderValue>,
    pub(crate) request_id: &'a HeaderValue,
}

/// Sets the fields that say who the client is. A trusted peer's own are kept; its address is added
/// to the chain.
pub(crate) fn identify(headers: &mut HeaderMap, identity: &Identity<'_>) {
    let chain = match identity.peer_trusted {
        true => chained(headers, identity.peer),
        false => identity.peer.clone(),
    };
    headers.insert(X_FORWARDED_FOR, chain);
    if !identity.peer_trusted || !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if let Some(host) = identity.host
        && (!identity.peer_trusted || !headers.contains_key(X_FORWARDED_HOST))
    {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    headers.insert(X_REQUEST_ID, identity.request_id.clone());
}

/// The chain that came, all its field lines, with the peer behind.
fn chained(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut chain: Vec<u8> = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR).iter().chain([peer]) {
        if !chain.is_empty() {
            chain.extend_from_slice(b", ");
        }
        chain.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_| peer.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    #[test]
    fn hop_by_hop_fields_and_what_connection_names_stay_behind() {
        let mut given = headers(&[
            ("host", "a"),
            ("connection", "keep-alive, x-gone, host, x-forwarded-for"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAA"),
            ("x-gone", "1"),
            ("x-kept", "1"),
        ]);
        strip_request(&mut given, false);
        assert_eq!(given, headers(&[("host", "a"), ("x-kept", "1")]));
    }

    #[test]
    fn identity_of_an_untrusted_peer_is_ours_alone() {
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-port", "1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-forwarded_for", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("x_request_id", "a"),
            ("x-request-id", "a"),
        ];
        let mut given = headers(&lines);
        strip_request(&mut given, false);
        assert!(given.is_empty(), "{given:?}");
        let mut given = headers(&lines);
        strip_request(&mut given, true);
        assert_eq!(given.len(), 5, "only the twins go: {given:?}");
    }

    #[test]
    fn a_trusted_peer_is_added_to_the_chain() {
        let mut given = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
        ]);
        let peer = HeaderValue::from_static("10.0.0.1");
        let request_id = HeaderValue::from_static("id");
        let identity = Identity {
            peer: &peer,
            peer_trusted: true,
            host: None,
            request_id: &request_id,
        };
        identify(&mut given, &identity);
        assert_eq!(given[X_FORWARDED_FOR], "1.1.1.1, 2.2.2.2, 10.0.0.1");
        assert_eq!(given.get_all(X_FORWARDED_FOR).iter().count(), 1);
    }
}
