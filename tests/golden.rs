//! Golden pairs: what each `golden/<stage>-<case>.in.yaml` compiles to is in its `.out.yaml`.
//!
//! `make golden` (or `TOLLGATE_GOLDEN=write`) writes the outputs anew; the review is in the diff.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tollgate_compile::{Change, Compiled, Problem, Severity, compile};
use tollgate_snapshot::Unit;
use tollgate_tests::manifests;

const STAGES: [&str; 8] = [
    "document",
    "endpoints",
    "function",
    "gateway",
    "hold",
    "integrate",
    "route",
    "shadow",
];

fn is_writing() -> bool {
    env::var("TOLLGATE_GOLDEN").is_ok_and(|value| value == "write")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The names of the pairs that have a file with this ending.
fn cases(ending: &str) -> Result<BTreeSet<String>> {
    let mut cases = BTreeSet::new();
    for entry in fs::read_dir(folder())? {
        let name = entry?.file_name();
        let name = name.to_str().context("a file name that is no text")?;
        cases.extend(name.strip_suffix(ending).map(str::to_owned));
    }
    Ok(cases)
}

fn output(compiled: &Compiled) -> Result<String> {
    let payload = |unit: &Unit| serde_json::to_value(&*unit.payload);
    let mut units = BTreeMap::new();
    for (id, unit) in &compiled.units {
        units.insert(id.to_string(), payload(unit)?);
    }
    let mut held = BTreeMap::new();
    for (id, stand_in) in &compiled.held {
        let stand_in = stand_in.as_ref().map(payload).transpose()?;
        held.insert(id.to_string(), stand_in.unwrap_or(Value::Null));
    }
    let problems: Vec<String> = compiled.problems.values().flatten().map(line).collect();
    let parts = [
        json!({ "units": units }),
        json!({ "held": held }),
        json!({ "problems": problems }),
    ];
    let parts: Result<Vec<String>, _> = parts.iter().map(serde_saphyr::to_string).collect();
    Ok(parts?.concat())
}

fn line(problem: &Problem) -> String {
    let severity = match problem.reason.severity() {
        Severity::Problem => "problem",
        Severity::Warning => "warning",
    };
    format!("{severity} {}: {problem}", problem.reason.as_str())
}

/// The lines that differ, each with its sign; both sides in order.
fn diff(expected: &str, found: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[same..].iter().rev().zip(new[same..].iter().rev());
    let tail = tail.take_while(|(a, b)| a == b).count();
    let lines = |sign: &str, lines: &[&str]| -> String {
        lines
            .iter()
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    let removed = lines("-", &old[same..old.len() - tail]);
    let added = lines("+", &new[same..new.len() - tail]);
    format!("@@ line {} @@\n{removed}{added}", same + 1)
}

#[test]
fn every_input_compiles_to_its_output() -> Result<()> {
    let write = is_writing();
    let mut different = String::new();
    for case in cases(".in.yaml")? {
        let input = fs::read_to_string(folder().join(format!("{case}.in.yaml")))?;
        let changes = manifests::changes(&input);
        ensure!(!changes.is_empty(), "{case}: nothing in it is read");
        let found = output(&compile(changes))?;
        let path = folder().join(format!("{case}.out.yaml"));
        if write {
            fs::write(path, found)?;
            continue;
        }
        let expected = fs::read_to_string(path).unwrap_or_default();
        if found != expected {
            different.push_str(&format!("{case}:\n{}", diff(&expected, &found)));
        }
    }
    ensure!(
        different.is_empty(),
        "outputs differ; `make golden` writes them anew\n{different}"
    );
    Ok(())
}

#[test]
fn inputs_and_outputs_are_pairs_and_named_by_stage() -> Result<()> {
    let (inputs, outputs) = (cases(".in.yaml")?, cases(".out.yaml")?);
    let alone: Vec<_> = inputs.symmetric_difference(&outputs).collect();
    ensure!(
        is_writing() || alone.is_empty(),
        "without the other half: {alone:?}"
    );
    ensure!(inputs.len() >= 45, "only {} pairs", inputs.len());
    for case in inputs {
        let stage = case.split('-').next().unwrap_or_default();
        ensure!(STAGES.contains(&stage), "{case}: no stage {stage:?}");
    }
    let files = fs::read_dir(folder())?.count();
    ensure!(
        is_writing() || files == 2 * outputs.len(),
        "{files} files, and {} are pairs",
        2 * outputs.len()
    );
    Ok(())
}

/// Documents that name one object twice are left out: of those the last counts.
#[test]
fn the_order_of_the_documents_makes_no_difference() -> Result<()> {
    for case in cases(".in.yaml")? {
        let input = fs::read_to_string(folder().join(format!("{case}.in.yaml")))?;
        let mut changes = manifests::changes(&input);
        let names: BTreeSet<String> = changes.iter().map(name).collect();
        if names.len() < changes.len() {
            continue;
        }
        let forwards = compile(changes.clone());
        changes.reverse();
        ensure!(compile(changes) == forwards, "{case}");
    }
    Ok(())
}

fn name(change: &Change) -> String {
    match change {
        Change::Put(object) => object.reference().to_string(),
        Change::Refuse { object, .. } | Change::Remove(object) => object.to_string(),
    }
}
