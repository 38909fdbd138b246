//! The machine, and the commit that runs on it. The control bench's too.

use std::{fs, path::Path, process::Command, thread};

use anyhow::Context;
use serde_json::{Value, json};

/// The machine and the commit, by name. `command`: what to type to run the same again.
pub(crate) fn gather(checkout: &Path, command: &str) -> anyhow::Result<Value> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(json!({
        "date": first_line(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?,
        "command": command,
        "commit": commit(checkout)?,
        "cpu": field(&cpuinfo, "model name").unwrap_or("unknown"),
        "cores": thread::available_parallelism()?.get(),
        "memory": field(&meminfo, "MemTotal").unwrap_or("unknown"),
        "kernel": kernel.trim(),
        "rustc": first_line(Command::new("rustc").arg("--version"))?,
    }))
}

/// As a section of Markdown; what is in a map of its own has a row of its own.
pub(crate) fn markdown(facts: &Value) -> String {
    let mut rows = vec!["## The machine\n\n| | |\n|---|---|".to_owned()];
    let mut row = |name: &str, value: &Value| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        rows.push(format!("| {name} | {value} |"));
    };
    for (name, value) in facts.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(versions) => versions.iter().for_each(|(name, value)| row(name, value)),
            None => row(name, value),
        }
    }
    rows.join("\n")
}

/// The commit that the programs were built from, marked when the files differ from it.
fn commit(checkout: &Path) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.current_dir(checkout);
    command.args(["describe", "--always", "--dirty", "--exclude=*"]);
    first_line(&mut command)
}

/// The first line that a command says, on whichever stream, without what comes before the version.
pub(crate) fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {name}"))?;
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said)
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(|line| {
            line.rsplit_once("version: ")
                .map_or(line, |(_, version)| version)
        })
        .map(str::to_owned)
        .with_context(|| format!("{name} does not say its version"))
}

/// The value of the first `name: value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}
