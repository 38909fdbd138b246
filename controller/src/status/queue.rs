//! The queue of statuses to write: when each is due.
//!
//! In: objects and instants. Out: the objects that are due. An object is in it once at most. One
//! whose write failed waits, each time longer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use tollgate_compile::ObjectRef;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_millis(250);

/// Longest wait after a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// How long an object may wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// So long from when it was first put in.
    For(Duration),
    /// Until then, however long it has waited.
    Until(Instant),
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<ObjectRef, Waiting>,
    order: BTreeSet<(Instant, ObjectRef)>,
    failed: BTreeMap<ObjectRef, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Since when it has been there.
    since: Instant,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    not_before: Instant,
}

impl Queue {
    /// Puts an object in, or moves it.
    pub(super) fn put(&mut self, object: &ObjectRef, now: Instant, wait: Wait) {
        let before = self.take_out(object);
        let since = before.map_or(now, |waiting| waiting.since);
        let failed = self.failed.get(object);
        let earliest = failed.map_or(since, |failed| failed.not_before);
        let due = match wait {
            Wait::For(time) => since + time,
            Wait::Until(instant) => instant,
        };
        let due = due.max(earliest);
        self.order.insert((due, object.clone()));
        self.waiting.insert(object.clone(), Waiting { since, due });
    }

    /// Takes an object out: its status is as it should be.
    pub(super) fn remove(&mut self, object: &ObjectRef) {
        self.take_out(object);
        self.failed.remove(object);
    }

    /// When the next object is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.order.first().map(|(due, _)| *due)
    }

    /// The next object that is due; it is taken out.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ObjectRef> {
        self.next_due().filter(|due| *due <= now)?;
        let (_, object) = self.order.pop_first()?;
        self.waiting.remove(&object);
        Some(object)
    }

    /// Lets an object wait no longer for writes that failed.
    pub(super) fn forgive(&mut self, object: &ObjectRef) {
        self.failed.remove(object);
    }

    /// Notes that a write failed. `at_least`: for how long the API server asks to wait.
    /// `jitter`: from 0 to 1, so that the objects of one outage don't come back in step.
    pub(super) fn failed(
        &mut self,
        object: &ObjectRef,
        now: Instant,
        at_least: Option<Duration>,
        jitter: f64,
    ) {
        let times = self.failed.get(object).map_or(0, |failed| failed.times);
        let wait = FIRST.saturating_mul(1 << times.min(16)).min(LONGEST);
        let wait = wait.mul_f64(0.5 + jitter / 2.0);
        let wait = wait.max(at_least.unwrap_or_default().min(LONGEST));
        let failed = Failed {
            times: times.saturating_add(1),
            not_before: now + wait,
        };
        self.failed.insert(object.clone(), failed);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many objects wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn take_out(&mut self, object: &ObjectRef) -> Option<Waiting> {
        let waiting = self.waiting.remove(object)?;
        self.order.remove(&(waiting.due, object.clone()));
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use tollgate_compile::Kind;

    use super::*;

    fn route(name: &str) -> ObjectRef {
        ObjectRef::new(Kind::ApiRoute, "shop", name)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_object_that_changes_again_and_again_is_written_once_and_in_time() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for at in [0, 20, 40] {
            queue.put(&route("a"), start + millis(at), Wait::For(millis(50)));
        }
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop(start + millis(49)), None);
        assert_eq!(queue.pop(start + millis(50)), Some(route("a")));
        assert_eq!(queue.pop(start + millis(500)), None);
    }

    #[test]
    fn an_object_that_waits_until_an_instant_waits_no_shorter_when_it_is_put_in_again() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for at in [0, 400, 900] {
            let until = Wait::Until(start + millis(1000));
            queue.put(&route("a"), start + millis(at), until);
        }
        assert_eq!(queue.next_due(), Some(start + millis(1000)));
    }

    #[test]
    fn what_is_due_first_is_written_first() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.put(&route("a"), start, Wait::For(millis(50)));
        queue.put(&route("b"), start, Wait::For(millis(50)));
        queue.put(&route("b"), start, Wait::For(millis(0)));
        assert_eq!(queue.pop(start), Some(route("b")));
        assert_eq!(queue.next_due(), Some(start + millis(50)));
    }

    #[test]
    fn each_failure_makes_the_wait_longer_up_to_a_bound() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..20 {
            queue.failed(&route("a"), start, None, 1.0);
            queue.put(&route("a"), start, Wait::For(millis(0)));
            waits.push(queue.next_due().unwrap() - start);
        }
        assert_eq!(waits[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert!(waits.is_sorted());
        assert_eq!(waits[19], LONGEST);
        queue.forgive(&route("a"));
        queue.put(&route("a"), start, Wait::For(millis(0)));
        assert_eq!(queue.next_due(), Some(start));
    }

    #[test]
    fn the_wait_that_the_api_server_asks_for_is_kept_within_the_bound() {
        for (asked, kept) in [(5, 5), (3600, 30)] {
            let (mut queue, start) = (Queue::default(), Instant::now());
            let asked = Some(Duration::from_secs(asked));
            queue.failed(&route("a"), start, asked, 0.0);
            queue.put(&route("a"), start, Wait::For(millis(0)));
            assert_eq!(queue.next_due(), Some(start + Duration::from_secs(kept)));
        }
    }
}
