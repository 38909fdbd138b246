//! The ledger: every fact that a status depends on, and which statuses depend on a fact.
//!
//! In: news, and the table of proxies. Out: the objects that are to be judged again, and their
//! judgement. An edit costs the edit: when a proxy goes from one set to another, only the objects
//! that differ between them are judged again. Nothing is written here.

mod runs;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;
use tollgate_compile::{Kind, ObjectRef, Problem};
use tollgate_snapshot::{ObjectName, UnitId, UnitKind, UnitSet};

use self::runs::Runs;
use super::{
    News,
    grounds::{Grounds, Place, Stage},
    judge,
    pods::Pods,
    report::Report,
};
use crate::{
    proxies::{PodUid, Proxy},
    publish::Snapshots,
    watch::{Held, Seen},
};

/// Objects whose status may differ now.
pub(super) type Dirty = BTreeSet<ObjectRef>;

/// An object that has a status.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) uid: String,
    /// The version that is judged, and the only one that may be written over.
    pub(super) resource_version: String,
    pub(super) generation: i64,
    /// The status that it has, as far as is known.
    pub(super) report: Option<Report>,
    /// The gateways that it names.
    gateways: Vec<ObjectName>,
}

/// A gateway, whether anybody wrote it or not.
#[derive(Debug, Default)]
struct AtGateway {
    newest: UnitSet,
    /// The routes that name it.
    named_by: BTreeSet<ObjectName>,
    /// The ready proxies, and since when each has been.
    ready: BTreeMap<PodUid, Instant>,
}

/// A judgement.
#[derive(Debug)]
pub(super) struct Judged {
    /// The status that is true now.
    pub(super) report: Report,
    /// The last instant at which a proxy became ready of which nothing is known yet; `None`: all
    /// are known.
    pub(super) unheard: Option<Instant>,
}

/// The facts.
#[derive(Debug)]
pub(super) struct Ledger {
    snapshots: Snapshots,
    objects: BTreeMap<ObjectRef, Known>,
    problems: BTreeMap<ObjectRef, Vec<Problem>>,
    gateways: BTreeMap<ObjectName, AtGateway>,
    pods: Pods,
    runs: BTreeMap<PodUid, Runs>,
    table: OrdMap<PodUid, Arc<Proxy>>,
    held: Vec<Held>,
}

impl Ledger {
    /// A ledger of what is published in `snapshots`.
    pub(super) fn new(snapshots: Snapshots) -> Self {
        Self {
            snapshots,
            objects: BTreeMap::new(),
            problems: BTreeMap::new(),
            gateways: BTreeMap::new(),
            pods: Pods::default(),
            runs: BTreeMap::new(),
            table: OrdMap::new(),
            held: Vec::new(),
        }
    }

    /// Takes news in.
    pub(super) fn take_news(&mut self, news: News, now: Instant) -> Dirty {
        let mut dirty = Dirty::new();
        for (object, seen) in news.seen {
            self.take_seen(&object, seen);
            dirty.insert(object);
        }
        for (object, problems) in news.problems {
            if problems.is_empty() {
                self.problems.remove(&object);
            } else {
                self.problems.insert(object.clone(), problems);
            }
            dirty.insert(object);
        }
        for change in &news.endpoints {
            if let Some(gateway) = self.pods.take(change) {
                self.take_ready(&gateway, now, &mut dirty);
            }
        }
        if let Some(held) = news.held.filter(|held| *held != self.held) {
            self.held = held;
            let gateways = self.objects.keys();
            dirty.extend(
                gateways
                    .filter(|object| object.kind == Kind::ApiGateway)
                    .cloned(),
            );
        }
        self.take_published(&mut dirty);
        dirty
    }

    /// Takes the table of proxies in.
    pub(super) fn take_proxies(&mut self, table: OrdMap<PodUid, Arc<Proxy>>) -> Dirty {
        let mut dirty = Dirty::new();
        for (pod, proxy) in &table {
            let before = self.table.get(pod);
            if before.is_some_and(|before| Arc::ptr_eq(before, proxy)) {
                continue;
            }
            let before = self.runs.remove(pod);
            let runs = Runs::of(proxy, before.as_ref(), &self.snapshots);
            self.differ(pod, before.as_ref(), &runs, &mut dirty);
            self.runs.insert(Arc::clone(pod), runs);
        }
        self.table = table;
        self.forget_runs();
        dirty
    }

