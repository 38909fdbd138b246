//! Endpoints: where the ports of a Service lead.
//!
//! In: a Service and its EndpointSlices. Out: for each TCP port of the Service the addresses that
//! take requests now. Routes read a Service's [`Ports`] only, so that pods come and go without a
//! route being compiled again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, SocketAddr},
};

use k8s_openapi::{
    api::{
        core::v1::{Service, ServiceSpec},
        discovery::v1::{Endpoint, EndpointSlice},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde::Deserialize;
use serde_json::Value;
use tollgate_snapshot::{ObjectName, Payload, endpoints::Endpoints};

use crate::{
    Object, Reason,
    compiler::Outcome,
    findings::{Field, Findings},
    resources::Source,
    url, value,
};

/// Names the Service that an EndpointSlice belongs to.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// What routes read of a Service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ports {
    /// Whether it is only another name for a host.
    pub(crate) external: bool,
    /// Number and name (maybe empty) of its TCP ports.
    tcp: BTreeMap<u16, String>,
}

impl Ports {
    pub(crate) fn of(spec: Option<&ServiceSpec>) -> Self {
        let ports = spec.and_then(|spec| spec.ports.as_deref());
        let tcp = ports.unwrap_or_default().iter().filter_map(|port| {
            let number = value::port(port.port).ok()?;
            let name = port.name.clone().unwrap_or_default();
            is_tcp(port.protocol.as_deref()).then_some((number, name))
        });
        Self {
            external: spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName"),
            tcp: tcp.collect(),
        }
    }

    /// The ports that a manifest names which does not fit its schema; nothing if they can't be
    /// read.
    pub(crate) fn of_manifest(manifest: &Value) -> Option<Self> {
        let spec = ServiceSpec::deserialize(manifest.get("spec")?).ok()?;
        Some(Self::of(Some(&spec)))
    }

    /// The number of a port that a route names.
    pub(crate) fn find(&self, wanted: &IntOrString) -> Option<u16> {
        let fits = |(number, name): &(&u16, &String)| match wanted {
            IntOrString::Int(wanted) => i32::from(**number) == *wanted,
            IntOrString::String(wanted) => *name == wanted,
        };
        self.tcp.iter().find(fits).map(|(number, _)| *number)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tcp.is_empty() {
            return f.write_str("none");
        }
        for (i, (number, name)) in self.tcp.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{number}")?;
            if !name.is_empty() {
                write!(f, " ({name})")?;
            }
        }
        Ok(())
    }
}

fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

/// The Service that a slice belongs to.
pub(crate) fn service_of(namespace: &str, slice: &Source) -> Option<ObjectName> {
    let label = match slice {
        Source::Read(Object::EndpointSlice(slice)) => {
            let labels = slice.metadata.labels.as_ref()?;
            labels.get(SERVICE_LABEL)?.as_str()
        }
        Source::Read(_) => return None,
        Source::Refused { manifest, .. } => {
            let labels = manifest.pointer("/metadata/labels")?;
            labels.get(SERVICE_LABEL)?.as_str()?
        }
    };
    Some(ObjectName::new(namespace, label))
}

/// What is wrong with a Service, whoever reads it.
pub(crate) fn check_service(service: &Service, findings: &mut Findings<'_>) {
    let field = Field::Root("spec");
    let field = field.key("ports");
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
    let mut numbers = BTreeSet::new();
    for (i, port) in ports.unwrap_or_default().iter().enumerate() {
        let field = field.index(i);
        findings.parsed(field.key("port"), value::port(port.port));
        if !numbers.insert((port.port, port.protocol.as_deref().unwrap_or("TCP"))) {
            let message = format!("port {} is there already", port.port);
            findings.add(Reason::Duplicate, field.key("port"), message);
        }
    }
}

