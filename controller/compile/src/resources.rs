//! The objects that compile knows, and who reads whom.
//!
//! In: changes, and the look-ups that a compilation makes. Out: the objects that must be compiled
//! again. Others see of an object only its facts; an edit that leaves them as they were costs the
//! edited object alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tollgate_snapshot::ObjectName;

use crate::{
    Change, Kind, Object, ObjectRef, Problem,
    admission::Admission,
    endpoints::{self, Ports},
    grant::{Grant, Permission},
    selector::Labels,
};

const GRANT: Kind = Kind::ReferenceGrant;

/// An object as its reader handed it over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// Decoded.
    Read(Object),
    /// Refused by its reader.
    Refused {
        manifest: Value,
        problems: Vec<Problem>,
    },
}

/// What others may read of an object. `None` inside: it is refused and can't be read.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Facts {
    Gateway(Option<Admission>),
    Function,
    Service(Option<Ports>),
    Namespace(Option<BTreeMap<String, String>>),
    Grant(Option<Grant>),
}

impl Facts {
    fn of(kind: Kind, source: &Source) -> Option<Self> {
        Some(match (kind, source) {
            (_, Source::Read(Object::ApiGateway(gateway))) => Self::Gateway(Admission::of(gateway)),
            (_, Source::Read(Object::Service(service))) => {
                Self::Service(Some(Ports::of(service.spec.as_ref())))
            }
            (_, Source::Read(Object::Namespace(namespace))) => {
                Self::Namespace(Some(namespace.metadata.labels.clone().unwrap_or_default()))
            }
            (_, Source::Read(Object::ReferenceGrant(grant))) => Self::Grant(Some(Grant::of(grant))),
            (Kind::ApiGateway, Source::Refused { manifest, .. }) => {
                Self::Gateway(Admission::of_manifest(manifest))
            }
            (Kind::Service, Source::Refused { manifest, .. }) => {
                Self::Service(Ports::of_manifest(manifest))
            }
            (Kind::Namespace, Source::Refused { manifest, .. }) => {
                Self::Namespace(labels_of_manifest(manifest))
            }
            (Kind::ReferenceGrant, Source::Refused { manifest, .. }) => {
                Self::Grant(Grant::of_manifest(manifest))
            }
            (Kind::Function, _) => Self::Function,
            (
                Kind::ApiGateway
                | Kind::ApiRoute
                | Kind::Service
                | Kind::EndpointSlice
                | Kind::Namespace
                | Kind::ReferenceGrant,
                Source::Read(_) | Source::Refused { .. },
            ) => return None,
        })
    }
}

/// The labels that a manifest names which does not fit its schema; nothing if they can't be read.
fn labels_of_manifest(manifest: &Value) -> Option<BTreeMap<String, String>> {
    match manifest.pointer("/metadata/labels") {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(labels) => BTreeMap::deserialize(labels).ok(),
    }
}

/// What a compilation looked at, whether it was there or not.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Read {
    /// The facts of one object.
    Object(ObjectRef),
    /// That any Service which routes of a namespace may call can be in use: a refused route may
    /// have an older version on the proxies, and nobody can say here which Services that one calls.
    ServicesFor(String),
    /// The grants of a namespace.
    GrantsOf(String),
}

