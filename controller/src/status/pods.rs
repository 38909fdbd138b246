//! The ready proxies of each gateway, and its addresses.
//!
//! In: the EndpointSlices and the Service `tollgate-<gateway>` of each gateway. Out: UIDs of pods,
//! and addresses. Whether a pod is connected is not known here.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::{Endpoint, EndpointSlice},
};
use kube::core::ObjectMeta;
use tollgate_compile::{Change, Kind, Object};
use tollgate_snapshot::ObjectName;

use crate::{names, proxies::PodUid};

/// Which Service a slice belongs to.
const SERVICE: &str = "kubernetes.io/service-name";

/// Whether a change may be of the Service or the EndpointSlices of a gateway.
pub fn is_of_a_gateway(change: &Change) -> bool {
    match change {
        Change::Put(Object::EndpointSlice(slice)) => gateway_of(slice).is_some(),
        Change::Put(Object::Service(service)) => served(service).is_some(),
        Change::Remove(object) => matches!(object.kind, Kind::EndpointSlice | Kind::Service),
        Change::Put(
            Object::ApiGateway(_)
            | Object::ApiRoute(_)
            | Object::Function(_)
            | Object::Namespace(_)
            | Object::ReferenceGrant(_),
        )
        // What it was before goes on.
        | Change::Refuse { .. } => false,
    }
}

/// The ready proxies and the addresses of all gateways.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By gateway and slice.
    ready: BTreeMap<ObjectName, BTreeMap<ObjectName, BTreeSet<PodUid>>>,
    /// The gateway of each slice.
    slices: BTreeMap<ObjectName, ObjectName>,
    addresses: BTreeMap<ObjectName, Vec<String>>,
}

impl Pods {
    /// Takes a change in; says which gateway's proxies or addresses may differ now.
    pub(super) fn take(&mut self, change: &Change) -> Option<ObjectName> {
        match change {
            Change::Put(Object::EndpointSlice(slice)) => {
                let gateway = gateway_of(slice)?;
                let name = name(&slice.metadata)?;
                self.slices.insert(name.clone(), gateway.clone());
                let of_gateway = self.ready.entry(gateway.clone()).or_default();
                of_gateway.insert(name, ready(slice));
                Some(gateway)
            }
            Change::Put(Object::Service(service)) => {
                let gateway = served(service)?;
                self.addresses.insert(gateway.clone(), addresses(service));
                Some(gateway)
            }
            Change::Remove(object) if object.kind == Kind::EndpointSlice => {
                let gateway = self.slices.remove(&object.name)?;
                if let Some(of_gateway) = self.ready.get_mut(&gateway) {
                    of_gateway.remove(&object.name);
                }
                Some(gateway)
            }
            Change::Remove(object) if object.kind == Kind::Service => {
                let gateway = names::gateway_of(&object.name.namespace, &object.name.name)?;
                self.addresses.remove(&gateway).map(|_| gateway)
            }
            Change::Put(_) | Change::Remove(_) | Change::Refuse { .. } => None,
        }
    }

    /// The ready proxies of a gateway.
    pub(super) fn ready(&self, gateway: &ObjectName) -> BTreeSet<PodUid> {
        let slices = self.ready.get(gateway).into_iter().flatten();
        slices.flat_map(|(_, pods)| pods.iter().cloned()).collect()
    }

    /// The addresses of a gateway.
    pub(super) fn addresses(&self, gateway: &ObjectName) -> &[String] {
        self.addresses.get(gateway).map_or(&[], Vec::as_slice)
    }
}

fn gateway_of(slice: &EndpointSlice) -> Option<ObjectName> {
    let labels = slice.metadata.labels.as_ref()?;
    names::gateway_of(slice.metadata.namespace.as_deref()?, labels.get(SERVICE)?)
}

fn served(service: &Service) -> Option<ObjectName> {
    let metadata = &service.metadata;
    names::gateway_of(metadata.namespace.as_deref()?, metadata.name.as_deref()?)
}

fn name(metadata: &ObjectMeta) -> Option<ObjectName> {
    let (namespace, name) = (metadata.namespace.as_deref()?, metadata.name.as_deref()?);
    Some(ObjectName::new(namespace, name))
}

fn ready(slice: &EndpointSlice) -> BTreeSet<PodUid> {
    let endpoints = slice.endpoints.iter();
    endpoints.filter_map(ready_pod).collect()
}

/// The pod of an endpoint that is ready; one that doesn't say is.
fn ready_pod(endpoint: &Endpoint) -> Option<PodUid> {
    let conditions = endpoint.conditions.as_ref();
    let ready = conditions.and_then(|conditions| conditions.ready);
    let target = endpoint.target_ref.as_ref()?;
    // The watch keeps no more of it than the UID.
    let is_pod = target.kind.as_deref().is_none_or(|kind| kind == "Pod");
    let uid = target.uid.as_deref()?;
    (ready.unwrap_or(true) && is_pod).then(|| uid.into())
}

/// Where a Service can be reached: at its load balancer, else where it says itself.
fn addresses(service: &Service) -> Vec<String> {
    /// As many as the status holds.
    const MOST: usize = 16;
    let status = service.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer
        .into_iter()
        .flat_map(|balancer| balancer.ingress.iter().flatten());
    let given = ingress.filter_map(|at| at.ip.clone().or_else(|| at.hostname.clone()));
    let mut addresses: Vec<String> = given.collect();
    let spec = service.spec.as_ref();
    if addresses.is_empty() {
        let external = spec.and_then(|spec| spec.external_ips.clone());
        addresses = external.unwrap_or_default();
    }
    if addresses.is_empty() {
        let own = spec.and_then(|spec| spec.cluster_ips.clone());
        addresses = own.unwrap_or_default();
        addresses.retain(|address| address != "None");
    }
    addresses.truncate(MOST);
    addresses
}

#[cfg(test)]
mod tests;
