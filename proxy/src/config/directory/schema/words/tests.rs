//! The words for what a schema finds.

use serde_json::json;

use super::*;

#[test]
fn pointers_become_field_paths() {
    let rows = [
        ("root", "", None, ""),
        ("root and below", "", Some("spec"), "spec"),
        (
            "fields and indices",
            "/spec/rules/2/match/0",
            Some("path"),
            "spec.rules[2].match[0].path",
        ),
        ("dots", "/headers/a.b", None, "headers[\"a.b\"]"),
        ("escapes", "/a~1b/c~0d", None, "a/b.c~d"),
    ];
    for (name, pointer, below, expected) in rows {
        assert_eq!(field(pointer, below), expected, "{name}");
    }
}

#[test]
fn a_name_is_near_when_two_letters_differ() {
    let rows = [
        ("one missing", "backend", "backends", true),
        ("two swapped", "mathc", "match", true),
        ("three differ", "match", "mxyzh", false),
        ("short", "ab", "cd", false),
        ("equal length, unlike", "path", "host", false),
    ];
    for (name, one, other, expected) in rows {
        assert_eq!(is_near(one, other), expected, "{name}");
    }
}

#[test]
fn values_are_shown_in_part_or_not_at_all() {
    let long = "x".repeat(70);
    let rows = [
        (
            "plain",
            "/spec/path",
            json!("a\n"),
            ", got \"a\\n\"".to_owned(),
        ),
        (
            "long",
            "/spec/path",
            json!(long),
            format!(", got \"{}…\"", "x".repeat(64)),
        ),
        ("secret", "/spec/clientSecret", json!("hush"), String::new()),
        ("mapping", "/spec", json!({"a": 1}), String::new()),
    ];
    for (name, pointer, value, expected) in rows {
        assert_eq!(shown(pointer, &value), expected, "{name}");
    }
}

#[test]
fn every_pattern_of_the_kinds_has_words() {
    let mut patterns = Vec::new();
    for crd in tollgate_crds::all_crds() {
        collect(&serde_json::to_value(crd).unwrap(), &mut patterns);
    }
    assert!(!patterns.is_empty());
    for found in patterns {
        assert!(PATTERNS.iter().any(|(known, _)| *known == found), "{found}");
    }
}

fn collect(value: &Value, patterns: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(pattern)) = map.get("pattern") {
                patterns.push(pattern.clone());
            }
            map.values().for_each(|below| collect(below, patterns));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, patterns)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
