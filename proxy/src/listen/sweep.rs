//! The pulse of a core: a coarse clock, and a look at every connection's deadlines at each beat.
//!
//! In: the core's connections. Out: those past a deadline are woken. One timer for all connections
//! costs less than one each, and deadlines of seconds need no more than a tenth of one.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use super::core::House;

/// Time between two beats: how late a deadline may be noticed.
const BEAT: Duration = Duration::from_millis(50);

/// Time as of the last beat.
pub(super) struct Clock {
    now: Cell<Instant>,
    time_of_day: Cell<SystemTime>,
}

impl Clock {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(Instant::now()),
            time_of_day: Cell::new(SystemTime::now()),
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    /// The time of day at an instant since the last beat.
    pub(super) fn time_of_day(&self, at: Instant) -> SystemTime {
        self.time_of_day.get() + at.duration_since(self.now.get())
    }

    fn beat(&self) -> Instant {
        let now = Instant::now();
        self.now.set(now);
        self.time_of_day.set(SystemTime::now());
        now
    }
}

/// Beats for as long as the core lives.
pub(super) async fn sweep(house: Rc<House>) {
    let core = &house.core;
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let now = core.clock.beat();
        for link in house.links.borrow().values() {
            link.vigil.check();
        }
        core.alarms.ring(now);
        house.remember_ports();
        core.pool.prune(now);
        core.flush_log();
    }
}
