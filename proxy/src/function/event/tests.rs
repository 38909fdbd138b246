//! The event that a request becomes.

use serde_json::{Value, json};

use super::*;

/// A request with defaults, and the event that it makes.
struct Made {
    method: Method,
    query: &'static str,
    host: &'static str,
    parameters: Vec<(&'static str, &'static str)>,
    headers: HeaderMap,
    body: &'static [u8],
}

fn get() -> Made {
    Made {
        method: Method::GET,
        query: "",
        host: "api.example.com:8080",
        parameters: Vec::new(),
        headers: HeaderMap::new(),
        body: b"",
    }
}

impl Made {
    fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        self.headers
            .append(name, HeaderValue::from_bytes(value).unwrap());
        self
    }

    fn event(&self) -> Value {
        let json = v2(&Request {
            api: &ObjectName::new("shop", "products"),
            route_key: &route_key(Some("GET"), "/products/{id}"),
            parameters: &self.parameters,
            method: &self.method,
            path: "/v1/products/a%20b",
            query: self.query,
            headers: &self.headers,
            host: self.host,
            client_ip: "192.0.2.7".parse().unwrap(),
            protocol: Version::HTTP_11,
            request_id: "request-1",
            time: Timestamp::from_millisecond(1_583_348_638_390).unwrap(),
            body: self.body,
        });
        serde_json::from_slice(&json).unwrap()
    }
}

fn query(query: &'static str) -> Value {
    let event = Made { query, ..get() }.event();
    assert_eq!(event["rawQueryString"], query);
    event["queryStringParameters"].clone()
}

#[test]
fn a_bare_request_has_no_empty_parts() {
    let account = account_id("shop");
    let api = api_id(&ObjectName::new("shop", "products"));
    assert_eq!(
        get().event(),
        json!({
            "version": "2.0",
            "routeKey": "GET /products/{id}",
            "rawPath": "/v1/products/a%20b",
            "rawQueryString": "",
            "headers": {"host": "api.example.com:8080"},
            "requestContext": {
                "accountId": account,
                "apiId": api,
                "domainName": "api.example.com",
                "domainPrefix": "api",
                "http": {
                    "method": "GET",
                    "path": "/v1/products/a%20b",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.7",
                },
                "requestId": "request-1",
                "routeKey": "GET /products/{id}",
                "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_583_348_638_390_i64,
            },
            "isBase64Encoded": false,
        })
    );
}

#[test]
fn a_route_key_names_any_method_where_the_match_names_none() {
    assert_eq!(route_key(None, "/products"), "ANY /products");
    assert_eq!(
        route_key(Some("PUT"), "/products/{id}"),
        "PUT /products/{id}"
    );
}

