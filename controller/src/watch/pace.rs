//! How soon one kind may be asked for again.
//!
//! In: what became of a request, and the clock. Out: when the next one may go. At most two watches
//! begin in a second, whatever the server does; after failures the pauses grow, each with a random
//! part, so that a server that comes back is not met by everybody at once.

use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between two beginnings.
const APART: Duration = Duration::from_millis(500);

/// Pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause that we choose: how late a server's return is noticed at worst.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Longest pause that a server's `Retry-After` can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// After this long without a failure, the next one is a first one.
const FORGET: Duration = Duration::from_secs(30);

/// The pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    not_before: Option<Instant>,
    failures: u32,
    last_failure: Option<Instant>,
}

impl Pace {
    /// When the next request may go; `None`: at once.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// A watch begins.
    pub(super) fn begun(&mut self, now: Instant) {
        self.not_before = Some(now + APART);
    }

    /// Something failed. `asked`: how long the server asks us to wait.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) {
        let long_ago = |last: Instant| now.duration_since(last) > FORGET;
        if self.last_failure.is_some_and(long_ago) {
            self.failures = 0;
        }
        self.last_failure = Some(now);
        let grown = FIRST_PAUSE * (1 << self.failures.min(6));
        self.failures += 1;
        let chosen = grown
            .min(LONGEST_PAUSE)
            .mul_f64(0.5 + fastrand::f64() / 2.0);
        let pause = chosen.max(asked.unwrap_or_default().min(LONGEST_ASKED));
        self.not_before = self.not_before.max(Some(now + pause));
    }

    /// Nothing is there to ask for: the next look may wait that long.
    pub(super) fn absent(&mut self, now: Instant, pause: Duration) {
        self.not_before = Some(now + pause.mul_f64(0.75 + fastrand::f64() / 2.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(pace: &Pace, now: Instant) -> Duration {
        pace.not_before().unwrap().duration_since(now)
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_are_forgotten() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let rows = [
            (0.125, 0.25),
            (0.25, 0.5),
            (0.5, 1.0),
            (1.0, 2.0),
            (2.0, 4.0),
        ];
        for (least, most) in rows.into_iter().chain([(2.0, 4.0); 40]) {
            pace.failed(now, None);
            let pause = pause(&pace, now);
            assert!((least..=most).contains(&pause.as_secs_f64()), "{pause:?}");
            now += pause;
        }
        now += FORGET * 2;
        pace.failed(now, None);
        assert!(pause(&pace, now) <= FIRST_PAUSE);
    }

    #[test]
    fn a_server_may_ask_for_more_time_within_reason() {
        let now = Instant::now();
        for (asked, expected) in [(3, 3), (3600, 30)] {
            let mut pace = Pace::default();
            pace.failed(now, Some(Duration::from_secs(asked)));
            assert_eq!(pause(&pace, now), Duration::from_secs(expected));
        }
    }

    #[test]
    fn watches_do_not_begin_twice_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.not_before(), None);
        pace.begun(now);
        assert_eq!(pause(&pace, now), APART);
        pace.failed(now, None);
        assert_eq!(pause(&pace, now), APART, "a short pause shortens nothing");
    }
}
