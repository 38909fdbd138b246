//! Makes the client's side of the push protocol; the messages are the snapshot crate's.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = "snapshot/proto";
    println!("cargo::rerun-if-changed={proto}/push.proto");
    let files = protox::compile(["push.proto"], [proto])?;
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".tollgate.push.v1", "::tollgate_snapshot::wire")
        .compile_fds(files)?;
    Ok(())
}
