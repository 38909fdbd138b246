//! Watch: what the API server holds, as changes.
//!
//! In: lists and watches of every kind that compile reads. Out: batches of changes, in order, and
//! what status needs to know of each object. An object that can't be decoded is refused on its own;
//! a list that shrinks without deletes is held. Nothing is compiled here.

use tollgate_compile::{Change, ObjectRef};

/// What status needs to know of an object that users write.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Its status, as the API server has it.
    pub status: serde_json::Value,
    /// For an ApiRoute, the gateways that it names, `(namespace, name)`; readable or not.
    pub gateways: Vec<tollgate_snapshot::ObjectName>,
}

/// Changes that come together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Objects of our own kinds among them; `None`: gone.
    pub seen: Vec<(ObjectRef, Option<Seen>)>,
    /// The highest resourceVersion seen so far; 0: none that is a number.
    pub resource_version: u64,
    /// Whether every kind that exists has been listed once.
    pub listed: bool,
}
