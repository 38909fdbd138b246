//! Respond: the answer's head, whoever made it.
//!
//! In: an answer of a backend, or a refusal. Out: the response that hyper sends, its body bound to the
//! record of the request.

use bytes::Bytes;
use http::{HeaderValue, Response, Version, header};
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

/// Finishes the head and binds the body to the record.
pub(super) fn seal(mut pending: Box<Pending>, response: Response<Source>) -> Response<Answer> {
    let (mut parts, mut source) = response.into_parts();
    parts.version = Version::HTTP_11;
    if let Source::Full(Some(bytes)) = &source
        && !pending.wants_body()
    {
        // hyper drops such a body unread over HTTP/1.1, and sends it over HTTP/2.
        let length = HeaderValue::from(bytes.len());
        parts.headers.insert(header::CONTENT_LENGTH, length);
        source = Source::Full(None);
    }
    parts.headers.insert(X_REQUEST_ID, pending.request_id());
    if pending.link.is_leaving() && pending.version() != Version::HTTP_2 {
        parts
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    pending.answered(parts.status);
    Response::from_parts(parts, Answer::new(source, pending))
}
