//! What a proxy has when it dials.

use std::collections::BTreeMap;

use tollgate_snapshot::{
    Hash, Root,
    wire::{self, EntryHash},
};

use super::{Ended, Known};

/// What the proxy has. With anything in it that this program does not know (it may be older than
/// the proxy), or another root hash than that of its entries, all entries have to be sent.
pub(super) fn known(root: Option<Hash>, have: Vec<EntryHash>) -> Result<Known, Ended> {
    let Some(root) = root else {
        return Ok(Known::Nothing);
    };
    let mut hashes = BTreeMap::new();
    for entry in have {
        let Ok(id) = wire::unit_id(entry.id) else {
            return Ok(Known::Nothing);
        };
        let hash = wire::hash(&id, &entry.hash)
            .map_err(|error| Ended::Garbage(format!("hello: have: {error}")))?;
        hashes.insert(id, hash);
    }
    Ok(match Root::hash_of(&hashes) == root {
        true => Known::Hashes(hashes),
        false => Known::Nothing,
    })
}
