//! What each path answers. Pure but for reading what the site shows.

use std::time::Instant;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;

use super::{Site, view};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The exposition format that Prometheus asks for when it asks for no other.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

type Answer = Response<Full<Bytes>>;

/// Answers a request.
pub(super) fn answer(site: &Site, method: &Method, path: &str) -> Answer {
    let view: fn(&Site) -> Answer = match path {
        "/healthz" => |_| plain(StatusCode::OK, "ok"),
        "/readyz" => readyz,
        "/metrics" => metrics,
        "/proxies" => proxies,
        _ => return plain(StatusCode::NOT_FOUND, "not found"),
    };
    if matches!(*method, Method::GET | Method::HEAD) {
        return view(site);
    }
    let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    let allowed = HeaderValue::from_static("GET, HEAD");
    refused.headers_mut().insert(ALLOW, allowed);
    refused
}

fn readyz(site: &Site) -> Answer {
    let not_ready = match (site.snapshots.is_listed(), site.certificates.is_ready()) {
        (false, _) => format!("not listed yet: {}", site.missing.borrow().join("; ")),
        (true, false) => "there is no serving certificate yet".to_owned(),
        (true, true) => return plain(StatusCode::OK, "ok"),
    };
    plain(StatusCode::SERVICE_UNAVAILABLE, &not_ready)
}

fn metrics(site: &Site) -> Answer {
    match site.metrics.encode() {
        Ok(text) => respond(StatusCode::OK, METRICS, text.into()),
        Err(error) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("metrics: {error}"),
        ),
    }
}

fn proxies(site: &Site) -> Answer {
    // The alternate form is indented: people read this with curl.
    let shown = view::proxies(site, Instant::now());
    respond(StatusCode::OK, JSON, format!("{shown:#}\n").into())
}

fn plain(status: StatusCode, text: &str) -> Answer {
    respond(status, PLAIN, format!("{text}\n").into())
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