    /// Every object that has a status.
    pub(super) fn objects(&self) -> Dirty {
        self.objects.keys().cloned().collect()
    }

    /// An object that has a status.
    pub(super) fn object(&self, object: &ObjectRef) -> Option<&Known> {
        self.objects.get(object)
    }

    /// Notes that a status was written over the version `over`, which made it `version`. Whatever
    /// was heard of the object meanwhile is newer, or will be followed by what is.
    pub(super) fn wrote(
        &mut self,
        object: &ObjectRef,
        over: &str,
        version: String,
        report: Report,
    ) {
        let known = self.objects.get_mut(object);
        if let Some(known) = known.filter(|known| known.resource_version == over) {
            known.resource_version = version;
            known.report = Some(report);
        }
    }

    /// Whether an object is known in this version.
    pub(super) fn is_known_as(&self, object: &ObjectRef, version: &str) -> bool {
        let known = self.objects.get(object);
        known.is_some_and(|known| known.resource_version == version)
    }

    /// Judges an object; `None`: it has no status, or has gone.
    pub(super) fn judge(&self, object: &ObjectRef, now: Timestamp) -> Option<Judged> {
        let known = self.objects.get(object)?;
        let id = unit_id(object)?;
        let mut unheard = None;
        let places = self.places(object, known);
        let places = places
            .into_iter()
            .map(|gateway| self.place(gateway, &id, &mut unheard));
        let addresses = match object.kind {
            Kind::ApiGateway => self.pods.addresses(&object.name),
            Kind::ApiRoute
            | Kind::Function
            | Kind::Service
            | Kind::EndpointSlice
            | Kind::Namespace
            | Kind::ReferenceGrant => &[],
        };
        let grounds = Grounds {
            kind: object.kind,
            namespace: Arc::clone(&object.name.namespace),
            generation: known.generation,
            problems: self.problems.get(object).map_or(&[], Vec::as_slice),
            named: &known.gateways,
            places: places.collect(),
            addresses,
            held: &self.held,
        };
        let report = judge::judge(&grounds, known.report.as_ref(), now);
        Some(Judged { report, unheard })
    }

    fn take_seen(&mut self, object: &ObjectRef, seen: Option<Seen>) {
        let before = self.objects.remove(object);
        for gateway in before.into_iter().flat_map(|before| before.gateways) {
            let gateway = self.gateways.entry(gateway).or_default();
            gateway.named_by.remove(&object.name);
        }
        let Some(seen) = seen else {
            return;
        };
        for gateway in &seen.gateways {
            let gateway = self.gateways.entry(gateway.clone()).or_default();
            gateway.named_by.insert(object.name.clone());
        }
        let known = Known {
            uid: seen.uid,
            resource_version: seen.resource_version,
            generation: seen.generation,
            report: Report::read(object.kind, &seen.status),
            gateways: seen.gateways,
        };
        self.objects.insert(object.clone(), known);
    }

    /// Brings the ready proxies of a gateway up to date.
    fn take_ready(&mut self, gateway: &ObjectName, now: Instant, dirty: &mut Dirty) {
        let pods = self.pods.ready(gateway);
        let at = self.gateways.entry(gateway.clone()).or_default();
        let before = at.ready.len();
        at.ready.retain(|pod, _| pods.contains(pod));
        let gone = before != at.ready.len();
        let left = at.ready.len();
        for pod in pods {
            at.ready.entry(pod).or_insert(now);
        }
        if gone || left != at.ready.len() {
            dirty.extend(at.objects());
        }
        // Its addresses may differ.
        dirty.insert(ObjectRef {
            kind: Kind::ApiGateway,
            name: gateway.clone(),
        });
        self.forget_runs();
    }

    /// Brings the newest sets up to date, and what follows from them for the proxies.
    fn take_published(&mut self, dirty: &mut Dirty) {
        for gateway in self.snapshots.gateways() {
            let Some(newest) = self.snapshots.newest(&gateway) else {
                continue;
            };
            let at = self.gateways.entry(gateway.clone()).or_default();
            if at.newest.root() == newest.root() {
                continue;
            }
            let changed = newest.changes_since(&at.newest).into_keys();
            dirty.extend(changed.filter_map(|id| object_of(&id)));
            at.newest = newest;
            let here = self.runs.iter_mut();
            for (pod, runs) in here.filter(|(_, runs)| runs.gateway == gateway) {
                let before = runs.clone();
                if !runs.look_up(&self.snapshots) {
                    continue;
                }
                if at.ready.contains_key(pod) {
                    match runs.differences(Some(&before)) {
                        Some(ids) => dirty.extend(ids.iter().filter_map(object_of)),
                        None => dirty.extend(at.objects()),
                    }
                }
            }
        }
    }

