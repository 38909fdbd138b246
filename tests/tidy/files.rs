//! What files there are, what they are called, and what each has to have.

use std::{collections::BTreeSet, fs};

use crate::{
    none_wrong,
    source::{Source, all, has_word, root, rust},
};

/// Words that say nothing of what a file holds.
const EMPTY_WORDS: [&str; 4] = ["util", "manager", "helper", "handler"];

/// The stages that are built. A stage is a file of its name in each of the columns.
const STAGES: [&str; 2] = ["route", "integrate"];
const COLUMNS: [&str; 4] = [
    "crds/src",
    "controller/compile/src",
    "proxy/snapshot/src",
    "proxy/src/pipeline",
];

#[test]
fn every_module_says_what_it_is() {
    let silent = rust()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    none_wrong(
        silent
            .map(|source| format!("{}: opens without //!", source.path))
            .collect(),
    );
}

#[test]
fn names_say_what_is_in_a_module() {
    let mut wrong = Vec::new();
    for source in rust() {
        let path = source.path.to_lowercase();
        if EMPTY_WORDS.iter().any(|word| path.contains(word)) || source.stem() == "mod" {
            wrong.push(format!("{}: not a name", source.path));
        }
        for (i, line) in source.code.lines().enumerate() {
            let name = line
                .trim_start()
                .trim_start_matches("pub ")
                .strip_prefix("mod ");
            if name.is_some_and(|name| EMPTY_WORDS.iter().any(|word| name.contains(word))) {
                wrong.push(format!("{}:{}: not a name", source.path, i + 1));
            }
        }
    }
    none_wrong(wrong);
}

#[test]
fn every_stage_is_a_file_in_all_columns() {
    let paths = COLUMNS.map(|column| STAGES.map(|stage| format!("{column}/{stage}.rs")));
    let missing = paths
        .into_iter()
        .flatten()
        .filter(|path| !root().join(path).exists());
    none_wrong(missing.map(|path| format!("{path}: missing")).collect());
}

#[test]
fn every_golden_input_has_an_output_and_every_output_an_input() {
    let sources = all();
    let golden = |suffix| -> BTreeSet<&str> {
        let paths = sources
            .iter()
            .filter_map(|source| source.path.strip_prefix("tests/golden/"));
        paths.filter_map(|name| name.strip_suffix(suffix)).collect()
    };
    let (inputs, outputs) = (golden(".in.yaml"), golden(".out.yaml"));
    assert!(!inputs.is_empty());
    let single = inputs.symmetric_difference(&outputs);
    none_wrong(
        single
            .map(|name| format!("tests/golden/{name}: not a pair"))
            .collect(),
    );
}

#[test]
fn the_generated_crds_are_fresh() {
    let mut wrong = Vec::new();
    let mut expected = BTreeSet::new();
    for crd in tollgate_crds::all_crds() {
        let path = format!("crds/{}.yaml", crd.spec.names.plural);
        let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
        if text != tollgate_crds::to_yaml(&crd).unwrap() {
            wrong.push(format!("{path}: stale, `make crds` writes it"));
        }
        expected.insert(path);
    }
    let generated = |source: &Source| source.path.starts_with("crds/") && is_yaml(source);
    let others = all().into_iter().filter(generated);
    let others = others.filter(|source| !expected.contains(&source.path));
    wrong.extend(others.map(|source| format!("{}: of no kind", source.path)));
    none_wrong(wrong);
}

fn is_yaml(source: &Source) -> bool {
    source.path.ends_with(".yaml")
}

#[test]
fn nothing_is_left_for_later() {
    // Written in two parts, so that this file has none itself.
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("#[ig", "nore"),
    ];
    let mut wrong = Vec::new();
    for source in all() {
        for (i, line) in source.text.lines().enumerate() {
            let found = markers.iter().filter(|marker| has_word(line, marker));
            wrong.extend(found.map(|marker| format!("{}:{}: {marker}", source.path, i + 1)));
        }
    }
    none_wrong(wrong);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for source in all()
        .into_iter()
        .filter(|source| source.path.ends_with(".md"))
    {
        let file = root().join(&source.path);
        for target in links(&source.text) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !file.with_file_name(path).exists() {
                wrong.push(format!("{}: leads nowhere: {target}", source.path));
            }
        }
    }
    none_wrong(wrong);
}

/// The targets of Markdown links that stay in the repository.
fn links(text: &str) -> Vec<&str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

#[test]
fn links_are_found_in_markdown() {
    let text = "[a](b.md) [c](https://d) ![e](f.png#g) [h](#i)";
    assert_eq!(links(text), ["b.md", "f.png#g", "#i"]);
}

#[test]
fn the_license_is_there() {
    let text = fs::read_to_string(root().join("LICENSE")).unwrap();
    assert!(text.contains("Apache License") && text.contains("Version 2.0"));
}
