//! The line on which a field stands.

use super::*;

const BLOCK: &str = "\
# a comment
kind: ApiRoute
metadata:
  name: a
spec:
  rules:
  - name: one
    match:
    - path: /a
    - &shared
      path: /b
      method: GET
  -
    name: two
    match: [{path: /c,
      method: GET}, *shared]
    respond:
      headers:
        a.b: c
        '12': d
---
kind: Second
spec:
  base: &base {timeout: 1s,
    weight: 2}
  rule:
    <<: *base
    name: x
  list:
    <<: [{other: 1}, *base]
";

#[test]
fn a_field_has_a_line() {
    let rows = [
        ("the object", 2, "", 2),
        ("field", 2, "kind", 2),
        ("mapping", 2, "spec.rules", 6),
        ("item", 2, "spec.rules[0]", 7),
        ("nested", 2, "spec.rules[0].match[0].path", 9),
        ("anchored", 2, "spec.rules[0].match[1].method", 12),
        ("dash on its own line", 2, "spec.rules[1].name", 14),
        ("flow", 2, "spec.rules[1].match[0].path", 15),
        ("flow over lines", 2, "spec.rules[1].match[0].method", 16),
        ("alias", 2, "spec.rules[1].match[1]", 16),
        ("below an alias", 2, "spec.rules[1].match[1].path", 11),
        ("quoted", 2, "spec.rules[1].respond.headers[\"a.b\"]", 19),
        ("digits", 2, "spec.rules[1].respond.headers[12]", 20),
        ("second document", 22, "spec.rule.name", 28),
        ("merged", 22, "spec.rule.weight", 25),
        ("merged from one of several", 22, "spec.list.timeout", 24),
    ];
    let lines = Lines::read(BLOCK);
    for (name, line, field, expected) in rows {
        let place = Place::line(line);
        assert_eq!(lines.find(&place, field), expected, "{name}");
    }
}

#[test]
fn what_has_no_line_has_its_parents() {
    let rows = [
        ("missing field", "metadata.namespace", 3),
        ("missing item", "spec.rules[7].name", 6),
        ("missing root", "status", 2),
        ("below a text", "kind.of", 2),
        ("index of a mapping", "spec[0]", 5),
        ("no path", "spec..rules", 5),
        ("open bracket", "spec.rules[0", 6),
        ("open quote", "spec[\"rules", 5),
    ];
    let lines = Lines::read(BLOCK);
    let place = Place::line(2);
    for (name, field, expected) in rows {
        assert_eq!(lines.find(&place, field), expected, "{name}");
    }
}

#[test]
fn items_of_lists_and_json_have_lines() {
    let text = "{\n\"items\": [\n{\"a\": 1},\n{\n\"a\": {\"b\":\n2}}]}\n";
    let lines = Lines::read(text);
    let place = |within: &str| Place {
        line: 1,
        within: within.into(),
    };
    assert_eq!(lines.find(&place("items[1]"), ""), 4);
    assert_eq!(lines.find(&place("items[1]"), "a.b"), 5);
    assert_eq!(lines.find(&place("items[0]"), "b"), 3);
}

#[test]
fn a_broken_text_has_the_lines_before_the_fault() {
    let place = Place::line(2);
    assert_eq!(Lines::read("\na: 1\nb: [").find(&place, "a"), 2);
    assert_eq!(Lines::read("").find(&place, "a"), 2);
    let cycle = Lines::read("\na: &a {<<: *a}\n? [x]\n: y\n");
    assert_eq!(cycle.find(&place, "a.b"), 2);
}
