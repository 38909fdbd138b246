//! Compiling many routes, and one more edit to them, timed.
//!
//! In: a number of routes. Out: how long the compiler took from parsed objects to units, and the
//! compiler for more. That every route came out as a unit without a problem is checked, outside the
//! time that is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tollgate_compile::{Change, Compiler, Delta, Kind, Object, Verdict};
use tollgate_snapshot::UnitKind;

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

/// Many routes, compiled.
pub(crate) struct Table {
    compiler: Compiler,
    /// How long it took.
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
        Ok(Self { compiler, took })
    }

    /// Edits route `n`, and says how long the compiler took.
    pub(crate) fn edit(&mut self, n: usize) -> anyhow::Result<Duration> {
        let mut manifest = objects::numbered_route(n);
        manifest["spec"]["defaults"] = json!({"timeout": "3s"});
        let change = Change::Put(Object::decode(Kind::ApiRoute, manifest)?);
        let started = Instant::now();
        let delta = self.compiler.apply(change);
        let took = started.elapsed();
        let compiled = compiled(&delta)?;
        ensure!(
            compiled == 1,
            "an edit of route {n} has changed {compiled} routes"
        );
        Ok(took)
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
    for (id, verdict) in &delta.units {
        match verdict.as_ref().with_context(|| format!("{id} is gone"))? {
            Verdict::Unit(_) => count += usize::from(id.kind == UnitKind::Route),
            Verdict::Held { .. } => bail!("{id} is held"),
        }
    }
    Ok(count)
}
