//! The compiler: what each object compiles to, kept so that an edit costs the edit.
//!
//! In: changes. Out: what they made different. Each object compiles on its own from its source and
//! the facts of the objects that it names; which those are is noted, so that only the edited object
//! and its readers are compiled again. The result never depends on what was there before.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_snapshot::{ObjectName, Payload, Unit, UnitId, UnitKind, route::Route};

use crate::{
    Change, Compiled, Delta, Kind, Object, ObjectRef, Problem, Standing,
    endpoints::{self, Ports},
    findings::{Field, Findings},
    function, gateway, grant,
    hold::{self, Place},
    resources::{Lookup, Resources, Source},
    route,
    shadow::Overlaps,
};

/// What one object compiles to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A unit.
    Unit(Payload),
    /// Nothing new: the object is refused. Maybe a stand-in.
    Held(Option<Payload>),
    /// No unit: none is needed.
    Nothing,
}

/// What is kept of one compiled object.
#[derive(Debug, Default)]
struct Output {
    standing: Option<Standing>,
    problems: Vec<Problem>,
    shadowed: Vec<Problem>,
}

/// Compiles, and remembers the objects so that an edit costs the edit.
#[derive(Debug, Default)]
pub struct Compiler {
    resources: Resources,
    outputs: BTreeMap<ObjectRef, Output>,
    overlaps: Overlaps,
}

impl Compiler {
    /// Takes in a change and says what it made different.
    pub fn apply(&mut self, change: Change) -> Delta {
        self.apply_all([change])
    }

    /// Takes in some changes at once, in their order, and says what they made different together.
    /// Cheaper than one by one: each object is compiled once at most.
    pub fn apply_all(&mut self, changes: impl IntoIterator<Item = Change>) -> Delta {
        let mut dirty = BTreeSet::new();
        for change in changes {
            self.resources.take(change, &mut dirty);
        }
        let mut delta = Delta::default();
        let mut said = BTreeSet::new();
        // In the order of kinds: a route decides whether a Service is read, and comes before it.
        while let Some(object) = dirty.pop_first() {
            if self.recompile(&object, &mut dirty, &mut delta) {
                said.insert(object);
            }
        }
        self.settle(&mut said);
        for object in said {
            let problems = self
                .outputs
                .get(&object)
                .map(Output::all)
                .unwrap_or_default();
            delta.problems.insert(object, problems);
        }
        delta
    }

    /// All that the objects compile to now.
    pub fn compiled(&self) -> Compiled {
        let mut compiled = Compiled::default();
        for (object, output) in &self.outputs {
            match (unit_id(object), &output.standing) {
                (Some(id), Some(Standing::Unit(unit))) => {
                    compiled.units.insert(id, unit.clone());
                }
                (Some(id), Some(Standing::Held { stand_in })) => {
                    compiled.held.insert(id, stand_in.clone());
                }
                (None, _) | (_, None) => {}
            }
            let problems = output.all();
            if !problems.is_empty() {
                compiled.problems.insert(object.clone(), problems);
            }
        }
        compiled
    }

    /// The unit that an object compiles to; none while it is refused, unknown, or needs none.
    pub fn unit(&self, object: &ObjectRef) -> Option<&Unit> {
        self.outputs.get(object).and_then(Output::unit)
    }

    /// Those of the gateways that a route names which exist, whether they admit it or not.
    pub fn gateways(&self, route: &ObjectName) -> BTreeSet<ObjectName> {
        let object = ObjectRef {
            kind: Kind::ApiRoute,
            name: route.clone(),
        };
        let named = match self.resources.source(&object) {
            Some(Source::Read(Object::ApiRoute(route))) => route.spec.gateways.clone(),
            Some(Source::Refused { manifest, .. }) => hold::gateways(manifest),
            Some(Source::Read(_)) | None => Vec::new(),
        };
        let named = named.into_iter().map(|reference| {
            let namespace = reference.namespace.as_deref();
            ObjectName::new(namespace.unwrap_or(&route.namespace), &reference.name)
        });
        let exists = |name: &ObjectName| {
            let object = ObjectRef {
                kind: Kind::ApiGateway,
                name: name.clone(),
            };
            self.resources.source(&object).is_some()
        };
        named.filter(exists).collect()
    }

    /// Compiles an object again; says whether its own problems differ.
    fn recompile(
        &mut self,
        object: &ObjectRef,
        dirty: &mut BTreeSet<ObjectRef>,
        delta: &mut Delta,
    ) -> bool {
        let mut lookup = Lookup::new(&self.resources);
        let source = self.resources.source(object);
        let output = source.map(|source| output(object, source, &mut lookup));
        let reads = lookup.into_reads();
        self.resources.note_reads(object, reads, dirty);
        if object.kind == Kind::ApiRoute {
            self.overlaps
                .set(&object.name, output.as_ref().and_then(Output::route));
        }
        let before = self.outputs.remove(object).unwrap_or_default();
        let standing = output.as_ref().and_then(|output| output.standing.as_ref());
        if standing != before.standing.as_ref()
            && let Some(id) = unit_id(object)
        {
            delta.units.insert(id, standing.cloned());
        }
        let Some(mut output) = output else {
            return !before.problems.is_empty() || !before.shadowed.is_empty();
        };
        let differ = output.problems != before.problems;
        output.shadowed = before.shadowed;
        self.outputs.insert(object.clone(), output);
        differ
    }

