//! Times and durations as the log writes them.
//!
//! In: a time, a duration. Out: bytes at the end of a line. The date of the second last written is
//! kept, since most lines share theirs with the line before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Writes times, each core with one of its own.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    /// `2026-01-02T03:04:05` of `second`.
    text: String,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            second: 0,
            text: date_time(0),
        }
    }
}

impl Clock {
    /// RFC 3339 in UTC with microseconds: `2026-01-02T03:04:05.000006Z`.
    pub(super) fn push_timestamp(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        out.extend_from_slice(self.at(since.as_secs()).as_bytes());
        push_fraction(out, since.subsec_micros());
        out.push(b'Z');
    }

    /// The time of day in UTC: `03:04:05`.
    pub(super) fn push_time_of_day(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let text = self.at(since.as_secs());
        let day_end = text.find('T').map_or(0, |at| at + 1);
        out.extend_from_slice(&text.as_bytes()[day_end..]);
    }

    fn at(&mut self, second: u64) -> &str {
        if second != self.second {
            self.text = date_time(second);
            self.second = second;
        }
        &self.text
    }
}

/// Times after the year 9999 are written as its last second.
fn date_time(second: u64) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let mut text = time.to_string();
    text.truncate("2026-01-02T03:04:05".len());
    text
}

/// Seconds with microseconds: `1.000250`.
pub(super) fn push_seconds(out: &mut Vec<u8>, duration: Duration) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(duration.as_secs()).as_bytes());
    push_fraction(out, duration.subsec_micros());
}

/// `.` and six digits.
fn push_fraction(out: &mut Vec<u8>, micros: u32) {
    let mut digits = *b".000000";
    let mut rest = micros;
    for digit in digits[1..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(time: SystemTime) -> String {
        let mut out = Vec::new();
        Clock::default().push_timestamp(&mut out, time);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let rows = [
            ("epoch", Duration::ZERO, "1970-01-01T00:00:00.000000Z"),
            (
                "micros",
                Duration::from_micros(1_767_323_045_000_006),
                "2026-01-02T03:04:05.000006Z",
            ),
            (
                "nanos are cut",
                Duration::from_nanos(1_767_323_045_999_999_999),
                "2026-01-02T03:04:05.999999Z",
            ),
            (
                "far future",
                Duration::from_secs(1 << 60),
                "9999-12-30T22:00:00.000000Z",
            ),
        ];
        for (name, since, expected) in rows {
            assert_eq!(stamp(UNIX_EPOCH + since), expected, "{name}");
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(stamp(before), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn the_kept_second_never_stands_for_another() {
        let mut clock = Clock::default();
        for (second, expected) in [(5, "00:00:05"), (6, "00:00:06"), (5, "00:00:05")] {
            let mut out = Vec::new();
            clock.push_time_of_day(&mut out, UNIX_EPOCH + Duration::from_secs(second));
            assert_eq!(out, expected.as_bytes());
        }
    }

    #[test]
    fn durations_are_seconds_with_microseconds() {
        let rows = [
            ("none", Duration::ZERO, "0.000000"),
            ("micros", Duration::from_micros(250), "0.000250"),
            ("seconds", Duration::from_millis(61_001), "61.001000"),
        ];
        for (name, duration, expected) in rows {
            let mut out = Vec::new();
            push_seconds(&mut out, duration);
            assert_eq!(out, expected.as_bytes(), "{name}");
        }
    }
}
