//! How far the proxy is: whether it wants requests.
//!
//! In: what the control side says. Out: one state, read by `/readyz` from any thread.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Whether the proxy wants requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It has no configuration yet.
    Starting,
    /// It serves.
    Ready,
    /// It ends: what it has accepted is served, and nothing new should come.
    Draining,
}

impl State {
    /// Why `/readyz` says no; `None`: it says yes.
    pub fn not_ready(self) -> Option<&'static str> {
        match self {
            Self::Starting => Some("no snapshot yet"),
            Self::Ready => None,
            Self::Draining => Some("draining"),
        }
    }
}

/// The state, shared by threads. It begins as [`State::Starting`].
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Says that there is a configuration. A proxy that drains stays so.
    pub fn ready(&self) {
        // Not changed when it is anything but starting.
        let _ = self.0.compare_exchange(STARTING, READY, Relaxed, Relaxed);
    }

    /// Says that the proxy ends. Nothing follows.
    pub fn draining(&self) {
        self.0.store(DRAINING, Relaxed);
    }

    /// The state now.
    pub fn state(&self) -> State {
        match self.0.load(Relaxed) {
            STARTING => State::Starting,
            READY => State::Ready,
            DRAINING.. => State::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_drains_never_gets_ready_again() {
        let readiness = Readiness::default();
        assert_eq!(readiness.state(), State::Starting);
        readiness.ready();
        readiness.ready();
        assert_eq!(readiness.state(), State::Ready);
        readiness.draining();
        readiness.ready();
        assert_eq!(readiness.state(), State::Draining);
    }
}
