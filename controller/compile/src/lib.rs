//! Pure lowering: the objects that users write to the units that proxies run.
//!
//! In: changes to objects. Out: changes to units, and the problems of every object. There is no I/O
//! here, no clock and no randomness: the same objects give the same units, whatever the order in
//! which they came. Compile never fails: an object that it refuses is held, a rule that lacks what
//! it names is closed, and both are said in a [`Problem`].
//!
//! ```text
//! Change ──> Resources ──> gateway, route (integrate), function, endpoints ──> Delta
//! ```

pub mod object;
pub mod problem;

mod compiler;
mod findings;
mod resources;

mod admission;
mod gateway;
mod hosts;
mod selector;

mod attach;
mod hold;
mod route;
mod shadow;
mod template;

mod grant;
mod header;
mod integrate;
mod url;

mod endpoints;
mod function;

mod value;

use std::collections::BTreeMap;

pub use compiler::Compiler;
pub use object::{Change, Kind, Object, ObjectRef};
pub use problem::{Condition, Problem, Reason, Severity};
use tollgate_snapshot::{Unit, UnitChange, UnitId};

/// How one unit stands after its object was compiled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Run this.
    Unit(Unit),
    /// The object is refused: go on with the unit that you have. If you have none, run the
    /// stand-in, which answers 503 on the object's well-formed hosts and base path.
    Held {
        /// What to run without an older version, if anything.
        stand_in: Option<Unit>,
    },
}

/// What some changes made different.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Delta {
    /// Units that are new, different, newly held or (`None`) gone.
    pub units: BTreeMap<UnitId, Option<Standing>>,
    /// All problems of the objects whose problems changed; none left: an empty list.
    pub problems: BTreeMap<ObjectRef, Vec<Problem>>,
}

impl Delta {
    /// Takes the changes of units out, as those who run units take them.
    pub fn take_changes(&mut self) -> Vec<UnitChange> {
        let units = std::mem::take(&mut self.units).into_iter();
        let change = |(id, standing)| match standing {
            Some(Standing::Unit(unit)) => UnitChange::Put(unit),
            Some(Standing::Held { stand_in }) => UnitChange::Hold { id, stand_in },
            None => UnitChange::Remove(id),
        };
        units.map(change).collect()
    }
}

/// All that some objects compile to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Compiled {
    /// Units to run.
    pub units: BTreeMap<UnitId, Unit>,
    /// Units of refused objects: an older version goes on; where there is none, the stand-in.
    pub held: BTreeMap<UnitId, Option<Unit>>,
    /// Objects with problems, in the order in which their fields are read, overlaps last.
    pub problems: BTreeMap<ObjectRef, Vec<Problem>>,
}

/// Compiles objects from scratch.
pub fn compile(changes: impl IntoIterator<Item = Change>) -> Compiled {
    let mut compiler = Compiler::default();
    compiler.apply_all(changes);
    compiler.compiled()
}
