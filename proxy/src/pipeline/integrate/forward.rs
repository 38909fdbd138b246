//! Forward: the request to an HTTP upstream, and its answer back.
//!
//! In: the request and the upstreams that may take it. Out: the upstream's answer, its body streaming.
//! A request is sent a second time only when nothing of it was written.

use std::rc::Rc;

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, header, request::Parts,
    uri::PathAndQuery,
};
use hyper::body::Body;
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
        pool::{Failure, Upstream},
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
    /// The request as the upstream gets it.
    pub(super) fn outbound(
        self,
        pending: &Pending,
        forward: &Forward,
        in_front: &str,
        host: Option<HeaderValue>,
    ) -> Result<Request<RequestBody>, Refusal> {
        let path = rewritten(forward, in_front, self.target)?;
        let Parts {
            method,
            mut headers,
            version,
            ..
        } = self.parts;
        pending.forwarded(&mut headers, self.target.authority.as_ref());
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
        if version == Version::HTTP_2 {
            join_cookies(&mut headers);
        }
        let upload = Rc::clone(pending.upload());
        let mut request = Request::new(RequestBody::new(self.body, upload, self.body_bytes_max));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = headers;
        Ok(request)
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
    request: Request<RequestBody>,
) -> Result<Response<Source>, Refusal> {
    let failure = match attempt(pending, &first, request).await {
        Ok(response) => return Ok(response),
        Err(failure) => failure,
    };
    let Some(request) = failure.unsent else {
        return Err(refusal(pending, failure.reason));
    };
    let again = second.unwrap_or(first);
    let outcome = attempt(pending, &again, *request).await;
    outcome.map_err(|failure| refusal(pending, failure.reason))
}

async fn attempt(
    pending: &mut Pending,
    upstream: &Rc<Upstream>,
    request: Request<RequestBody>,
) -> Result<Response<Source>, Failure> {
    pending.sending(upstream);
    let core = Rc::clone(&pending.core);
    let (response, mut connection) = core.pool.send(upstream, request).await?;
    let now = pending.upstream_answered();
    let (mut parts, body) = response.into_parts();
    // We ask for no other protocol, so that an upstream that switches is not speaking HTTP to us.
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure {
            reason: Reason::UpstreamGarbage,
            unsent: None,
        });
    }
    fields::strip_answer(&mut parts.headers);
    if body.is_end_stream() && pending.upload().progress.get() == Progress::Complete {
        connection.release(now);
        // hyper gives an answer to HEAD its length back; a body of none has it anyway.
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
