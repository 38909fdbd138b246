//! What is remembered of names, and for how long.
//!
//! In: what look-ups found. Out: what to tell whoever needs a name, and whether to look it up. No
//! look-up is made here, and the time is the caller's.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How long an answer is used before the name is looked up again.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How long a failure is: the first rest before another look-up. Each that fails in a row doubles
/// it while there are older addresses to go on with.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(1);

/// Longest rest before another look-up.
const REST_MAX: Duration = Duration::from_secs(32);

/// How long a name is kept that nobody needs.
const UNUSED_MAX: Duration = Duration::from_secs(60);

/// Most names. They come from routes, not from clients.
const NAMES_MAX: usize = 4096;

/// What is known of a name.
pub(super) enum Answer {
    /// These addresses are the last that it had.
    Known(Rc<[IpAddr]>),
    /// It had none a moment ago.
    Unknown,
    /// It is being looked up; this tells when that is over.
    Awaited(Rc<Notify>),
}

/// The names that were needed lately.
#[derive(Default)]
pub(super) struct Names(HashMap<Arc<str>, Name>);

struct Name {
    /// The addresses that it had last.
    ips: Option<Rc<[IpAddr]>>,
    /// Look-ups that failed since.
    failures: u32,
    /// When it is to be looked up again.
    due: Instant,
    used: Instant,
    /// A look-up is under way.
    flight: Option<Rc<Notify>>,
}

impl Names {
    /// Whether whoever needs this name now must look it up; the others wait for that.
    pub(super) fn begin_if_due(&mut self, name: &Arc<str>, now: Instant) -> bool {
        if !self.0.contains_key(name) {
            self.make_room(now);
        }
        let known = self.0.entry(Arc::clone(name)).or_insert_with(|| Name {
            ips: None,
            failures: 0,
            due: now,
            used: now,
            flight: None,
        });
        known.used = now;
        let begins = known.flight.is_none() && now >= known.due;
        if begins {
            known.flight = Some(Rc::default());
        }
        begins
    }

    /// What to tell whoever needs a name.
    pub(super) fn answer(&self, name: &Arc<str>) -> Answer {
        let Some(known) = self.0.get(name) else {
            return Answer::Unknown;
        };
        match (&known.ips, &known.flight) {
            // Once a look-up has failed, nobody waits for the next while there is something to use.
            (Some(ips), Some(_)) if known.failures > 0 => Answer::Known(Rc::clone(ips)),
            (_, Some(flight)) => Answer::Awaited(Rc::clone(flight)),
            (Some(ips), None) => Answer::Known(Rc::clone(ips)),
            (None, None) => Answer::Unknown,
        }
    }

    /// A look-up is over.
    pub(super) fn learn(&mut self, name: &Arc<str>, found: io::Result<Vec<IpAddr>>, now: Instant) {
        let Some(known) = self.0.get_mut(name) else {
            return;
        };
        match found {
            Ok(ips) if !ips.is_empty() => {
                known.ips = Some(ips.into());
                known.failures = 0;
                known.due = now + REMEMBERED;
            }
            Ok(_) | Err(_) => {
                known.due = now + known.rest();
                known.failures = known.failures.saturating_add(1);
            }
        }
        if let Some(flight) = known.flight.take() {
            flight.notify_waiters();
        }
    }

    /// Forgets names that nobody needs any more, and if that does not help, the one that was needed
    /// least lately.
    fn make_room(&mut self, now: Instant) {
        self.0
            .retain(|_, name| now.duration_since(name.used) < UNUSED_MAX);
        if self.0.len() < NAMES_MAX {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, name)| name.used);
        let oldest = oldest.map(|(name, _)| Arc::clone(name));
        if let Some(name) = oldest.and_then(|name| self.0.remove(&name))
            && let Some(flight) = name.flight
        {
            flight.notify_waiters();
        }
    }
}

impl Name {
    /// The rest after one more failure.
    fn rest(&self) -> Duration {
        if self.ips.is_none() {
            return FAILURE_REMEMBERED;
        }
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        FAILURE_REMEMBERED.saturating_mul(doubled).min(REST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Arc<str> {
        format!("{number}.example").into()
    }

    #[test]
    fn names_that_nobody_needs_are_forgotten() {
        let (mut names, start) = (Names::default(), Instant::now());
        names.begin_if_due(&name(0), start);
        names.begin_if_due(&name(1), start + UNUSED_MAX / 2);
        names.begin_if_due(&name(2), start + UNUSED_MAX);
        assert!(!names.0.contains_key(&name(0)));
        assert!(names.0.contains_key(&name(1)));
    }

    #[test]
    fn there_are_never_more_names_than_the_bound() {
        let (mut names, start) = (Names::default(), Instant::now());
        for number in 0..=NAMES_MAX {
            let now = start + Duration::from_micros(number as u64);
            assert!(names.begin_if_due(&name(number), now));
        }
        assert_eq!(names.0.len(), NAMES_MAX);
        assert!(!names.0.contains_key(&name(0)), "the oldest has left");
        names.learn(&name(0), Ok(Vec::new()), start);
        assert!(matches!(names.answer(&name(0)), Answer::Unknown));
    }

    #[test]
    fn the_rest_doubles_only_with_addresses_to_go_on_with() {
        let mut known = Name {
            ips: None,
            failures: 9,
            due: Instant::now(),
            used: Instant::now(),
            flight: None,
        };
        assert_eq!(known.rest(), FAILURE_REMEMBERED);
        known.ips = Some([IpAddr::from([192, 0, 2, 1])].into());
        for (failures, seconds) in [
            (0, 1),
            (1, 2),
            (4, 16),
            (5, 32),
            (6, 32),
            (31, 32),
            (99, 32),
        ] {
            known.failures = failures;
            assert_eq!(known.rest().as_secs(), seconds, "{failures}");
        }
    }
}
