//! The ConfigMaps with the bundle: in the operator's namespace and wherever there is a gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{CERTIFICATE_KEY, NAME, Options};
use crate::{
    holder::Holder,
    secrets::{apply, metadata},
};

/// How often it is asked whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// After this long a ConfigMap is applied again: somebody may have changed or deleted it.
const AGAIN: Duration = Duration::from_secs(600);

/// After a failure, at least; at most twice as long.
const RETRY: Duration = Duration::from_secs(15);

/// A ConfigMap that was applied, or could not be.
struct Applied {
    /// What was applied; `None`: nothing.
    bundle: Option<Arc<str>>,
    /// When it is to be applied again, even if nothing else is in it.
    again: Instant,
}

/// Writes the ConfigMaps until `ending` says true, as long as this replica holds the Lease.
pub(super) async fn run(
    options: Options,
    bundle: watch::Receiver<Option<Arc<str>>>,
    mut ending: watch::Receiver<bool>,
) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut applied = BTreeMap::new();
    let write = async {
        loop {
            tick.tick().await;
            let known = bundle.borrow().clone();
            let mut holder = options.holder.clone();
            let is_me = *holder.borrow() == Holder::Me;
            if let Some(known) = known
                && is_me
            {
                tokio::select! {
                    () = write_due(&options, &known, &mut applied) => continue,
                    Ok(_) = holder.wait_for(|holder| *holder != Holder::Me) => {}
                }
            }
            applied.clear();
        }
    };
    tokio::select! {
        () = write => {}
        _ = ending.wait_for(|ending| *ending) => {}
    }
}

async fn write_due(options: &Options, bundle: &Arc<str>, applied: &mut BTreeMap<String, Applied>) {
    let wanted = namespaces(options);
    applied.retain(|namespace, _| wanted.contains(namespace));
    for namespace in wanted {
        let now = Instant::now();
        let due = applied.get(&namespace).is_none_or(|last| {
            let other = last.bundle.as_ref().is_some_and(|last| last != bundle);
            other || now >= last.again
        });
        if !due {
            continue;
        }
        let written = write(options, &namespace, bundle).await;
        let (bundle, again) = match written {
            Ok(()) => (Some(Arc::clone(bundle)), AGAIN),
            Err(()) => (None, RETRY),
        };
        let again = Instant::now() + again.mul_f64(1.0 + fastrand::f64());
        applied.insert(namespace, Applied { bundle, again });
    }
}

/// Where the bundle is needed.
fn namespaces(options: &Options) -> BTreeSet<String> {
    let gateways = options.snapshots.gateways().into_iter();
    let used = gateways.filter(|gateway| {
        let set = options.snapshots.newest(gateway);
        set.is_some_and(|set| !set.entries().is_empty())
    });
    let mut namespaces: BTreeSet<_> = used
        .map(|gateway| gateway.namespace.as_ref().to_owned())
        .collect();
    namespaces.insert(options.namespace.clone());
    namespaces
}

async fn write(options: &Options, namespace: &str, bundle: &str) -> Result<(), ()> {
    let data = BTreeMap::from([(CERTIFICATE_KEY.to_owned(), bundle.to_owned())]);
    let map = ConfigMap {
        metadata: metadata(namespace, NAME),
        data: Some(data),
        ..ConfigMap::default()
    };
    let api = Api::namespaced(options.client.clone(), namespace);
    match apply(&api, &map).await {
        Ok(_) => Ok(()),
        Err(error) => {
            options.metrics.ca.errors.inc();
            tracing::warn!(namespace, %error, "can't write the ConfigMap {NAME}");
            Err(())
        }
    }
}
