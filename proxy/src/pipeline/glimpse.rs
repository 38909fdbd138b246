//! Glimpse: what can be told of a head that is refused, for its line in the log.
//!
//! In: the head. Out: its host and path, as far as they can be read. Nothing is decided by them:
//! there is no rule for such a request.

use std::borrow::Cow;

use http::{
    header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use tollgate_snapshot::path;

use super::normalise;

/// What is seen of a head.
pub(super) struct Glimpse {
    /// Host, lower case, without port; none when none, several, or none that is an authority were
    /// named.
    pub(super) host: Option<Box<str>>,
    /// Path in canonical form, or as it came if it has none.
    pub(super) path: Option<PathAndQuery>,
}

impl Glimpse {
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            host: host(parts),
            path: parts.uri.path_and_query().map(readable),
        }
    }
}

fn host(parts: &Parts) -> Option<Box<str>> {
    let named = parts.uri.authority().map(Authority::as_str);
    let fields = parts.headers.get_all(header::HOST).iter();
    let mut all = fields
        .map(|value| value.as_bytes())
        .chain(named.map(str::as_bytes));
    let first = all.next()?;
    if !all.all(|other| other.eq_ignore_ascii_case(first)) {
        return None;
    }
    normalise::host_and_port(first).map(|(host, _)| host)
}

fn readable(given: &PathAndQuery) -> PathAndQuery {
    match path::canonical(given.path()) {
        Ok(Cow::Owned(path)) => PathAndQuery::try_from(path).unwrap_or_else(|_| given.clone()),
        Ok(Cow::Borrowed(_)) | Err(_) => given.clone(),
    }
}
