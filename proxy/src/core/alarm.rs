//! Ends of time for requests, looked at once a beat: one timer for all of them.
//!
//! In: a future and how long it may take. Out: its result, or that time ran out, noticed at most
//! one beat late. A timer of the runtime for each request would cost several times as much, and a
//! rule's timeout needs no more precision. Whoever drops the future cancels its alarm.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    task::{Poll, Waker},
    time::Instant,
};

use super::Core;

/// Whom to wake when.
#[derive(Default)]
pub(crate) struct Alarms {
    slots: RefCell<Vec<Slot>>,
    /// Places of the slots without an alarm.
    free: RefCell<Vec<u32>>,
}

/// A place for an alarm.
#[derive(Default)]
struct Slot {
    /// How many alarms it has had: an alarm's id is of no use to a later one's place.
    turn: u32,
    set: Option<(Instant, Waker)>,
}

/// Time ran out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed;

impl Alarms {
    /// Sets an alarm. Its id is its place and the place's turn.
    fn add(&self, due: Instant, waker: Waker) -> u64 {
        let mut slots = self.slots.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            (slots.len() - 1) as u32
        });
        let slot = &mut slots[place as usize];
        slot.set = Some((due, waker));
        u64::from(slot.turn) << 32 | u64::from(place)
    }

    /// Sees to it that the alarm wakes this waker.
    fn keep(&self, id: u64, waker: &Waker) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(id as u32 as usize)
            && slot.turn == (id >> 32) as u32
            && let Some((_, own)) = &mut slot.set
            && !own.will_wake(waker)
        {
            own.clone_from(waker);
        }
    }

    pub(crate) fn cancel(&self, id: u64) {
        let place = id as u32;
        if let Some(slot) = self.slots.borrow_mut().get_mut(place as usize)
            && slot.turn == (id >> 32) as u32
        {
            self.empty(slot, place);
        }
    }

    fn empty(&self, slot: &mut Slot, place: u32) {
        slot.set = None;
        slot.turn = slot.turn.wrapping_add(1);
        self.free.borrow_mut().push(place);
    }

    /// Wakes those whose time has come.
    pub(crate) fn ring(&self, now: Instant) {
        for (place, slot) in self.slots.borrow_mut().iter_mut().enumerate() {
            if let Some((_, waker)) = slot.set.take_if(|(due, _)| now >= *due) {
                waker.wake();
                self.empty(slot, place as u32);
            }
        }
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
        time::Duration,
    };

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
    fn an_alarm_rings_once_and_a_cancelled_one_never() {
        let (alarms, now) = (Alarms::default(), Instant::now());
        let late = now + Duration::from_secs(1);
        let count = Arc::new(Count::default());
        let waker = || Waker::from(Arc::clone(&count));
        let (soon, cancelled) = (alarms.add(now, waker()), alarms.add(now, waker()));
        alarms.add(late, waker());
        alarms.cancel(cancelled);
        for (name, at, expected) in [("due", now, 1), ("again", now, 1), ("late", late, 2)] {
            alarms.ring(at);
            assert_eq!(count.0.load(Relaxed), expected, "{name}");
        }
        // The place of the first has another alarm now, which the first's id must not touch.
        let places: Vec<_> = (0..3).map(|_| alarms.add(late, waker())).collect();
        alarms.cancel(soon);
        alarms.cancel(cancelled);
        alarms.ring(late);
        assert_eq!(count.0.load(Relaxed), 5, "{places:?}");
    }
}
