//! Which match of one host takes a request.

use super::{active, any_host, ask, route, taker};

fn one_route(rules: &[&str]) -> super::Active {
    active(&(any_host() + &route("name: r", "", rules)))
}

#[test]
fn literals_go_before_parameters_and_those_before_the_rest() {
    let rules = [
        "rest: /a/{rest+}",
        "param: /a/{id}",
        "literal: /a/b",
        "deep: /a/{id}/c",
        "deep-literal: /a/b/{x}/d",
    ];
    ask(
        &one_route(&rules),
        &[
            ("literal", "GET h/a/b", "r/literal"),
            ("parameter", "GET h/a/c", "r/param"),
            ("rest", "GET h/a/c/d", "r/rest"),
            ("parameter inside", "GET h/a/x/c", "r/deep"),
            // /a/b leads to /a/b/{x}/d only: the search goes back to /a/{id}/c.
            ("back from a literal", "GET h/a/b/c", "r/deep"),
            (
                "back from a literal and a parameter",
                "GET h/a/b/x/y",
                "r/rest",
            ),
            ("literal inside", "GET h/a/b/x/d", "r/deep-literal"),
            ("case", "GET h/A/b", "404"),
            ("above", "GET h/a", "404"),
        ],
    );
}

#[test]
fn the_rest_is_one_segment_or_more() {
    let active = one_route(&["rest: /a/{rest+}"]);
    ask(
        &active,
        &[
            ("none", "GET h/a", "404"),
            ("none, with a slash", "GET h/a/", "404"),
            ("one", "GET h/a/b", "r/rest"),
            ("one, with a slash", "GET h/a/b/", "r/rest"),
            ("many", "GET h/a/b/c/d", "r/rest"),
        ],
    );
    let all = one_route(&["rest: /{rest+}"]);
    ask(
        &all,
        &[
            ("the root is no segment", "GET h/", "404"),
            ("one", "GET h/a", "r/rest"),
        ],
    );
}

#[test]
fn a_slash_at_the_end_does_not_matter() {
    let active = one_route(&["root: /", "plain: /a", "slash: /b/", "param: /c/{id}"]);
    ask(
        &active,
        &[
            ("root", "GET h/", "r/root"),
            ("without", "GET h/a", "r/plain"),
            ("with", "GET h/a/", "r/plain"),
            ("template with, without", "GET h/b", "r/slash"),
            ("template with, with", "GET h/b/", "r/slash"),
            ("parameter", "GET h/c/1/", "r/param"),
            ("no parameter", "GET h/c/", "404"),
        ],
    );
}

#[test]
fn the_search_goes_on_where_method_headers_or_query_do_not_fit() {
    let rules = [
        "post: POST /a/b",
        "beta: GET /a/{id} x-beta=1",
        "query: GET /a/{id} ?v=2",
        "rest: GET /{rest+}",
    ];
    ask(
        &one_route(&rules),
        &[
            ("method", "GET h/a/b", "r/rest"),
            ("method fits", "POST h/a/b", "r/post"),
            ("header", "GET h/a/b x-beta=1", "r/beta"),
            ("header's value", "GET h/a/b x-beta=2", "r/rest"),
            ("query", "GET h/a/b?v=2", "r/query"),
            ("query's value", "GET h/a/b?v=1", "r/rest"),
            ("query among others", "GET h/a/b?x=1&v=2", "r/query"),
            ("the first of two counts", "GET h/a/b?v=1&v=2", "r/rest"),
            ("escaped query", "GET h/a/b?%76=%32", "r/query"),
        ],
    );
}

#[test]
fn a_named_method_goes_first_then_more_conditions_then_the_place_in_the_object() {
    let rules = [
        "any: /a x-a=1 x-b=1 ?q=1",
        "plain: GET /a",
        "one: GET /a x-a=1",
        "two: GET /a x-a=1 ?q=1",
        "again: GET /a",
    ];
    ask(
        &one_route(&rules),
        &[
            ("nothing", "GET h/a", "r/plain"),
            ("one", "GET h/a x-a=1", "r/one"),
            ("two", "GET h/a?q=1 x-a=1", "r/two"),
            ("all", "GET h/a?q=1 x-a=1 x-b=1", "r/two"),
            ("another method", "PUT h/a?q=1 x-a=1 x-b=1", "r/any"),
        ],
    );
}

#[test]
fn a_match_for_get_answers_head_unless_one_names_head() {
    let rules = [
        "get: GET /a",
        "both-get: GET /b",
        "both-head: HEAD /b",
        "post: POST /c",
        "any: /d",
        "get-d: GET /d",
        "head-only: HEAD /e",
        "literal: GET /f/x",
        "head-param: HEAD /f/{id}",
    ];
    ask(
        &one_route(&rules),
        &[
            ("by get", "HEAD h/a", "r/get"),
            ("named", "HEAD h/b", "r/both-head"),
            ("get beside it", "GET h/b", "r/both-get"),
            ("no get", "HEAD h/c", "405 POST"),
            ("get before any", "HEAD h/d", "r/get-d"),
            ("head does not answer get", "GET h/e", "405 HEAD"),
            ("a better template", "HEAD h/f/x", "r/literal"),
            ("by its own template", "HEAD h/f/y", "r/head-param"),
        ],
    );
}

