//! What these tests share: a controller, a proxy, and units.

pub(crate) mod ca;
pub(crate) mod controller;
pub(crate) mod proxy;
pub(crate) mod units;

use std::time::Duration;

use self::{ca::Ca, controller::Controller, proxy::Place};

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A controller, and the place of a proxy that is told to follow it.
pub(crate) fn controlled() -> (Controller, Place) {
    let ca = Ca::new();
    let controller = Controller::start(&ca);
    let place = Place::new(controller.url(), &ca);
    (controller, place)
}
