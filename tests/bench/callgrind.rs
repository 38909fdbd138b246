//! User instructions a request, counted by callgrind: a figure that repeats where requests a second
//! do not.
//!
//! In: a contender. Out: the difference of two runs of which one answers twice as many requests,
//! divided by the difference; so what starting and stopping cost falls out. The requests come one
//! after another on one connection, which costs a little more than 64 at once do.

use std::{fs, path::Path};

use anyhow::{Context, ensure};

use crate::{contender::Contender, probe, site::Site};

/// Requests of the shorter run.
const REQUESTS: u32 = 10_000;

/// User instructions that the contender spends on one request.
pub(crate) fn count(site: &Site, contender: Contender) -> anyhow::Result<f64> {
    let once = run(site, contender, REQUESTS)?;
    let twice = run(site, contender, 2 * REQUESTS)?;
    ensure!(
        twice > once,
        "{}: {twice} instructions for twice the requests that cost {once}",
        contender.as_str()
    );
    Ok((twice - once) as f64 / f64::from(REQUESTS))
}

/// All user instructions of a run that answers so many requests.
fn run(site: &Site, contender: Contender, requests: u32) -> anyhow::Result<u64> {
    let name = format!("callgrind.{}.{requests}", contender.as_str());
    let path = site.scratch().join(name);
    let out = format!("--callgrind-out-file={}", path.display());
    let prefix = ["valgrind", "--quiet", "--tool=callgrind", &out];
    site.with_contender(contender, &prefix, |serving| {
        probe::plain(serving.port, requests)
    })?;
    read(&path)
}

/// The `totals` line of callgrind's output, which it writes when the program ends.
fn read(path: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals:"))
        .and_then(|total| total.trim().parse().ok())
        .with_context(|| format!("no totals in {}", path.display()))
}
