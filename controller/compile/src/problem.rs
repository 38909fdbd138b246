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
    /// A gateway that a route names does not exist.
    GatewayNotFound,
    /// A backend that a rule names, or its port, does not exist. The rule is closed.
    BackendNotFound,
    /// A backend exists but can't be used. The rule is closed.
    BackendUnusable,
    /// An older rule takes the same requests.
    Shadowed,
    /// What an object needs to know of another can't be read, because that one is refused. The
    /// object is held, so that a slip in one place takes nothing down in another.
    ReferenceHeld,
    /// A field has no effect.
    Ignored,
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
    /// The machine name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::Unsupported => "Unsupported",
            Self::Duplicate => "Duplicate",
            Self::NotAllowedByGateway => "NotAllowedByGateway",
            Self::NoSuchListener => "NoSuchListener",
            Self::NoMatchingHostname => "NoMatchingHostname",
            Self::GatewayNotFound => "GatewayNotFound",
            Self::BackendNotFound => "BackendNotFound",
            Self::BackendUnusable => "BackendUnusable",
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
            | Self::GatewayNotFound
            | Self::BackendNotFound
            | Self::BackendUnusable
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
            | Self::GatewayNotFound
            | Self::BackendNotFound
            | Self::BackendUnusable
            | Self::Shadowed
            | Self::Ignored => false,
        }
    }
}
