//! The event that a function gets for a request: HTTP API payload format 2.0.
//!
//! In: a request as the gateway forwards it, and what routing found. Out: the event's JSON. No
//! clock and no I/O: the caller gives the time. The rules are those of AWS ("Working with AWS
//! Lambda proxy integrations for HTTP APIs"); a part without content is absent rather than null.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer, ser::SerializeMap};
use sha2::{Digest, Sha256};
use tollgate_snapshot::ObjectName;

/// A request for a function.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The API that was matched; `accountId` and `apiId` derive from its name.
    pub api: &'a ObjectName,
    /// `GET /products/{id}` or `ANY /products`: see [`route_key`].
    pub route_key: &'a str,
    /// Path parameters by name, values as they stand in the path: they are decoded here, once.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Method.
    pub method: &'a Method,
    /// Canonical path, base path included.
    pub path: &'a str,
    /// Query as the client wrote it, without `?`; may be empty.
    pub query: &'a str,
    /// Header fields as the gateway forwards them, `X-Forwarded-*` included.
    pub headers: &'a HeaderMap,
    /// The host that the client asked for, with or without a port.
    pub host: &'a str,
    /// The client's address.
    pub client_ip: IpAddr,
    /// The protocol that the client speaks.
    pub protocol: Version,
    /// The request's id.
    pub request_id: &'a str,
    /// When the request arrived.
    pub time: Timestamp,
    /// The whole body.
    pub body: &'a [u8],
}

/// The route key of a match: its method, or `ANY`, and its path template below the base path.
pub fn route_key(method: Option<&str>, path: &str) -> String {
    format!("{} {path}", method.unwrap_or("ANY"))
}

/// The event for a request, as JSON.
pub fn v2(request: &Request<'_>) -> Bytes {
    let (body, is_base64_encoded) = body(request.headers, request.body);
    let event = Event {
        version: "2.0",
        route_key: request.route_key,
        raw_path: request.path,
        raw_query_string: request.query,
        cookies: cookies(request.headers),
        headers: Headers(request),
        query_string_parameters: query_parameters(request.query),
        request_context: Context::of(request),
        body,
        path_parameters: path_parameters(request.parameters),
        is_base64_encoded,
    };
    // INVARIANT: all keys are strings and no Serialize below fails, so that JSON can't either.
    #[expect(clippy::expect_used, reason = "the invariant above")]
    let json = serde_json::to_vec(&event).expect("an event always serialises");
    json.into()
}

/// Twelve digits that stand for a namespace where AWS has an account: always the same for the same
/// namespace, made from its SHA-256.
pub fn account_id(namespace: &str) -> String {
    format!("{:012}", fingerprint(namespace) % 1_000_000_000_000)
}

/// Ten letters and digits that stand for an API, as AWS's ids do: always the same for the same
/// namespace and name, made from the SHA-256 of `namespace/name`.
pub fn api_id(api: &ObjectName) -> String {
    let mut rest = fingerprint(&api.to_string());
    let mut id = String::with_capacity(10);
    for _ in 0..10 {
        let digit = (rest % 36) as u8;
        id.push(char::from(match digit {
            0..=9 => b'0' + digit,
            _ => b'a' + (digit - 10),
        }));
        rest /= 36;
    }
    id
}

/// The first eight bytes of a text's SHA-256.
fn fingerprint(text: &str) -> u64 {
    let sha: [u8; 32] = Sha256::digest(text).into();
    sha[..8]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: BTreeMap<&'a str, Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: String,
    api_id: String,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: String,
    source_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
}

impl<'a> Context<'a> {
    fn of(request: &Request<'a>) -> Self {
        let domain = without_port(request.host);
        Self {
            account_id: account_id(&request.api.namespace),
            api_id: api_id(request.api),
            domain_name: domain,
            domain_prefix: domain.split('.').next().unwrap_or(domain),
            http: Http {
                method: request.method.as_str(),
                path: request.path,
                protocol: format!("{:?}", request.protocol),
                source_ip: request.client_ip,
                user_agent: request.headers.get(header::USER_AGENT).map(text),
            },
            request_id: request.request_id,
            route_key: request.route_key,
            stage: "$default",
            // The form of the Common Log Format.
            time: request.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: request.time.as_millisecond(),
        }
    }
}

/// A host without its port; the brackets of an IPv6 address stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// A header value as text. Bytes that are not UTF-8 have no place in JSON and are replaced.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The header fields of a request as the event shows them: one per name, values joined by a comma.
struct Headers<'a>(&'a Request<'a>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(request) = self;
        let mut map = serializer.serialize_map(None)?;
        for name in request.headers.keys().filter(|name| is_shown(name)) {
            map.serialize_entry(name.as_str(), &joined(request.headers, name))?;
        }
        // HTTP/2 has no Host, and a chunked body no Content-Length; a function expects both.
        if !request.headers.contains_key(header::HOST) {
            map.serialize_entry("host", request.host)?;
        }
        if !request.body.is_empty() || request.headers.contains_key(header::CONTENT_LENGTH) {
            map.serialize_entry("content-length", &request.body.len().to_string())?;
        }
        map.end()
    }
}

/// Whether a field is shown as it came. Cookies have a place of their own, the length is that of
/// the body as it is now, and the connection's fields mean nothing to a function.
fn is_shown(name: &HeaderName) -> bool {
    ![
        header::COOKIE,
        header::CONTENT_LENGTH,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
    ]
    .contains(name)
}

fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Cow<'a, str> {
    let mut values = headers.get_all(name).iter().map(text);
    let first = values.next().unwrap_or_default();
    values.fold(first, |sum, value| Cow::Owned(format!("{sum},{value}")))
}

/// The cookies of all Cookie fields (HTTP/2 may split them), one by one.
fn cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let mut all = Vec::new();
    for field in headers.get_all(header::COOKIE) {
        match text(field) {
            Cow::Borrowed(field) => all.extend(each_cookie(field).map(Cow::Borrowed)),
            Cow::Owned(field) => {
                all.extend(each_cookie(&field).map(|cookie| Cow::Owned(cookie.to_owned())));
            }
        }
    }
    all
}

fn each_cookie(field: &str) -> impl Iterator<Item = &str> {
    field
        .split(';')
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
}

/// Query parameters, decoded; the values of one name are joined by a comma.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = form_decoded(value);
        parameters
            .entry(form_decoded(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// Decodes a name or a value of a query, in which a plus sign is a space.
fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

fn path_parameters<'a>(raw: &[(&'a str, &'a str)]) -> BTreeMap<&'a str, Cow<'a, str>> {
    let decoded = |value| percent_decode_str(value).decode_utf8_lossy();
    raw.iter()
        .map(|(name, value)| (*name, decoded(value)))
        .collect()
}

/// The body as text where it is text, else in base64 (and true).
fn body<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) if is_text(headers) => (Some(Cow::Borrowed(text)), false),
        Ok(_) | Err(_) => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

/// Whether the fields say that the body is text, and text that no encoding hides.
fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let Some(Ok(content_type)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
        )
}

#[cfg(test)]
mod tests;
