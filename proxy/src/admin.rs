//! The two listeners for operators: health for the cluster, admin for whoever is on the machine.
//!
//! In: how far the proxy is ([`Readiness`]), the metrics, a view of the configuration. Out: answers
//! to `GET` and `HEAD`. `--health` serves `/healthz`, `/readyz` and `/metrics`; `--admin` those and
//! `/config`, and only on loopback. Nothing here changes anything, and nothing here is on the path
//! of a request.

mod answer;
mod listen;
mod readiness;

use std::sync::Arc;

use serde_json::Value;

pub use self::{
    listen::{Unlistenable, listen_admin, listen_health, serve},
    readiness::{Readiness, State},
};
use crate::metrics::Metrics;

/// Makes the content of `/config`, with nothing secret in it.
pub type ConfigView = Arc<dyn Fn() -> Value + Send + Sync>;

/// What a listener for operators shows.
#[derive(Clone)]
pub struct Site {
    /// How far the proxy is.
    pub readiness: Arc<Readiness>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What `/config` shows; `None` on the health listener, which has no such path.
    pub config: Option<ConfigView>,
}
