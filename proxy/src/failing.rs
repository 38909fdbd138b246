//! The binary with failpoints, for tests: the proxy, and bugs that routes of certain names show.

use std::process::ExitCode;

use clap::Parser;
use tollgate_proxy::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
