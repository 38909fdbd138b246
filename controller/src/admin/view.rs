//! Who runs what, as JSON: per gateway its newest set, per proxy what it has of that.

use std::{collections::BTreeSet, time::Instant};

use serde_json::{Map, Value, json};
use tollgate_snapshot::ObjectName;

use super::Site;
use crate::{
    holder::Holder,
    proxies::{PodUid, Proxy, Running},
};

/// The content of `/proxies`. On a replica that does not hold the Lease, its own proxies only.
pub(super) fn proxies(site: &Site, now: Instant) -> Value {
    let table = site.proxies.now();
    let published = site.snapshots.gateways().into_iter();
    let connected = table.values().map(|proxy| proxy.gateway.clone());
    let names: BTreeSet<_> = published.chain(connected).collect();
    let gateways = names.into_iter().map(|name| {
        let proxies = table.iter().filter(|(_, proxy)| proxy.gateway == name);
        let proxies = proxies.map(|(uid, proxy)| shown(site, uid, proxy, now));
        let proxies: Vec<_> = proxies.collect();
        (name.to_string(), gateway(site, &name, proxies))
    });
    let gateways: Map<_, _> = gateways.collect();
    json!({"leader": leader(site), "gateways": gateways})
}

fn leader(site: &Site) -> Value {
    match &*site.holder.borrow() {
        Holder::Me => json!({"self": true}),
        Holder::Other { identity, relay } => {
            json!({"self": false, "identity": identity, "relay": relay})
        }
        Holder::Nobody => Value::Null,
    }
}

fn gateway(site: &Site, name: &ObjectName, proxies: Vec<Value>) -> Value {
    let newest = site.snapshots.newest(name);
    let newest = newest.map(|set| {
        json!({
            "root": set.root().to_string(),
            "resourceVersion": set.resource_version(),
            "units": set.entries().len(),
        })
    });
    json!({"newest": newest, "proxies": proxies})
}

fn shown(site: &Site, uid: &PodUid, proxy: &Proxy, now: Instant) -> Value {
    let exceptions = proxy.exceptions.iter().map(|(id, verdict)| {
        let running = match verdict.running {
            Running::HeldAtLastGood => "HeldAtLastGood",
            Running::HeldWithoutLastGood => "HeldWithoutLastGood",
            Running::Rejected => "Rejected",
        };
        let verdict = json!({"state": running, "reason": verdict.reason});
        (id.to_string(), verdict)
    });
    let exceptions: Map<_, _> = exceptions.collect();
    let root = proxy.root.as_ref();
    let lag = root.and_then(|root| site.snapshots.behind(&proxy.gateway, root, now));
    json!({
        "pod": proxy.pod,
        "uid": uid.as_ref(),
        "root": root.map(ToString::to_string),
        "sinceSeconds": now.saturating_duration_since(proxy.since).as_secs_f64(),
        "lagSeconds": lag.map(|lag| lag.as_secs_f64()),
        "refused": proxy.refused,
        "exceptions": exceptions,
        "relayed": !proxy.local,
    })
}
