//! Pure lowering: the objects that users write to the units that proxies run.
//!
//! In: changes to objects. Out: changes to units, and the problems of every object. There is no I/O
//! here, no clock and no randomness: the same objects give the same units, whatever the order in
//! which they came. Compile never fails: an object that it refuses is held, a rule that lacks what it
//! names is closed, and both are said in a [`Problem`].
//!
//! ```text
//! Change ──> Resources ──> gateway, route (integrate), function, endpoints ──> Delta { units, held, problems }
//! ```

pub mod object;
pub mod problem;

mod header;
mod hosts;
mod template;
mod url;
mod value;

use std::collections::BTreeMap;

pub use object::{Change, Kind, Object, ObjectRef};
pub use problem::{Problem, Reason, Severity};
use tollgate_snapshot::{Unit, UnitId};

/// What compile says of one unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Run this.
    Unit(Unit),
    /// The object is refused: go on with the unit that you have. If you have none, run the stand-in,
    /// which answers 503 on the object's well-formed hosts and base path.
    Held {
        /// What to run without an older version, if anything.
        stand_in: Option<Unit>,
    },
}

/// What some changes made different.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Delta {
    /// Units that are new, different, newly held or (`None`) gone.
    pub units: BTreeMap<UnitId, Option<Verdict>>,
    /// All problems of the objects whose problems changed; none left: an empty list.
    pub problems: BTreeMap<ObjectRef, Vec<Problem>>,
}

/// Compiles, and remembers the objects so that an edit costs the edit.
#[derive(Debug, Default)]
pub struct Compiler {}

impl Compiler {
    /// Takes in a change and says what it made different.
    pub fn apply(&mut self, _change: Change) -> Delta {
        Delta::default()
    }
}
