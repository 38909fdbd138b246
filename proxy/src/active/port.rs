//! A port of a gateway: where it is bound, whose listeners share it, and its hosts.
//!
//! In: a gateway unit. Out: typed bounds and addresses, or what in the unit can't be used.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use tollgate_snapshot::{ObjectName, gateway};

use super::{Unusable, hosts::Hosts};

/// Where listeners without an address are bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home(pub(super) IpAddr);

impl Default for Home {
    /// This machine alone: the standalone rule.
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

/// Identity of a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PortKey {
    pub(crate) gateway: ObjectName,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

impl PortKey {
    /// The address to bind.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Whether the two can't both be bound, being of different gateways.
    fn clashes(&self, other: &Self) -> bool {
        let overlap = self.address == other.address
            || self.address.is_unspecified()
            || other.address.is_unspecified();
        self.gateway != other.gateway && self.port == other.port && overlap
    }
}

/// A gateway made executable.
#[derive(Debug)]
pub(crate) struct ArmedGateway {
    /// When the object was created; an older gateway's ports go before a younger one's.
    created: Option<Box<str>>,
    listeners: Vec<Listener>,
    /// Networks whose word counts for the client's address.
    pub(crate) trusted: Box<[IpNet]>,
    /// Bounds on every request.
    pub(crate) limits: Limits,
    /// Whether requests are logged.
    pub(crate) access_log: bool,
}

#[derive(Debug)]
struct Listener {
    name: Arc<str>,
    hostname: Option<Box<str>>,
    address: IpAddr,
    port: u16,
}

/// Bounds on every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) body_bytes: u64,
    pub(crate) header_bytes: usize,
    pub(crate) header_count: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

impl ArmedGateway {
    pub(super) fn arm(gateway: &gateway::Gateway, home: Home) -> Result<Self, Unusable> {
        let cidr = |text: &String| {
            text.parse()
                .map_err(|_| Unusable(format!("trusted network {text}: not a CIDR")))
        };
        Ok(Self {
            created: gateway.created.as_deref().map(Into::into),
            listeners: gateway
                .listeners
                .iter()
                .map(|listener| Listener::arm(listener, home))
                .collect::<Result<_, _>>()?,
            trusted: gateway
                .trusted_cidrs
                .iter()
                .map(cidr)
                .collect::<Result<_, _>>()?,
            limits: Limits::arm(&gateway.limits),
            access_log: gateway.access_log,
        })
    }

    /// The ports of its listeners, without repeats.
    fn port_keys(&self, name: &ObjectName) -> Vec<PortKey> {
        let mut keys = Vec::new();
        for listener in &self.listeners {
            let key = listener.key(name);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// The listeners that share a port.
    fn listeners_at(&self, key: &PortKey) -> impl Iterator<Item = &Listener> {
        let here = |l: &&Listener| l.address == key.address && l.port == key.port;
        self.listeners.iter().filter(here)
    }

    /// The port of one listener.
    pub(super) fn port_key(&self, name: &ObjectName, listener: &str) -> Option<PortKey> {
        let found = self.listeners.iter().find(|l| &*l.name == listener)?;
        Some(found.key(name))
    }
}

impl Listener {
    fn arm(listener: &gateway::Listener, home: Home) -> Result<Self, Unusable> {
        let address = match &listener.address {
            None => home.0,
            Some(text) => text.parse().map_err(|_| {
                Unusable(format!(
                    "listener {}: address {text}: not an IP address",
                    listener.name
                ))
            })?,
        };
        Ok(Self {
            name: listener.name.as_str().into(),
            hostname: listener.hostname.as_deref().map(Into::into),
            address,
            port: listener.port,
        })
    }

    fn key(&self, gateway: &ObjectName) -> PortKey {
        PortKey {
            gateway: gateway.clone(),
            address: self.address,
            port: self.port,
        }
    }

    fn covers(&self, host: &str) -> bool {
        match self.hostname.as_deref() {
            None => true,
            Some(hostname) => match hostname.strip_prefix('*') {
                Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
                None => hostname == host,
            },
        }
    }
}

impl Limits {
    fn arm(limits: &gateway::Limits) -> Self {
        Self {
            body_bytes: limits.body_bytes,
            header_bytes: usize::try_from(limits.header_bytes).unwrap_or(usize::MAX),
            header_count: usize::try_from(limits.header_count).unwrap_or(usize::MAX),
            header_timeout: Duration::from_millis(limits.header_timeout_ms),
            idle_timeout: Duration::from_millis(limits.idle_timeout_ms),
            request_timeout: Duration::from_millis(limits.request_timeout_ms),
        }
    }
}

/// A port that a gateway wants and does not get.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) gateway: Arc<str>,
    /// The names of the listeners that are not served there.
    pub(crate) listeners: Vec<Arc<str>>,
    /// Why, in words.
    pub(crate) why: String,
}

/// Who gets which port: of two gateways that want the same, the older, whichever came first. The
/// younger gets it once the older lets go.
pub(super) fn share(
    gateways: &imbl::OrdMap<ObjectName, Arc<ArmedGateway>>,
) -> (Vec<(PortKey, Arc<ArmedGateway>)>, Vec<Taken>) {
    let mut by_age: Vec<_> = gateways.iter().collect();
    // The sort is stable: gateways of one age stay in the order of their names.
    by_age.sort_by_key(|(_, gateway)| (gateway.created.is_none(), &gateway.created));
    let (mut granted, mut taken) = (Vec::<(PortKey, _)>::new(), Vec::new());
    for (name, gateway) in by_age {
        for key in gateway.port_keys(name) {
            match granted.iter().find(|(other, _)| other.clashes(&key)) {
                None => granted.push((key, Arc::clone(gateway))),
                Some((other, _)) => taken.push(Taken {
                    gateway: name.to_string().into(),
                    listeners: gateway
                        .listeners_at(&key)
                        .map(|l| Arc::clone(&l.name))
                        .collect(),
                    why: format!("{} is taken by ApiGateway {}", key.socket(), other.gateway),
                }),
            }
        }
    }
    (granted, taken)
}

/// A port and its hosts.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) key: PortKey,
    /// The gateway's name as logs show it.
    pub(crate) shown: Arc<str>,
    pub(crate) gateway: Arc<ArmedGateway>,
    pub(crate) hosts: Hosts,
}

impl Port {
    pub(super) fn new(key: PortKey, gateway: &Arc<ArmedGateway>) -> Self {
        let shown = key.gateway.to_string().into();
        Self {
            key,
            shown,
            gateway: Arc::clone(gateway),
            hosts: Hosts::default(),
        }
    }

    /// The names of the listeners that share this port.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &Arc<str>> {
        self.gateway.listeners_at(&self.key).map(|l| &l.name)
    }

    /// The listener that a request for `host` comes through when no route says so: the one with the
    /// longest hostname that covers it.
    pub(crate) fn listener_for(&self, host: &str) -> Option<&Arc<str>> {
        let here = self.gateway.listeners_at(&self.key);
        let covering = here.filter(|l| l.covers(host));
        covering
            .max_by_key(|l| l.hostname.as_ref().map_or(0, |h| h.len()))
            .map(|l| &l.name)
    }
}
