//! Makes the client's side of the push protocol, and the server's for tests that play the
//! controller. The messages are the snapshot crate's.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
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
