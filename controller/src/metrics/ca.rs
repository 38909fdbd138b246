//! How long the certificates last.

use prometheus::{Error, IntCounter, IntGauge, Registry};

use super::registered;

/// The certificates.
#[derive(Debug)]
pub struct CaMetrics {
    /// When the serving certificate ends, in seconds since 1970; 0: there is none.
    pub certificate_expires: IntGauge,
    /// When the certificate that signs ends, in seconds since 1970; 0: there is none.
    pub authority_expires: IntGauge,
    /// What failed: reading, making, writing.
    pub errors: IntCounter,
}

impl CaMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let expires = |name, help| registered(registry, IntGauge::new(name, help)?);
        Ok(Self {
            certificate_expires: expires(
                "tollgate_controller_certificate_expires_timestamp_seconds",
                "When the serving certificate ends, in seconds since 1970; 0: there is none.",
            )?,
            authority_expires: expires(
                "tollgate_controller_ca_expires_timestamp_seconds",
                "When the certificate authority ends, in seconds since 1970; 0: there is none.",
            )?,
            errors: registered(
                registry,
                IntCounter::new(
                    "tollgate_controller_ca_errors_total",
                    "Failures to read, make or write certificates.",
                )?,
            )?,
        })
    }
}
