//! The contract between `compile` and the proxy: units, their hashes, the canonical form of a
//! path, and the header fields of a connection.
//!
//! A unit is one source object compiled: plain data, comparable, content-hashed. Its payload is
//! JSON with a fixed order of fields and sorted maps, so that equal input has an equal hash, and
//! unknown fields are skipped, so that versions N and N-1 can read each other. Nothing here does
//! I/O, and no secret enters a unit but as a hash.
//!
//! Reading order: the unit, then its payloads in the order in which a request meets them.

pub mod unit;

pub mod gateway;
pub mod route;

pub mod integrate;

pub mod endpoints;
pub mod function;

pub mod header;
pub mod path;

pub use unit::{Hash, ObjectName, Payload, Unit, UnitChange, UnitId, UnitKind, root_hash};
