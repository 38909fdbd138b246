//! A coarse clock: the time as of a core's last beat, read without asking the system.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Instant, SystemTime},
};

/// Time as of the last beat.
pub(crate) struct Clock {
    now: Cell<Instant>,
    time_of_day: Cell<SystemTime>,
}

impl Clock {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(Instant::now()),
            time_of_day: Cell::new(SystemTime::now()),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// The time of day at an instant since the last beat.
    pub(crate) fn time_of_day(&self, at: Instant) -> SystemTime {
        self.time_of_day.get() + at.duration_since(self.now.get())
    }

    /// Looks at the system's clock.
    pub(crate) fn beat(&self) -> Instant {
        let now = Instant::now();
        self.now.set(now);
        self.time_of_day.set(SystemTime::now());
        now
    }
}
