//! Which answers of a function are taken, and what becomes of them.

use super::*;

fn read(answer: &str) -> Result<Response<Bytes>, MalformedAnswer> {
    v2(&Bytes::copy_from_slice(answer.as_bytes()))
}

/// Status, content type and body of an answer that is well formed.
fn shown(answer: &str) -> (u16, String, String) {
    let response = read(answer).unwrap();
    let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), content_type.to_owned(), body)
}

fn whys<'a>(table: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) {
    for (name, answer, why) in table {
        let malformed = read(answer).expect_err(name);
        assert!(malformed.why.contains(why), "{name}: {}", malformed.why);
    }
}

#[test]
fn json_without_a_status_is_the_body() {
    let table = [
        ("an object", r#"{"id": 1}"#, r#"{"id": 1}"#),
        (
            "an object with some of the fields",
            r#"{"body":"x"}"#,
            r#"{"body":"x"}"#,
        ),
        ("a list", "[1, 2]", "[1, 2]"),
        ("a string", r#""h\u00e9llo""#, "h\u{e9}llo"),
        ("a number", "1.50", "1.50"),
        ("a boolean", "true", "true"),
        ("null", "null", "null"),
    ];
    for (name, answer, body) in table {
        let expected = (200, "application/json".to_owned(), body.to_owned());
        assert_eq!(shown(answer), expected, "{name}");
    }
}

#[test]
fn fields_describe_the_response() {
    let response = read(
        r#"{"statusCode": 201, "body": "made", "ofTheFuture": [1], "isBase64Encoded": false,
            "headers": {"Content-Type": "text/html", "X-Bool": true, "X-Number": 1.5,
                        "X-Utf8": "é"},
            "cookies": ["a=1; Path=/", "b=2"]}"#,
    )
    .unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.body(), "made");
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/html");
    assert_eq!(headers["x-bool"], "true");
    assert_eq!(headers["x-number"], "1.5");
    assert_eq!(headers["x-utf8"].as_bytes(), "é".as_bytes());
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
}

