//! The binary that holds the control plane: found in the cache, or built into it.
//!
//! In: the Go module in `e2e/cluster`, and Go. Out: the path of the binary, in
//! `${XDG_CACHE_HOME:-~/.cache}/tollgate/cluster-<hash>`; the hash is over all that goes into it.
//! It lies outside the clone, so that only a new machine pays for the build: several minutes on two
//! cores. What other hashes left there is removed.

use std::{
    env,
    fs::{self, File},
    io::{ErrorKind, Write, stderr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

/// Which Kubernetes it says it is; without these its clients see v0.0.0. As in `go.mod`.
const VERSION: [(&str, &str); 3] = [
    ("gitVersion", "v1.37.2"),
    ("gitMajor", "1"),
    ("gitMinor", "37"),
];

/// The path of the binary, which is built when it isn't there yet.
///
/// Several processes may ask at once: one builds, the others wait for it.
///
/// # Errors
/// Go is missing, or the build fails; its messages are on standard error.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let cache = cache()?;
    let folder = cache.join(format!("cluster-{}", hash()?));
    let binary = folder.join("cluster");
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = File::create(cache.join("cluster.lock"))?;
    lock.lock()?;
    if !binary.is_file() {
        build(&cache, &folder)?;
        remove_others(&cache, &folder)?;
    }
    lock.unlock()?;
    Ok(binary)
}

/// `${XDG_CACHE_HOME:-~/.cache}/tollgate`.
fn cache() -> anyhow::Result<PathBuf> {
    Ok(base("XDG_CACHE_HOME", ".cache")?.join("tollgate"))
}

/// A base folder of the XDG specification: what the variable says, or `fallback` in the home.
pub(crate) fn base(variable: &str, fallback: &str) -> anyhow::Result<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        // The XDG base directory specification has relative paths ignored.
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(fallback)))
        .with_context(|| format!("neither {variable} nor HOME is set"))
}

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster")
}

/// The arguments of go. The binary is for no debugger: without symbols it is a third smaller.
fn arguments() -> Vec<String> {
    let mut flags = String::from("-s -w");
    for (name, value) in VERSION {
        flags.push_str(&format!(" -X k8s.io/component-base/version.{name}={value}"));
    }
    let fixed = ["build", "-trimpath", "-buildvcs=false", "-ldflags", &flags];
    fixed.map(str::to_owned).to_vec()
}

/// 16 hex digits over the module's files, by name, and the arguments of go.
fn hash() -> anyhow::Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(module())? {
        let path = entry?.path();
        let is_source = path.extension().is_some_and(|extension| extension == "go");
        if is_source || path.ends_with("go.mod") || path.ends_with("go.sum") {
            files.push(path);
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update(arguments().join(" "));
    for path in files {
        let text = fs::read(&path)?;
        // The length keeps two files apart.
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let digest = hash.finalize();
    Ok(digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn build(cache: &Path, folder: &Path) -> anyhow::Result<()> {
    // Past the capture of a test's output: whoever waits for minutes is told why.
    stderr().write_all(b"building the Kubernetes control plane for tests, once per machine\n")?;
    // Into a folder of another name first: half a binary must not look built.
    let fresh = tempfile::Builder::new()
        .prefix("cluster-new-")
        .tempdir_in(cache)?;
    let status = Command::new("go")
        .args(arguments())
        .arg("-o")
        .arg(fresh.path().join("cluster"))
        .arg(".")
        .current_dir(module())
        // Nothing in it needs C, and without it no C compiler is needed.
        .env("CGO_ENABLED", "0")
        .status();
    match status {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "go is not in PATH: it builds the API server of the tests (https://go.dev/dl); \
             or let KUBECONFIG name a cluster to test against"
        ),
        started => {
            let status = started.context("start go")?;
            ensure!(status.success(), "go build has ended with {status}");
        }
    }
    fs::rename(fresh.keep(), folder)?;
    Ok(())
}

/// Removes what is built from other sources. Components that run from there go on.
fn remove_others(cache: &Path, folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(cache)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("cluster-") && path != folder {
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_module() {
        let text = fs::read_to_string(module().join("go.mod")).unwrap();
        let (_, version) = VERSION[0];
        assert!(text.contains(&format!("k8s.io/kubernetes {version}\n")));
    }

    #[test]
    fn only_other_builds_are_removed() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["cluster-a", "cluster-b", "cluster-new-x", "target-1"] {
            fs::create_dir(cache.path().join(name)).unwrap();
        }
        File::create(cache.path().join("cluster.lock")).unwrap();
        remove_others(cache.path(), &cache.path().join("cluster-b")).unwrap();
        let mut left: Vec<_> = fs::read_dir(cache.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["cluster-b", "cluster.lock", "target-1"]);
    }
}
