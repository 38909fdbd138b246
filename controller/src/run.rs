//! The run: every part of the operator, joined in the order of the flow.
//!
//! In: options, a client, and the word to end. Out: a running operator; it ends when it is told to
//! or when a part that nothing replaces fails.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use kube::Client;
use tokio::sync::watch;
use tollgate_compile::Compiler;
use tracing::{debug, info};

use crate::{
    publish::{Publisher, Snapshots},
    watch::{Batch, Scope, Watch},
};

/// What a user can choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of its pod.
    pub pod: String,
    /// The namespaces to watch; none: all.
    pub watch_namespaces: BTreeSet<String>,
    /// Where proxies and replicas dial.
    pub listen: SocketAddr,
    /// Where people and machines ask how it fares.
    pub admin: SocketAddr,
    /// Where other replicas reach `listen`; empty: they don't.
    pub relay_address: String,
    /// File with the token with which to dial them.
    pub token: PathBuf,
    /// Names and addresses of the serving certificate, besides the Service's.
    pub server_names: Vec<String>,
}

/// Runs until `ending` says true.
///
/// # Errors
/// What can't be begun: an address that is taken, say.
pub async fn run(
    client: Client,
    options: Options,
    ending: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let snapshots = Snapshots::default();
    let scope = Scope {
        namespaces: options.watch_namespaces.clone(),
        home: options.namespace.clone(),
    };
    let watch = Watch::start(&client, &scope);
    spine(watch, snapshots.clone(), ending).await;
    Ok(())
}

/// Watch to compile to publish, batch by batch.
async fn spine(mut watch: Watch, snapshots: Snapshots, mut ending: watch::Receiver<bool>) {
    let mut compiler = Compiler::default();
    let mut publisher = Publisher::new(snapshots);
    let mut was_listed = false;
    loop {
        let batch = tokio::select! {
            batch = watch.next() => batch,
            _ = ending.wait_for(|ending| *ending) => return,
        };
        take(batch, &mut compiler, &mut publisher);
        let missing = watch.missing();
        if !was_listed && missing.is_empty() {
            info!("all is listed");
            was_listed = true;
        }
    }
}

fn take(batch: Batch, compiler: &mut Compiler, publisher: &mut Publisher) {
    let mut delta = compiler.apply_all(batch.changes);
    let changes = delta.take_changes();
    debug!(
        units = changes.len(),
        version = batch.resource_version,
        "compiled"
    );
    publisher.apply(changes);
    // Before everything is listed, a gateway would lose what is not listed yet.
    if batch.listed {
        publisher.publish(batch.resource_version);
    }
}
