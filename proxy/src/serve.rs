//! A folder of manifests or a controller's units, served until told to stop.
//!
//! In: options, and a channel on which being told to stop arrives. Out: open ports, and on stderr
//! where they are and what is wrong. This file joins the parts and holds none of their logic:
//!
//! ```text
//! directory ──changes──> compile ──units──> adopt ──> Active <── cores <── clients
//!                                  subscribe ─┘ └──processes──> functions <───┘
//! ```

mod announce;
mod feed;
mod source;
mod subscription;
mod view;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use self::{feed::Feed, view::View};
use crate::{
    access_log::{AccessLog, Format},
    active::Active,
    admin::{self, Readiness, Site},
    config::{last_good::Store, subscribe::Controller},
    function::Functions,
    listen::{Listen, OpenPort, Ports, Terms},
    metrics::Metrics,
};

/// Rest before a port that could not be bound is tried again.
const BIND_AGAIN: Duration = Duration::from_millis(200);

/// How long the last lines of the access log may take.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the configuration comes from.
    pub origin: Origin,
    /// Threads that serve, one for each core.
    pub cores: usize,
    /// Gives every listener a free port instead of its own.
    pub any_port: bool,
    /// Address of `/config` and what `health` has; loopback.
    pub admin: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    pub health: SocketAddr,
    /// File to show once ready.
    pub hint: Option<PathBuf>,
    /// Longest time that requests may take to finish at the end.
    pub drain: Duration,
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A folder of manifests: standalone.
    Folder(PathBuf),
    /// A controller, and what is kept of what it said: in a cluster.
    Controller {
        /// Whom to dial.
        controller: Controller,
        /// What is kept.
        store: Store,
    },
}

impl Origin {
    /// Where listeners without an address are bound.
    fn home(&self) -> IpAddr {
        match self {
            Self::Folder(_) => Ipv4Addr::LOCALHOST.into(),
            Self::Controller { .. } => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    fn terms(&self, options: &Options) -> Terms {
        let (ports, deny_loopback) = match self {
            Self::Folder(_) => (Ports::Own, false),
            Self::Controller { .. } => (Ports::Container, true),
        };
        Terms {
            cores: options.cores,
            ports: if options.any_port { Ports::Any } else { ports },
            deny_loopback,
        }
    }
}

/// Where the access log goes.
pub struct LogTo {
    /// How its lines look.
    pub format: Format,
    /// What takes them.
    pub out: Box<dyn io::Write + Send>,
}

/// Where a proxy that is ready can be reached.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The ports of the gateways.
    pub ports: Vec<OpenPort>,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The health listener.
    pub health: SocketAddr,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every request was finished.
    Drained,
    /// Time ran out, or it was told twice.
    CutShort,
}

/// Serves until `stop` says so once, and then until the last request is finished or it says so
/// again. `ready` is told where to reach it.
///
/// # Errors
/// When the folder can't be read or an address of ours can't be bound. A bad manifest is no error:
/// it is said, and what it was before goes on.
pub async fn run(
    options: Options,
    log: LogTo,
    ready: oneshot::Sender<Reach>,
    mut stop: mpsc::UnboundedReceiver<()>,
) -> anyhow::Result<Ended> {
    let admin_listener = admin::listen_admin(options.admin)?;
    let health_listener = admin::listen_health(options.health)?;
    let (admin_at, health_at) = (admin_listener.local_addr()?, health_listener.local_addr()?);

    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))?);
    let log = AccessLog::start(log.format, log.out, metrics.access_log_dropped())
        .context("the access log's thread can't be started")?;
    let active = Arc::new(ArcSwap::from_pointee(Active::at(options.origin.home())));
    let functions = Functions::new(Handle::current());
    let view = View::new(Arc::clone(&active), functions.clone(), Arc::clone(&metrics));
    let readiness = Arc::new(Readiness::default());

    let terms = options.origin.terms(&options);
    let mut feed = Feed::open(options.origin, &active, &functions, &view, &metrics).await?;
    let mut listen = Listen::start(terms, &active, &functions, &metrics, &log)
        .context("a core can't be started")?;
    listen.follow();

    let site = Site {
        readiness: Arc::clone(&readiness),
        metrics: Arc::clone(&metrics),
        config: None,
    };
    // They answer until they are dropped.
    let _sites = sites(admin_listener, health_listener, site, &view);

    let mut ports = announce::Ports::default();
    ports.show(&listen, &view);
    introduce(ready, &listen, admin_at, health_at);

    loop {
        ports.show(&listen, &view);
        let unbound = listen.ports().any(|port| port.address.is_err());
        if !unbound && feed.is_loaded() {
            let active = active.load();
            let served = feed.is_local().then_some(&**active);
            announce::once(&readiness, served, options.hint.as_deref());
        }
        tokio::select! {
            _ = stop.recv() => break,
            in_force = feed.follow() => {
                listen.follow();
                if let Some(in_force) = in_force {
                    // Who asked may have ended meanwhile.
                    let _ = in_force.send(());
                }
            }
            () = tokio::time::sleep(BIND_AGAIN), if unbound => listen.follow(),
        }
    }

    readiness.draining();
    tracing::info!("draining");
    let feed = feed.stop();
    let ended = drain(listen, &functions, options.drain, &mut stop).await;
    feed.await;
    if let Err(error) = log.stop(LOG_PATIENCE) {
        tracing::warn!("{error}");
    }
    Ok(ended)
}

/// Says where it can be reached.
fn introduce(
    ready: oneshot::Sender<Reach>,
    listen: &Listen,
    admin: SocketAddr,
    health: SocketAddr,
) {
    announce::operators(admin, health);
    let reach = Reach {
        ports: listen.ports().cloned().collect(),
        admin,
        health,
    };
    // A caller that does not want to know has dropped the other end.
    let _ = ready.send(reach);
}

/// The listeners for operators, which answer until they are aborted.
fn sites(
    admin: TcpListener,
    health: TcpListener,
    site: Site,
    view: &View,
) -> JoinSet<io::Result<Infallible>> {
    let mut sites = JoinSet::new();
    sites.spawn(admin::serve(health, site.clone()));
    let config = Some(view.config());
    sites.spawn(admin::serve(admin, Site { config, ..site }));
    sites
}

/// Waits for the requests that were accepted, then ends the functions, which have nothing to do any
/// more; when time runs out or it is told to stop again, at once. Then the cores end.
async fn drain(
    listen: Listen,
    functions: &Functions,
    patience: Duration,
    stop: &mut mpsc::UnboundedReceiver<()>,
) -> Ended {
    let drained = tokio::time::timeout(patience, async {
        let drained = listen.drain(patience).await;
        functions.stop().await;
        drained
    });
    let ended = tokio::select! {
        drained = drained => match drained {
            Ok(true) => Ended::Drained,
            Ok(false) | Err(_) => Ended::CutShort,
        },
        _ = stop.recv() => Ended::CutShort,
    };
    if ended == Ended::CutShort {
        functions.kill();
    }
    listen.stop();
    ended
}
