//! Builds the programs that tests start.
//!
//! In: which programs. Out: where they are. They are built with the profile and into the target
//! folder of the running test, by the cargo that runs it: cargo itself builds the programs of the
//! package under test only. Nothing else is needed on the machine.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The path of the program that plays a function, built: `function.rs` says what it does.
pub fn function() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| build(&["--package", "tollgate-stub"]).join("stub-function"));
    &PROGRAM
}

/// Builds what these arguments of `cargo build` name, and gives its folder. Cargo has let go of its
/// lock by now: it holds it while it builds, not while tests run.
///
/// # Panics
/// If it does not build.
pub fn build(what: &[&str]) -> PathBuf {
    let test = env::current_exe().unwrap();
    // <target>/<profile>/deps/<test>
    let folder = test.ancestors().nth(2).unwrap();
    let target = folder.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        name => name,
    };
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--locked"])
        .args(what)
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        // As it is now: a library that was built in another clone remembers that one.
        .current_dir(env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "{what:?} does not build");
    folder.to_owned()
}
