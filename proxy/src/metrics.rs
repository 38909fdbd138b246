//! What the gateway counts, and the text that Prometheus reads.
//!
//! In: outcomes from the cores, each with a pen of its own ([`CoreMetrics`]); what is configured,
//! from the control side. Out: the text format, version 0.0.4. Names and meanings are listed in
//! `docs/metrics.md`. Nothing here is a label that a client can choose.

mod cells;
mod family;
mod histogram;
mod kernel;
mod scrape;
mod snapshot;

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use prometheus::{
    Error, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};
use tollgate_snapshot::UnitKind;

use self::{
    cells::Cells,
    scrape::{Cores, Scrape},
    snapshot::Seen,
};
pub use self::{
    cells::{CoreMetrics, Outcome, Protocol},
    snapshot::SnapshotSeen,
};

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    cores: Cores,
    access_log_dropped: IntCounter,
    units: [IntGauge; UnitKind::ALL.len()],
    config_held: IntGauge,
}

impl Metrics {
    /// The metrics of a process that starts about now. `version` is the gateway's own.
    ///
    /// # Errors
    /// Only if two metrics have one name, which a test rules out.
    pub fn new(version: &str) -> Result<Self, Error> {
        let registry = Registry::new();
        let cores = Cores::default();
        let scrape = Scrape::new(Arc::clone(&cores), SystemTime::now())?;
        registry.register(Box::new(scrape))?;
        let build = Opts::new("tollgate_build_info", "Always 1; says which version runs.");
        let build = registered(&registry, IntGaugeVec::new(build, &["version"])?)?;
        build.get_metric_with_label_values(&[version])?.set(1);
        Ok(Self {
            access_log_dropped: registered(
                &registry,
                IntCounter::new(
                    "tollgate_access_log_dropped_total",
                    "Lines of the access log that were dropped because they were not taken in time.",
                )?,
            )?,
            units: units(&registry)?,
            config_held: registered(
                &registry,
                IntGauge::new(
                    "tollgate_config_held",
                    "Objects whose newest version is refused; an older one, a stand-in or nothing is run.",
                )?,
            )?,
            registry,
            cores,
        })
    }

    /// A pen for a core that starts. Its numbers are kept when the core is gone.
    pub fn core(&self) -> CoreMetrics {
        let cells = Arc::new(Cells::default());
        let mut cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores.push(Arc::clone(&cells));
        CoreMetrics::new(cells)
    }

    /// The counter of access log lines that were dropped; any thread may add to it.
    pub fn access_log_dropped(&self) -> IntCounter {
        self.access_log_dropped.clone()
    }

    /// Says how many units of a kind are run.
    pub fn set_units(&self, kind: UnitKind, count: usize) {
        self.units[kind as usize].set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Says how many objects are held at an older version.
    pub fn set_config_held(&self, count: usize) {
        self.config_held
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Shows what is known of the controller's snapshot, from now on.
    ///
    /// # Errors
    /// When it is shown already.
    pub fn show_snapshot(
        &self,
        facts: impl Fn() -> SnapshotSeen + Send + Sync + 'static,
    ) -> Result<(), Error> {
        self.registry.register(Box::new(Seen::new(facts)?))
    }

    /// Everything in the text format, version 0.0.4.
    ///
    /// # Errors
    /// What the encoder says; it has no reason to.
    pub fn encode(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn units(registry: &Registry) -> Result<[IntGauge; UnitKind::ALL.len()], Error> {
    let help = "Units that are run: objects compiled, by kind.";
    let opts = Opts::new("tollgate_units", help);
    let units = registered(registry, IntGaugeVec::new(opts, &["kind"])?)?;
    let of = |kind: UnitKind| units.get_metric_with_label_values(&[kind.as_str()]);
    let [gateway, route, function, endpoints] = UnitKind::ALL.map(of);
    Ok([gateway?, route?, function?, endpoints?])
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests;
