//! The contract between controller and proxy: units and their sets, how these travel and are kept,
//! and what both must read alike: the canonical form of a path, and the hop-by-hop header fields.
//!
//! A unit is one source object compiled: plain data, comparable, content-hashed. Its payload is
//! JSON with a fixed order of fields and sorted maps, so that equal input has an equal hash, and
//! unknown fields are skipped, so that versions N and N-1 can read each other. Nothing here does
//! I/O. A secret in a unit is never shown, and a set is sealed where it is kept.
//!
//! Reading order: the unit, then its payloads in the order in which a request meets them; then the
//! set of all units of a gateway, and how it travels and is kept.

pub mod unit;

pub mod gateway;
pub mod route;

pub mod integrate;

pub mod endpoints;
pub mod function;

pub mod header;
pub mod path;

pub mod root;
pub mod set;

pub mod saved;
pub mod wire;

pub use function::Function;
pub use root::Root;
pub use set::{Entry, UnitSet};
pub use unit::{Hash, ObjectName, Payload, Unit, UnitChange, UnitId, UnitKind};
