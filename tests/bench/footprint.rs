//! Memory of a Tollgate that serves nobody: with the example adopted, and what one more route adds.
//!
//! In: the site. Out: resident memory in KiB of real processes as `serve` runs them, compiler and
//! all, once it no longer changes.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{
    contender::serve,
    install, measure, objects,
    ports::free_ports,
    probe,
    running::{Running, during},
    site::{Site, checkout, prefixed},
};

/// Cores that the idle gateway is given.
pub(crate) const CORES: u32 = 2;

/// Routes of the smaller and of the larger table.
const ROUTES: [usize; 2] = [10, 10_000];

/// Resident memory counts as settled when it has not changed for so long.
const SETTLED: Duration = Duration::from_secs(2);

/// How long it may take to settle.
const DEADLINE: Duration = Duration::from_secs(30);

/// Resident memory in KiB with examples/products adopted, on [`CORES`] cores.
pub(crate) fn idle(site: &Site) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(site.scratch())?;
    let manifests = folder.path().join("products");
    // A copy: the function that the gateway starts keeps its data beside the manifests.
    copy_example(&manifests)?;
    resident(site, &manifests, CORES)
}

/// Resident memory in KiB that one more route adds, from ten routes to ten thousand.
pub(crate) fn per_route(site: &Site) -> anyhow::Result<f64> {
    let mut sizes = [0.0; 2];
    for (size, count) in sizes.iter_mut().zip(ROUTES) {
        let folder = tempfile::tempdir_in(site.scratch())?;
        let [listen] = free_ports()?;
        let mut all = many_routes(count);
        all.push(objects::gateway(listen, false));
        all.push(objects::service(site.upstream));
        all.push(objects::endpoints(site.upstream));
        fs::write(folder.path().join("routes.yaml"), objects::manifest(&all))?;
        *size = resident(site, folder.path(), 1)?;
    }
    let [few, many] = sizes;
    Ok((many - few) / (ROUTES[1] - ROUTES[0]) as f64)
}

fn many_routes(count: usize) -> Vec<Value> {
    (0..count).map(objects::numbered_route).collect()
}

fn copy_example(to: &Path) -> anyhow::Result<()> {
    let example = checkout().join("examples/products");
    ensure!(
        example.join("bin").is_dir(),
        "the function of {} is not built; `make run` builds it",
        example.display()
    );
    install::run(Command::new("cp").arg("-R").arg(&example).arg(to))?;
    let data = to.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))?;
    }
    Ok(())
}

/// Resident memory in KiB of a Tollgate that has adopted a folder of manifests.
fn resident(site: &Site, manifests: &Path, cores: u32) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(site.scratch())?;
    let [admin, health] = free_ports()?;
    let setting = site.setting(folder.path(), [0, admin, health]);
    let mut command = prefixed(&[]);
    command.extend(serve(&setting, manifests, cores));
    command.push("--any-port".to_owned());
    during(site.scratch(), "tollgate", &command, |running| {
        running.wait_until(|| probe::get(health, "/readyz").map(drop))?;
        settle(running)
    })
}

fn settle(running: &Running) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut last = measure::resident_kib(running.id())?;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED {
        ensure!(
            started.elapsed() < DEADLINE,
            "the memory of an idle tollgate does not settle"
        );
        thread::sleep(Duration::from_millis(100));
        let now = measure::resident_kib(running.id())?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last as f64)
}
