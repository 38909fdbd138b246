//! Who may know whom, where Cargo can't say it.

use crate::{
    none_wrong,
    source::{Source, all, has_word, rust},
};

/// Each crate of ours, and those of ours that it may depend on.
const ARROWS: [(&str, &[&str]); 8] = [
    ("crds", &[]),
    ("proxy/snapshot", &[]),
    (
        "controller/compile",
        &["tollgate-crds", "tollgate-snapshot"],
    ),
    (
        "controller",
        &["tollgate-compile", "tollgate-crds", "tollgate-snapshot"],
    ),
    (
        "proxy",
        &["tollgate-compile", "tollgate-crds", "tollgate-snapshot"],
    ),
    ("examples/products/function", &[]),
    ("tests/stub", &[]),
    // Tests and fuzzing may know all.
    (
        "fuzz",
        &[
            "tollgate-compile",
            "tollgate-crds",
            "tollgate-proxy",
            "tollgate-snapshot",
        ],
    ),
];

/// What would let files, clocks, chance or a runtime into compile.
const IMPURE: [&str; 10] = [
    "tokio",
    "fs::",
    "env::",
    "net::Tcp",
    "thread::",
    "process::",
    "Instant",
    "SystemTime",
    "rand",
    "tracing",
];

/// The names behind `[dependencies]` and `[build-dependencies]` of a Cargo.toml.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut section = "";
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if matches!(section, "[dependencies]" | "[build-dependencies]") {
            names.extend(
                line.split(['.', ' ', '='])
                    .next()
                    .filter(|name| !name.is_empty()),
            );
        }
    }
    names
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let mut wrong = Vec::new();
    for manifest in all() {
        let Some(folder) = manifest.path.strip_suffix("/Cargo.toml") else {
            continue;
        };
        if matches!(folder, "tests" | "e2e") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == folder) else {
            wrong.push(format!(
                "{}: no arrows are stated for it here",
                manifest.path
            ));
            continue;
        };
        let ours = dependencies(&manifest.text);
        let ours = ours.iter().filter(|name| name.starts_with("tollgate-"));
        let unknown = ours.filter(|name| !allowed.contains(name));
        wrong.extend(unknown.map(|name| format!("{}: may not know {name}", manifest.path)));
    }
    none_wrong(wrong);
}

/// The places below `folder`, tests left out, whose code has one of `words`.
fn uses(sources: &[Source], folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let of_folder = |source: &&Source| source.path.starts_with(folder) && source.stem() != "tests";
    for source in sources.iter().filter(of_folder) {
        for (number, line) in source.production() {
            let words = words.iter().filter(|word| has_word(line, word));
            found.extend(words.map(|word| format!("{}:{number}: has {word}", source.path)));
        }
    }
    found
}

#[test]
fn only_the_directory_reader_of_the_proxy_knows_compile_and_the_kinds() {
    let mut wrong = uses(
        &rust(),
        "proxy/src/",
        &["tollgate_compile", "tollgate_crds"],
    );
    wrong.retain(|place| !place.starts_with("proxy/src/config/directory"));
    none_wrong(wrong);
}

#[test]
fn the_pipeline_knows_nothing_of_config() {
    none_wrong(uses(
        &rust(),
        "proxy/src/pipeline",
        &["config::", "crate::config", "super::config"],
    ));
}

/// A request is handed on in one direction: what serves it does not know where it came from.
#[test]
fn what_requests_use_knows_nothing_of_sockets_or_stages() {
    let sources = rust();
    let mut wrong = uses(&sources, "proxy/src/pipeline", &["listen::"]);
    for folder in ["proxy/src/core", "proxy/src/upstream", "proxy/src/function"] {
        wrong.extend(uses(&sources, folder, &["listen::", "pipeline::"]));
    }
    none_wrong(wrong);
}

#[test]
fn compile_is_pure() {
    let sources = rust();
    assert!(
        sources
            .iter()
            .any(|source| source.path == "controller/compile/src/lib.rs")
    );
    none_wrong(uses(&sources, "controller/compile/src/", &IMPURE));
}

#[test]
fn dependencies_are_read_from_their_sections() {
    let manifest = "[package]\nname = \"a\"\n\n[dependencies]\nb.workspace = true\n\
                    c = { version = \"1\" }\n\n[dev-dependencies]\nd = \"1\"\n";
    assert_eq!(dependencies(manifest), ["b", "c"]);
}
