//! Values that many fields share: names, ports, timeouts and the time of creation.
//!
//! In: what the user wrote. Out: the value in the unit of the snapshot, or what is wrong with it.

use std::{fmt, time::Duration as StdDuration};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::core::ObjectMeta;
use tollgate_crds::value::Duration;

/// Longest timeout of a request or a call.
const LONGEST: StdDuration = StdDuration::from_secs(15 * 60);

/// Why a timeout is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InvalidTimeout {
    Form,
    Zero,
    TooLong,
}

impl fmt::Display for InvalidTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a duration such as 1h30m, 10s or 500ms",
            Self::Zero => "must be above zero",
            Self::TooLong => "must be at most 15m",
        })
    }
}

/// A timeout above zero, in milliseconds.
pub(crate) fn above_zero(duration: &Duration) -> Result<u64, InvalidTimeout> {
    let parsed = duration.parse().map_err(|_| InvalidTimeout::Form)?;
    match u64::try_from(parsed.as_millis()) {
        Ok(0) => Err(InvalidTimeout::Zero),
        Ok(millis) => Ok(millis),
        Err(_) => Err(InvalidTimeout::TooLong),
    }
}

/// The timeout of a request or a call: above zero, at most 15 minutes, in milliseconds.
pub(crate) fn timeout(duration: &Duration) -> Result<u64, InvalidTimeout> {
    let millis = above_zero(duration)?;
    if StdDuration::from_millis(millis) > LONGEST {
        return Err(InvalidTimeout::TooLong);
    }
    Ok(millis)
}

/// A TCP port.
pub(crate) fn port(number: i32) -> Result<u16, &'static str> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => Err("must be 1 to 65535"),
    }
}

/// The name of a part of an object: a DNS label (RFC 1123 section 2.1).
pub(crate) fn name(text: &str) -> Result<&str, &'static str> {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if bytes.len() <= 63
        && bytes.iter().all(inner)
        && ends
            .iter()
            .all(|byte| byte.is_some_and(|byte| *byte != b'-'))
    {
        Ok(text)
    } else {
        Err("must be 1 to 63 lower-case letters, digits and inner hyphens")
    }
}

/// When an object was created, RFC 3339 in UTC.
pub(crate) fn created(metadata: &ObjectMeta) -> Option<String> {
    metadata.creation_timestamp.as_ref().map(written)
}

/// In whole seconds, as Kubernetes has them: so the text sorts as the time does.
pub(crate) fn written(time: &Time) -> String {
    let whole = Timestamp::from_second(time.0.as_second());
    whole.unwrap_or(time.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_above_zero_and_at_most_a_quarter_of_an_hour() {
        let rows = [
            ("seconds", "29s", Ok(29_000)),
            ("longest", "15m", Ok(900_000)),
            ("too long", "15m1ms", Err(InvalidTimeout::TooLong)),
            ("zero", "0s", Err(InvalidTimeout::Zero)),
            ("no duration", "soon", Err(InvalidTimeout::Form)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(timeout(&Duration(text.into())), expected, "{name}");
        }
    }

    #[test]
    fn a_name_is_a_dns_label() {
        let rows = [
            ("plain", "get-product-1", true),
            ("one letter", "a", true),
            ("empty", "", false),
            ("upper case", "Get", false),
            ("hyphen first", "-a", false),
            ("hyphen last", "a-", false),
            ("dot", "a.b", false),
        ];
        for (row, text, expected) in rows {
            assert_eq!(name(text).is_ok(), expected, "{row}");
        }
        assert!(name(&"a".repeat(64)).is_err());
    }

    #[test]
    fn times_are_written_in_whole_seconds_so_that_text_sorts_as_time() {
        let time = |text: &str| written(&Time(text.parse().unwrap()));
        assert_eq!(time("2026-01-02T03:04:05.9Z"), "2026-01-02T03:04:05Z");
        assert_eq!(time("2026-01-02T03:04:05+01:00"), "2026-01-02T02:04:05Z");
    }
}