    /// Brings the warnings about overlaps up to date; notes whose differ.
    fn settle(&mut self, said: &mut BTreeSet<ObjectRef>) {
        for name in self.overlaps.settle() {
            let shadowed = self.overlaps.warnings(&name);
            let object = ObjectRef {
                kind: Kind::ApiRoute,
                name,
            };
            if let Some(output) = self.outputs.get_mut(&object)
                && output.shadowed != shadowed
            {
                output.shadowed = shadowed;
                said.insert(object);
            }
        }
    }
}

impl Output {
    fn all(&self) -> Vec<Problem> {
        self.problems
            .iter()
            .chain(&self.shadowed)
            .cloned()
            .collect()
    }

    /// None while the object is held.
    fn unit(&self) -> Option<&Unit> {
        match &self.standing {
            Some(Standing::Unit(unit)) => Some(unit),
            Some(Standing::Held { .. }) | None => None,
        }
    }

    /// The route that is claimed for; none while it is held.
    fn route(&self) -> Option<&Route> {
        match &*self.unit()?.payload {
            Payload::Route(route) => Some(route),
            Payload::Gateway(_) | Payload::Function(_) | Payload::Endpoints(_) => None,
        }
    }
}

fn output(object: &ObjectRef, source: &Source, lookup: &mut Lookup<'_>) -> Output {
    let mut findings = Findings::new(object);
    let outcome = match source {
        Source::Read(read) => compile(object, read, lookup, &mut findings),
        Source::Refused { manifest, .. } => match object.kind {
            Kind::ApiRoute => {
                let stand_in = Place::of_manifest(manifest).stand_in(&object.name, lookup);
                Outcome::Held(stand_in)
            }
            Kind::ApiGateway | Kind::Function => Outcome::Held(None),
            Kind::Service if lookup.is_read(object) => Outcome::Held(None),
            Kind::Service | Kind::EndpointSlice | Kind::Namespace | Kind::ReferenceGrant => {
                Outcome::Nothing
            }
        },
    };
    let mut standing = seal(object, outcome, &mut findings);
    if object.kind == Kind::ApiRoute
        && let Some(Standing::Held { stand_in }) = &mut standing
    {
        lookup.services_for(&object.name.namespace);
        if let (None, Source::Read(Object::ApiRoute(route))) = (&stand_in, source) {
            // Of one that is too large, at least the place is kept.
            let payload = Place::of(route).stand_in(&object.name, lookup);
            *stand_in = payload.and_then(|payload| Unit::new(object.name.clone(), payload).ok());
        }
    }
    let mut problems = match source {
        Source::Read(_) => Vec::new(),
        Source::Refused { problems, .. } => problems.clone(),
    };
    problems.extend(findings.into_problems());
    Output {
        standing,
        problems,
        shadowed: Vec::new(),
    }
}

fn compile(
    object: &ObjectRef,
    read: &Object,
    lookup: &mut Lookup<'_>,
    findings: &mut Findings<'_>,
) -> Outcome {
    match read {
        Object::ApiGateway(gateway) => gateway::compile(gateway, findings),
        Object::ApiRoute(route) => route::compile(&object.name, route, lookup, findings),
        Object::Function(function) => function::compile(function, findings),
        Object::Service(service) => {
            endpoints::check_service(service, findings);
            if !lookup.is_read(object) {
                return Outcome::Nothing;
            }
            if findings.hold() {
                return Outcome::Held(None);
            }
            let ports = Ports::of(service.spec.as_ref());
            endpoints::compile(&ports, lookup.slices(&object.name))
        }
        Object::EndpointSlice(slice) => {
            endpoints::check_slice(slice, findings);
            Outcome::Nothing
        }
        Object::Namespace(_) => Outcome::Nothing,
        Object::ReferenceGrant(grant) => {
            grant::check(grant, findings);
            Outcome::Nothing
        }
    }
}

/// Makes the unit of an outcome, the one place where that can fail: one that is too large is held.
fn seal(object: &ObjectRef, outcome: Outcome, findings: &mut Findings<'_>) -> Option<Standing> {
    let (payload, held) = match outcome {
        Outcome::Unit(payload) => (Some(payload), false),
        Outcome::Held(stand_in) => (stand_in, true),
        Outcome::Nothing => return None,
    };
    let unit = payload.map(|payload| Unit::new(object.name.clone(), payload));
    let unit = unit.and_then(|unit| findings.parsed(Field::Root(""), unit));
    Some(match unit {
        Some(unit) if !held => Standing::Unit(unit),
        stand_in => Standing::Held { stand_in },
    })
}

/// The unit that an object compiles to; what only others read has none of its own.
fn unit_id(object: &ObjectRef) -> Option<UnitId> {
    let kind = match object.kind {
        Kind::ApiGateway => UnitKind::Gateway,
        Kind::ApiRoute => UnitKind::Route,
        Kind::Function => UnitKind::Function,
        Kind::Service => UnitKind::Endpoints,
        Kind::EndpointSlice | Kind::Namespace | Kind::ReferenceGrant => return None,
    };
    Some(UnitId {
        kind,
        object: object.name.clone(),
    })
}
