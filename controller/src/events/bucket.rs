//! How many events there may be.

use tokio::time::Instant;

/// Events a second, in the long run.
const RATE: f64 = 5.0;

/// Events at once.
const MOST: f64 = 50.0;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    since: Instant,
}

impl Bucket {
    pub(super) fn full(now: Instant) -> Self {
        Self {
            tokens: MOST,
            since: now,
        }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.since).as_secs_f64();
        self.tokens = (self.tokens + passed * RATE).min(MOST);
        self.since = now;
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_capped_and_the_rate_comes_back() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let burst = (0..200).filter(|_| bucket.take(start)).count();
        assert_eq!(burst, 50);
        let later = start + Duration::from_secs(2);
        let more = (0..200).filter(|_| bucket.take(later)).count();
        assert_eq!(more, 10);
    }
}
