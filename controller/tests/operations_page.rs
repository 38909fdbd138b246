//! `docs/operations.md` explains every word that the operator says, and no other.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use tollgate_compile::Reason;
use tollgate_controller::{
    cli::Cli,
    metrics::Metrics,
    status::words::{ConditionType, Word},
};

const PAGE: &str = include_str!("../../docs/operations.md");

/// The first words in code of the table rows of a section, each of them once.
fn explained(section: &str) -> BTreeSet<&'static str> {
    let heading = format!("\n## {section}\n");
    let (_, rest) = PAGE.split_once(&heading).expect("the page has the section");
    let text = rest.split("\n## ").next().unwrap_or(rest);
    let mut words = BTreeSet::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (word, _) = row.split_once('`').expect("the word is closed");
        assert!(words.insert(word), "{section}: {word} is explained twice");
    }
    words
}

fn owned(words: BTreeSet<&str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_condition_is_explained() {
    let written = ConditionType::ALL.map(ConditionType::as_str);
    assert_eq!(explained("Conditions"), BTreeSet::from(written));
}

#[test]
fn every_reason_is_explained() {
    let own = Word::ALL.map(Word::as_str).into_iter();
    let faults = Reason::ALL.map(Reason::as_str).into_iter();
    assert_eq!(explained("Reasons"), own.chain(faults).collect());
}

#[test]
fn no_word_has_two_meanings() {
    let own = BTreeSet::from(Word::ALL.map(Word::as_str));
    let faults = BTreeSet::from(Reason::ALL.map(Reason::as_str));
    assert!(own.is_disjoint(&faults));
}

#[test]
fn every_flag_is_explained() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    let flags = run.get_arguments().filter_map(|flag| flag.get_long());
    let flags = flags.filter(|flag| *flag != "help");
    let flags: BTreeSet<String> = flags.map(|flag| format!("--{flag}")).collect();
    assert_eq!(owned(explained("Flags and ports")), flags);
}

#[test]
fn every_metric_is_explained() {
    let text = Metrics::new().unwrap().encode().unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split_once(' '));
    let names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(owned(explained("Metrics")), names);
}

#[test]
fn every_fault_names_a_test_that_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/tests");
    let folders = ["fault", "objects"].map(|folder| tests.join(folder));
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let texts = files.filter_map(|file| fs::read_to_string(file.unwrap().path()).ok());
    let texts: String = texts.collect();
    let rows = PAGE.lines().filter_map(|line| line.strip_suffix("` |"));
    let named: Vec<&str> = rows
        .filter_map(|row| row.rsplit_once("| `"))
        .map(|row| row.1)
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(texts.contains(&format!("fn {name}()")), "{name}");
    }
}