#[test]
fn what_is_absent_or_null_has_a_default() {
    let plain = "text/plain; charset=utf-8".to_owned();
    let table = [
        ("absent", r#"{"statusCode": 204}"#, 204, ""),
        (
            "null",
            r#"{"statusCode": 200, "headers": null, "cookies": null, "body": null, "isBase64Encoded": null}"#,
            200,
            "",
        ),
        (
            "a status as text",
            r#"{"statusCode": "404", "body": "no"}"#,
            404,
            "no",
        ),
        ("the last status", r#"{"statusCode": 599}"#, 599, ""),
    ];
    for (name, answer, status, body) in table {
        assert_eq!(
            shown(answer),
            (status, plain.clone(), body.to_owned()),
            "{name}"
        );
    }
}

#[test]
fn base64_is_decoded_where_it_is_announced() {
    let answer = r#"{"statusCode": 200, "body": "/wA=", "isBase64Encoded": true}"#;
    assert_eq!(read(answer).unwrap().body().as_ref(), [0xff, 0]);
    let answer = r#"{"statusCode": 200, "body": "/wA=", "isBase64Encoded": false}"#;
    assert_eq!(read(answer).unwrap().body(), "/wA=");
}

#[test]
fn fields_of_the_connection_and_of_the_framing_are_dropped() {
    let ours = ["connection", "te", "transfer-encoding", "content-length"];
    let fields: Vec<_> = ours
        .iter()
        .map(|name| format!(r#""{}": "1""#, name.to_uppercase()))
        .collect();
    let fields = fields.join(",");
    let answer = format!(r#"{{"statusCode": 200, "headers": {{{fields}, "x-kept": "1"}}}}"#);
    let response = read(&answer).unwrap();
    let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-kept", "content-type"]);
}

#[test]
fn an_answer_that_is_not_json_is_malformed() {
    whys([
        ("nothing", "", "not JSON"),
        ("text", "hello", "not JSON"),
        ("cut off", r#"{"statusCode": 200"#, "not JSON"),
        ("more than one", "{} {}", "not JSON"),
    ]);
    assert!(v2(&Bytes::from_static(b"\"\xff\"")).is_err());
}

#[test]
fn a_status_that_is_none_is_malformed() {
    whys([
        ("too small", r#"{"statusCode": 0}"#, "statusCode"),
        ("interim", r#"{"statusCode": 101}"#, "statusCode"),
        ("interim as text", r#"{"statusCode": "199"}"#, "statusCode"),
        ("too large", r#"{"statusCode": 600}"#, "statusCode"),
        (
            "far too large",
            r#"{"statusCode": 18446744073709551615}"#,
            "statusCode",
        ),
        ("negative", r#"{"statusCode": -200}"#, "statusCode"),
        ("a fraction", r#"{"statusCode": 200.5}"#, "statusCode"),
        ("words", r#"{"statusCode": "ok"}"#, "statusCode"),
        ("a sign", r#"{"statusCode": "+200"}"#, "statusCode"),
        ("empty", r#"{"statusCode": ""}"#, "statusCode"),
        ("null", r#"{"statusCode": null}"#, "statusCode"),
        ("a list", r#"{"statusCode": [200]}"#, "statusCode"),
    ]);
}

#[test]
fn header_fields_that_are_none_are_malformed() {
    whys([
        (
            "a list",
            r#"{"statusCode": 200, "headers": []}"#,
            "headers: not an object",
        ),
        (
            "text",
            r#"{"statusCode": 200, "headers": "a: b"}"#,
            "headers: not an object",
        ),
        (
            "a list as value",
            r#"{"statusCode": 200, "headers": {"a": ["b"]}}"#,
            "headers.a",
        ),
        (
            "null as value",
            r#"{"statusCode": 200, "headers": {"a": null}}"#,
            "headers.a",
        ),
        (
            "an empty name",
            r#"{"statusCode": 200, "headers": {"": "b"}}"#,
            "header name",
        ),
        (
            "a space in a name",
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            "header name",
        ),
        (
            "a line break in a name",
            r#"{"statusCode": 200, "headers": {"a\r\nb": "c"}}"#,
            "header name",
        ),
        (
            "a line break in a value",
            r#"{"statusCode": 200, "headers": {"a": "b\r\nset-cookie: c"}}"#,
            "control bytes",
        ),
        (
            "a line feed in a value",
            r#"{"statusCode": 200, "headers": {"a": "b\nc"}}"#,
            "control bytes",
        ),
        (
            "a null byte in a value",
            r#"{"statusCode": 200, "headers": {"a": "\u0000"}}"#,
            "control bytes",
        ),
        (
            "a bad value of a dropped field",
            r#"{"statusCode": 200, "headers": {"te": "\n"}}"#,
            "control bytes",
        ),
        (
            "cookies as text",
            r#"{"statusCode": 200, "cookies": "a=1"}"#,
            "cookies: not a list",
        ),
        (
            "a number as cookie",
            r#"{"statusCode": 200, "cookies": ["a=1", 2]}"#,
            "cookies[1]",
        ),
        (
            "a line break in a cookie",
            r#"{"statusCode": 200, "cookies": ["a\r\nb: c"]}"#,
            "cookies[0]",
        ),
    ]);
}

#[test]
fn a_body_that_is_none_is_malformed() {
    whys([
        (
            "an object",
            r#"{"statusCode": 200, "body": {}}"#,
            "body: not a string",
        ),
        (
            "a number",
            r#"{"statusCode": 200, "body": 1}"#,
            "body: not a string",
        ),
        (
            "text as boolean",
            r#"{"statusCode": 200, "isBase64Encoded": "true"}"#,
            "isBase64Encoded",
        ),
        (
            "not base64",
            r#"{"statusCode": 200, "isBase64Encoded": true, "body": "?"}"#,
            "body: not base64",
        ),
        (
            "base64 cut off",
            r#"{"statusCode": 200, "isBase64Encoded": true, "body": "/wA"}"#,
            "body: not base64",
        ),
    ]);
}

#[test]
fn what_is_wrong_is_said_without_the_value() {
    let malformed = read(r#"{"statusCode": 200, "headers": {"a": "secret\n"}}"#).unwrap_err();
    assert_eq!(
        malformed.to_string(),
        "malformed answer: headers.a: control bytes in a header value"
    );
}
