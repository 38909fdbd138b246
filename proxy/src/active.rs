//! The units made executable: what the request path reads.
//!
//! In: changes of units. Out: a new `Active` beside the old one, sharing what did not change, and
//! for each unit whether it could be armed. A request sees one `Active`, which never changes
//! under it. Sockets, counters and connections are elsewhere: an edit does not touch them.

pub mod ask;
pub(crate) mod hosts;
mod literals;
pub(crate) mod port;
pub(crate) mod rule;
mod shards;
pub(crate) mod table;
mod tail;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tollgate_snapshot::{
    Hash, ObjectName, Payload, Root, Unit, UnitChange, UnitId, UnitKind, endpoints, route,
};

use self::{
    port::{ArmedGateway, Home, Port, PortKey, Taken},
    rule::Rule,
    table::{Candidate, Map},
};

/// Why a unit can't be armed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// What the proxy runs.
#[derive(Clone, Debug, Default)]
pub struct Active {
    units: imbl::OrdMap<UnitId, Unit>,
    /// How many units there are, by kind.
    counts: [usize; UnitKind::ALL.len()],
    /// The units that stand in for refused objects without an older version.
    stand_ins: imbl::OrdSet<UnitId>,
    gateways: imbl::OrdMap<ObjectName, Arc<ArmedGateway>>,
    routes: imbl::OrdMap<ObjectName, Arc<ArmedRoute>>,
    endpoints: Map<ObjectName, Arc<ArmedEndpoints>>,
    /// By slot. A port keeps its slot as long as it lives.
    ports: Vec<Option<Arc<Port>>>,
    /// Ports that an older gateway has.
    taken: Vec<Taken>,
    home: Home,
}

/// A route's matches with the places where they stand.
#[derive(Debug)]
struct ArmedRoute {
    placed: Vec<Placed>,
}

#[derive(Debug)]
struct Placed {
    gateway: ObjectName,
    host: Box<str>,
    candidate: Arc<Candidate>,
}

/// Addresses by number of the Service's port.
#[derive(Debug)]
pub(crate) struct ArmedEndpoints {
    ports: Vec<(u16, Box<[SocketAddr]>)>,
}

/// A unit made executable, not yet in its place.
enum Armed {
    Gateway(ArmedGateway),
    Route(ArmedRoute),
    /// Requests only name functions: what runs them reads their units itself.
    Function,
    Endpoints(ArmedEndpoints),
}

impl Active {
    /// Nothing yet; listeners without an address are to be bound to `home`. The default is
    /// loopback.
    pub fn at(home: IpAddr) -> Self {
        Self {
            home: Home(home),
            ..Self::default()
        }
    }

    /// Takes in changes. Gateways go first, so that routes find their ports whatever the order.
    ///
    /// A unit that can't be armed leaves its older version in place and is named in the result.
    pub fn apply(&mut self, changes: &[UnitChange]) -> Vec<(UnitId, Unusable)> {
        let mut unusable = Vec::new();
        let (first, then): (Vec<_>, Vec<_>) = changes
            .iter()
            .partition(|change| change.id().kind == UnitKind::Gateway);
        for change in first.into_iter().chain(then) {
            if let UnitChange::Hold { id, .. } = change
                && self.units.contains_key(id)
                && !self.stand_ins.contains(id)
            {
                continue;
            }
            let applied = match change {
                UnitChange::Put(unit) => self.put(unit).map(|()| {
                    self.stand_ins.remove(&unit.id);
                }),
                UnitChange::Hold {
                    id,
                    stand_in: Some(unit),
                } => {
                    let applied = self.put(unit);
                    if applied.is_ok() {
                        self.stand_ins.insert(id.clone());
                    }
                    applied
                }
                UnitChange::Hold { id, stand_in: None } | UnitChange::Remove(id) => {
                    self.stand_ins.remove(id);
                    self.remove(id);
                    Ok(())
                }
            };
            if let Err(why) = applied {
                unusable.push((change.id().clone(), why));
            }
        }
        unusable
    }

