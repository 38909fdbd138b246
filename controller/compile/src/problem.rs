//! What is wrong with one object, said to the person who wrote it.
//!
//! In: an object, a field of it, a reason. Out: one line of text and the reason's machine name,
//! which is also the reason of a condition in the object's status.

use std::fmt;

use crate::object::ObjectRef;

/// Something wrong with one object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Problem {
    /// The object at fault.
    pub object: ObjectRef,
    /// Path of the field at fault, such as `spec.rules[2].match[0].path`; empty: the whole object.
    pub field: String,
    /// What kind of fault.
    pub reason: Reason,
    /// What is wrong, in words: lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    /// `Kind namespace/name: field: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.object)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// A field is not of the form that its kind asks for. The object is held.
    Invalid,
    /// The object asks for something that this version does not do. The object is held.
    Unsupported,
    /// Two parts of the object have the same name or the same place. The object is held.
    Duplicate,
    /// A gateway that a route names does not admit its namespace.
    NotAllowedByGateway,
    /// A listener that a route names does not exist.
    NoSuchListener,
    /// A route's hosts and a gateway's have none in common.
    NoMatchingHostname,
    /// A gateway that a route names does not let its namespace claim one of its hosts. The route is
    /// served there under the others.
    HostnameNotAllowed,
    /// A gateway that a route names does not exist.
    GatewayNotFound,
    /// A backend that a rule names, or its port, does not exist. The rule is closed.
    BackendNotFound,
    /// A backend exists but can't be used. The rule is closed.
    BackendUnusable,
    /// A backend is in another namespace, which has no ReferenceGrant for it. The rule is closed.
    RefNotPermitted,
    /// An older rule takes the same requests.
    Shadowed,
    /// What an object needs to know of another can't be read, because that one is refused. The
    /// object is held, so that a slip in one place takes nothing down in another.
    ReferenceHeld,
    /// A field has no effect.
    Ignored,
}

/// A condition in the status of an object, which a fault makes false.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Condition {
    /// Whether the object says what it should, to gateways that take it.
    Accepted,
    /// Whether all that the object names exists, and may be used by it.
    ResolvedRefs,
}

impl Condition {
    /// The type of the condition, as status writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
        }
    }
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// Something that the object asks for is not served.
    Problem,
    /// The object is served as it asks, and still its author should know.
    Warning,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Invalid,
        Self::Unsupported,
        Self::Duplicate,
        Self::NotAllowedByGateway,
        Self::NoSuchListener,
        Self::NoMatchingHostname,
        Self::HostnameNotAllowed,
        Self::GatewayNotFound,
        Self::BackendNotFound,
        Self::BackendUnusable,
        Self::RefNotPermitted,
        Self::Shadowed,
        Self::ReferenceHeld,
        Self::Ignored,
    ];

    /// The machine name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::Unsupported => "Unsupported",
            Self::Duplicate => "Duplicate",
            Self::NotAllowedByGateway => "NotAllowedByGateway",
            Self::NoSuchListener => "NoSuchListener",
            Self::NoMatchingHostname => "NoMatchingHostname",
            Self::HostnameNotAllowed => "HostnameNotAllowed",
            Self::GatewayNotFound => "GatewayNotFound",
            Self::BackendNotFound => "BackendNotFound",
            Self::BackendUnusable => "BackendUnusable",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::Shadowed => "Shadowed",
            Self::ReferenceHeld => "ReferenceHeld",
            Self::Ignored => "Ignored",
        }
    }

    /// What follows from it.
    pub fn severity(self) -> Severity {
        match self {
            Self::Invalid
            | Self::Unsupported
            | Self::Duplicate
            | Self::NotAllowedByGateway
            | Self::NoSuchListener
            | Self::NoMatchingHostname
            | Self::HostnameNotAllowed
            | Self::GatewayNotFound
            | Self::BackendNotFound
            | Self::BackendUnusable
            | Self::RefNotPermitted
            | Self::ReferenceHeld => Severity::Problem,
            Self::Shadowed | Self::Ignored => Severity::Warning,
        }
    }

    /// Whether an object with such a fault is held: what it was before goes on.
    pub fn holds(self) -> bool {
        match self {
            Self::Invalid | Self::Unsupported | Self::Duplicate | Self::ReferenceHeld => true,
            Self::NotAllowedByGateway
            | Self::NoSuchListener
            | Self::NoMatchingHostname
            | Self::HostnameNotAllowed
            | Self::GatewayNotFound
            | Self::BackendNotFound
            | Self::BackendUnusable
            | Self::RefNotPermitted
            | Self::Shadowed
            | Self::Ignored => false,
        }
    }

    /// The condition that it makes false; none: it is a warning.
    pub fn condition(self) -> Option<Condition> {
        match self {
            Self::Invalid
            | Self::Unsupported
            | Self::Duplicate
            | Self::NotAllowedByGateway
            | Self::NoSuchListener
            | Self::NoMatchingHostname
            | Self::HostnameNotAllowed => Some(Condition::Accepted),
            Self::GatewayNotFound
            | Self::BackendNotFound
            | Self::BackendUnusable
            | Self::RefNotPermitted
            | Self::ReferenceHeld => Some(Condition::ResolvedRefs),
            Self::Shadowed | Self::Ignored => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_among_all_and_has_a_name_of_its_own() {
        let last = Reason::Ignored as usize;
        assert_eq!(Reason::ALL.len(), last + 1);
        assert!(Reason::ALL.is_sorted());
        let names: BTreeSet<_> = Reason::ALL.map(Reason::as_str).into();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn what_is_not_served_makes_a_condition_false_and_a_warning_none() {
        for reason in Reason::ALL {
            let serious = reason.severity() == Severity::Problem;
            assert_eq!(reason.condition().is_some(), serious, "{reason:?}");
            assert!(serious || !reason.holds(), "{reason:?}");
        }
    }
}
