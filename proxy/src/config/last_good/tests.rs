//! What is kept, when, and what a start finds.

use std::{fs, sync::Arc, time::Instant};

use tollgate_snapshot::{Entry, saved};
use tollgate_snapshot::{Function, Hash, Payload, Unit, saved::SavedEntry};

use super::*;
use crate::{active::Active, config::holding::Holding};

fn store(cache: &std::path::Path) -> Store {
    Store {
        gateway: ObjectName::new("shop", "public"),
        cache: Some(cache.to_owned()),
        bootstrap: None,
        key: None,
    }
}

/// A holding of one function with this timeout.
fn holding(timeout_ms: u64) -> Holding {
    let payload = Payload::Function(Function {
        timeout_ms,
        ..Function::default()
    });
    let unit = Unit::new(ObjectName::new("shop", "f"), payload).unwrap();
    Holding::restore(saved::Saved {
        gateway: ObjectName::new("shop", "public"),
        version: String::new(),
        resource_version: timeout_ms,
        entries: vec![SavedEntry::of(&unit.id.clone(), &Entry::Unit(unit))],
    })
    .0
}

fn shot(timeout_ms: u64) -> Shot {
    Shot {
        holding: holding(timeout_ms),
        active: Arc::new(Active::default()),
        since: Instant::now(),
    }
}

fn root(timeout_ms: u64) -> Hash {
    holding(timeout_ms).root().unwrap()
}

#[tokio::test]
async fn the_newest_is_kept_and_what_came_between_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(store(folder.path()), None);
    for version in 1..=50 {
        keeper.keep(shot(version));
    }
    keeper.stop().await;
    let (found, _) = store(folder.path()).open();
    assert_eq!(found.unwrap().root, root(50));
    assert_eq!(generations::list(folder.path()).unwrap(), [0]);
}

#[tokio::test]
async fn what_is_kept_already_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start(store(folder.path()), None);
    keeper.keep(shot(1));
    keeper.stop().await;
    let (found, _) = store(folder.path()).open();
    let keeper = Keeper::start(store(folder.path()), found.as_ref());
    assert_eq!(*keeper.persisted().borrow(), Persisted::Generation(0));
    keeper.keep(shot(1));
    keeper.stop().await;
    assert_eq!(generations::list(folder.path()).unwrap(), [0]);
}

#[tokio::test]
async fn nothing_is_kept_without_a_folder() {
    let nowhere = Store {
        cache: None,
        ..store(std::path::Path::new("/nonexistent"))
    };
    let keeper = Keeper::start(nowhere.clone(), None);
    keeper.keep(shot(1));
    keeper.stop().await;
    assert!(nowhere.open().0.is_none());
}

#[tokio::test]
async fn an_end_does_not_wait_for_a_disk_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let keeper = Keeper::start(store(&file), None);
    let mut persisted = keeper.persisted();
    keeper.keep(shot(1));
    persisted.changed().await.unwrap();
    assert!(matches!(*persisted.borrow(), Persisted::Failed(_)));
    keeper.stop().await;
}

#[test]
fn the_key_is_not_shown() {
    let key = SealKey::new(&[7; 32]).unwrap();
    let store = Store {
        key: Some(Arc::new(key)),
        ..store(std::path::Path::new("/cache"))
    };
    let shown = format!("{store:?}");
    assert!(
        shown.contains("is_sealed: true") && !shown.contains('7'),
        "{shown}"
    );
}

#[tokio::test]
async fn two_faulty_generations_are_rolled_back_over() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..=3 {
        let keeper = Keeper::start(store(folder.path()), None);
        keeper.keep(shot(version));
        keeper.stop().await;
    }
    for bad in [3, 2] {
        for _ in 0..2 {
            let (found, mut marks) = store(folder.path()).open();
            assert_eq!(found.as_ref().unwrap().root, root(bad));
            // It crashes.
            marks.attempt(found.unwrap().root);
        }
    }
    let (found, marks) = store(folder.path()).open();
    assert_eq!(found.unwrap().root, root(1));
    let mut expected = vec![root(2), root(3)];
    expected.sort();
    assert_eq!(marks.rolled_back(), expected);
}
