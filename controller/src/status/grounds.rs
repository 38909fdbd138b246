//! Grounds: all that a status is judged by, gathered for one object.

use std::sync::Arc;

use tollgate_compile::{Kind, Problem};
use tollgate_snapshot::{ObjectName, UnitId};

use crate::watch::Held;

/// What an object's status is judged by.
#[derive(Clone, Debug)]
pub(super) struct Grounds<'a> {
    /// Its kind.
    pub(super) kind: Kind,
    /// Its namespace.
    pub(super) namespace: Arc<str>,
    /// Its generation.
    pub(super) generation: i64,
    /// What is wrong with it.
    pub(super) problems: &'a [Problem],
    /// The gateways that an ApiRoute names, in its order.
    pub(super) named: &'a [ObjectName],
    /// How it stands at each gateway that it names or that has it.
    pub(super) places: Vec<Place<'a>>,
    /// An ApiGateway's addresses.
    pub(super) addresses: &'a [String],
    /// All that is held though the API server no longer lists it.
    pub(super) held: &'a [Held],
}

/// How an object stands at one gateway.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// The gateway.
    pub(super) gateway: ObjectName,
    /// Whether the object is among what the gateway's proxies are to run.
    pub(super) served: bool,
    /// How each ready proxy of the gateway stands to it.
    pub(super) stages: Vec<Stage<'a>>,
}

/// How a ready proxy stands to what it is to run of an object; the further down, the worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage<'a> {
    /// It runs that.
    Running,
    /// It runs something else or nothing, as far as is known.
    Behind,
    /// The object is refused, and it goes on with the last good version.
    HeldAtLastGood,
    /// The object is refused, and it has no good version.
    HeldWithoutLastGood,
    /// It refuses all that is new, and why.
    Refused(&'a str),
    /// It can't run that.
    Rejected {
        /// What it can't run, if not the object itself.
        part: Option<&'a UnitId>,
        /// Why.
        why: &'a str,
    },
}

impl Place<'_> {
    /// How many ready proxies run it.
    pub(super) fn acked(&self) -> usize {
        let stages = self.stages.iter();
        stages.filter(|stage| **stage == Stage::Running).count()
    }
}