/// Looks facts up, and notes that somebody did.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    resources: &'a Resources,
    reads: BTreeSet<Read>,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(resources: &'a Resources) -> Self {
        Self {
            resources,
            reads: BTreeSet::new(),
        }
    }

    /// What a gateway admits; the inner `None`: it is refused and can't be read.
    pub(crate) fn gateway(&mut self, name: &ObjectName) -> Option<Option<&'a Admission>> {
        match self.facts(Kind::ApiGateway, name)? {
            Facts::Gateway(admission) => Some(admission.as_ref()),
            Facts::Function | Facts::Service(_) | Facts::Namespace(_) | Facts::Grant(_) => None,
        }
    }

    /// The ports of a Service; the inner `None`: it is refused and they can't be read.
    pub(crate) fn service(&mut self, name: &ObjectName) -> Option<Option<&'a Ports>> {
        match self.facts(Kind::Service, name)? {
            Facts::Service(ports) => Some(ports.as_ref()),
            Facts::Function | Facts::Gateway(_) | Facts::Namespace(_) | Facts::Grant(_) => None,
        }
    }

    /// Whether a function exists.
    pub(crate) fn function(&mut self, name: &ObjectName) -> bool {
        self.facts(Kind::Function, name).is_some()
    }

    /// The labels of a namespace, described or not; nothing if it is refused and they can't be
    /// read.
    pub(crate) fn labels<'b>(&mut self, namespace: &'b str) -> Option<Labels<'b>>
    where
        'a: 'b,
    {
        let written = match self.facts(Kind::Namespace, &ObjectName::new("", namespace)) {
            Some(Facts::Namespace(labels)) => Some(labels.as_ref()?),
            Some(Facts::Function | Facts::Gateway(_) | Facts::Service(_) | Facts::Grant(_))
            | None => None,
        };
        Some(Labels {
            name: namespace,
            written,
        })
    }

    /// Whether the namespace of an object lets routes of another refer to it.
    pub(crate) fn permission(&mut self, from: &str, to: &ObjectRef) -> Permission {
        let there = &to.name.namespace;
        self.reads.insert(Read::GrantsOf(there.as_ref().to_owned()));
        let mut permission = Permission::Missing;
        for grant in self.resources.grants_of(there) {
            match grant {
                Some(grant) if grant.permits(from, to) => return Permission::Given,
                Some(_) => {}
                None => permission = Permission::Unknown,
            }
        }
        if permission == Permission::Unknown {
            // An older version of the route may call it.
            self.reads.insert(Read::Object(to.clone()));
        }
        permission
    }

    /// Notes that any Service which routes of a namespace may call can be in use.
    pub(crate) fn services_for(&mut self, namespace: &str) {
        self.reads.insert(Read::ServicesFor(namespace.to_owned()));
    }

    /// Whether somebody reads a Service. Not noted: see [`Resources::note_reads`].
    pub(crate) fn is_read(&self, service: &ObjectRef) -> bool {
        self.resources.is_read(service)
    }

    /// The slices of a Service. Not noted: a slice names its Service.
    pub(crate) fn slices(&self, service: &ObjectName) -> impl Iterator<Item = &'a Source> {
        self.resources.slices(service)
    }

    pub(crate) fn into_reads(self) -> BTreeSet<Read> {
        self.reads
    }

    fn facts(&mut self, kind: Kind, name: &ObjectName) -> Option<&'a Facts> {
        let object = ObjectRef {
            kind,
            name: name.clone(),
        };
        let facts = self.resources.facts.get(&object);
        self.reads.insert(Read::Object(object));
        facts
    }
}

/// All objects, and who reads whom.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    sources: BTreeMap<ObjectRef, Source>,
    facts: BTreeMap<ObjectRef, Facts>,
    /// Slices by Service.
    slices: BTreeMap<ObjectName, BTreeSet<ObjectRef>>,
    reads: BTreeMap<ObjectRef, BTreeSet<Read>>,
    readers: BTreeMap<Read, BTreeSet<ObjectRef>>,
}

impl Resources {
    /// Takes in a change; what must be compiled again for it is added to `dirty`.
    pub(crate) fn take(&mut self, change: Change, dirty: &mut BTreeSet<ObjectRef>) {
        let (object, source) = match change {
            Change::Put(object) => (object.reference(), Some(Source::Read(object))),
            Change::Refuse {
                object,
                manifest,
                problems,
            } => (object, Some(Source::Refused { manifest, problems })),
            Change::Remove(object) => (object, None),
        };
        if self.sources.get(&object) == source.as_ref() {
            return;
        }
        if object.kind == Kind::EndpointSlice {
            self.move_slice(&object, source.as_ref(), dirty);
        }
        let facts = source
            .as_ref()
            .and_then(|source| Facts::of(object.kind, source));
        if self.facts.get(&object) != facts.as_ref() {
            let readers = self.readers.get(&Read::Object(object.clone()));
            dirty.extend(readers.into_iter().flatten().cloned());
            if object.kind == Kind::ReferenceGrant {
                self.touch_grants(&object.name.namespace, dirty);
            }
        }
        replace(&mut self.facts, &object, facts);
        replace(&mut self.sources, &object, source);
        dirty.insert(object);
    }

    /// A grant touches those who asked for the grants of its namespace, and the Services there: one
    /// that only a refused route may call has endpoints only while that is granted.
    fn touch_grants(&self, namespace: &str, dirty: &mut BTreeSet<ObjectRef>) {
        let readers = self.readers.get(&Read::GrantsOf(namespace.to_owned()));
        dirty.extend(readers.into_iter().flatten().cloned());
        dirty.extend(self.services_of(namespace).cloned());
    }

    /// A slice touches the Service that it belonged to and the one that it belongs to.
    fn move_slice(
        &mut self,
        slice: &ObjectRef,
        source: Option<&Source>,
        dirty: &mut BTreeSet<ObjectRef>,
    ) {
        let service_of = |source| endpoints::service_of(&slice.name.namespace, source);
        if let Some(service) = self.sources.get(slice).and_then(service_of) {
            if let Some(slices) = self.slices.get_mut(&service) {
                slices.remove(slice);
                if slices.is_empty() {
                    self.slices.remove(&service);
                }
            }
            dirty.insert(service_ref(service));
        }
        if let Some(service) = source.and_then(service_of) {
            let slices = self.slices.entry(service.clone()).or_default();
            slices.insert(slice.clone());
            dirty.insert(service_ref(service));
        }
    }

