//! Hosts as objects name them: their grammar, and what two of them have in common.
//!
//! In: text such as `api.example.com` or `*.example.com`. Out: the same in lower case, or what is
//! wrong with it. Which request goes to which host is the proxy's to decide.

use std::fmt;

/// Any host. Users say it by naming none.
pub(crate) const ANY: &str = "*";

/// Why a text is not a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InvalidHost {
    /// Not labels of letters, digits and inner hyphens.
    Form,
    /// More than 253 bytes, or a label of more than 63 (RFC 1035 section 2.3.4).
    TooLong,
    /// A wildcard where one host is asked for.
    Wildcard,
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a host such as api.example.com or *.example.com, without a port",
            Self::TooLong => "a host has at most 253 bytes, and 63 between its dots",
            Self::Wildcard => "must be one host, without *",
        })
    }
}

/// A host, exact or with a leading `*.`, in lower case.
pub(crate) fn parse(text: &str) -> Result<String, InvalidHost> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    if !name.split('.').all(is_label) {
        return Err(InvalidHost::Form);
    }
    if text.len() > 253 || name.split('.').any(|label| label.len() > 63) {
        return Err(InvalidHost::TooLong);
    }
    Ok(text.to_ascii_lowercase())
}

/// One host, in lower case.
pub(crate) fn parse_exact(text: &str) -> Result<String, InvalidHost> {
    if text.starts_with('*') {
        return Err(InvalidHost::Wildcard);
    }
    parse(text)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The narrower of two hosts, if one covers the other: an exact host within a wildcard, the longer
/// of two wildcards. `*.a.b` stands for one label or more in front of `a.b`, as in Gateway API.
pub(crate) fn common<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    if covers(one, other) {
        Some(other)
    } else if covers(other, one) {
        Some(one)
    } else {
        None
    }
}

/// Whether every host of `narrow` is one of `wide`.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    if wide == ANY || wide == narrow {
        return true;
    }
    wide.strip_prefix('*')
        .is_some_and(|suffix| narrow.len() > suffix.len() && narrow.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_labels_of_letters_digits_and_inner_hyphens() {
        let rows = [
            ("exact", "api.example.com", Ok("api.example.com")),
            ("upper case", "API.Example.com", Ok("api.example.com")),
            ("wildcard", "*.example.com", Ok("*.example.com")),
            ("one label", "localhost", Ok("localhost")),
            ("address", "127.0.0.1", Ok("127.0.0.1")),
            ("star alone", "*", Err(InvalidHost::Form)),
            ("inner star", "a.*.com", Err(InvalidHost::Form)),
            ("half a star", "*a.com", Err(InvalidHost::Form)),
            ("port", "a.com:80", Err(InvalidHost::Form)),
            ("trailing dot", "a.com.", Err(InvalidHost::Form)),
            ("empty", "", Err(InvalidHost::Form)),
            ("underscore", "a_b.com", Err(InvalidHost::Form)),
            ("non-ascii", "é.com", Err(InvalidHost::Form)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(parse(text), expected.map(String::from), "{name}");
        }
        assert_eq!(parse(&"a".repeat(64)), Err(InvalidHost::TooLong));
        assert_eq!(parse_exact("*.a.com"), Err(InvalidHost::Wildcard));
    }

    #[test]
    fn two_hosts_have_the_narrower_in_common() {
        let rows = [
            ("any and exact", "*", "a.com", Some("a.com")),
            ("any and any", "*", "*", Some("*")),
            ("same", "a.com", "a.com", Some("a.com")),
            ("different", "a.com", "b.com", None),
            ("exact within", "*.com", "x.a.com", Some("x.a.com")),
            ("apex is outside", "*.a.com", "a.com", None),
            ("suffix without dot", "*.a.com", "xa.com", None),
            ("narrower wildcard", "*.com", "*.a.com", Some("*.a.com")),
            ("apart", "*.a.com", "*.b.com", None),
        ];
        for (name, one, other, expected) in rows {
            assert_eq!(common(one, other), expected, "{name}");
            assert_eq!(common(other, one), expected, "{name} turned round");
        }
    }
}
