//! The command line: what a user can ask the binary for.
//!
//! In: arguments, signals. Out: an exit code. What is asked for is done elsewhere.

use std::{
    fs,
    io::{self, IsTerminal},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use http::Uri;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tollgate_snapshot::{ObjectName, saved::SealKey};
use tracing_subscriber::EnvFilter;

use crate::{
    access_log::Format,
    check,
    config::{last_good::Store, subscribe::Controller},
    serve::{self, Ended, LogTo, Options},
};

/// Tollgate's data plane.
#[derive(Debug, Parser)]
#[command(name = "tollgate-proxy", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the manifests below a folder or a controller's units, and follow their changes.
    Serve(Box<Serve>),
    /// Say what is wrong with the manifests below a folder: exit code 1 when something is, 0 when
    /// there are only warnings or nothing, 2 when the folder can't be read.
    Check {
        /// Folder of the manifests.
        dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    origin: Origin,
    /// Cores to serve on [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cores: Option<u16>,
    /// Loopback address of /config, /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9900")]
    admin: SocketAddr,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901")]
    health: SocketAddr,
    /// Give each listener a free port instead of its own; the ports are said on stderr.
    #[arg(long)]
    any_port: bool,
    /// Longest time in seconds that requests may take to finish after SIGTERM; a second SIGTERM
    /// ends at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
    /// A text file to show once ready.
    #[arg(long, value_name = "FILE")]
    hint: Option<PathBuf>,
}

/// Exactly one of a folder and a controller.
#[derive(Debug, clap::Args)]
struct Origin {
    /// Folder of the manifests: YAML or JSON, as Kubernetes takes them.
    #[arg(long, value_name = "DIR", required_unless_present = "controller")]
    manifests: Option<PathBuf>,
    /// In a cluster: the controller, `https://HOST:PORT`.
    #[arg(long, value_name = "URL", conflicts_with = "manifests", requires_all = ["ca", "token", "gateway"])]
    controller: Option<Uri>,
    /// PEM file of the CAs that the controller's certificate may be of; read for every attempt.
    #[arg(long, value_name = "FILE", requires = "controller")]
    ca: Option<PathBuf>,
    /// File of the token that says which proxy this is; read for every attempt.
    #[arg(long, value_name = "FILE", requires = "controller")]
    token: Option<PathBuf>,
    /// The gateway that is served: what was kept of another is not used.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "controller")]
    gateway: Option<ObjectName>,
    /// Folder to keep the last good snapshots in, for a start without the controller.
    #[arg(long, value_name = "DIR", requires = "controller")]
    cache: Option<PathBuf>,
    /// File of the key, 32 bytes, with which kept snapshots are sealed.
    #[arg(long, value_name = "FILE", requires = "controller")]
    seal_key: Option<PathBuf>,
    /// Folder of the operator's copy of the snapshot, for a first start without the controller.
    #[arg(long, value_name = "DIR", requires = "controller")]
    bootstrap: Option<PathBuf>,
}

impl Origin {
    fn into_option(self) -> anyhow::Result<serve::Origin> {
        if let Some(manifests) = self.manifests {
            return Ok(serve::Origin::Folder(manifests));
        }
        let (Some(url), Some(ca), Some(token), Some(gateway)) =
            (self.controller, self.ca, self.token, self.gateway)
        else {
            bail!("--controller needs --ca, --token and --gateway");
        };
        Ok(serve::Origin::Controller {
            controller: Controller::new(url, ca, token).context("--controller")?,
            store: Store {
                gateway,
                cache: self.cache,
                bootstrap: self.bootstrap,
                key: self.seal_key.as_deref().map(seal_key).transpose()?,
            },
        })
    }
}

fn seal_key(path: &Path) -> anyhow::Result<Arc<SealKey>> {
    let named = || format!("--seal-key {}", path.display());
    let bytes = fs::read(path).with_context(named)?;
    Ok(Arc::new(SealKey::new(&bytes).with_context(named)?))
}

/// Does what the arguments ask for.
///
/// # Errors
/// What could not be done, for stderr.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Check { dir } => {
            let outcome = check::check(&dir, &mut io::stdout().lock())?;
            Ok(ExitCode::from(outcome.exit_code()))
        }
        Command::Serve(arguments) => {
            log_to_stderr();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let ended = runtime.block_on(serve(arguments.into_options()?))?;
            Ok(match ended {
                Ended::Drained => ExitCode::SUCCESS,
                Ended::CutShort => ExitCode::FAILURE,
            })
        }
    }
}

impl Serve {
    fn into_options(self) -> anyhow::Result<Options> {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Options {
            origin: self.origin.into_option()?,
            cores: self.cores.map_or_else(all, usize::from),
            any_port: self.any_port,
            admin: self.admin,
            health: self.health,
            hint: self.hint,
            drain: Duration::from_secs(self.drain),
        })
    }
}

async fn serve(options: Options) -> anyhow::Result<Ended> {
    let (stop, stopped) = mpsc::unbounded_channel();
    let mut terminated = signal(SignalKind::terminate()).context("SIGTERM can't be taken")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT can't be taken")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
            if stop.send(()).is_err() {
                return;
            }
        }
    });
    let log = LogTo {
        format: Format::for_stdout(),
        out: stdout()?,
    };
    // Where it can be reached is said on stderr.
    let (ready, _) = oneshot::channel();
    serve::run(options, log, ready, stopped).await
}

/// Standard output without the line buffer of std: the log writes whole buffers.
fn stdout() -> anyhow::Result<Box<dyn io::Write + Send>> {
    use std::os::fd::AsFd;
    let stdout = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .context("stdout can't be used")?;
    Ok(Box::new(fs::File::from(stdout)))
}

/// What happens, beside requests, goes to stderr: text for a terminal, JSON for machines.
/// `RUST_LOG` chooses what.
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
