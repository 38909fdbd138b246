//! Request ids: which one a request has, ours or the client's.
//!
//! In: the time, or the `X-Request-Id` of a trusted client. Out: a UUIDv7 (RFC 9562 section 5.7) as
//! text, or the word on whether the client's is taken. Ids sort by time and are no secrets: nothing
//! may be granted to whoever knows one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use uuid::{Builder, Uuid, fmt::Hyphenated};

/// Most characters of a client's id that is taken over.
const ACCEPTED_MAX: usize = 128;

/// The 12 bits after the version count within a millisecond (RFC 9562 section 6.2, method 1).
const COUNTER_MAX: u16 = 0xfff;

/// A request id: 36 characters, in place.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RequestId([u8; Hyphenated::LENGTH]);

impl RequestId {
    /// The id as logs and templates show it.
    pub fn as_str(&self) -> &str {
        // INVARIANT: `from` below fills the array with ASCII, and nothing else makes one.
        #[expect(clippy::expect_used, reason = "the line above")]
        std::str::from_utf8(&self.0).expect("a UUID is ASCII")
    }

    /// The id as the value of `X-Request-Id`. This is its only copy.
    pub fn to_header_value(&self) -> HeaderValue {
        // INVARIANT: as in `as_str`; ASCII letters, digits and hyphens are a field value.
        #[expect(clippy::expect_used, reason = "the line above")]
        HeaderValue::from_bytes(&self.0).expect("a UUID is a field value")
    }
}

impl From<Uuid> for RequestId {
    fn from(uuid: Uuid) -> Self {
        let mut text = [0; Hyphenated::LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Self(text)
    }
}

/// Makes the ids of one core. Each is greater than the one before, whatever the clock does.
#[derive(Debug, Default)]
pub struct RequestIds {
    random: fastrand::Rng,
    millis: u64,
    counter: u16,
}

impl RequestIds {
    /// A generator with a random start of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a request that came at `now`.
    pub fn next(&mut self, now: SystemTime) -> RequestId {
        self.advance(millis(now));
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&self.counter.to_be_bytes());
        tail[2..].copy_from_slice(&self.random.u64(..).to_be_bytes());
        Builder::from_unix_timestamp_millis(self.millis, &tail)
            .into_uuid()
            .into()
    }

    /// Steps to `now`, or one up in the counter when the clock stands still or has gone back. A
    /// full counter borrows from the next millisecond.
    fn advance(&mut self, now: u64) {
        if now <= self.millis && self.counter < COUNTER_MAX {
            self.counter += 1;
            return;
        }
        self.millis = now.max(self.millis + 1);
        // The lower half, so that every millisecond has room to count up.
        self.counter = self.random.u16(..=COUNTER_MAX / 2);
    }
}

fn millis(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Whether a trusted client's id is taken over: 1 to 128 visible ASCII characters.
pub fn accepted(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=ACCEPTED_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7_with_its_time() {
        let id = RequestIds::new().next(at(1_767_323_045_123));
        let uuid: Uuid = id.as_str().parse().unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(uuid.as_u128() >> 80, 1_767_323_045_123);
        assert_eq!(id.to_header_value(), id.as_str());
    }

    #[test]
    fn ids_of_one_core_rise_whatever_the_clock_does() {
        let rows = [
            ("stands still", vec![7; 10_000]),
            ("goes back", vec![9, 8, 1, 0, 9, 10]),
            ("goes on", (1..1_000).collect()),
        ];
        for (name, clock) in rows {
            let mut ids = RequestIds::new();
            let made: Vec<_> = clock.into_iter().map(|now| ids.next(at(now))).collect();
            assert!(made.is_sorted_by(|a, b| a < b), "{name}");
        }
    }

    #[test]
    fn a_time_before_1970_still_gives_an_id() {
        let id = RequestIds::new().next(UNIX_EPOCH - Duration::from_secs(1));
        assert!(id.as_str().starts_with("00000000-0000-7"));
    }

    #[test]
    fn two_cores_differ() {
        let (mut one, mut two) = (RequestIds::new(), RequestIds::new());
        assert_ne!(one.next(at(1)), two.next(at(1)));
    }

    #[test]
    fn a_clients_id_is_taken_when_it_is_short_and_visible() {
        let rows: [(&str, &[u8], bool); 7] = [
            ("uuid", b"0198c0de-0000-7000-8000-000000000000", true),
            ("one", b"x", true),
            ("longest", &[b'x'; 128], true),
            ("too long", &[b'x'; 129], false),
            ("empty", b"", false),
            ("space", b"a b", false),
            ("not ascii", b"a\xe9", false),
        ];
        for (name, value, expected) in rows {
            let value = HeaderValue::from_bytes(value).unwrap();
            assert_eq!(accepted(&value), expected, "{name}");
        }
    }
}
