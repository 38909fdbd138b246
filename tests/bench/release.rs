//! The release programs, linked as `make build` links them.
//!
//! In: packages and their programs. Out: the folder that they are in.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// Builds programs of one package of the checkout. Packages are built one by one: two together
/// would each have the library features of the other.
pub(crate) fn build(checkout: &Path, package: &str, programs: &[&str]) -> anyhow::Result<PathBuf> {
    let host = host()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(checkout);
    cargo.args(["build", "--config", ".cargo/static.toml", "--target", &host]);
    cargo.args(["--release", "--locked", "-p", package]);
    for program in programs {
        cargo.args(["--bin", program]);
    }
    let status = cargo.status().context("start cargo")?;
    ensure!(status.success(), "{package} can't be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(checkout.join(target).join(host).join("release"))
}

/// The triple of this machine: naming it keeps the link flags away from build scripts.
fn host() -> anyhow::Result<String> {
    let mut rustc = Command::new("rustc");
    let output = rustc.args(["--print", "host-tuple"]).output();
    let output = output.context("start rustc")?;
    ensure!(output.status.success(), "rustc does not name its host");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
