//! The HTTP face: method and path to a call of the store, results and failures to answers.
//!
//! In: a request as `lambda_http` gives it. Out: always an answer; a failure is `{"message": …}`
//! with its status. The id is the event's path parameter, which the gateway has decoded.
//!
//! ```text
//! /v1/products        GET ?limit&next   POST
//! /v1/products/{id}   GET   PUT   PATCH (RFC 7396)   DELETE
//! ```

use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderValue, Method, StatusCode, header},
    tracing,
};
use serde_json::{Value, json};

use crate::{
    product::{Draft, Invalid, Product, is_id, merge},
    store::{Put, Store},
};

/// Products of a page: unless `limit` says otherwise, and at most.
const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Why a request gets no product.
enum Failure {
    Invalid(Invalid),
    NoSuchPath,
    NoSuchProduct(String),
    /// With the methods that the path has.
    MethodNotAllowed(&'static str),
    /// With the content types that would do.
    UnsupportedMediaType(&'static str),
    Store(rusqlite::Error),
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// Answers one request.
pub(crate) fn answer(store: &mut Store, request: &Request) -> Response<Body> {
    routed(store, request).unwrap_or_else(failure)
}

fn routed(store: &mut Store, request: &Request) -> Result<Response<Body>, Failure> {
    let path = request.raw_http_path().trim_end_matches('/');
    let Some(rest) = path.strip_prefix("/v1/products") else {
        return Err(Failure::NoSuchPath);
    };
    let parameters = request.path_parameters_ref();
    match (rest, parameters.and_then(|all| all.first("id"))) {
        ("", _) => collection(store, request, path),
        (_, Some(id)) if rest.starts_with('/') => item(store, request, id),
        _ => Err(Failure::NoSuchPath),
    }
}

fn collection(store: &mut Store, request: &Request, path: &str) -> Result<Response<Body>, Failure> {
    match *request.method() {
        Method::GET | Method::HEAD => list(store, request),
        Method::POST => {
            let draft = Draft::parse(&body(request, &[JSON], JSON)?, None)?;
            Ok(created(path, &store.create(&draft)?))
        }
        _ => Err(Failure::MethodNotAllowed("GET, HEAD, POST")),
    }
}

fn item(store: &mut Store, request: &Request, id: &str) -> Result<Response<Body>, Failure> {
    let absent = || Failure::NoSuchProduct(id.to_owned());
    match *request.method() {
        Method::GET | Method::HEAD => {
            let product = store.find(id)?.ok_or_else(absent)?;
            Ok(json(StatusCode::OK, &json!(product)))
        }
        Method::PUT => put(store, request, id),
        Method::PATCH => {
            let accepted = "application/merge-patch+json, application/json";
            let patch = body(request, &[MERGE_PATCH, JSON], accepted)?;
            let edited = store.edit(id, |product| patched(product, &patch))?;
            let product = edited.ok_or_else(absent)?;
            Ok(json(StatusCode::OK, &json!(product)))
        }
        Method::DELETE if store.remove(id)? => Ok(empty(StatusCode::NO_CONTENT)),
        Method::DELETE => Err(absent()),
        _ => Err(Failure::MethodNotAllowed("DELETE, GET, HEAD, PATCH, PUT")),
    }
}

/// One page, and where the next one starts. A cursor is the last id in hex: clients are not to make
/// sense of it.
fn list(store: &Store, request: &Request) -> Result<Response<Body>, Failure> {
    let query = request.query_string_parameters_ref();
    let parameter = |name| query.and_then(|all| all.first(name));
    let limit = match parameter("limit") {
        None => LIMIT_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| {
                Invalid::new("limit", format!("a number from 1 to {LIMIT_MAX} is needed"))
            })?,
    };
    let after = match parameter("next") {
        None => String::new(),
        Some(cursor) => id_of(cursor)
            .ok_or_else(|| Invalid::new("next", "not the next of an earlier answer"))?,
    };
    let page = store.page(&after, limit)?;
    let last = page.products.last().filter(|_| page.more);
    let mut answer = json!({"items": page.products});
    if let Some(last) = last {
        answer["next"] = cursor_of(&last.id).into();
    }
    Ok(json(StatusCode::OK, &answer))
}

fn cursor_of(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn id_of(cursor: &str) -> Option<String> {
    let digits: Vec<_> = cursor.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes = digits.chunks(2).map(|pair| match pair {
        [Some(high), Some(low)] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    let id = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
    is_id(&id).then_some(id)
}

fn put(store: &mut Store, request: &Request, id: &str) -> Result<Response<Body>, Failure> {
    if !is_id(id) {
        let reason = "1 to 64 letters, digits, - and _ are needed";
        return Err(Invalid::new("id", reason).into());
    }
    let draft = Draft::parse(&body(request, &[JSON], JSON)?, Some(id))?;
    Ok(match store.put(id, &draft)? {
        Put::Created(product) => created("/v1/products", &product),
        Put::Replaced(product) => json(StatusCode::OK, &json!(product)),
    })
}

fn patched(product: &Product, patch: &Value) -> Result<Draft, Failure> {
    let mut target = json!(product);
    merge(&mut target, patch);
    Ok(Draft::parse(&target, Some(&product.id))?)
}

/// The request's JSON, if its content type is one of `types`; `accepted` names them in a 415.
fn body(request: &Request, types: &[&str], accepted: &'static str) -> Result<Value, Failure> {
    let given = request.headers().get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !types.iter().any(|name| essence.eq_ignore_ascii_case(name)) {
        return Err(Failure::UnsupportedMediaType(accepted));
    }
    serde_json::from_slice(request.body())
        .map_err(|error| Invalid::new("body", format!("not JSON: {error}")).into())
}

fn created(collection: &str, product: &Product) -> Response<Body> {
    let mut response = json(StatusCode::CREATED, &json!(product));
    if let Ok(location) = HeaderValue::from_str(&format!("{collection}/{}", product.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn failure(failure: Failure) -> Response<Body> {
    let (status, text, field) = match failure {
        Failure::Invalid(invalid) => (StatusCode::BAD_REQUEST, invalid.to_string(), None),
        Failure::NoSuchPath => (StatusCode::NOT_FOUND, "no such path".into(), None),
        Failure::NoSuchProduct(id) => (StatusCode::NOT_FOUND, format!("no product \"{id}\""), None),
        Failure::MethodNotAllowed(allowed) => (
            StatusCode::METHOD_NOT_ALLOWED,
            format!("the methods of this path are {allowed}"),
            Some((header::ALLOW, allowed)),
        ),
        // RFC 9110 section 15.5.16: `Accept` in a 415 names what would have been accepted.
        Failure::UnsupportedMediaType(accepted) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content-type: {accepted} is needed"),
            Some((header::ACCEPT, accepted)),
        ),
        // What went wrong inside is for the log, not for clients.
        Failure::Store(error) => {
            tracing::error!(%error, "the store failed");
            let text = "Internal Server Error".into();
            (StatusCode::INTERNAL_SERVER_ERROR, text, None)
        }
    };
    let mut response = json(status, &json!({"message": text}));
    if let Some((name, value)) = field {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// A JSON answer, with a line end for the sake of terminals.
fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Text(format!("{value}\n")));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(JSON);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_back_its_id_and_nothing_else_is_one() {
        assert_eq!(id_of(&cursor_of("mug-1")).as_deref(), Some("mug-1"));
        let rows = [
            ("empty", ""),
            ("odd", "6"),
            ("no hex", "zz"),
            ("an id", "mug-1"),
            ("hex of no id", "2f"),
            ("hex of no text", "ff"),
            ("non-ascii", "é"),
        ];
        for (name, cursor) in rows {
            assert_eq!(id_of(cursor), None, "{name}");
        }
    }
}
