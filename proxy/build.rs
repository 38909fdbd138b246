//! Makes the client's side of the push protocol, and the server's for tests that play the
//! controller. The messages are the snapshot crate's.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    fold_equal_code()?;
    let proto = "snapshot/proto";
    println!("cargo::rerun-if-changed={proto}/push.proto");
    let files = protox::compile(["push.proto"], [proto])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (folder, is_server) in [("client", false), ("server", true)] {
        let folder = out.join(folder);
        fs::create_dir_all(&folder)?;
        tonic_prost_build::configure()
            .build_server(is_server)
            .build_client(!is_server)
            .out_dir(folder)
            .extern_path(".tollgate.push.v1", "::tollgate_snapshot::wire")
            .compile_fds(files.clone())?;
    }
    Ok(())
}

/// Has the linker keep one copy of functions that came out the same: a megabyte less in memory.
/// Nothing of ours compares functions by address. Where rustc's own linker is the default alone.
fn fold_equal_code() -> Result<(), env::VarError> {
    let is_release = env::var("PROFILE")? == "release";
    if is_release && env::var("TARGET")? == "x86_64-unknown-linux-gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
    Ok(())
}