    fn put(&mut self, unit: &Unit) -> Result<(), Unusable> {
        #[cfg(feature = "failpoints")]
        crate::failpoint::arming(&unit.id);
        let name = &unit.id.object;
        match arm(unit, self.home)? {
            Armed::Gateway(gateway) => {
                self.gateways.insert(name.clone(), Arc::new(gateway));
                self.settle_ports();
            }
            Armed::Route(route) => self.put_route(name, route),
            Armed::Function => {}
            Armed::Endpoints(endpoints) => {
                self.endpoints.insert(name.clone(), Arc::new(endpoints));
            }
        }
        if self.units.insert(unit.id.clone(), unit.clone()).is_none() {
            self.counts[unit.id.kind as usize] += 1;
        }
        Ok(())
    }

    fn remove(&mut self, id: &UnitId) {
        let name = &id.object;
        match id.kind {
            UnitKind::Gateway => {
                self.gateways.remove(name);
                self.settle_ports();
            }
            UnitKind::Route => self.remove_route(name),
            UnitKind::Function => {}
            UnitKind::Endpoints => drop(self.endpoints.remove(name)),
        }
        if self.units.remove(id).is_some() {
            self.counts[id.kind as usize] -= 1;
        }
    }

    /// Gives every gateway the ports that are its own, and puts every route in place at those
    /// that are new or of a new version. A port that stays as it is keeps its hosts.
    fn settle_ports(&mut self) {
        let (granted, taken) = port::share(&self.gateways);
        self.taken = taken;
        for slot in &mut self.ports {
            let gone = |port: &mut Arc<Port>| !granted.iter().any(|(key, _)| *key == port.key);
            drop(slot.take_if(gone));
        }
        let mut fresh = Vec::new();
        for (key, gateway) in granted {
            let slot = self.slot_of(&key);
            let kept = slot.and_then(|slot| self.ports[slot].as_ref());
            if kept.is_some_and(|port| Arc::ptr_eq(&port.gateway, &gateway)) {
                continue;
            }
            let port = Some(Arc::new(Port::new(key.clone(), &gateway)));
            match slot {
                Some(slot) => self.ports[slot] = port,
                None => self.ports.push(port),
            }
            fresh.push(key);
        }
        for route in self.routes.clone().values() {
            for placed in &route.placed {
                self.place(placed, |key| fresh.contains(key));
            }
        }
    }

    fn put_route(&mut self, name: &ObjectName, route: ArmedRoute) {
        self.remove_route(name);
        for placed in &route.placed {
            self.place(placed, |_| true);
        }
        self.routes.insert(name.clone(), Arc::new(route));
    }

    fn place(&mut self, placed: &Placed, wanted: impl Fn(&PortKey) -> bool) {
        if let Some(port) = self.port_for(placed).filter(|port| wanted(&port.key)) {
            Arc::make_mut(port)
                .hosts
                .insert(&placed.host, Arc::clone(&placed.candidate));
        }
    }

    fn remove_route(&mut self, name: &ObjectName) {
        let Some(route) = self.routes.remove(name) else {
            return;
        };
        for placed in &route.placed {
            if let Some(port) = self.port_for(placed) {
                Arc::make_mut(port)
                    .hosts
                    .remove(&placed.host, &placed.candidate, name);
            }
        }
    }

    fn port_for(&mut self, placed: &Placed) -> Option<&mut Arc<Port>> {
        let gateway = self.gateways.get(&placed.gateway)?;
        let key = gateway.port_key(&placed.gateway, &placed.candidate.listener)?;
        let slot = self.slot_of(&key)?;
        self.ports[slot].as_mut()
    }

