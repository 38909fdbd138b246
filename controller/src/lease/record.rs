//! What a Lease says, and how it is written.
//!
//! In: a Lease as the API server has it. Out: the facts that an election turns on, or the Lease
//! that comes next. Its times are written for other readers and never compared with a clock.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::core::ObjectMeta;

use super::{Candidate, NAME, RELAY};

/// What a Lease says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// Identity of its holder; empty: it was given back.
    pub(super) holder: String,
    /// Address of the holder's push port.
    pub(super) relay: String,
    /// How long it holds without being renewed.
    pub(super) duration: Duration,
    /// Differs with every renewal.
    pub(super) renewed: Option<MicroTime>,
    /// Differs with every write.
    pub(super) resource_version: Option<String>,
}

impl Record {
    pub(super) fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.unwrap_or_default();
        let annotations = lease.metadata.annotations.as_ref();
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            relay: annotations
                .and_then(|all| all.get(RELAY))
                .cloned()
                .unwrap_or_default(),
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            renewed: spec.renew_time,
            resource_version: lease.metadata.resource_version.clone(),
        }
    }
}

/// The Lease with this candidate as its holder. What else is in it is kept, its resourceVersion
/// among that, so that a write over somebody else's fails.
pub(super) fn held(before: Option<&Lease>, by: &Candidate, duration: Duration) -> Lease {
    let mut lease = before.cloned().unwrap_or_else(|| fresh(by));
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(RELAY.to_owned(), by.relay.clone());
    let spec = lease.spec.get_or_insert_default();
    let now = MicroTime(Timestamp::now());
    if spec.holder_identity.as_deref() != Some(&*by.identity) {
        let before = spec.acquire_time.replace(now.clone());
        let transitions = spec.lease_transitions.unwrap_or_default();
        let first = before.is_none();
        spec.lease_transitions = Some(if first {
            0
        } else {
            transitions.saturating_add(1)
        });
    }
    spec.holder_identity = Some(by.identity.clone());
    spec.lease_duration_seconds = i32::try_from(duration.as_secs()).ok();
    spec.renew_time = Some(now);
    lease
}

/// The Lease with nobody as its holder.
pub(super) fn given_back(mut lease: Lease) -> Lease {
    if let Some(annotations) = &mut lease.metadata.annotations {
        annotations.remove(RELAY);
    }
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.renew_time = Some(MicroTime(Timestamp::now()));
    lease
}

fn fresh(by: &Candidate) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(by.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec::default()),
    }
}
