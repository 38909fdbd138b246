//! What status counts.

use prometheus::{Error, IntCounter, IntGauge, Registry};

/// Counters of the writing of statuses.
#[derive(Clone, Debug)]
pub struct StatusMetrics {
    /// Statuses written.
    pub written: IntCounter,
    /// Writes that failed, and are tried again.
    pub failed: IntCounter,
    /// Statuses that wait to be written.
    pub waiting: IntGauge,
    /// Transitions without an event, because there are too many.
    pub events_dropped: IntCounter,
}

impl StatusMetrics {
    /// Counters in a registry.
    ///
    /// # Errors
    /// Only if the registry has metrics of these names.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self {
            written: IntCounter::new(
                "tollgate_controller_status_writes_total",
                "Statuses written to the API server.",
            )?,
            failed: IntCounter::new(
                "tollgate_controller_status_write_failures_total",
                "Writes of a status that failed; each is tried again.",
            )?,
            waiting: IntGauge::new(
                "tollgate_controller_status_waiting",
                "Statuses that wait to be written.",
            )?,
            events_dropped: IntCounter::new(
                "tollgate_controller_events_dropped_total",
                "Transitions without an event, because there were too many or the API server refused it.",
            )?,
        };
        registry.register(Box::new(metrics.written.clone()))?;
        registry.register(Box::new(metrics.failed.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.events_dropped.clone()))?;
        Ok(metrics)
    }
}