#[test]
fn ids_are_stable_and_of_the_form_of_aws() {
    let api = |name| api_id(&ObjectName::new("shop", name));
    assert_eq!(account_id("shop"), account_id("shop"));
    assert_ne!(account_id("shop"), account_id("shop2"));
    assert_ne!(api("products"), api("orders"));
    for namespace in ["", "a", "default", "team-a", "kube-system"] {
        let account = account_id(namespace);
        assert_eq!(account.len(), 12, "{namespace}");
        assert!(
            account.bytes().all(|byte| byte.is_ascii_digit()),
            "{namespace}"
        );
        let api = api(namespace);
        assert_eq!(api.len(), 10, "{namespace}");
        assert!(
            api.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
    }
}

#[test]
fn duplicate_fields_are_joined_and_cookies_have_a_place_of_their_own() {
    let event = get()
        .header("x-one", b"1")
        .header("x-two", b"a")
        .header("x-two", b"b")
        .header("x-forwarded-for", b"192.0.2.7")
        .header("user-agent", b"curl/8")
        .header("cookie", b"a=1; b=2;")
        .header("cookie", b"c=3")
        .header("x-latin", b"caf\xe9")
        .header("host", b"api.example.com")
        .event();
    assert_eq!(
        event["headers"],
        json!({
            "x-one": "1",
            "x-two": "a,b",
            "x-forwarded-for": "192.0.2.7",
            "user-agent": "curl/8",
            "x-latin": "caf\u{fffd}",
            "host": "api.example.com",
        })
    );
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    assert_eq!(event["requestContext"]["http"]["userAgent"], "curl/8");
}

#[test]
fn the_length_is_that_of_the_body_and_the_connections_fields_are_gone() {
    let event = Made {
        body: b"hello",
        ..get()
    }
    .header("transfer-encoding", b"chunked")
    .header("connection", b"close")
    .event();
    assert_eq!(
        event["headers"],
        json!({"host": "api.example.com:8080", "content-length": "5"})
    );
    let event = get().header("content-length", b"0").event();
    assert_eq!(event["headers"]["content-length"], "0");
}

#[test]
fn query_parameters_are_decoded_and_joined() {
    let table = [
        ("one", "p=1", json!({"p": "1"})),
        (
            "joined in order",
            "p=1&q=v&p=2",
            json!({"p": "1,2", "q": "v"}),
        ),
        ("a plus is a space", "a+b=c+d", json!({"a b": "c d"})),
        ("escapes", "n%C3%A9e=%2B%26%3D", json!({"n\u{e9}e": "+&="})),
        ("decoded once", "a=%252B", json!({"a": "%2B"})),
        ("no value", "a&b=", json!({"a": "", "b": ""})),
        ("an equals sign in the value", "a=b=c", json!({"a": "b=c"})),
        ("empty pairs", "&&a=1&", json!({"a": "1"})),
        ("not UTF-8", "a=%ff", json!({"a": "\u{fffd}"})),
        ("not an escape", "a=%zz%", json!({"a": "%zz%"})),
        ("nothing", "", Value::Null),
        ("nothing but separators", "&&", Value::Null),
    ];
    for (name, raw, expected) in table {
        assert_eq!(query(raw), expected, "{name}");
    }
}

#[test]
fn path_parameters_are_decoded_once() {
    let parameters = vec![("id", "a%20b+c"), ("rest", "x/y%2520z"), ("bad", "%ff")];
    let event = Made {
        parameters,
        ..get()
    }
    .event();
    assert_eq!(
        event["pathParameters"],
        json!({"id": "a b+c", "rest": "x/y%20z", "bad": "\u{fffd}"})
    );
}

#[test]
fn a_domain_is_the_host_without_its_port() {
    let table = [
        ("a port", "api.example.com:8080", "api.example.com", "api"),
        ("no port", "api.example.com", "api.example.com", "api"),
        ("one label", "localhost:1", "localhost", "localhost"),
        ("IPv6", "[::1]", "[::1]", "[::1]"),
        ("IPv6 and a port", "[::1]:80", "[::1]", "[::1]"),
        ("nothing", "", "", ""),
    ];
    for (name, host, domain, prefix) in table {
        let event = Made { host, ..get() }.event();
        assert_eq!(event["requestContext"]["domainName"], domain, "{name}");
        assert_eq!(event["requestContext"]["domainPrefix"], prefix, "{name}");
    }
}

#[test]
fn a_body_is_text_where_its_type_says_so_and_base64_otherwise() {
    type Row = (
        &'static str,
        &'static [u8],
        &'static [u8],
        &'static str,
        bool,
    );
    let table: [Row; 13] = [
        ("json", b"application/json", b"{}", "{}", false),
        (
            "json with a charset",
            b"Application/JSON; charset=utf-8",
            b"{}",
            "{}",
            false,
        ),
        (
            "a json subtype",
            b"application/problem+json",
            b"{}",
            "{}",
            false,
        ),
        ("xml", b"application/xml", b"<a/>", "<a/>", false),
        ("an xml subtype", b"image/svg+xml", b"<a/>", "<a/>", false),
        ("script", b"application/javascript", b"1", "1", false),
        ("text", b"text/csv", b"a,b", "a,b", false),
        (
            "a form",
            b"application/x-www-form-urlencoded",
            b"a=1",
            "a=1",
            false,
        ),
        ("UTF-8", b"text/plain", "\u{e9}".as_bytes(), "\u{e9}", false),
        (
            "text that is not UTF-8",
            b"text/plain",
            b"\xe9",
            "6Q==",
            true,
        ),
        ("an image", b"image/png", b"\x89PNG", "iVBORw==", true),
        (
            "bytes",
            b"application/octet-stream",
            b"text",
            "dGV4dA==",
            true,
        ),
        ("a type that is none", b"\xff", b"text", "dGV4dA==", true),
    ];
    for (name, content_type, body, shown, is_base64) in table {
        let event = Made { body, ..get() }
            .header("content-type", content_type)
            .event();
        assert_eq!(event["body"], shown, "{name}");
        assert_eq!(event["isBase64Encoded"], is_base64, "{name}");
    }
}

#[test]
fn a_body_without_a_type_or_with_an_encoding_is_base64() {
    let event = Made {
        body: b"text",
        ..get()
    }
    .event();
    assert_eq!(event["isBase64Encoded"], true);
    let event = Made {
        body: b"{}",
        ..get()
    }
    .header("content-type", b"application/json")
    .header("content-encoding", b"gzip")
    .event();
    assert_eq!(
        (&event["body"], &event["isBase64Encoded"]),
        (&json!("e30="), &json!(true))
    );
}
