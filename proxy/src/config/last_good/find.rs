//! What to start with: the newest saved snapshot that can be read and did not crash this program.
//!
//! In: a folder of generations, the bootstrap copy, the marks. Out: a snapshot or none; what is not
//! used is said, and why.

use std::path::Path;

use tollgate_snapshot::{
    Hash, ObjectName, Root,
    saved::{self, Saved, SealKey},
};

use super::{Origin, Store, bootstrap, generations, marks::Marks};

/// A snapshot to start with.
#[derive(Debug)]
pub struct Found {
    /// The snapshot.
    pub saved: Saved,
    /// Its root hash.
    pub root: Hash,
    /// Where it was.
    pub origin: Origin,
}

/// Looks for a snapshot to start with, and says in the marks what was rolled back.
pub(super) fn find(store: &Store, marks: &mut Marks) -> Option<Found> {
    let suspects = marks.suspects();
    let (mut suspected, mut chosen) = (Vec::new(), None);
    for origin in origins(store) {
        let Some(found) = read(store, origin) else {
            continue;
        };
        if !suspects.contains(&found.root) {
            chosen = Some(found);
            break;
        }
        suspected.push(found);
    }
    if suspects.is_empty() {
        return chosen;
    }
    if chosen.is_none() {
        for root in &suspects {
            tracing::error!(%root, "the proxy crashed twice after this snapshot, and has no other");
        }
        marks.roll_back(Vec::new());
        return suspected.into_iter().next();
    }
    for root in &suspects {
        tracing::error!(%root, "rolled back: the proxy crashed twice after this snapshot");
    }
    forget(store, &suspected);
    marks.roll_back(suspects);
    chosen
}

/// Removes the generations that are rolled back: no later start has to read them.
fn forget(store: &Store, suspected: &[Found]) {
    let generations: Vec<_> = suspected
        .iter()
        .filter_map(|found| match found.origin {
            Origin::LastGood(generation) => Some(generation),
            Origin::Bootstrap => None,
        })
        .collect();
    if let Some(dir) = &store.cache {
        generations::remove(dir, &generations);
    }
}

/// Where snapshots are, the newest first.
fn origins(store: &Store) -> Vec<Origin> {
    let listed = store.cache.as_deref().map(generations::list);
    let generations = listed.unwrap_or_else(|| Ok(Vec::new()));
    let generations = generations.unwrap_or_else(|error| {
        let dir = store
            .cache
            .as_deref()
            .unwrap_or_else(|| Path::new(""))
            .display();
        tracing::warn!(%dir, %error, "saved snapshots can't be listed");
        Vec::new()
    });
    let generations = generations.into_iter().rev().map(Origin::LastGood);
    let bootstrap = store.bootstrap.is_some().then_some(Origin::Bootstrap);
    generations.chain(bootstrap).collect()
}

/// Reads the bootstrap copy, which may have come after the start.
pub(super) fn bootstrap_copy(store: &Store) -> Option<Found> {
    store.bootstrap.as_ref()?;
    read(store, Origin::Bootstrap)
}

fn read(store: &Store, origin: Origin) -> Option<Found> {
    let file = match (origin, &store.cache, &store.bootstrap) {
        (Origin::LastGood(generation), Some(dir), _) => {
            let path = generations::path(dir, generation);
            let file = generations::read(&path).map(Some);
            file.map_err(|error| error.to_string())
        }
        (Origin::Bootstrap, _, Some(dir)) => bootstrap::read(dir),
        (Origin::LastGood(_) | Origin::Bootstrap, _, _) => Ok(None),
    };
    let saved = file.and_then(|file| {
        let saved = file.map(|file| parse(&file, store.key.as_deref(), &store.gateway));
        saved.transpose()
    });
    match saved {
        Ok(saved) => saved.map(|saved| Found {
            root: root(&saved),
            saved,
            origin,
        }),
        Err(why) => {
            tracing::warn!(snapshot = %origin, %why, "a saved snapshot is not used");
            None
        }
    }
}

fn parse(file: &[u8], key: Option<&SealKey>, gateway: &ObjectName) -> Result<Saved, String> {
    let saved = saved::read(file, key).map_err(|error| error.to_string())?;
    if saved.gateway != *gateway {
        return Err(format!("it is of gateway {}", saved.gateway));
    }
    Ok(saved)
}

fn root(saved: &Saved) -> Hash {
    let entries = saved.entries.iter();
    Root::hash_of(entries.map(|entry| (&entry.id, &entry.wanted)))
}
