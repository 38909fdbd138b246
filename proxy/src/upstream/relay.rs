//! Who is woken when a connection to an upstream can go on: the task of its request.
//!
//! In: the waker of the task that drives the connection now. Out: one waker for the connection's
//! whole life, which wakes that task while it waits, and nobody otherwise. Without it, a step that
//! the task takes itself, such as handing over a request or taking the body of an answer, would
//! wake the task again for nothing, or the task that had the connection before.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Wake, Waker},
};

/// Wakes whoever drives a connection. All of it happens on one core: what is shared and locked
/// here, a [`Waker`] asks for, and nobody else ever has.
pub(super) struct Relay {
    /// Whether anybody waits.
    on: AtomicBool,
    task: Mutex<Waker>,
}

impl Relay {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            on: AtomicBool::new(false),
            task: Mutex::new(Waker::noop().clone()),
        })
    }

    /// From now on, this task is woken.
    pub(super) fn turn_on(&self, task: &Waker) {
        let mut own = self.task();
        if !own.will_wake(task) {
            own.clone_from(task);
        }
        self.on.store(true, Relaxed);
    }

    /// From now on, nobody is woken.
    pub(super) fn turn_off(&self) {
        self.on.store(false, Relaxed);
    }

    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.on.load(Relaxed) {
            self.task().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn only_the_task_that_waits_is_woken() {
        let relay = Relay::new();
        let waker = Waker::from(Arc::clone(&relay));
        let (one, two) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let woken = || (one.0.load(Relaxed), two.0.load(Relaxed));
        waker.wake_by_ref();
        relay.turn_on(&Waker::from(Arc::clone(&one)));
        assert_eq!(woken(), (0, 0), "before anybody waits");
        waker.wake_by_ref();
        assert_eq!(woken(), (1, 0), "the first waits");
        relay.turn_on(&Waker::from(Arc::clone(&two)));
        waker.wake_by_ref();
        assert_eq!(woken(), (1, 1), "the second waits");
        relay.turn_off();
        waker.wake();
        assert_eq!(woken(), (1, 1), "nobody waits any more");
    }
}
