//! Writes what was found: `control.json` with every single measurement, `control.md` to be read.
//!
//! In: the findings. Out: two files in one folder, and the table on standard output.

mod table;

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    findings::{Findings, Size},
    goal, goals,
    spread::Spread,
};

/// Prints the table, and writes both files when there is a folder to write to.
///
/// # Errors
/// They can't be written.
pub(crate) fn publish(findings: &Findings, folder: Option<&Path>) -> anyhow::Result<()> {
    let table = table::markdown(findings);
    println!("{table}");
    let Some(folder) = folder else {
        return Ok(());
    };
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let json = format!("{:#}\n", to_json(findings));
    for (name, text) in [("control.json", json), ("control.md", table)] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

fn to_json(findings: &Findings) -> Value {
    let (footprint, starts) = (&findings.footprint, &findings.starts);
    json!({
        "machine": findings.machine,
        "sizes": findings.sizes.iter().map(size).collect::<Vec<_>>(),
        "operator": {
            "rssMib": footprint.memory,
            "rssMostMib": footprint.memory_most,
            "cpuIdlePercent": footprint.idle,
            "cpuAtAnEditASecondPercent": footprint.editing,
        },
        "startsSeconds": {
            "operator": starts.operator,
            "proxyFromOperator": starts.proxy,
            "proxyFromDisk": starts.proxy_from_disk,
        },
        "bytesForAnEdit": findings.wire,
        "statusWritesOfARoute": findings.writes_by_count(),
        "programmed": {"trials": findings.promise.trials, "wrong": findings.promise.wrong},
        "goals": goal::json(&goals::of(findings)),
    })
}

fn size(size: &Size) -> Value {
    let trials = size.trials.iter().map(|trial| {
        let ms = |duration: std::time::Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        json!([ms(trial.served), ms(trial.answered)])
    });
    json!({
        "routes": size.routes,
        "servedMs": size.served().map(spread),
        "apiServerMs": size.answered().map(spread),
        "afterApiServerMs": size.ours().map(spread),
        "otherAnswers": size.others(),
        "trialsServedAndApiServerMs": trials.collect::<Vec<_>>(),
    })
}

fn spread(spread: Spread) -> Value {
    json!({"count": spread.count, "p50": spread.p50, "p90": spread.p90, "p99": spread.p99,
           "max": spread.max})
}
