//! The pulse of a core: at each beat, a look at every connection's deadlines.
//!
//! In: the core's connections. Out: those past a deadline are woken. One timer for all connections
//! costs less than one each, and deadlines of seconds need no more than a tenth of one.

use std::{future, io, os::fd::OwnedFd, rc::Rc, time::Duration};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::house::House;

/// Time between two beats: how late a deadline may be noticed.
const BEAT: Duration = Duration::from_millis(50);

/// Beats for as long as the core lives.
pub(super) async fn sweep(house: Rc<House>) {
    let core = &house.core;
    let pace = Pace::new();
    loop {
        pace.next().await;
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

/// What says when the next beat is.
enum Pace {
    /// A timer of the kernel, ready to be read at each beat. While the runtime has a timer of its
    /// own, it reads the clock before and after each wait for events, that is for every request.
    Kernel(AsyncFd<OwnedFd>),
    /// The runtime's timer, where the kernel gives none.
    Runtime,
}

impl Pace {
    fn new() -> Self {
        match kernel_timer() {
            Ok(timer) => Self::Kernel(timer),
            Err(error) => {
                tracing::warn!(%error, "no timer from the kernel: requests cost more");
                Self::Runtime
            }
        }
    }

    /// Waits for the next beat; one that was missed is not made up for.
    async fn next(&self) {
        let Self::Kernel(timer) = self else {
            return tokio::time::sleep(BEAT).await;
        };
        // Without a runtime that watches, which then ends, there is no event and no beat.
        let Ok(mut ready) = timer.readable().await else {
            return future::pending().await;
        };
        // How many beats have passed is of no interest: reading says that they are known.
        let _ = rustix::io::read(timer.get_ref(), &mut [0; 8]);
        ready.clear_ready();
    }
}

fn kernel_timer() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let beat = Timespec {
        tv_sec: 0,
        tv_nsec: BEAT.subsec_nanos().into(),
    };
    let every_beat = Itimerspec {
        it_interval: beat,
        it_value: beat,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every_beat)?;
    // The name that is not deprecated is unsafe, for types that don't own their descriptor.
    #[expect(deprecated, reason = "the line above; an `OwnedFd` does")]
    AsyncFd::with_interest(timer, Interest::READABLE)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn beats_come_one_after_another_at_their_pace() {
        for pace in [Pace::new(), Pace::Runtime] {
            let started = Instant::now();
            for _ in 0..3 {
                pace.next().await;
            }
            assert!(started.elapsed() >= 2 * BEAT, "{:?}", started.elapsed());
        }
        assert!(matches!(Pace::new(), Pace::Kernel(_)));
    }
}
