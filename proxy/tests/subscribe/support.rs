//! What these tests share: a controller, a proxy, and units.

pub(crate) mod ca;
pub(crate) mod controller;
pub(crate) mod proxy;
pub(crate) mod units;

use std::time::Duration;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
