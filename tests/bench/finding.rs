//! Finding the rule of a request among few routes and among many, timed.
//!
//! In: one of the tables, adopted. Out: nanoseconds for one request in it, for each round. What is
//! timed is the look-up of the host and that of the path, as each request makes them. Every answer
//! is checked before, outside the time that is measured.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use fastrand::Rng;
use hyper::Method;
use tollgate_proxy::active::{Active, ask::Routes};
use tollgate_snapshot::ObjectName;

use crate::objects;

/// How many different requests there are, of each table.
const PROBES: usize = 10_000;

/// How often each is made in one round.
const TURNS: usize = 10;

/// One of the two tables, and requests for it in no order.
pub(crate) struct Side<'a> {
    routes: Routes<'a>,
    paths: Vec<String>,
}

impl<'a> Side<'a> {
    /// Takes a table of `count` numbered routes.
    pub(crate) fn of(active: &'a Active, count: usize) -> anyhow::Result<Self> {
        let gateway = ObjectName::new("default", "public");
        let routes = active.routes(&gateway, "http").context("no listener")?;
        // The same order each time, so that two runs differ by the machine alone.
        let mut rng = Rng::with_seed(1);
        let mut numbers: Vec<usize> = (0..PROBES).map(|n| n % count).collect();
        rng.shuffle(&mut numbers);
        let mut paths = Vec::with_capacity(PROBES);
        for n in numbers {
            let path = format!("/v1/apis/{n}/items/{}", rng.u32(..));
            let taker = routes.find(&Method::GET, objects::HOST, &path);
            let taker = taker.with_context(|| format!("nothing takes {path}"))?;
            let name = &*taker.route().name;
            ensure!(name == format!("api-{n}"), "{name} takes {path}");
            paths.push(path);
        }
        Ok(Self { routes, paths })
    }

    /// Nanoseconds for one request, over one round.
    pub(crate) fn round(&self) -> f64 {
        let started = Instant::now();
        for _ in 0..TURNS {
            for path in &self.paths {
                black_box(
                    self.routes
                        .find(&Method::GET, objects::HOST, black_box(path)),
                );
            }
        }
        nanos(started.elapsed()) / (TURNS * PROBES) as f64
    }
}

fn nanos(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9
}
