//! One measurement of one process under load.
//!
//! In: a process id and a load. Out: a [`Sample`]. CPU time is the kernel's account of the process
//! (`utime` and `stime`, all threads), divided by the requests that the load saw answered.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use rustix::param::clock_ticks_per_second;

use crate::load;

/// What one measurement found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Requests a second.
    pub(crate) rate: f64,
    /// CPU microseconds a request in user mode.
    pub(crate) user_us: f64,
    /// CPU microseconds a request in the kernel.
    pub(crate) kernel_us: f64,
    /// Median latency in microseconds.
    pub(crate) p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub(crate) p99_us: f64,
    /// Resident memory at the end of the load, in KiB.
    pub(crate) rss_kib: f64,
    /// Requests answered.
    pub(crate) requests: u64,
}

/// Loads a process for some seconds and accounts for it.
pub(crate) fn under_load(
    scratch: &Path,
    id: u32,
    port: u16,
    seconds: u32,
) -> anyhow::Result<Sample> {
    let before = cpu(id)?;
    let load = load::run(scratch, port, seconds)?;
    let after = cpu(id)?;
    let requests = load.requests as f64;
    let user_us = (after.user_us - before.user_us) / requests;
    let kernel_us = (after.kernel_us - before.kernel_us) / requests;
    // Then another process has done the work, and the figures would be of the wrong one.
    ensure!(user_us + kernel_us > 0.0, "process {id} has used no CPU");
    Ok(Sample {
        rate: requests * 1e6 / load.duration_us as f64,
        user_us,
        kernel_us,
        p50_us: load.p50_us as f64,
        p99_us: load.p99_us as f64,
        rss_kib: resident_kib(id)? as f64,
        requests: load.requests,
    })
}

/// CPU time of a process since its start, in microseconds.
struct Cpu {
    user_us: f64,
    kernel_us: f64,
}

fn cpu(id: u32) -> anyhow::Result<Cpu> {
    let stat = read(id, "stat")?;
    let (user, kernel) = ticks(&stat).context("unreadable /proc/PID/stat")?;
    let tick_us = 1e6 / clock_ticks_per_second() as f64;
    Ok(Cpu {
        user_us: user as f64 * tick_us,
        kernel_us: kernel as f64 * tick_us,
    })
}

/// `utime` and `stime`, fields 14 and 15 (proc_pid_stat(5)). Field 2, the name, may hold anything
/// but ends with the last parenthesis.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user = fields.next()?.parse().ok()?;
    let kernel = fields.next()?.parse().ok()?;
    Some((user, kernel))
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(id: u32) -> anyhow::Result<u64> {
    let status = read(id, "status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .context("no VmRSS in /proc/PID/status")
}

fn read(id: u32, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{id}/{name}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_does_not_move_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 12 34 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some((12, 34)));
    }

    #[test]
    fn a_process_has_memory() {
        assert!(resident_kib(std::process::id()).unwrap() > 0);
    }
}
