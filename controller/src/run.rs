//! The run: every part of the operator, joined in the order of the flow.
//!
//! In: options, a client, and the word to end. Out: a running operator; it ends when it is told to
//! or when a part of it fails that nothing replaces. What the parts do is known to them alone.

mod parts;
mod spine;

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context;
use kube::Client;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use self::{parts::Parts, spine::Spine};
use crate::{
    admin::{self, Site},
    bootstrap::{self, Bootstrap},
    ca::{self, Certificates},
    events,
    holder::Holder,
    lease::{self, Candidate},
    metrics::Metrics,
    proxies::Proxies,
    publish::Snapshots,
    relay::{self, Relay},
    status::{self, Sources},
    stream::{self, Serving},
    token::Reviewer,
    watch::{Scope, Watch},
};

/// The operator's ServiceAccount: replicas know each other by it.
const ACCOUNT: &str = "tollgate-controller";

/// How much news may wait for status; more is put together.
const NEWS: usize = 16;

/// How many transitions may wait to become events; more are dropped.
const TRANSITIONS: usize = 256;

/// Where others reach the operator.
#[derive(Debug)]
pub struct Listeners {
    /// Proxies and replicas.
    pub push: TcpListener,
    /// People and machines who ask how it fares.
    pub admin: TcpListener,
}

/// What a user can choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of its pod.
    pub pod: String,
    /// The namespaces to watch; none: all.
    pub watch_namespaces: BTreeSet<String>,
    /// Where other replicas reach the push port; empty: they don't.
    pub relay_address: String,
    /// File with the token with which to dial them.
    pub token: PathBuf,
    /// Names and addresses of the serving certificate, besides the Service's.
    pub server_names: Vec<String>,
}

impl Listeners {
    /// Listens for proxies and replicas at `push`, for people and machines at `admin`.
    ///
    /// # Errors
    /// An address that is taken, or not ours.
    pub async fn bind(push: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            push: listen(push).await?,
            admin: listen(admin).await?,
        })
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("{address} can't be listened on"))
}

/// Runs until `ending` says true.
///
/// # Errors
/// A part that failed.
pub async fn run(
    client: Client,
    options: Options,
    listeners: Listeners,
    ending: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let (push, admin) = (listeners.push.local_addr()?, listeners.admin.local_addr()?);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, %push, %admin, "the operator runs");
    let shared = Shared {
        metrics: Arc::new(Metrics::new()?),
        snapshots: Snapshots::default(),
        proxies: Proxies::default(),
        certificates: Arc::new(Certificates::default()),
    };
    let parts = begin(client, options, shared, listeners);
    parts.until(ending).await
}

/// What more than two parts share.
#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    snapshots: Snapshots,
    proxies: Proxies,
    certificates: Arc<Certificates>,
}

/// Begins every part. The first block is the way of an edit to the proxies, the second its way
/// back, and the third what both stand on.
fn begin(client: Client, options: Options, shared: Shared, listeners: Listeners) -> Parts {
    let mut parts = Parts::new();
    let (say_holder, holder) = watch::channel(Holder::Nobody);
    let (say_news, news) = mpsc::channel(NEWS);
    let (turn, transitions) = mpsc::channel(TRANSITIONS);

    let scope = Scope {
        namespaces: options.watch_namespaces.clone(),
        home: options.namespace.clone(),
    };
    let watch = Watch::start(&client, &scope);
    let (say_missing, missing) = watch::channel(watch.missing());
    let spine = Spine::new(shared.snapshots.clone(), say_news, say_missing);
    parts.add("watch", |ending| spine.run(watch, ending));
    let serving = shared.serving(&client, &options, &holder);
    parts.try_add("streams", |ending| {
        stream::serve(listeners.push, serving, ending)
    });

    let sources = Sources {
        snapshots: shared.snapshots.clone(),
        proxies: shared.proxies.clone(),
        holder: holder.clone(),
    };
    let counts = shared.metrics.status.clone();
    let status = status::run(client.clone(), news, sources, turn, counts.clone());
    parts.add("status", |_| status);
    let events = events::record(client.clone(), options.pod.clone(), transitions, counts);
    parts.add("events", |_| events);
    let relay = shared.relay(&options, &holder);
    parts.add("relay", |ending| relay::run(relay, ending));

    let candidate = candidate(&options);
    let electing = client.clone();
    parts.add("election", |mut ending| async move {
        let told = async move {
            // An end of whoever would say it is an end as well.
            let _ = ending.wait_for(|ending| *ending).await;
        };
        lease::elect(electing, candidate, say_holder, told).await;
    });
    let (certificates, authority) = (
        Arc::clone(&shared.certificates),
        shared.authority(&client, options, &holder),
    );
    parts.add("ca", |ending| ca::run(authority, certificates, ending));
    let bootstrap = shared.bootstrap(&holder);
    parts.add("bootstrap", |ending| {
        bootstrap::run(client, bootstrap, ending)
    });
    let site = shared.site(&holder, missing);
    parts.add("admin", |ending| {
        admin::serve(listeners.admin, site, ending)
    });
    parts.add("leader", |_| count_leader(shared.metrics, holder));
    parts
}

impl Shared {
    fn serving(
        &self,
        client: &Client,
        options: &Options,
        holder: &watch::Receiver<Holder>,
    ) -> Serving {
        let metrics = Arc::clone(&self.metrics);
        let reviewer = Reviewer::new(client.clone(), &options.namespace, ACCOUNT, metrics);
        Serving {
            reviewer: Arc::new(reviewer),
            certificates: Arc::clone(&self.certificates),
            snapshots: self.snapshots.clone(),
            proxies: self.proxies.clone(),
            holder: holder.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn relay(&self, options: &Options, holder: &watch::Receiver<Holder>) -> Relay {
        Relay {
            namespace: options.namespace.clone(),
            token_file: options.token.clone(),
            certificates: Arc::clone(&self.certificates),
            proxies: self.proxies.clone(),
            holder: holder.clone(),
        }
    }

    fn authority(
        &self,
        client: &Client,
        options: Options,
        holder: &watch::Receiver<Holder>,
    ) -> ca::Options {
        ca::Options {
            client: client.clone(),
            namespace: options.namespace,
            names: options.server_names,
            snapshots: self.snapshots.clone(),
            holder: holder.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn bootstrap(&self, holder: &watch::Receiver<Holder>) -> Bootstrap {
        Bootstrap {
            snapshots: self.snapshots.clone(),
            holder: holder.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn site(
        &self,
        holder: &watch::Receiver<Holder>,
        missing: watch::Receiver<Vec<String>>,
    ) -> Site {
        Site {
            missing,
            metrics: Arc::clone(&self.metrics),
            proxies: self.proxies.clone(),
            snapshots: self.snapshots.clone(),
            certificates: Arc::clone(&self.certificates),
            holder: holder.clone(),
        }
    }
}

/// This replica in the election. A pod that starts again is another candidate.
fn candidate(options: &Options) -> Candidate {
    Candidate {
        namespace: options.namespace.clone(),
        identity: format!("{}_{:016x}", options.pod, fastrand::u64(..)),
        relay: options.relay_address.clone(),
    }
}

/// Shows in the metrics whether this replica holds the Lease, until the election ends.
async fn count_leader(metrics: Arc<Metrics>, mut holder: watch::Receiver<Holder>) {
    loop {
        let is_me = *holder.borrow_and_update() == Holder::Me;
        metrics.leader.set(is_me.into());
        if holder.changed().await.is_err() {
            metrics.leader.set(0);
            return;
        }
    }
}