    fn slot_of(&self, key: &PortKey) -> Option<usize> {
        self.ports
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|port| port.key == *key))
    }

    /// The ports, each with its slot.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (usize, &Arc<Port>)> {
        self.ports
            .iter()
            .enumerate()
            .filter_map(|(slot, port)| Some((slot, port.as_ref()?)))
    }

    /// The port of a slot.
    pub(crate) fn port(&self, slot: usize) -> Option<&Arc<Port>> {
        self.ports.get(slot)?.as_ref()
    }

    /// The ports that a gateway wants and an older one has.
    pub(crate) fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The addresses of a Service's port; none known: none.
    pub(crate) fn addresses(&self, service: &ObjectName, port: u16) -> &[SocketAddr] {
        let ports = self
            .endpoints
            .get(service)
            .map(|endpoints| endpoints.ports.as_slice());
        let found = ports
            .unwrap_or_default()
            .iter()
            .find(|(number, _)| *number == port);
        found.map(|(_, addresses)| &**addresses).unwrap_or_default()
    }

    /// The units that run, sorted.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// How many units of a kind run.
    pub fn count(&self, kind: UnitKind) -> usize {
        self.counts[kind as usize]
    }

    /// The unit that runs under an id, and whether it only stands in for a refused object.
    pub fn unit(&self, id: &UnitId) -> Option<(&Unit, bool)> {
        let unit = self.units.get(id)?;
        Some((unit, self.stand_ins.contains(id)))
    }

    /// Whether a unit runs under an id.
    pub fn has(&self, id: &UnitId) -> bool {
        self.units.contains_key(id)
    }

    /// Whether a unit runs under an id that is not a stand-in.
    pub fn has_good(&self, id: &UnitId) -> bool {
        self.units.contains_key(id) && !self.stand_ins.contains(id)
    }

    /// The hash of all units.
    pub fn root(&self) -> Hash {
        Root::hash_of(self.units.iter().map(|(id, unit)| (id, &unit.hash)))
    }
}

fn arm(unit: &Unit, home: Home) -> Result<Armed, Unusable> {
    Ok(match &*unit.payload {
        Payload::Gateway(gateway) => Armed::Gateway(ArmedGateway::arm(gateway, home)?),
        Payload::Route(route) => Armed::Route(ArmedRoute::arm(&unit.id.object, route)?),
        Payload::Function(_) => Armed::Function,
        Payload::Endpoints(endpoints) => Armed::Endpoints(ArmedEndpoints::arm(endpoints)?),
    })
}

impl ArmedRoute {
    fn arm(name: &ObjectName, route: &route::Route) -> Result<Self, Unusable> {
        let shown: Arc<str> = name.to_string().into();
        let created: Option<Arc<str>> = route.created.as_deref().map(Into::into);
        let rules = route
            .rules
            .iter()
            .map(|rule| Rule::arm(name, &shown, rule).map(Arc::new));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let mut placed = Vec::new();
        for attachment in &route.attachments {
            let listener: Arc<str> = attachment.listener.as_str().into();
            for (index, rule) in rules.iter().enumerate() {
                for (place, matched) in route.rules[index].matches.iter().enumerate() {
                    let position = (index, place);
                    let candidate =
                        Candidate::arm(matched, rule, &listener, created.clone(), position)?;
                    let candidate = Arc::new(candidate);
                    placed.extend(attachment.hosts.iter().map(|host| Placed {
                        gateway: attachment.gateway.clone(),
                        host: host.as_str().into(),
                        candidate: Arc::clone(&candidate),
                    }));
                }
            }
        }
        Ok(Self { placed })
    }
}

impl ArmedEndpoints {
    fn arm(endpoints: &endpoints::Endpoints) -> Result<Self, Unusable> {
        let parse = |text: &String| {
            text.parse()
                .map_err(|_| Unusable(format!("address {text}: not a socket address")))
        };
        let ports = endpoints.ports.iter().map(|(port, addresses)| {
            Ok((
                *port,
                addresses
                    .iter()
                    .map(parse)
                    .collect::<Result<Box<[_]>, _>>()?,
            ))
        });
        Ok(Self {
            ports: ports.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests;
