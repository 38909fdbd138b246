//! Compiling many routes and adopting them, and one more edit to them, timed.
//!
//! In: a number of routes. Out: how long the compiler took from parsed objects to units, and how
//! long an edit takes from a parsed object to the swapped table. That every route came out as a
//! unit without a problem is checked, outside the time that is measured.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use arc_swap::ArcSwap;
use serde_json::json;
use tollgate_compile::{Change, Compiler, Delta, Kind, Object, Standing};
use tollgate_proxy::{active::Active, config::adopt::Adopter};
use tollgate_snapshot::{Unit, UnitChange, UnitId, UnitKind};

use crate::objects;

/// A port for objects that are never listened on or connected to.
const PORT: u16 = 8080;

/// A gateway, a service, and `routes` routes, as a reader of manifests would have parsed them.
pub(crate) fn parsed(routes: usize) -> anyhow::Result<Vec<Object>> {
    let mut objects = vec![
        Object::decode(Kind::ApiGateway, objects::gateway(PORT, false))?,
        Object::decode(Kind::Service, objects::service(PORT))?,
        Object::decode(Kind::EndpointSlice, objects::endpoints(PORT))?,
    ];
    for n in 0..routes {
        objects.push(Object::decode(Kind::ApiRoute, objects::numbered_route(n))?);
    }
    Ok(objects)
}

/// Many routes, compiled and adopted.
pub(crate) struct Table {
    compiler: Compiler,
    adopter: Adopter,
    active: Arc<ArcSwap<Active>>,
    /// How long compiling took.
    pub(crate) took: Duration,
}

impl Table {
    /// Compiles from nothing.
    pub(crate) fn compile(objects: Vec<Object>) -> anyhow::Result<Self> {
        let expected = routes(&objects);
        let mut compiler = Compiler::default();
        // Kept, so that freeing them is not measured: the proxy hands them on.
        let mut deltas = Vec::with_capacity(objects.len());
        let started = Instant::now();
        for object in objects {
            deltas.push(compiler.apply(Change::Put(object)));
        }
        let took = started.elapsed();
        let compiled = deltas.iter().try_fold(0, |sum, delta| {
            Ok::<_, anyhow::Error>(sum + compiled(delta)?)
        })?;
        ensure!(
            compiled == expected,
            "{compiled} of {expected} routes were compiled"
        );
        let active = Arc::new(ArcSwap::from_pointee(Active::default()));
        let mut adopter = Adopter::new(Arc::clone(&active));
        for delta in &mut deltas {
            adopter.adopt(&delta.take_changes());
        }
        let table = Self {
            compiler,
            adopter,
            active,
            took,
        };
        table.check_adopted(expected)?;
        Ok(table)
    }

    /// Edits route `n`: how long it took to compile it, and until what requests read was swapped.
    pub(crate) fn edit(&mut self, n: usize) -> anyhow::Result<[Duration; 2]> {
        let mut manifest = objects::numbered_route(n);
        manifest["spec"]["defaults"] = json!({"timeout": "3s"});
        let change = Change::Put(Object::decode(Kind::ApiRoute, manifest)?);
        let before = self.active.load().count(UnitKind::Route);
        let started = Instant::now();
        let mut delta = self.compiler.apply(change);
        let in_units = started.elapsed();
        let changes = delta.take_changes();
        self.adopter.adopt(&changes);
        let in_all = started.elapsed();
        let [UnitChange::Put(edited)] = changes.as_slice() else {
            bail!("an edit of route {n} has not changed its unit alone: {changes:?}");
        };
        self.check_adopted(before)?;
        let runs = self.active.load().units().any(|unit| unit == edited);
        ensure!(runs, "the edit of route {n} is not adopted");
        Ok([in_units, in_all])
    }

    /// What requests read.
    pub(crate) fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// The units that are run.
    pub(crate) fn units(&self) -> Vec<Unit> {
        self.active.load().units().cloned().collect()
    }

    fn check_adopted(&self, routes: usize) -> anyhow::Result<()> {
        let exceptions: Vec<&UnitId> = self.adopter.exceptions().keys().collect();
        ensure!(exceptions.is_empty(), "not adopted: {exceptions:?}");
        let adopted = self.active.load().count(UnitKind::Route);
        ensure!(
            adopted == routes,
            "{adopted} of {routes} routes were adopted"
        );
        Ok(())
    }
}

fn routes(objects: &[Object]) -> usize {
    let kinds = objects.iter().map(|object| object.reference().kind);
    kinds.filter(|kind| *kind == Kind::ApiRoute).count()
}

/// How many routes came out as units; none may be held, gone or have a problem.
fn compiled(delta: &Delta) -> anyhow::Result<usize> {
    if let Some(problem) = delta.problems.values().flatten().next() {
        bail!("a good route has a problem: {problem}");
    }
    let mut count = 0;
    for (id, standing) in &delta.units {
        match standing.as_ref().with_context(|| format!("{id} is gone"))? {
            Standing::Unit(_) => count += usize::from(id.kind == UnitKind::Route),
            Standing::Held { .. } => bail!("{id} is held"),
        }
    }
    Ok(count)
}
