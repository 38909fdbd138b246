//! Wrong objects, one slip each: the API server refuses them at the field, in words that say what
//! is right, and so does whoever reads manifests without one.

mod function;
mod gateway;
mod route;

use serde_json::Value;
use tollgate_compile::{Change, compile};
use tollgate_proxy::config::directory::document;

use crate::{cluster, dry_run};

/// Name of the row; what is written; the field that is named; some of what is said of it.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// Kind and spec of a row.
type Frame = fn(&str) -> (&'static str, String);

fn tables() -> [(Frame, &'static [Row]); 5] {
    [
        (gateway::spec, gateway::SPECS),
        (gateway::beside_listeners, gateway::REST),
        (route::spec, route::SPECS),
        (route::rule, route::RULES),
        (function::spec, function::SPECS),
    ]
}

/// The manifest of a row as YAML.
fn manifest(frame: Frame, written: &str) -> String {
    let (kind, spec) = frame(written);
    format!(
        "{{apiVersion: tollgate.dev/v1alpha1, kind: {kind}, metadata: {{name: a}}, spec: {{{spec}}}}}"
    )
}

/// All that an answer says, as `field: message`.
fn said(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let causes = answer["details"]["causes"].as_array();
    let causes = causes.into_iter().flatten();
    let mut said: Vec<_> = causes
        .map(|cause| (text(&cause["field"]), text(&cause["message"])))
        .collect();
    if said.is_empty() {
        said.push((String::new(), text(&answer["message"])));
    }
    said
}

#[test]
fn every_wrong_object_is_refused_at_its_field_in_words() {
    let mut wrong = Vec::new();
    for (frame, rows) in tables() {
        for (name, written, field, words) in rows {
            let yaml = manifest(frame, written);
            let manifest: Value = serde_saphyr::from_str(&yaml).unwrap();
            let answer = dry_run(cluster(), &manifest);
            let status = answer.status;
            let said = said(&serde_json::from_str(&answer.text).unwrap());
            let fits = |(at, message): &(String, String)| at == field && message.contains(words);
            if !matches!(status, 400 | 422) || !said.iter().any(fits) {
                wrong.push(format!("{name}: {status}, {field}: {words}\n    {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_server_refuses_is_held_by_compile_too() {
    for (frame, rows) in tables() {
        for (name, written, _, _) in rows {
            let yaml = manifest(frame, written);
            let (changes, strays) = document::changes(&yaml).unwrap();
            assert!(strays.is_empty(), "{name}: {strays:?}");
            let compiled = compile(changes);
            let problems = compiled.problems.values().flatten();
            let held: Vec<_> = problems.filter(|problem| problem.reason.holds()).collect();
            assert!(!held.is_empty(), "{name}");
            assert!(compiled.units.is_empty(), "{name}");
        }
    }
}

/// Of the others the reader of manifests takes care, by the schema alone.
#[test]
fn what_only_rules_refuse_compile_refuses_by_itself() {
    let mut by_compile = 0;
    for (frame, rows) in tables() {
        for (_, written, _, _) in rows {
            let (changes, _) = document::changes(&manifest(frame, written)).unwrap();
            by_compile += usize::from(matches!(changes.as_slice(), [Change::Put(_)]));
        }
    }
    assert!(by_compile >= 30, "only {by_compile}");
}

#[test]
fn the_tables_hold_at_least_sixty_slips_with_names_of_their_own() {
    let tables = tables();
    let rows = tables.iter().flat_map(|(_, rows)| rows.iter());
    let mut names: Vec<_> = rows.map(|(name, ..)| *name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 60, "only {count}");
}
