//! Bootstrap copies: each gateway's newest set as sealed Secrets, for a proxy that starts while no
//! controller is there; and the key with which they are sealed, as is what proxies keep on disk.
//!
//! In: the newest sets. Out, from the Lease holder alone: per gateway the Secret
//! `tollgate-<gateway>-seal`, made once, and the Secrets `tollgate-<gateway>-bootstrap-<n>`, at
//! most every 30 s and only when the set is another one. They belong to the ApiGateway, so that
//! they go when it goes.
//!
//! A copy is a receiver of units like a proxy: of an object that is refused it keeps the version
//! before.

mod copy;
mod key;
mod parts;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client, Resource};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tollgate_crds::ApiGateway;
use tollgate_snapshot::{Hash, ObjectName, UnitId, UnitKind, UnitSet, saved::Saved};

use crate::{holder::Holder, metrics::Metrics, publish::Snapshots, secrets::in_time};

/// How often it is asked whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// Between two copies of a gateway.
const APART: Duration = Duration::from_secs(30);

/// After this long a copy is looked for: somebody may have deleted it, or the gateway may have been
/// made anew, and what belonged to the old one goes with it.
const LOOK: Duration = Duration::from_secs(60);

/// What the copies need.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The sets.
    pub snapshots: Snapshots,
    /// Who holds the Lease.
    pub holder: watch::Receiver<Holder>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// What is known of a gateway's copy.
struct Kept {
    /// What was written last, and its root hash: that is asked every second.
    saved: Option<(Saved, Hash)>,
    /// Whether it has been asked what is there.
    read: bool,
    /// Parts that are there, at least.
    parts: usize,
    /// UIDs of the gateway that they belong to, and of the key that they are sealed with.
    bound_to: Option<[String; 2]>,
    /// Not before.
    again: Instant,
    /// When to look for it, even if nothing else is to be in it.
    look: Instant,
}

/// Writes copies until `ending` says true, as long as this replica holds the Lease.
pub async fn run(client: Client, bootstrap: Bootstrap, mut ending: watch::Receiver<bool>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = BTreeMap::new();
    let write = async {
        loop {
            tick.tick().await;
            let mut holder = bootstrap.holder.clone();
            // The borrow is a lock: it must be over before anything is waited for.
            let is_me = *holder.borrow() == Holder::Me;
            if is_me {
                tokio::select! {
                    () = bootstrap.write_due(&client, &mut kept) => continue,
                    Ok(_) = holder.wait_for(|holder| *holder != Holder::Me) => {}
                }
            }
            // Another one writes now: what is there is not known any more.
            kept.clear();
        }
    };
    tokio::select! {
        () = write => {}
        _ = ending.wait_for(|ending| *ending) => {}
    }
}

impl Bootstrap {
    async fn write_due(&self, client: &Client, all: &mut BTreeMap<ObjectName, Kept>) {
        let sets: BTreeMap<_, _> = self.sets().collect();
        all.retain(|gateway, _| sets.contains_key(gateway));
        for (gateway, set) in sets {
            let kept = all.entry(gateway.clone()).or_insert_with(Kept::unknown);
            let now = Instant::now();
            if now < kept.again || (kept.is_of(&set) && now < kept.look) {
                continue;
            }
            let written = kept.write(client, &gateway, &set).await;
            let jitter = 1.0 + fastrand::f64() / 10.0;
            kept.again = Instant::now() + APART.mul_f64(jitter);
            kept.look = Instant::now() + LOOK.mul_f64(jitter);
            match written {
                Ok(true) => self.metrics.bootstrap.written.inc(),
                Ok(false) => {}
                Err(error) => {
                    self.metrics.bootstrap.errors.inc();
                    tracing::warn!(%gateway, error, "can't write the bootstrap copy");
                }
            }
        }
    }

    /// The newest sets of the gateways that somebody wrote.
    fn sets(&self) -> impl Iterator<Item = (ObjectName, UnitSet)> {
        let gateways = self.snapshots.gateways().into_iter();
        gateways.filter_map(|gateway| {
            let set = self.snapshots.newest(&gateway)?;
            let own = UnitId {
                kind: UnitKind::Gateway,
                object: gateway.clone(),
            };
            set.entries().contains_key(&own).then_some((gateway, set))
        })
    }
}

impl Kept {
    fn unknown() -> Self {
        let now = Instant::now();
        Self {
            saved: None,
            read: false,
            parts: 0,
            bound_to: None,
            again: now,
            look: now,
        }
    }

    fn is_of(&self, set: &UnitSet) -> bool {
        let saved = self.saved.as_ref();
        saved.is_some_and(|(_, root)| *root == set.root())
    }

    /// Says whether there was anything to write.
    async fn write(
        &mut self,
        client: &Client,
        gateway: &ObjectName,
        set: &UnitSet,
    ) -> Result<bool, String> {
        let Some(owner) = owner(client, gateway).await? else {
            // Deleted a moment ago.
            return Ok(false);
        };
        let secrets = Api::namespaced(client.clone(), &gateway.namespace);
        let (key, key_uid) = key::read_or_make(&secrets, gateway, &owner).await?;
        let bound_to = Some([owner.uid.clone(), key_uid]);
        if self.bound_to == bound_to
            && self.is_of(set)
            && parts::are_there(&secrets, gateway, self.parts).await?
        {
            return Ok(false);
        }
        if !self.read {
            let there = parts::read(&secrets, gateway, &key).await?;
            self.parts = there.count;
            self.saved = there.saved.map(|saved| {
                let root = copy::root(&saved);
                (saved, root)
            });
            self.read = true;
            if self.is_of(set) && there.owner.as_ref() == Some(&owner.uid) {
                self.bound_to = bound_to;
                return Ok(false);
            }
        }
        let before = self.saved.as_ref().map(|(saved, _)| saved);
        let saved = copy::of(gateway, set, before);
        let (saved, file) = tokio::task::spawn_blocking(move || {
            let file = tollgate_snapshot::saved::write(&saved, Some(&key));
            (saved, file)
        })
        .await
        .map_err(|error| error.to_string())?;
        let file = file.map_err(|error| error.to_string())?;
        self.parts = parts::write(&secrets, gateway, &owner, &file, self.parts).await?;
        self.saved = Some((saved, set.root()));
        self.bound_to = bound_to;
        Ok(true)
    }
}

/// To whom the Secrets belong; `None`: it does not exist.
async fn owner(client: &Client, gateway: &ObjectName) -> Result<Option<OwnerReference>, String> {
    let api: Api<ApiGateway> = Api::namespaced(client.clone(), &gateway.namespace);
    let found = in_time(api.get_metadata_opt(&gateway.name)).await;
    let found = found.map_err(|error| format!("apigateway {gateway}: {error}"))?;
    let uid = found.and_then(|found| found.metadata.uid);
    Ok(uid.map(|uid| OwnerReference {
        api_version: ApiGateway::api_version(&()).into_owned(),
        kind: ApiGateway::kind(&()).into_owned(),
        name: gateway.name.as_ref().to_owned(),
        uid,
        ..OwnerReference::default()
    }))
}

#[cfg(test)]
mod tests;
