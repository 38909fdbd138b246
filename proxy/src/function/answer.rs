//! What a function's answer means to the client: the response rules of HTTP API payload format 2.0.
//!
//! In: the bytes that the function posted. Out: status, header fields and body, or why the answer
//! is malformed. What the client is told of a malformed answer is not decided here.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};
use tollgate_snapshot::header::is_hop_by_hop;

/// Why a function's answer can't be sent to a client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed answer: {why}")]
pub struct MalformedAnswer {
    /// The field at fault and the reason, for the function's author; values are not shown.
    pub why: String,
}

impl MalformedAnswer {
    fn new(field: &str, reason: impl fmt::Display) -> Self {
        Self {
            why: format!("{field}: {reason}"),
        }
    }
}

/// Reads an answer to an event of format 2.0.
///
/// JSON without `statusCode` is a body of its own, with status 200.
///
/// # Errors
/// [`MalformedAnswer`] names the field and the reason.
pub fn v2(answer: &Bytes) -> Result<Response<Bytes>, MalformedAnswer> {
    let json = serde_json::from_slice(answer)
        .map_err(|error| MalformedAnswer::new("answer", format_args!("not JSON: {error}")))?;
    match json {
        Value::Object(mut fields) => match fields.remove("statusCode") {
            Some(code) => described(&code, fields),
            None => Ok(whole(answer.clone())),
        },
        Value::String(text) => Ok(whole(text.into())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Ok(whole(answer.clone()))
        }
    }
}

/// The response to an answer that is nothing but a body.
fn whole(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The response to an answer that describes it field by field; unknown fields are skipped.
fn described(
    code: &Value,
    mut fields: Map<String, Value>,
) -> Result<Response<Bytes>, MalformedAnswer> {
    let mut field = |name: &str| fields.remove(name).unwrap_or(Value::Null);
    let mut all = headers(field("headers"))?;
    append_cookies(&mut all, field("cookies"))?;
    let body = body(field("body"), &field("isBase64Encoded"))?;
    all.entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));

    let mut response = Response::new(body);
    *response.status_mut() = status(code)?;
    *response.headers_mut() = all;
    Ok(response)
}

/// A final status as a number or a numeric text. Interim ones (1xx) are no answer to a request.
fn status(code: &Value) -> Result<StatusCode, MalformedAnswer> {
    let number = match code {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    };
    number
        .filter(|number| (200..=599).contains(number))
        .and_then(|number| StatusCode::from_u16(u16::try_from(number).ok()?).ok())
        .ok_or_else(|| MalformedAnswer::new("statusCode", "not a number from 200 to 599"))
}

fn headers(fields: Value) -> Result<HeaderMap, MalformedAnswer> {
    let fields = match fields {
        Value::Null => Map::new(),
        Value::Object(fields) => fields,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(MalformedAnswer::new("headers", "not an object"));
        }
    };
    let mut headers = HeaderMap::with_capacity(fields.len() + 1);
    for (name, value) in fields {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            MalformedAnswer::new("headers", format_args!("no header name: {name:?}"))
        })?;
        let value = header_value(&format!("headers.{name}"), value)?;
        if !is_ours(&parsed) {
            headers.insert(parsed, value);
        }
    }
    Ok(headers)
}

/// Whether the gateway writes the field itself: it concerns the connection, or follows from the
/// body.
fn is_ours(name: &HeaderName) -> bool {
    is_hop_by_hop(name.as_str()) || *name == header::CONTENT_LENGTH
}

/// A header value. One with a line break or another control byte would write header fields of its
/// own, and is refused.
fn header_value(field: &str, value: Value) -> Result<HeaderValue, MalformedAnswer> {
    let text = match value {
        Value::String(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(MalformedAnswer::new(
                field,
                "not a string, a boolean or a number",
            ));
        }
    };
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| MalformedAnswer::new(field, "control bytes in a header value"))
}

fn append_cookies(headers: &mut HeaderMap, cookies: Value) -> Result<(), MalformedAnswer> {
    let cookies = match cookies {
        Value::Null => return Ok(()),
        Value::Array(cookies) => cookies,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(MalformedAnswer::new("cookies", "not a list"));
        }
    };
    for (i, cookie) in cookies.into_iter().enumerate() {
        let field = format!("cookies[{i}]");
        if !cookie.is_string() {
            return Err(MalformedAnswer::new(&field, "not a string"));
        }
        headers.append(header::SET_COOKIE, header_value(&field, cookie)?);
    }
    Ok(())
}

fn body(body: Value, is_base64_encoded: &Value) -> Result<Bytes, MalformedAnswer> {
    let text = match body {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(MalformedAnswer::new("body", "not a string"));
        }
    };
    match is_base64_encoded {
        Value::Null | Value::Bool(false) => Ok(text.into()),
        Value::Bool(true) => STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| MalformedAnswer::new("body", "not base64, as isBase64Encoded says")),
        Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(MalformedAnswer::new("isBase64Encoded", "not a boolean"))
        }
    }
}

#[cfg(test)]
mod tests;
