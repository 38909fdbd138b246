//! Ends of time for requests, looked at once a beat: one timer for all of them.
//!
//! In: a future and how long it may take. Out: its result, or that time ran out, noticed at most
//! one beat late. A timer of the runtime for each request would cost several times as much, and a
//! rule's timeout needs no more precision. Whoever drops the future cancels its alarm.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::poll_fn,
    pin::Pin,
    task::{Poll, Waker},
    time::Instant,
};

use super::Core;

/// Whom to wake when.
#[derive(Default)]
pub(crate) struct Alarms {
    next: Cell<u64>,
    set: RefCell<HashMap<u64, (Instant, Waker), foldhash::fast::RandomState>>,
}

/// Time ran out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed;

impl Alarms {
    /// Sets an alarm.
    fn add(&self, due: Instant, waker: Waker) -> u64 {
        let id = self.next.replace(self.next.get() + 1);
        self.set.borrow_mut().insert(id, (due, waker));
        id
    }

    /// Sees to it that the alarm wakes this waker.
    fn keep(&self, id: u64, waker: &Waker) {
        if let Some((_, own)) = self.set.borrow_mut().get_mut(&id)
            && !own.will_wake(waker)
        {
            own.clone_from(waker);
        }
    }

    pub(crate) fn cancel(&self, id: u64) {
        self.set.borrow_mut().remove(&id);
    }

    /// Wakes those whose time has come.
    pub(crate) fn ring(&self, now: Instant) {
        self.set.borrow_mut().retain(|_, (due, waker)| {
            let waits = now < *due;
            if !waits {
                waker.wake_by_ref();
            }
            waits
        });
    }
}

/// Awaits a future until an instant. It is taken where it stands: requests' futures are large, and
/// moving one costs more than its alarm. `set` names the alarm while there is one, so that whoever
/// drops the future can cancel it.
pub(crate) async fn until<F: Future>(
    core: &Core,
    due: Instant,
    set: &Cell<Option<u64>>,
    mut future: Pin<&mut F>,
) -> Result<F::Output, Elapsed> {
    poll_fn(|cx| {
        if let Poll::Ready(result) = future.as_mut().poll(cx) {
            core.cancel_alarm(set);
            return Poll::Ready(Ok(result));
        }
        if core.coarse_now() >= due {
            core.cancel_alarm(set);
            return Poll::Ready(Err(Elapsed));
        }
        match set.get() {
            Some(id) => core.alarms.keep(id, cx.waker()),
            None => set.set(Some(core.alarms.add(due, cx.waker().clone()))),
        }
        Poll::Pending
    })
    .await
}
