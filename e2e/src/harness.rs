//! The real programs against a real API server: operators and proxies as processes, and what a
//! cluster would give them.
//!
//! In: a [`Cluster`]. Out: a [`Site`]: a namespace with an operator's rights, one with a gateway;
//! [`Operator`]s and [`Proxy`]s in them, which are killed when a test lets go of them. Everything
//! is blocking, so that a test reads as what happens; what has to go on meanwhile runs on a runtime
//! beside it. What goes wrong ends the test.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod front;
mod manifests;
mod operator;
mod pod;
mod program;
mod proxy;
mod site;

use std::{
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

pub use self::{
    front::Front,
    manifests::{gateway, route, route_at},
    operator::Operator,
    pod::Pod,
    program::{binary, failing_proxy},
    proxy::{Proxy, get},
    site::Site,
};

/// Ten times what a busy machine takes for what takes the longest of all that has no time of its
/// own.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often something that can't be followed is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The runtime of all that goes on beside tests.
pub(crate) fn beside() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.unwrap()
    });
    &RUNTIME
}

/// Looks until there is something.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, look)
}

/// Looks until there is something, for at most `deadline`.
pub fn until_within<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < deadline, "{what}: not in {deadline:?}");
        thread::sleep(LOOK);
    }
}

/// Lets an outage last.
pub fn lasts(outage: Duration) {
    thread::sleep(outage);
}
