//! Forward: the request to an HTTP upstream, and its answer back.
//!
//! In: the request and the upstreams that may take it. Out: the upstream's answer, its body
//! streaming. A request is sent a second time only when nothing of it was written.

use std::{mem, rc::Rc};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery,
};
use hyper::body::{Body, Incoming};
use tollgate_snapshot::path;

use super::{
    super::{
        fields,
        normalise::{self, Target},
        record::Pending,
        respond::Source,
    },
    Inbound,
};
use crate::{
    active::rule::Forward,
    refusal::{Reason, Refusal},
    upstream::{
        body::{Progress, RequestBody},
        pool::{Connection, Upstream},
    },
};

/// The path as it is forwarded: the rule's prefix taken off, the backend's put in front. It is in
/// canonical form again, so that a rewrite can't make a path that matching would have refused.
fn rewritten(forward: &Forward, in_front: &str, target: &Target) -> Result<PathAndQuery, Refusal> {
    let given = target.path();
    let stripped = forward
        .strip_prefix
        .as_deref()
        .and_then(|prefix| strip(given, prefix));
    if stripped.is_none() && in_front.is_empty() {
        return Ok(target.path.clone());
    }
    let joined = format!("{in_front}{}", stripped.unwrap_or(given));
    let canonical = path::canonical(&joined).map_err(|_| Reason::BadRequest)?;
    normalise::with_query(canonical.into_owned(), target.path.query())
}

/// Takes whole segments off the front; none when the path does not start with them.
fn strip<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    match path.strip_prefix(prefix.trim_end_matches('/'))? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

impl Inbound<'_> {
    /// The request as the upstream gets it, with the Host that the upstream expects.
    pub(super) fn outbound(
        self,
        pending: &Pending,
        forward: &Forward,
        in_front: &str,
        host: Option<HeaderValue>,
    ) -> Result<Option<Request<RequestBody>>, Refusal> {
        let path = rewritten(forward, in_front, self.target)?;
        let upload = Rc::clone(pending.upload());
        let mut request = Request::new(RequestBody::new(self.body, upload, self.body_bytes_max));
        *request.method_mut() = mem::take(&mut self.parts.method);
        *request.uri_mut() = Uri::from(path);
        let headers = request.headers_mut();
        mem::swap(headers, &mut self.parts.headers);
        pending.forwarded(headers, self.target.authority.as_ref());
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
        if self.parts.version == Version::HTTP_2 {
            join_cookies(headers);
        }
        Ok(Some(request))
    }
}

/// HTTP/2 clients may split the Cookie field; HTTP/1.1 has one (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, cookie);
    }
}

/// Sends the request, a second time if it was not written the first time.
pub(super) async fn send(
    pending: &mut Pending,
    first: Rc<Upstream>,
    second: Option<Rc<Upstream>>,
    request: &mut Option<Request<RequestBody>>,
) -> Result<Response<Source>, Refusal> {
    let core = Rc::clone(&pending.core);
    pending.sending(&first);
    let mut outcome = core.pool.send(&first, request, false).await;
    if outcome.is_err() && request.is_some() {
        let again = second.unwrap_or(first);
        pending.sending(&again);
        outcome = core.pool.send(&again, request, true).await;
    }
    match outcome {
        Ok((response, connection)) => answer(pending, response, connection),
        Err(reason) => Err(refusal(pending, reason)),
    }
}

/// The upstream's answer as the client gets it.
fn answer(
    pending: &mut Pending,
    response: Response<Incoming>,
    mut connection: Connection,
) -> Result<Response<Source>, Refusal> {
    let now = pending.upstream_answered();
    // We ask for no other protocol, so that an upstream that switches is not speaking HTTP to us.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Reason::UpstreamGarbage.into());
    }
    let (mut parts, body) = response.into_parts();
    fields::strip_answer(&mut parts.headers);
    if body.is_end_stream() && pending.upload().progress.get() == Progress::Complete {
        connection.release(now);
    }
    Ok(Response::from_parts(
        parts,
        Source::Upstream(body, connection),
    ))
}

/// A client whose body failed is to blame before an upstream that did not get it.
fn refusal(pending: &Pending, reason: Reason) -> Refusal {
    match pending.upload().progress.get() {
        Progress::TooLarge => Refusal::closing(Reason::BodyTooLarge),
        Progress::Broken => Refusal::closing(Reason::BadRequest),
        Progress::Gone => Refusal::closing(Reason::ClientGone),
        // What is left of the body is in the way of the next request.
        Progress::Open => Refusal::closing(reason),
        Progress::Complete => reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_off_in_whole_segments() {
        let rows = [
            ("segments", "/v1/legacy/a", "/v1/legacy", Some("/a")),
            ("all", "/v1/legacy", "/v1/legacy", Some("/")),
            ("all with slash", "/v1/legacy/", "/v1/legacy", Some("/")),
            ("prefix with slash", "/v1/a", "/v1/", Some("/a")),
            ("part of a segment", "/v1/legacyx", "/v1/legacy", None),
            ("other", "/v2", "/v1", None),
            ("root", "/a", "/", Some("/a")),
        ];
        for (name, path, prefix, expected) in rows {
            assert_eq!(strip(path, prefix), expected, "{name}");
        }
    }
}
