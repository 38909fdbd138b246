//! `check`: one line for each problem, with the file and line where it stands.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may fail anywhere"
)]

use std::{fs, path::Path};

use tollgate_proxy::check::{Outcome, Unchecked, check};

const GATEWAY: &str = "\
apiVersion: tollgate.dev/v1alpha1
kind: ApiGateway
metadata: {name: public}
spec: {listeners: [{name: http, port: 8080, protocol: HTTP}]}
";

const ROUTE: &str = "\
apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: products}
spec:
  gateways: [{name: public}]
  rules:
  - name: gone
    match: [{path: /old}]
    respond: {status: 410}
";

/// What `check` says of some files, without the folder in front.
fn said(files: &[(&str, &str)]) -> (Outcome, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut out = Vec::new();
    let outcome = check(dir.path(), &mut out).unwrap();
    let root = format!("{}/", dir.path().display());
    let out = String::from_utf8(out).unwrap().replace(&root, "");
    (outcome, out.lines().map(str::to_owned).collect())
}

#[test]
fn what_is_well_is_not_mentioned() {
    let (outcome, lines) = said(&[("gateway.yaml", GATEWAY), ("sub/route.yaml", ROUTE)]);
    assert_eq!((outcome, lines), (Outcome::Clean, vec![]));
    assert_eq!(outcome.exit_code(), 0);
}

#[test]
fn problems_stand_in_the_order_of_files_and_lines() {
    let broken = ROUTE
        .replace("path: /old", "path: old")
        .replace("respond", "respnd");
    let list = "\
apiVersion: v1
kind: List
items:
- apiVersion: tollgate.dev/v1alpha1
  kind: Function
  metadata: {name: f}
  spec:
    contract: lamda
- apiVersion: tollgate.dev/v1alpha1
  kind: Functon
";
    let (outcome, lines) = said(&[
        ("a.yaml", GATEWAY),
        ("b.yaml", &broken),
        ("c.yaml", list),
        ("d/e.json", "{\"a\": 1,\n\"a\": 2}"),
    ]);
    assert_eq!(outcome, Outcome::Problems);
    assert_eq!(outcome.exit_code(), 1);
    let expected = [
        "b.yaml:8 ApiRoute default/products spec.rules[0].match[0].path: must start with a slash, got \"old\"",
        "b.yaml:9 ApiRoute default/products spec.rules[0].respnd: unknown field \"respnd\", did you mean \"respond\"",
        "c.yaml:8 Function default/f spec.contract: must be lambda or http, got \"lamda\"",
        "c.yaml:9: unknown kind \"Functon\" of tollgate.dev; the kinds are ApiGateway, ApiRoute and Function",
        "d/e.json:2: the key \"a\" stands twice in one mapping",
    ];
    for line in expected {
        assert!(
            lines.iter().any(|found| found == line),
            "{line}\nnot in\n{}",
            lines.join("\n")
        );
    }
    let places: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn references_are_checked_across_files() {
    let (outcome, lines) = said(&[("route.yaml", ROUTE)]);
    assert_eq!(outcome, Outcome::Problems);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("route.yaml:5 ApiRoute default/products spec.gateways[0]"),
        "{lines:?}"
    );
}

#[test]
fn warnings_alone_are_no_failure() {
    let function = "\
apiVersion: tollgate.dev/v1alpha1
kind: Function
metadata: {name: f}
spec:
  contract: lambda
  process: {command: [f]}
  concurrency: 2
";
    let (outcome, lines) = said(&[("f.yaml", function)]);
    assert_eq!(
        (outcome, outcome.exit_code()),
        (Outcome::Warnings, 0),
        "{lines:?}"
    );
    assert!(
        lines[0].starts_with("warning: f.yaml:7 Function default/f spec.concurrency: "),
        "{lines:?}"
    );
}

#[test]
fn a_name_cannot_break_a_line() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: \"a\\nb\"}\n";
    let (outcome, lines) = said(&[("a.yaml", text)]);
    assert_eq!((outcome, lines.len()), (Outcome::Problems, 1), "{lines:?}");
}

#[test]
fn a_folder_that_is_not_there_is_not_checked() {
    let mut out = Vec::new();
    let error = check(Path::new("/nowhere/at/all"), &mut out).unwrap_err();
    assert!(matches!(error, Unchecked::Folder(_)));
    assert_eq!(error.to_string(), "/nowhere/at/all: entity not found");
    assert_eq!(out, b"");
}
