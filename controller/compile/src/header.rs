//! Header fields as objects name them.
//!
//! In: a name or a value. Out: the name in lower case, the value as it is, or what is wrong. Fields
//! that speak of one connection (RFC 9110 section 7.6.1) are the gateway's own, never an object's.

use std::fmt;

use http::{HeaderName, HeaderValue};
use tollgate_snapshot::header::is_hop_by_hop;

/// Why a header field is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InvalidHeader {
    Name,
    HopByHop,
    Host,
    ContentLength,
    Value,
    /// White space around a value is no part of it (RFC 9110 section 5.5).
    Padded,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not a header name",
            Self::HopByHop => "speaks of one connection and is the gateway's own",
            Self::Host => "hosts are named in spec.hostnames",
            Self::ContentLength => "follows from the body",
            Self::Value => "must have no control characters",
            Self::Padded => "must have no white space around it",
        })
    }
}

/// The name of a field that a request must have.
pub(crate) fn matched_name(text: &str) -> Result<String, InvalidHeader> {
    match name(text)? {
        name if name == "host" => Err(InvalidHeader::Host),
        name => Ok(name),
    }
}

/// The name of a field of an answer.
pub(crate) fn answered_name(text: &str) -> Result<String, InvalidHeader> {
    match name(text)? {
        name if name == "content-length" => Err(InvalidHeader::ContentLength),
        name => Ok(name),
    }
}

fn name(text: &str) -> Result<String, InvalidHeader> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| InvalidHeader::Name)?;
    if is_hop_by_hop(name.as_str()) {
        return Err(InvalidHeader::HopByHop);
    }
    Ok(name.as_str().to_owned())
}

/// The value of a field.
pub(crate) fn value(text: &str) -> Result<&str, InvalidHeader> {
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err(InvalidHeader::Padded);
    }
    match HeaderValue::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(_) => Err(InvalidHeader::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case_and_not_the_gateways_own() {
        let rows = [
            ("plain", "X-Beta", Ok("x-beta".to_owned())),
            ("space", "x beta", Err(InvalidHeader::Name)),
            ("empty", "", Err(InvalidHeader::Name)),
            ("hop by hop", "Connection", Err(InvalidHeader::HopByHop)),
            ("expectation", "Expect", Err(InvalidHeader::HopByHop)),
            ("host", "Host", Err(InvalidHeader::Host)),
        ];
        for (row, text, expected) in rows {
            assert_eq!(matched_name(text), expected, "{row}");
        }
        let length = answered_name("Content-Length");
        assert_eq!(length, Err(InvalidHeader::ContentLength));
    }

    #[test]
    fn values_have_no_control_characters() {
        let rows = [
            ("plain", "a b", Ok("a b")),
            ("empty", "", Ok("")),
            ("non-ascii", "é", Ok("é")),
            ("newline", "a\r\nb", Err(InvalidHeader::Value)),
            ("padded", " a", Err(InvalidHeader::Padded)),
        ];
        for (row, text, expected) in rows {
            assert_eq!(value(text), expected, "{row}");
        }
    }
}