    /// Notes what a compilation read. A Service that is read for the first time, or no more, is
    /// added to `dirty`: its endpoints are a unit only while somebody reads it.
    pub(crate) fn note_reads(
        &mut self,
        reader: &ObjectRef,
        reads: BTreeSet<Read>,
        dirty: &mut BTreeSet<ObjectRef>,
    ) {
        let before = self.reads.remove(reader).unwrap_or_default();
        for read in before.difference(&reads) {
            let readers = self.readers.get_mut(read);
            let left = readers.map_or(0, |readers| {
                readers.remove(reader);
                readers.len()
            });
            if left == 0 {
                self.readers.remove(read);
                self.add_services(read, dirty);
            }
        }
        for read in reads.difference(&before) {
            let readers = self.readers.entry(read.clone()).or_default();
            readers.insert(reader.clone());
            if readers.len() == 1 {
                self.add_services(read, dirty);
            }
        }
        if !reads.is_empty() {
            self.reads.insert(reader.clone(), reads);
        }
    }

    fn add_services(&self, read: &Read, dirty: &mut BTreeSet<ObjectRef>) {
        match read {
            Read::Object(object) if object.kind == Kind::Service => {
                dirty.insert(object.clone());
            }
            Read::Object(_) | Read::GrantsOf(_) => {}
            Read::ServicesFor(namespace) => {
                dirty.extend(self.services_of(namespace).cloned());
                for (grant, facts) in self.grants_from(ObjectRef::new(GRANT, "", "")) {
                    if facts.is_some_and(|facts| facts.is_from(namespace)) {
                        dirty.extend(self.services_of(&grant.name.namespace).cloned());
                    }
                }
            }
        }
    }

    /// Whether a Service may be in use.
    fn is_read(&self, service: &ObjectRef) -> bool {
        let is_for = |namespace: &str| {
            let any = Read::ServicesFor(namespace.to_owned());
            self.readers.contains_key(&any)
        };
        let namespace = &service.name.namespace;
        let mut grants = self.grants_of(namespace).flatten();
        self.readers.contains_key(&Read::Object(service.clone()))
            || is_for(namespace)
            || grants.any(|grant| grant.permitted(service).any(is_for))
    }

    /// The Services of a namespace.
    fn services_of(&self, namespace: &str) -> impl Iterator<Item = &ObjectRef> {
        let first = ObjectRef::new(Kind::Service, namespace, "");
        let last = first.name.namespace.clone();
        let services = self.sources.range(first..).map(|(object, _)| object);
        services
            .take_while(move |object| object.kind == Kind::Service && object.name.namespace == last)
    }

    /// What the grants of a namespace say; none: it can't be read.
    fn grants_of(&self, namespace: &str) -> impl Iterator<Item = Option<&Grant>> {
        let first = ObjectRef::new(GRANT, namespace, "");
        let last = first.name.namespace.clone();
        let grants = self.grants_from(first);
        let grants = grants.take_while(move |(object, _)| object.name.namespace == last);
        grants.map(|(_, grant)| grant)
    }

    /// The grants from a name on; none: what one says can't be read.
    fn grants_from(&self, first: ObjectRef) -> impl Iterator<Item = (&ObjectRef, Option<&Grant>)> {
        self.facts
            .range(first..)
            .map_while(|(object, facts)| match facts {
                Facts::Grant(grant) => Some((object, grant.as_ref())),
                Facts::Function | Facts::Gateway(_) | Facts::Service(_) | Facts::Namespace(_) => {
                    None
                }
            })
    }

    pub(crate) fn source(&self, object: &ObjectRef) -> Option<&Source> {
        self.sources.get(object)
    }

    /// The slices of a Service.
    fn slices(&self, service: &ObjectName) -> impl Iterator<Item = &Source> {
        let slices = self.slices.get(service).into_iter().flatten();
        slices.filter_map(|slice| self.sources.get(slice))
    }
}

fn service_ref(name: ObjectName) -> ObjectRef {
    ObjectRef {
        kind: Kind::Service,
        name,
    }
}

fn replace<T>(map: &mut BTreeMap<ObjectRef, T>, object: &ObjectRef, value: Option<T>) {
    match value {
        Some(value) => map.insert(object.clone(), value),
        None => map.remove(object),
    };
}
