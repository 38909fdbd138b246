//! What reviews said, for a while, by the hash of the token: the token itself is never kept.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use super::{Identity, Refusal};

/// How long a good token is not asked about again.
const FRESH: Duration = Duration::from_secs(60);
/// How long a bad token is not asked about again.
const FRESH_REFUSED: Duration = Duration::from_secs(10);
/// How long a review is good enough when nobody can be asked.
const STALE: Duration = Duration::from_secs(600);
/// Reviews that are remembered.
const KEPT: usize = 4096;

/// SHA-256 of a token.
pub(super) type Key = [u8; 32];

/// The key of a token.
pub(super) fn key(token: &str) -> Key {
    Sha256::digest(token).into()
}

/// How old a review may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Age {
    /// As young as when all is well.
    Fresh,
    /// As old as when the API server can't be asked.
    Stale,
}

#[derive(Debug)]
struct Review {
    identity: Result<Identity, Refusal>,
    /// When it was made.
    at: SystemTime,
    /// Until when the token is good.
    expires: SystemTime,
}

impl Review {
    fn holds(&self, now: SystemTime, age: Age) -> bool {
        let most = match (age, &self.identity) {
            (Age::Fresh, Ok(_)) => FRESH,
            (Age::Fresh, Err(_)) => FRESH_REFUSED,
            (Age::Stale, _) => STALE,
        };
        // A clock that was set back makes reviews of the future: they don't hold.
        let old = now.duration_since(self.at);
        now < self.expires && old.is_ok_and(|old| old < most)
    }
}

/// The reviews.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<Key, Review>>);

impl Cache {
    /// What a review of at most this age said.
    pub(super) fn find(
        &self,
        key: &Key,
        now: SystemTime,
        age: Age,
    ) -> Option<Result<Identity, Refusal>> {
        let reviews = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reviews.get(key).filter(|review| review.holds(now, age));
        found.map(|review| review.identity.clone())
    }

    /// Remembers a review. When there are too many, those that don't hold any more go, and the
    /// oldest.
    pub(super) fn insert(
        &self,
        key: Key,
        identity: Result<Identity, Refusal>,
        expires: SystemTime,
        now: SystemTime,
    ) {
        let mut reviews = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reviews.len() >= KEPT {
            reviews.retain(|_, review| review.holds(now, Age::Stale));
        }
        if reviews.len() >= KEPT {
            let oldest = reviews.iter().min_by_key(|(_, review)| review.at);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                reviews.remove(&oldest);
            }
        }
        let at = now;
        reviews.insert(
            key,
            Review {
                identity,
                at,
                expires,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica() -> Result<Identity, Refusal> {
        Ok(Identity::Replica {
            pod: "tollgate-controller-1".to_owned(),
        })
    }

    #[test]
    fn a_review_holds_as_long_as_its_age_and_its_token_allow() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let denied = || Err(Refusal::Denied("no".to_owned()));
        let (long, short) = (Duration::from_secs(3600), Duration::from_secs(30));
        let rows = [
            ("fresh", replica(), long, 59, Age::Fresh, true),
            ("too old", replica(), long, 60, Age::Fresh, false),
            ("stale", replica(), long, 599, Age::Stale, true),
            ("too stale", replica(), long, 600, Age::Stale, false),
            ("expired", replica(), short, 30, Age::Stale, false),
            ("refused", denied(), long, 9, Age::Fresh, true),
            ("refused a while ago", denied(), long, 10, Age::Fresh, false),
        ];
        for (name, identity, life, later, age, holds) in rows {
            let cache = Cache::default();
            let key = key(name);
            cache.insert(key, identity.clone(), start + life, start);
            let found = cache.find(&key, start + Duration::from_secs(later), age);
            assert_eq!(found, holds.then_some(identity), "{name}");
        }
    }

    #[test]
    fn a_flood_of_tokens_costs_no_more_than_so_many() {
        let cache = Cache::default();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let end = start + Duration::from_secs(3600);
        for at in 0..KEPT + 10 {
            let now = start + Duration::from_millis(u64::try_from(at).unwrap());
            cache.insert(key(&at.to_string()), replica(), end, now);
        }
        assert_eq!(cache.0.lock().unwrap().len(), KEPT);
        let now = start + Duration::from_secs(5);
        assert_eq!(cache.find(&key("9"), now, Age::Fresh), None);
        assert!(cache.find(&key("10"), now, Age::Fresh).is_some());
    }
}
