//! Writes what was found: `results.json` with every single measurement, `results.md` to be read.
//!
//! In: the findings. Out: two files in one folder, and the table on standard output.

mod table;

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::{
    contender::Contender,
    findings::{Findings, Ours},
    goal, goals,
    measure::Sample,
    spread::Spread,
};

/// Prints the table, and writes both files when there is a folder to write to.
pub(crate) fn publish(findings: &Findings, folder: Option<&Path>) -> anyhow::Result<()> {
    let table = table::markdown(findings);
    println!("{table}");
    let Some(folder) = folder else {
        return Ok(());
    };
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let json = format!("{:#}\n", to_json(findings));
    for (name, text) in [("results.json", json), ("results.md", table)] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

fn to_json(findings: &Findings) -> Value {
    let rounds: Vec<Value> = findings
        .rounds
        .iter()
        .map(|round| by_name(round.iter().map(|(of, found)| (*of, sample(found)))))
        .collect();
    let instructions = findings.instructions.iter();
    json!({
        "machine": findings.machine,
        "secondsPerMeasurement": findings.seconds,
        "rounds": rounds,
        "userInstructionsPerRequest": by_name(instructions.map(|(of, count)| (*of, json!(count)))),
        "tollgate": findings.ours.as_ref().map(ours),
        "goals": goal::json(&goals::of(findings)),
    })
}

fn by_name(values: impl Iterator<Item = (Contender, Value)>) -> Value {
    let named: Map<String, Value> = values
        .map(|(contender, value)| (contender.as_str().to_owned(), value))
        .collect();
    named.into()
}

fn sample(sample: &Sample) -> Value {
    json!({
        "requests": sample.requests,
        "requestsPerSecond": sample.rate,
        "userCpuUsPerRequest": sample.user_us,
        "kernelCpuUsPerRequest": sample.kernel_us,
        "p50Us": sample.p50_us,
        "p99Us": sample.p99_us,
        "rssKib": sample.rss_kib,
    })
}

fn ours(ours: &Ours) -> Value {
    let control: Map<String, Value> = ours
        .control
        .iter()
        .map(|(name, figures)| (name.clone(), spread(figures)))
        .collect();
    json!({
        "idleRssKib": ours.idle_kib,
        "rssKibPerRoute": ours.route_kib,
        "control": control,
    })
}

fn spread(spread: &Spread) -> Value {
    json!({"median": spread.median, "min": spread.min, "max": spread.max})
}
