//! The site of the bench: the folder for what passes, our release programs, free ports, and the
//! upstream that serves every contender.
//!
//! In: the tools. Out: contenders that answer, each alone on core 0 while it runs. Core 1 has the
//! upstream and the load.

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, ensure};
use rustix::fs::statvfs;
use tempfile::TempDir;

use crate::{
    contender::{Contender, Setting, nginx},
    install::Tools,
    ports::free_ports,
    probe, release,
    running::{Running, during},
};

/// What the access log of a whole measurement may take up, with room to spare.
const SCRATCH_BYTES: u64 = 2 << 30;

/// Runs a program on core 0 only.
pub(crate) const PINNED: [&str; 3] = ["taskset", "-c", "0"];

/// Where all of the bench happens.
pub(crate) struct Site {
    pub(crate) scratch: TempDir,
    pub(crate) tools: Tools,
    pub(crate) programs: PathBuf,
    /// Port of the upstream.
    pub(crate) upstream: u16,
}

/// A contender that answers.
pub(crate) struct Serving<'a> {
    pub(crate) running: &'a mut Running,
    /// Port that it serves on.
    pub(crate) port: u16,
    /// Port of Tollgate's admin listener.
    pub(crate) admin: u16,
}

/// Folder of this checkout.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder for what passes: in memory where there is room, so that no disk is measured.
pub(crate) fn scratch() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let room = statvfs(memory).map_or(0, |at| at.f_bavail.saturating_mul(at.f_frsize));
    let folder = if room >= SCRATCH_BYTES {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("tollgate-bench-")
        .tempdir_in(&folder)
        .with_context(|| format!("make a folder in {}", folder.display()))
}

/// Builds the release programs that the contenders and the control bench need.
pub(crate) fn build(contenders: &[Contender]) -> anyhow::Result<PathBuf> {
    let ours = contenders.iter().any(|contender| contender.is_ours());
    let mut programs = vec!["yardstick"];
    if ours {
        release::build(&checkout(), "tollgate-proxy", &["tollgate-proxy"])?;
        programs.push("routes");
    }
    release::build(&checkout(), "tollgate-tests", &programs)
}

impl Site {
    /// The folder for what passes.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs `body` beside the upstream.
    pub(crate) fn with_upstream<T>(
        &self,
        body: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let folder = tempfile::tempdir_in(self.scratch())?;
        let mut setting = self.setting(folder.path(), [0; 3]);
        setting.listen = self.upstream;
        let mut command = prefixed(&["taskset", "-c", "1"]);
        command.extend(nginx(&setting, include_str!("config/upstream.conf"))?);
        during(self.scratch(), "upstream", &command, |running| {
            running.wait_until(|| probe::plain(self.upstream, 1))?;
            body()
        })
    }

    /// Runs `body` beside a contender, started under `prefix` ([`PINNED`], valgrind).
    pub(crate) fn with_contender<T>(
        &self,
        contender: Contender,
        prefix: &[&str],
        body: impl FnOnce(Serving<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let folder = tempfile::tempdir_in(self.scratch())?;
        let [port, admin, health] = free_ports()?;
        let setting = self.setting(folder.path(), [port, admin, health]);
        let mut command = prefixed(prefix);
        command.extend(contender.prepare(&setting)?);
        during(self.scratch(), contender.as_str(), &command, |running| {
            running.wait_until(|| probe::plain(port, 1))?;
            body(Serving {
                running,
                port,
                admin,
            })
        })
        .with_context(|| contender.as_str())
    }

    /// The setting of one run, with the ports to listen on: serving, admin, health.
    pub(crate) fn setting<'a>(
        &'a self,
        folder: &'a Path,
        [listen, admin, health]: [u16; 3],
    ) -> Setting<'a> {
        Setting {
            tools: &self.tools,
            programs: &self.programs,
            folder,
            listen,
            upstream: self.upstream,
            admin,
            health,
        }
    }
}

/// The start of a command.
pub(crate) fn prefixed(prefix: &[&str]) -> Vec<String> {
    prefix.iter().map(|word| (*word).to_owned()).collect()
}

/// Two cores are the least: one for the contender, one for load and upstream.
pub(crate) fn check_cores() -> anyhow::Result<()> {
    let cores = thread::available_parallelism()?.get();
    ensure!(
        cores >= 2,
        "the bench needs two cores, and this machine has {cores}"
    );
    Ok(())
}
