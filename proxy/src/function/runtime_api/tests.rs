//! The Runtime API without sockets: which calls there are.

use super::*;

#[test]
fn calls_are_known_by_method_and_path() {
    let table = [
        (
            "next",
            "GET",
            "/2018-06-01/runtime/invocation/next",
            Some(Call::Next),
        ),
        ("ping", "GET", "/2018-06-01/ping", Some(Call::Ping)),
        (
            "response",
            "POST",
            "/2018-06-01/runtime/invocation/a/response",
            Some(Call::Response("a")),
        ),
        (
            "error",
            "POST",
            "/2018-06-01/runtime/invocation/a/error",
            Some(Call::Error("a")),
        ),
        (
            "init error",
            "POST",
            "/2018-06-01/runtime/init/error",
            Some(Call::InitError),
        ),
        (
            "next by POST",
            "POST",
            "/2018-06-01/runtime/invocation/next",
            None,
        ),
        (
            "response by GET",
            "GET",
            "/2018-06-01/runtime/invocation/a/response",
            None,
        ),
        (
            "another method",
            "PUT",
            "/2018-06-01/runtime/invocation/a/response",
            None,
        ),
        (
            "another version",
            "GET",
            "/2020-01-01/runtime/invocation/next",
            None,
        ),
        (
            "a longer path",
            "POST",
            "/2018-06-01/runtime/invocation/a/b/response",
            None,
        ),
        ("the root", "GET", "/", None),
    ];
    for (name, method, path, expected) in table {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(Call::parse(&method, path), expected, "{name}");
    }
}

#[test]
fn an_error_type_of_another_form_is_unknown() {
    let table = [
        (
            "a runtime's",
            Some("Runtime.ImportModuleError"),
            "Runtime.ImportModuleError",
        ),
        ("a function's", Some("Function.SysExit"), "Function.SysExit"),
        ("none", None, "Runtime.Unknown"),
        ("a word", Some("unhandled"), "Runtime.Unknown"),
        ("another kind", Some("Other.Error"), "Runtime.Unknown"),
        ("a digit", Some("Function.E2big"), "Function.Unknown"),
        ("lower case", Some("Runtime.error"), "Runtime.Unknown"),
        ("one letter", Some("Function.E"), "Function.Unknown"),
        ("two dots", Some("Function.A.b"), "Function.Unknown"),
    ];
    for (name, sent, expected) in table {
        let mut headers = HeaderMap::new();
        headers.extend(sent.map(|sent| {
            let value = HeaderValue::from_static(sent);
            (HeaderName::from_static(ERROR_TYPE), value)
        }));
        assert_eq!(error_type(&headers), expected, "{name}");
    }
}