    /// Notes what depends on the difference between two things that a proxy says.
    fn differ(&self, pod: &PodUid, before: Option<&Runs>, runs: &Runs, dirty: &mut Dirty) {
        let Some(at) = self.gateways.get(&runs.gateway) else {
            return;
        };
        if !at.ready.contains_key(pod) {
            return;
        }
        match runs.differences(before) {
            Some(ids) => dirty.extend(ids.iter().filter_map(object_of)),
            None => dirty.extend(at.objects()),
        }
    }

    /// A proxy that is not connected runs what it ran, as long as it is ready.
    fn forget_runs(&mut self) {
        let (table, gateways) = (&self.table, &self.gateways);
        let is_ready = |pod: &PodUid, runs: &Runs| {
            let at = gateways.get(&runs.gateway);
            at.is_some_and(|at| at.ready.contains_key(pod))
        };
        self.runs
            .retain(|pod, runs| table.contains_key(pod) || is_ready(pod, runs));
    }

    /// The gateways that count for an object: its own, those that it names, those that have it.
    fn places(&self, object: &ObjectRef, known: &Known) -> Vec<ObjectName> {
        if object.kind == Kind::ApiGateway {
            return vec![object.name.clone()];
        }
        let mut places: Vec<ObjectName> = Vec::new();
        for gateway in &known.gateways {
            if !places.contains(gateway) {
                places.push(gateway.clone());
            }
        }
        let Some(id) = unit_id(object) else {
            return places;
        };
        for (gateway, at) in &self.gateways {
            if at.newest.entries().contains_key(&id) && !places.contains(gateway) {
                places.push(gateway.clone());
            }
        }
        places
    }

    fn place(&self, gateway: ObjectName, id: &UnitId, unheard: &mut Option<Instant>) -> Place<'_> {
        let at = self.gateways.get(&gateway);
        let wanted = at.and_then(|at| at.newest.entries().get(id));
        let mut stages = Vec::new();
        for (pod, since) in at.into_iter().flat_map(|at| &at.ready) {
            let runs = self.runs.get(pod);
            if !runs.is_some_and(Runs::is_known) {
                *unheard = (*unheard).max(Some(*since));
            }
            stages.push(match (runs, wanted) {
                (Some(runs), Some(wanted)) => runs.stage(id, wanted),
                (None, _) | (_, None) => Stage::Behind,
            });
        }
        Place {
            gateway,
            served: wanted.is_some(),
            stages,
        }
    }
}

impl AtGateway {
    /// The objects whose status depends on its proxies.
    fn objects(&self) -> impl Iterator<Item = ObjectRef> {
        let named = self.named_by.iter().map(|name| ObjectRef {
            kind: Kind::ApiRoute,
            name: name.clone(),
        });
        let has = self.newest.entries().keys().filter_map(object_of);
        named.chain(has)
    }
}

/// The unit that an object with a status compiles to.
fn unit_id(object: &ObjectRef) -> Option<UnitId> {
    let kind = match object.kind {
        Kind::ApiGateway => UnitKind::Gateway,
        Kind::ApiRoute => UnitKind::Route,
        Kind::Function => UnitKind::Function,
        Kind::Service | Kind::EndpointSlice | Kind::Namespace | Kind::ReferenceGrant => {
            return None;
        }
    };
    Some(UnitId {
        kind,
        object: object.name.clone(),
    })
}

/// The object with a status that a unit is compiled from.
fn object_of(id: &UnitId) -> Option<ObjectRef> {
    let kind = match id.kind {
        UnitKind::Gateway => Kind::ApiGateway,
        UnitKind::Route => Kind::ApiRoute,
        UnitKind::Function => Kind::Function,
        UnitKind::Endpoints => return None,
    };
    Some(ObjectRef {
        kind,
        name: id.object.clone(),
    })
}

#[cfg(test)]
mod tests;
