//! What the operator counts, and the text that Prometheus reads.
//!
//! In: events, from whoever sees them, each subject with a struct of its own. Out: the text format,
//! version 0.0.4. Nothing here is a label that a user or a proxy can choose.

mod bootstrap;
mod ca;
mod counters;
mod stream;
mod token;

use prometheus::{Error, IntGauge, Registry, TextEncoder, core::Collector};

pub use self::{
    bootstrap::BootstrapMetrics,
    ca::CaMetrics,
    counters::Counters,
    stream::{Refused, Sent, StreamMetrics, Took},
    token::{Reviewed, TokenMetrics},
};
use crate::status::StatusMetrics;

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Whether this replica holds the Lease: 1 or 0.
    pub leader: IntGauge,
    /// The streams to the proxies and between the replicas.
    pub stream: StreamMetrics,
    /// The reviews of tokens.
    pub token: TokenMetrics,
    /// The certificates.
    pub ca: CaMetrics,
    /// The bootstrap copies.
    pub bootstrap: BootstrapMetrics,
    /// The writing of statuses.
    pub status: StatusMetrics,
}

impl Metrics {
    /// The metrics of a process that starts.
    ///
    /// # Errors
    /// Only if two metrics have one name, which a test rules out.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let leader = IntGauge::new(
            "tollgate_controller_leader",
            "1 on the replica that holds the Lease, 0 on the others.",
        )?;
        Ok(Self {
            leader: registered(&registry, leader)?,
            stream: StreamMetrics::new(&registry)?,
            token: TokenMetrics::new(&registry)?,
            ca: CaMetrics::new(&registry)?,
            bootstrap: BootstrapMetrics::new(&registry)?,
            status: StatusMetrics::new(&registry)?,
            registry,
        })
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// Only if a family is empty, which the library leaves out by itself.
    pub fn encode(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Registers a metric, and hands it back.
fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M, Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_have_names_of_their_own() {
        let metrics = Metrics::new().unwrap();
        metrics.leader.set(1);
        metrics.stream.sent.inc(Sent::Delta);
        let text = metrics.encode().unwrap();
        assert!(text.contains("tollgate_controller_leader 1\n"), "{text}");
        let counted = "tollgate_controller_transactions_total{mode=\"delta\"} 1\n";
        assert!(text.contains(counted), "{text}");
        assert!(text.contains("tollgate_controller_transactions_total{mode=\"full\"} 0\n"));
    }
}
