//! What each path answers. Pure but for reading what the site shows.
//!
//! In: a method and a path. Out: a whole answer. That `HEAD` sends no body is the HTTP library's.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;

use crate::admin::Site;

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
        "/config" if site.config.is_some() => config,
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
    match site.readiness.state().not_ready() {
        None => plain(StatusCode::OK, "ok"),
        Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
    }
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

fn config(site: &Site) -> Answer {
    let shown = site.config.as_ref().map(|view| view()).unwrap_or_default();
    // The alternate form is indented: people read this with curl.
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
