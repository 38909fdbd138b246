//! The command line: what a user can ask the binary for.
//!
//! In: arguments, the environment, signals. Out: an exit code. What is asked for is done elsewhere.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use kube::{Client, Config};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::run::{self, Listeners, Options};

/// Threads. The work is one edit at a time; the rest is waiting for the network.
const WORKERS: usize = 2;

/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Tollgate's operator.
#[derive(Debug, Parser)]
#[command(name = "tollgate-controller", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the custom resources, serve the proxies, report status. The API server is the one of
    /// the pod's service account, or of KUBECONFIG.
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Namespace of the operator [default: the service account's]
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// Name of the operator's pod, part of its identity [default: the host's]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pod: Option<String>,
    /// A namespace to watch; to be repeated. None: all.
    #[arg(long = "watch-namespace", value_name = "NAME")]
    watch_namespaces: Vec<String>,
    /// Address for the proxies' streams.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:9443")]
    listen: SocketAddr,
    /// Address of /metrics, /healthz, /readyz and /proxies.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9902")]
    admin: SocketAddr,
    /// Address at which other replicas reach the streams' port of this one [default: none, for a
    /// single replica]
    #[arg(long, value_name = "HOST:PORT", default_value = "")]
    relay_address: String,
    /// File with a token for audience `tollgate`, to dial other replicas with.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/run/secrets/tollgate/token"
    )]
    token: PathBuf,
    /// A name or address under which proxies dial this replica, besides those of the Service
    /// `tollgate-controller`; to be repeated.
    #[arg(long = "server-name", value_name = "NAME")]
    server_names: Vec<String>,
}

/// Does what the arguments ask for.
///
/// # Errors
/// What could not be done, for stderr.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let Command::Run(arguments) = cli.command;
    log_to_stderr();
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = client().await?;
        let listeners = Listeners::bind(arguments.listen, arguments.admin).await?;
        let options = arguments.into_options(&client)?;
        run::run(client, options, listeners, ending()?).await
    })
}

impl Run {
    fn into_options(self, client: &Client) -> anyhow::Result<Options> {
        let namespace = self
            .namespace
            .unwrap_or_else(|| client.default_namespace().to_owned());
        let pod = self.pod.map_or_else(host_name, Ok)?;
        Ok(Options {
            namespace,
            pod,
            watch_namespaces: self.watch_namespaces.into_iter().collect(),
            relay_address: self.relay_address,
            token: self.token,
            server_names: self.server_names,
        })
    }
}

fn host_name() -> anyhow::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.context("the host has no name; --pod names the pod")?;
    Ok(name.trim().to_owned())
}

/// The client. Everybody who asks has a pace and a deadline of their own, so that none is kept
/// here; a watch that is silent is given up by its feed.
async fn client() -> anyhow::Result<Client> {
    let mut config = Config::infer()
        .await
        .context("no API server is configured")?;
    config.connect_timeout = Some(CONNECT);
    config.default_retry = false;
    info!(server = %config.cluster_url, "the API server");
    Ok(Client::try_from(config)?)
}

/// Turns true at SIGTERM or SIGINT.
fn ending() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminated = signal(SignalKind::terminate()).context("SIGTERM can't be taken")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT can't be taken")?;
    let (end, ending) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        end.send_replace(true);
    });
    Ok(ending)
}

/// What happens goes to stderr: text for a terminal, JSON for machines. `RUST_LOG` chooses what.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
