//! Rests between attempts: exponential, with full jitter.
//!
//! In: how attempts went, chance. Out: how long to rest. The first rest is short enough that a
//! controller's failover is over before anybody notices; a controller that comes back is not met by
//! all proxies at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts attempts that failed in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The rest after one more failure; `chance` is in 0..1.
    pub(super) fn rest(&mut self, chance: f64) -> Duration {
        let longest = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        longest.mul_f64(chance.clamp(0.0, 1.0))
    }

    /// Says that an attempt went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_half_a_minute_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let longest: Vec<u128> = (0..10).map(|_| backoff.rest(1.0).as_millis()).collect();
        let expected = [
            200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
        ];
        assert_eq!(longest, expected);
        for _ in 0..100 {
            assert!(backoff.rest(1.0) <= LONGEST);
        }
        backoff.reset();
        assert_eq!(backoff.rest(0.5), Duration::from_millis(100));
    }

    #[test]
    fn a_rest_is_anything_from_nothing_to_the_longest() {
        assert_eq!(Backoff::default().rest(0.0), Duration::ZERO);
        assert_eq!(Backoff::default().rest(7.0), FIRST);
    }
}
