//! Manifests as text, to the changes that they make: through the reader that the proxy uses.
//!
//! In: YAML documents. Out: one change for each document of a kind that compile reads. Text that is
//! no YAML makes no changes; a document that does not fit its schema is refused.

use serde_json::Value;
use tollgate_compile::Change;
use tollgate_proxy::config::directory::document;

/// The changes that a text makes.
pub fn changes(yaml: &str) -> Vec<Change> {
    document::changes(yaml)
        .map(|(changes, _)| changes)
        .unwrap_or_default()
}

/// The change that one document makes; nothing if it is of no kind that compile reads.
pub fn change(manifest: &Value) -> Option<Change> {
    changes(&manifest.to_string()).pop()
}
