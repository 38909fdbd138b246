//! Manifests as text, to the changes that they make.
//!
//! In: YAML documents. Out: one change for each document of a kind that compile reads. Text that is
//! no YAML makes no changes; a document that does not decode is refused.

use serde_json::Value;
use tollgate_compile::{Change, Kind, Object, ObjectRef, Problem, Reason};

/// The changes that a text makes.
pub fn changes(yaml: &str) -> Vec<Change> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap_or_default();
    documents.into_iter().filter_map(change).collect()
}

/// The change that one document makes; nothing if it is of no kind that compile reads.
pub fn change(mut manifest: Value) -> Option<Change> {
    let kind = manifest.get("kind")?.as_str()?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let metadata = manifest.get_mut("metadata")?.as_object_mut()?;
    let namespace = metadata.entry("namespace").or_insert("default".into());
    let namespace = namespace.as_str()?.to_owned();
    let name = metadata.get("name")?.as_str()?.to_owned();
    let object = ObjectRef::new(kind, &namespace, &name);
    Some(match Object::decode(kind, manifest.clone()) {
        Ok(read) => Change::Put(read),
        Err(invalid) => Change::Refuse {
            problems: vec![Problem {
                object: object.clone(),
                field: String::new(),
                reason: Reason::Invalid,
                message: invalid.to_string(),
            }],
            object,
            manifest,
        },
    })
}
