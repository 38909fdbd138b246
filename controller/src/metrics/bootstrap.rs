//! How the bootstrap copies are kept.

use prometheus::{Error, IntCounter, Registry};

use super::registered;

/// The bootstrap copies.
#[derive(Debug)]
pub struct BootstrapMetrics {
    /// Copies that were written.
    pub written: IntCounter,
    /// Copies or keys that could not be written.
    pub errors: IntCounter,
}

impl BootstrapMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        Ok(Self {
            written: counter(
                "tollgate_controller_bootstrap_written_total",
                "Bootstrap copies that were written.",
            )?,
            errors: counter(
                "tollgate_controller_bootstrap_errors_total",
                "Bootstrap copies and seal keys that could not be read or written.",
            )?,
        })
    }
}
