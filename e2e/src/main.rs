//! `cluster up` and `cluster down`: an API server to try things against.

use clap::Parser;
use tollgate_e2e::background::Background;

/// Starts and stops a Kubernetes API server in the background.
#[derive(Parser)]
enum Command {
    /// Start it unless it runs, and print how to use it.
    Up,
    /// Stop it, with all that is in it.
    Down,
    /// Hold it until a signal comes; `up` starts this.
    #[command(hide = true)]
    Hold,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let background = Background::of_this_user()?;
    match Command::parse() {
        Command::Up => println!("export KUBECONFIG={}", background.up()?.display()),
        Command::Down if background.down()? => println!("the cluster is stopped"),
        Command::Down => println!("no cluster runs"),
        Command::Hold => background.hold().await?,
    }
    Ok(())
}
