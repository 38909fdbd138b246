//! What the schema of a kind finds in a manifest.

use super::*;

fn found(kind: Kind, spec: &str) -> Vec<String> {
    let text = format!("metadata: {{name: a}}\nspec:\n{spec}");
    let mut manifest: Value = serde_saphyr::from_str(&text).unwrap();
    forget_nulls(kind, &mut manifest);
    problems(&ObjectRef::new(kind, "default", "a"), &manifest)
        .into_iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect()
}

fn route(rule: &str) -> Vec<String> {
    let spec = format!("  gateways: [{{name: public}}]\n  rules:\n  - {{name: a, {rule}}}\n");
    found(Kind::ApiRoute, &spec)
}

#[test]
fn every_kind_of_the_group_has_a_schema() {
    let kinds: Vec<_> = SCHEMAS.keys().copied().collect();
    assert_eq!(kinds, [Kind::ApiGateway, Kind::ApiRoute, Kind::Function]);
}

#[test]
fn what_fits_has_no_problem() {
    let rows = [
        ("plain", "match: [{path: /a}], respond: {status: 200}"),
        (
            "null is absent",
            "match: [{path: /a}], rewrite: null, respond: {status: 200, body: null}",
        ),
        (
            "free map",
            "match: [{path: /a}], respond: {status: 200, headers: {x-help: docs}}",
        ),
        (
            "port of a number",
            "match: [{path: /a}], backends: [{service: {name: a, port: 80}}]",
        ),
        (
            "port of a name",
            "match: [{path: /a}], backends: [{service: {name: a, port: http}}]",
        ),
        (
            "null in a free map",
            "match: [{path: /a}], respond: {status: 200, headers: {x-help: null}}",
        ),
        (
            "null for an enum",
            "match: [{path: /a}], backends: [{function: {name: a, event: null}}]",
        ),
    ];
    for (name, rule) in rows {
        assert_eq!(route(rule), [""; 0], "{name}");
    }
    let template = "  contract: lambda\n  template: {spec: {anything: [1, {at: all}]}}\n";
    assert_eq!(found(Kind::Function, template), [""; 0]);
    assert_eq!(
        found(Kind::Service, "  ports: 1\n"),
        [""; 0],
        "no schema of ours"
    );
}

#[test]
fn every_violation_is_said_in_words() {
    let rows = [
        (
            "unknown field",
            "match: [{path: /a}], respond: {status: 200}, zzz: 1",
            "spec.rules[0].zzz: unknown field \"zzz\"",
        ),
        (
            "misspelt field",
            "match: [{path: /a}], backend: []",
            "spec.rules[0].backend: unknown field \"backend\", did you mean \"backends\"",
        ),
        (
            "wrong type",
            "match: [{path: 1}]",
            "spec.rules[0].match[0].path: expected string, got integer",
        ),
        (
            "null where something is required",
            "match: null",
            "spec.rules[0].match: is required",
        ),
        (
            "wrong type of what may be absent",
            "match: [{path: /a}], timeout: 7",
            "spec.rules[0].timeout: expected string, got integer",
        ),
        (
            "number with a fraction",
            "match: [{path: /a}], respond: {status: 200.0}",
            "spec.rules[0].respond.status: expected integer, got number",
        ),
        (
            "neither number nor text",
            "match: [{path: /a}], backends: [{service: {name: a, port: true}}]",
            "spec.rules[0].backends[0].service.port: expected integer or string, got boolean",
        ),
        (
            "missing",
            "match: [{method: GET}]",
            "spec.rules[0].match[0].path: is required",
        ),
        (
            "too small",
            "match: [{path: /a}], respond: {status: 99}",
            "spec.rules[0].respond.status: must be at least 200, got 99",
        ),
        (
            "too large",
            "match: [{path: /a}], respond: {status: 600}",
            "spec.rules[0].respond.status: must be at most 599, got 600",
        ),
        (
            "not one of",
            "match: [{path: /a}], redirect: {scheme: ftp}",
            "spec.rules[0].redirect.scheme: must be http or https, got \"ftp\"",
        ),
        (
            "no entry",
            "match: []",
            "spec.rules[0].match: must have at least 1 entry",
        ),
        (
            "pattern",
            "match: [{path: a}]",
            "spec.rules[0].match[0].path: must start with a slash, got \"a\"",
        ),
        (
            "duration",
            "match: [{path: /a}], timeout: 1d",
            "spec.rules[0].timeout: must be a duration such as 1h30m, 10s or 500ms, got \"1d\"",
        ),
        (
            "header of a number",
            "match: [{path: /a}], respond: {status: 200, headers: {x.y: 1}}",
            "spec.rules[0].respond.headers[\"x.y\"]: expected string, got integer",
        ),
    ];
    for (name, rule, expected) in rows {
        assert_eq!(route(rule), [expected], "{name}");
    }
}

#[test]
fn an_object_has_all_its_problems_at_once() {
    assert_eq!(
        route("match: [{path: a, methd: GET}], respond: {status: 1}").len(),
        3
    );
    assert_eq!(
        found(Kind::Function, "  {}\n"),
        ["spec.contract: is required"]
    );
}

#[test]
fn metadata_is_checked_for_what_has_no_type() {
    let manifest = json!({"metadata": {"labels": {"a": 1}}, "spec": {"contract": "http"}});
    let found = problems(&ObjectRef::new(Kind::Function, "default", "a"), &manifest);
    assert_eq!(found[0].field, "metadata.labels.a");
    assert_eq!(found[0].message, "expected string, got integer");
}
