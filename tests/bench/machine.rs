//! What the figures were measured on and with.

use std::{fs, process::Command, thread};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    contender::Contender,
    install::Tools,
    site::{self, Site},
};

/// The machine and the programs on it, by name.
pub(crate) fn describe(site: &Site, contenders: &[Contender]) -> anyhow::Result<Value> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(json!({
        "date": Timestamp::now().strftime("%Y-%m-%d").to_string(),
        "command": command(),
        "commit": commit()?,
        "cpu": field(&cpuinfo, "model name").unwrap_or("unknown"),
        "cores": thread::available_parallelism()?.get(),
        "memory": field(&meminfo, "MemTotal").unwrap_or("unknown"),
        "kernel": kernel.trim(),
        "scratch": site.scratch().parent().map(|folder| folder.display().to_string()),
        "versions": versions(&site.tools, contenders)?,
    }))
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

/// The commit that the programs were built from, marked when the files differ from it.
fn commit() -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.current_dir(site::checkout());
    command.args(["describe", "--always", "--dirty", "--exclude=*"]);
    first_line(&mut command)
}

fn versions(tools: &Tools, contenders: &[Contender]) -> anyhow::Result<Value> {
    let mut versions = json!({
        "nginx": first_line(Command::new(&tools.nginx).arg("-v"))?,
        // wrk ends with 1 after it has said its version.
        "wrk": first_line(Command::new("wrk").arg("-v"))?,
        "rustc": first_line(Command::new("rustc").arg("--version"))?,
    });
    if contenders.contains(&Contender::Envoy) {
        versions["envoy"] = first_line(Command::new(tools.envoy()?).arg("--version"))?.into();
    }
    if contenders.iter().any(|contender| contender.is_counted()) {
        versions["valgrind"] = first_line(Command::new("valgrind").arg("--version"))?.into();
    }
    Ok(versions)
}

/// The first line that a command says, on whichever stream, without what comes before the version.
fn first_line(command: &mut Command) -> anyhow::Result<String> {
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