/// The endpoints of a Service. A slice that is refused holds them: nobody can say what it lacks.
pub(crate) fn compile<'a>(ports: &Ports, slices: impl Iterator<Item = &'a Source>) -> Outcome {
    if ports.external {
        return Outcome::Nothing;
    }
    let mut read = Vec::new();
    let mut refused = false;
    for slice in slices {
        match slice {
            Source::Read(Object::EndpointSlice(slice)) => read.push(&**slice),
            Source::Read(_) => {}
            Source::Refused { .. } => refused = true,
        }
    }
    let ports = ports.tcp.iter();
    let ports = ports.map(|(number, name)| (*number, addresses(name, &read)));
    let payload = Payload::Endpoints(Endpoints {
        ports: ports.collect(),
    });
    if refused {
        Outcome::Held(Some(payload))
    } else {
        Outcome::Unit(payload)
    }
}

/// The addresses of one port: the ready ones; while there are none, those that still serve while
/// they terminate, as kube-proxy does.
fn addresses(name: &str, slices: &[&EndpointSlice]) -> Vec<String> {
    let mut ready = BTreeSet::new();
    let mut draining = BTreeSet::new();
    for slice in slices {
        for port in ports_named(name, slice) {
            for endpoint in &slice.endpoints {
                let found = match readiness(endpoint) {
                    Readiness::Ready => &mut ready,
                    Readiness::Draining => &mut draining,
                    Readiness::Down => continue,
                };
                let usable = endpoint.addresses.iter();
                let usable = usable.filter_map(|text| address(slice, text).ok());
                found.extend(usable.map(|ip| SocketAddr::new(ip, port).to_string()));
            }
        }
    }
    let chosen = if ready.is_empty() { draining } else { ready };
    chosen.into_iter().collect()
}

fn ports_named<'a>(name: &'a str, slice: &'a EndpointSlice) -> impl Iterator<Item = u16> + 'a {
    let ports = slice.ports.as_deref().unwrap_or_default().iter();
    ports
        .filter(move |port| port.name.as_deref().unwrap_or_default() == name)
        .filter(|port| is_tcp(port.protocol.as_deref()))
        .filter_map(|port| value::port(port.port?).ok())
}

enum Readiness {
    Ready,
    Draining,
    Down,
}

/// An endpoint that says nothing is ready, as the API's documentation has it.
fn readiness(endpoint: &Endpoint) -> Readiness {
    let Some(conditions) = &endpoint.conditions else {
        return Readiness::Ready;
    };
    match (conditions.ready, conditions.serving, conditions.terminating) {
        (None | Some(true), _, _) => Readiness::Ready,
        (Some(false), Some(true), Some(true)) => Readiness::Draining,
        (Some(false), _, _) => Readiness::Down,
    }
}

/// An address of a slice, if it can be connected to.
fn address(slice: &EndpointSlice, text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is not an IP address"))?;
    let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    if slice.address_type != family {
        return Err(format!(
            "{ip} is not an address of type {}",
            slice.address_type
        ));
    }
    if url::is_forbidden(ip) {
        return Err(format!("no endpoint may be at {ip}"));
    }
    Ok(ip)
}

/// What is wrong with a slice. What is right with it is used all the same.
pub(crate) fn check_slice(slice: &EndpointSlice, findings: &mut Findings<'_>) {
    let labels = slice.metadata.labels.as_ref();
    if labels.is_none_or(|labels| !labels.contains_key(SERVICE_LABEL)) {
        let message = format!("without the label {SERVICE_LABEL} it belongs to no Service");
        findings.add(Reason::Ignored, Field::Root("metadata.labels"), message);
    }
    if !matches!(&*slice.address_type, "IPv4" | "IPv6") {
        let message = format!("addresses of type {:?} are not used", slice.address_type);
        findings.add(Reason::Ignored, Field::Root("addressType"), message);
        return;
    }
    check_slice_ports(slice, findings);
    let field = Field::Root("endpoints");
    for (i, endpoint) in slice.endpoints.iter().enumerate() {
        let field = field.index(i);
        let field = field.key("addresses");
        for (j, text) in endpoint.addresses.iter().enumerate() {
            findings.parsed(field.index(j), address(slice, text));
        }
    }
}

fn check_slice_ports(slice: &EndpointSlice, findings: &mut Findings<'_>) {
    let field = Field::Root("ports");
    for (i, port) in slice
        .ports
        .as_deref()
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let field = field.index(i);
        if let Some(number) = port.port {
            findings.parsed(field.key("port"), value::port(number));
        }
    }
}
