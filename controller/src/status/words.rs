//! The words that status uses: the types of conditions, and the reasons that are not compile's.
//!
//! In: nothing. Out: closed lists. `docs/operations.md` explains each of them, and a test holds the
//! page against the lists.

/// The conditions that are written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ConditionType {
    /// The object says what it should, to gateways that take it.
    Accepted,
    /// All that the object names exists, and may be used by it.
    ResolvedRefs,
    /// Every ready proxy concerned runs this generation of the object.
    Programmed,
    /// All three.
    Ready,
    /// Nothing but an edit of the object can make it ready. Only there while true.
    Stalled,
    /// A gateway's operator does not believe what the API server lists. Only there while true.
    Degraded,
}

impl ConditionType {
    /// Every type, in the order in which they are written.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::ResolvedRefs,
        Self::Programmed,
        Self::Ready,
        Self::Stalled,
        Self::Degraded,
    ];

    /// The type as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Programmed => "Programmed",
            Self::Ready => "Ready",
            Self::Stalled => "Stalled",
            Self::Degraded => "Degraded",
        }
    }
}

/// The reasons that are not faults which compile finds; the further down, the worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Word {
    /// `Accepted` is true.
    Accepted,
    /// `ResolvedRefs` is true.
    ResolvedRefs,
    /// `Ready` is true.
    Ready,
    /// `Programmed` is true: no gateway uses the object.
    NotReferenced,
    /// `Programmed` is true.
    Programmed,
    /// Not every ready proxy runs this generation yet.
    Pending,
    /// A gateway has no ready proxy.
    NoProxies,
    /// A gateway that the route names does not serve it.
    NotAttached,
    /// The object is refused, and proxies run its last good version.
    HeldAtLastGood,
    /// The object is refused, and a proxy has no version of it that is good.
    HeldWithoutLastGood,
    /// A proxy refuses all that is new, this object's among it.
    Refused,
    /// A proxy can't run it.
    Rejected,
    /// Lists of the API server are held.
    ListHeld,
}

impl Word {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::Accepted,
        Self::ResolvedRefs,
        Self::Ready,
        Self::NotReferenced,
        Self::Programmed,
        Self::Pending,
        Self::NoProxies,
        Self::NotAttached,
        Self::HeldAtLastGood,
        Self::HeldWithoutLastGood,
        Self::Refused,
        Self::Rejected,
        Self::ListHeld,
    ];

    /// The reason as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Ready => "Ready",
            Self::NotReferenced => "NotReferenced",
            Self::Programmed => "Programmed",
            Self::Pending => "Pending",
            Self::NoProxies => "NoProxies",
            Self::NotAttached => "NotAttached",
            Self::HeldAtLastGood => "HeldAtLastGood",
            Self::HeldWithoutLastGood => "HeldWithoutLastGood",
            Self::Refused => "Refused",
            Self::Rejected => "Rejected",
            Self::ListHeld => "ListHeld",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_among_all() {
        assert_eq!(
            ConditionType::ALL.len(),
            ConditionType::Degraded as usize + 1
        );
        assert_eq!(Word::ALL.len(), Word::ListHeld as usize + 1);
        assert!(ConditionType::ALL.is_sorted() && Word::ALL.is_sorted());
    }
}