#[test]
fn a_wrong_method_names_those_of_all_templates_that_fit() {
    let rules = [
        "get: GET /a/b",
        "put: PUT /a/{id}",
        "delete: DELETE /{rest+}",
        "beta: PATCH /a/b x-beta=1",
    ];
    ask(
        &one_route(&rules),
        &[
            ("all", "POST h/a/b", "405 DELETE, GET, HEAD, PATCH, PUT"),
            ("some", "POST h/a/c", "405 DELETE, PUT"),
            ("one", "POST h/x", "405 DELETE"),
            ("none", "POST h/", "404"),
            // The method is right and a condition is not: naming it would send the client in
            // circles.
            ("a condition that is missing", "PATCH h/a/b", "404"),
        ],
    );
}

#[test]
fn of_routes_that_fit_alike_the_older_goes_first() {
    let old = "creationTimestamp: \"2026-01-01T00:00:00Z\"";
    let young = "creationTimestamp: \"2026-02-01T00:00:00Z\"";
    let rows = [
        (
            "older",
            format!("name: b, {old}"),
            format!("name: a, {young}"),
            "b/x",
        ),
        ("dated", format!("name: b, {old}"), "name: a".into(), "b/x"),
        ("name", "name: b".into(), "name: a".into(), "a/x"),
        (
            "name of twins",
            format!("name: b, {old}"),
            format!("name: a, {old}"),
            "a/x",
        ),
        (
            "namespace before name",
            "name: a, namespace: two".into(),
            "name: b, namespace: one".into(),
            "b/x",
        ),
    ];
    let open = gateway_for_all();
    for (name, one, two, expected) in rows {
        let more = "gateways: [{name: g, namespace: default}], ";
        let route = |metadata: &str| route(metadata, more, &["x: GET /a"]);
        for (first, second) in [(&one, &two), (&two, &one)] {
            let mut active = super::Active::default();
            let yaml = open.clone() + &route(first) + &route(second);
            let mut changes = super::changes(&yaml);
            assert_eq!(active.apply(&changes), []);
            assert_eq!(taker(&active, "GET h/a"), expected, "{name}");
            changes.reverse();
            let mut reversed = super::Active::default();
            assert_eq!(reversed.apply(&changes), []);
            assert_eq!(taker(&reversed, "GET h/a"), expected, "{name}, reversed");
        }
    }
}

fn gateway_for_all() -> String {
    super::object(
        "ApiGateway",
        "name: g",
        "listeners: [{name: http, port: 80, protocol: HTTP}], allow: [{namespaces: All}]",
    )
}

#[test]
fn conditions_go_before_age() {
    let yaml = any_host()
        + &route(
            "name: old, creationTimestamp: \"2026-01-01T00:00:00Z\"",
            "",
            &["x: GET /a"],
        )
        + &route("name: young", "", &["x: GET /a x-beta=1"]);
    ask(
        &active(&yaml),
        &[
            ("condition", "GET h/a x-beta=1", "young/x"),
            ("none", "GET h/a", "old/x"),
        ],
    );
}

#[test]
fn templates_compare_with_their_base_path() {
    let yaml = any_host()
        + &route("name: wide", "", &["all: /{rest+}", "one: /v1/{x}"])
        + &route(
            "name: based",
            "basePath: /v1, ",
            &["root: /", "a: /a", "id: /{id}/b"],
        );
    ask(
        &active(&yaml),
        &[
            ("root of the base", "GET h/v1", "based/root"),
            ("with a slash", "GET h/v1/", "based/root"),
            ("literal", "GET h/v1/a", "based/a"),
            ("parameter", "GET h/v1/c", "wide/one"),
            ("deeper", "GET h/v1/c/b", "based/id"),
            ("not a whole segment", "GET h/v1a", "wide/all"),
        ],
    );
}

#[test]
fn parameters_are_the_segments_they_stand_for() {
    let active = one_route(&["x: /a/{one}/b/{two+}"]);
    let (_, port) = active.ports().next().unwrap();
    let table = port.hosts.find("h").unwrap();
    let (method, headers) = (http::Method::GET, http::HeaderMap::new());
    let head = super::super::table::Head {
        method: &method,
        headers: &headers,
        query: None,
    };
    let rows = [
        ("plain", "/a/1/b/2", vec![("one", "1"), ("two", "2")]),
        ("rest", "/a/1/b/2/3", vec![("one", "1"), ("two", "2/3")]),
        ("slash", "/a/1/b/2/3/", vec![("one", "1"), ("two", "2/3")]),
        ("raw", "/a/%3F/b/%25", vec![("one", "%3F"), ("two", "%25")]),
    ];
    for (name, path, expected) in rows {
        let candidate = table.find(path, head).unwrap();
        assert_eq!(candidate.parameters(path), expected, "{name}");
    }
}
