//! The load: wrk with 64 connections beside the upstream on core 1.
//!
//! In: a port and a length. Out: what wrk saw. A single failed request or answer other than 2xx
//! makes the run worthless, and it is refused.

use std::{path::Path, process::Command};

use anyhow::{Context, bail, ensure};

/// The path of every request; it fits the one route that Tollgate is given.
pub(crate) const PATH: &str = "/v1/products/42";

/// What the upstream answers, 65 bytes.
pub(crate) const BODY: &str =
    r#"{"id":"42","name":"a very ordinary product","price":1999,"n":"1"}"#;

/// Connections that wrk keeps open, with one request at a time on each.
pub(crate) const CONNECTIONS: u32 = 64;

/// What wrk saw.
pub(crate) struct Load {
    /// Requests answered.
    pub(crate) requests: u64,
    /// Length of the run in microseconds.
    pub(crate) duration_us: u64,
    /// Half of the answers came faster, in microseconds.
    pub(crate) p50_us: u64,
    /// Ninety-nine of a hundred answers came faster, in microseconds.
    pub(crate) p99_us: u64,
}

/// Runs wrk for some seconds.
pub(crate) fn run(scratch: &Path, port: u16, seconds: u32) -> anyhow::Result<Load> {
    let script = scratch.join("wrk.lua");
    std::fs::write(&script, include_str!("config/wrk.lua"))?;
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "taskset", "-c", "1", "wrk"])
        .args(["-t", "1", "-c", &CONNECTIONS.to_string()])
        .args(["-d", &format!("{seconds}s"), "-s"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{port}{PATH}"))
        .output()
        .context("start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("wrk has ended with {}: {error}", output.status);
    }
    read(&text)
}

/// Reads the line that the script prints.
fn read(text: &str) -> anyhow::Result<Load> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("result "))
        .with_context(|| format!("no result in what wrk says: {text}"))?;
    let numbers = line
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<u64>, _>>()
        .with_context(|| format!("not a result of wrk: {line}"))?;
    let &[requests, duration_us, p50_us, p99_us, failures] = numbers.as_slice() else {
        bail!("not a result of wrk: {line}");
    };
    ensure!(
        failures == 0,
        "{failures} of {requests} requests have failed"
    );
    ensure!(requests > 0 && duration_us > 0, "wrk has sent nothing");
    Ok(Load {
        requests,
        duration_us,
        p50_us,
        p99_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_65_bytes() {
        assert_eq!(BODY.len(), 65);
    }

    #[test]
    fn a_run_with_failures_is_no_result() {
        let rows = [
            ("good", "Running 1s test\nresult 10 1000000 5 9 0\n", true),
            ("a failure", "result 10 1000000 5 9 1\n", false),
            ("nothing sent", "result 0 1000000 0 0 0\n", false),
            ("no line", "Running 1s test\n", false),
            ("too few numbers", "result 10 1000000\n", false),
            ("no number", "result 10 1000000 5 nan 0\n", false),
        ];
        for (name, text, good) in rows {
            assert_eq!(read(text).is_ok(), good, "{name}");
        }
    }
}
