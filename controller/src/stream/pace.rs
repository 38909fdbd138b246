//! How fast streams may begin: each costs a review and maybe a whole snapshot, and after an outage
//! all proxies dial at once. Pure.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two beginnings: 25 a second.
const APART: Duration = Duration::from_millis(40);

/// How many may begin at once after a quiet time.
const BURST: u32 = 25;

/// How long one waits at most for its turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Hands out turns.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// How long to wait for the next turn; `None`: too many wait already.
    pub(super) fn turn(&self, now: Instant) -> Option<Duration> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The turn is at `next`; a quiet time is worth a burst, and no more.
        let next = last.map_or(now, |last| last + APART);
        let wait = next.saturating_duration_since(now + APART * (BURST - 1));
        if wait > WAIT_MAX {
            return None;
        }
        *last = Some(next.max(now));
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_turn_until_too_many_wait() {
        let (pace, now) = (Pace::default(), Instant::now());
        let turns: Vec<_> = (0..200).map(|_| pace.turn(now)).collect();
        let at_once = turns.iter().filter(|turn| **turn == Some(Duration::ZERO));
        assert_eq!(at_once.count(), 25);
        assert_eq!(turns[25], Some(APART));
        assert_eq!(turns[149], Some(WAIT_MAX));
        assert_eq!(turns[150], None);
        assert_eq!(pace.turn(now + APART), Some(WAIT_MAX));
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.turn(later), Some(Duration::ZERO));
    }
}
