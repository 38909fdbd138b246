//! Rules that a schema cannot say, in CEL, with the message that the user sees.
//!
//! In: nothing. Out: rules for the fields that share them. The API server evaluates them; where it
//! does not, standalone and for objects from before a rule, `compile` says the same. The costs are
//! bounded: every text, list and map that a rule looks at has a largest size.

use kube::core::Rule;

/// A timeout of a request or a call. What is no duration at all breaks the pattern of the field.
pub(crate) fn timeout() -> Rule {
    Rule::new(
        "!self.matches('^([0-9]+(h|m|s|ms))+$') || (duration(self) > duration('0s') && duration(self) <= duration('15m'))",
    )
    .message("must be above zero, at most 15m")
}

/// Any other time that must pass.
pub(crate) fn above_zero() -> Rule {
    Rule::new("!self.matches('^([0-9]+(h|m|s|ms))+$') || duration(self) > duration('0s')")
        .message("must be above zero")
}

/// A host's labels are at most 63 bytes long (RFC 1035 section 2.3.4).
pub(crate) fn host() -> Rule {
    Rule::new("!self.matches('[^.]{64}')").message("a host has at most 63 bytes between its dots")
}

/// The same for each of a list of hosts.
pub(crate) fn hosts() -> Rule {
    Rule::new("self.all(host, !host.matches('[^.]{64}'))")
        .message("a host has at most 63 bytes between its dots")
}

/// A path without parameters.
pub(crate) fn literal_path() -> Rule {
    Rule::new("self == '/' || self.matches('^(/[^/{}?]+)+/?$')").message(
        "segments with a slash in front of each, none empty, without parameters, { } and ?",
    )
}

/// A path without `.` and `..`, also escaped.
pub(crate) fn no_dots() -> Rule {
    Rule::new("!self.matches('/([.]|%2[eE]){1,2}(/|$)')").message("a . or .. segment")
}

/// A template: literals, `{name}`, at the end `{name+}`.
pub(crate) fn template() -> Rule {
    Rule::new(
        "self == '/' || self.matches('^(/([^/{}?]+|[{][A-Za-z_][A-Za-z0-9_.-]*[}]))*(/[{][A-Za-z_][A-Za-z0-9_.-]*[+][}])?/?$')",
    )
    .message("segments with a slash in front of each, none empty, without ?; a parameter is a whole segment, {name}, or the last one, {name+}")
}
