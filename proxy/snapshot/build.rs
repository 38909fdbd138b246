//! Makes Rust types of the wire messages and of the saved snapshot, without a protoc to install.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/push.proto", "proto/saved.proto"], ["proto"])?;
    // The service's own code is made by those who speak it: here is no transport.
    prost_build::Config::new().compile_fds(files)?;
    Ok(())
}
