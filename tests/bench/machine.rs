//! What the figures were measured on and with.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    contender::Contender,
    facts::{self, first_line},
    install::Tools,
    site::{self, Site},
};

/// The machine and the programs on it, by name.
pub(crate) fn describe(site: &Site, contenders: &[Contender]) -> anyhow::Result<Value> {
    let mut machine = facts::gather(&site::checkout(), &command())?;
    let scratch = site.scratch().parent();
    machine["scratch"] = json!(scratch.map(|folder| folder.display().to_string()));
    machine["versions"] = versions(&site.tools, contenders)?;
    Ok(machine)
}

/// What to type to run the same again.
fn command() -> String {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    if flags.is_empty() {
        "make bench".to_owned()
    } else {
        format!(
            "cargo run -p tollgate-tests --bin bench -- {}",
            flags.join(" ")
        )
    }
}

fn versions(tools: &Tools, contenders: &[Contender]) -> anyhow::Result<Value> {
    let mut versions = json!({
        "nginx": first_line(Command::new(&tools.nginx).arg("-v"))?,
        // wrk ends with 1 after it has said its version.
        "wrk": first_line(Command::new("wrk").arg("-v"))?,
    });
    if contenders.contains(&Contender::Envoy) {
        versions["envoy"] = first_line(Command::new(tools.envoy()?).arg("--version"))?.into();
    }
    if contenders.iter().any(|contender| contender.is_counted()) {
        versions["valgrind"] = first_line(Command::new("valgrind").arg("--version"))?.into();
    }
    Ok(versions)
}
