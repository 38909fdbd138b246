//! Respond: the answer's head, whoever made it.
//!
//! In: an answer of a backend, or a refusal. Out: the response that hyper sends, its body bound
//! to the record of the request.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version, header, response};
use hyper::body::Incoming;

use super::{
    fields::X_REQUEST_ID,
    record::{Answer, Pending},
};
use crate::{refusal::Refusal, upstream::pool::Connection};

/// Where the bytes of an answer come from.
pub(crate) enum Source {
    /// From us, all of them; none when they are out or there were none.
    Full(Option<Bytes>),
    /// From an upstream, as they come, over a connection that is free again after them.
    Upstream(Incoming, Connection),
}

impl Source {
    /// Bytes of ours.
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }
}

/// The answer to a refused request.
pub(super) fn refuse(pending: &mut Pending, refusal: Refusal) -> Response<Source> {
    let reason = refusal.reason;
    pending.refused(reason);
    let body = format!(r#"{{"message":"{}"}}"#, reason.message());
    let mut response = Response::new(Source::full(body.into()));
    *response.status_mut() = reason.status();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = reason.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    if let Some((name, value)) = refusal.header
        && let Ok(value) = HeaderValue::try_from(value)
    {
        headers.insert(name, value);
    }
    if refusal.close && pending.version() != Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Takes away a body that must not be sent (RFC 9110 section 6.4.1). hyper does so for HTTP/1.1,
/// but not for HTTP/2. An answer to HEAD keeps the length that one to GET has.
fn withhold(parts: &mut response::Parts, bytes: &mut Option<Bytes>, is_head: bool) {
    let bodiless = matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if !is_head && !bodiless {
        return;
    }
    if let Some(bytes) = bytes.take()
        && !bodiless
    {
        let length = HeaderValue::from(bytes.len());
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
}

/// Finishes the head and binds the body to the record.
pub(super) fn seal(
    mut pending: Box<Pending>,
    is_head: bool,
    response: Response<Source>,
) -> Response<Answer> {
    let (mut parts, mut source) = response.into_parts();
    if let Source::Full(bytes) = &mut source {
        withhold(&mut parts, bytes, is_head);
    }
    parts.version = Version::HTTP_11;
    parts.headers.insert(X_REQUEST_ID, pending.request_id());
    if pending.link.is_leaving() && pending.version() != Version::HTTP_2 {
        parts
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    pending.answered(parts.status);
    Response::from_parts(parts, Answer::new(source, pending))
}
