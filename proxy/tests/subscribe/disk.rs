//! A disk that is damaged, full or not to be written.

use std::{fs, path::Path};

use tollgate_snapshot::{
    ObjectName,
    saved::{self, SealKey},
};

use crate::{
    start::{left_with, with_small_files},
    support::{
        controlled,
        controller::Controller,
        units::{public, route, set},
    },
};

fn key(byte: u8) -> SealKey {
    SealKey::new(&[byte; 32]).unwrap()
}

/// Writes a kept snapshot anew, with something changed.
fn rewrite(file: &Path, change: impl FnOnce(&mut saved::Saved), with: Option<&SealKey>) {
    let mut saved = saved::read(&fs::read(file).unwrap(), Some(&key(7))).unwrap();
    change(&mut saved);
    fs::write(file, saved::write(&saved, with).unwrap()).unwrap();
}

fn edit(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_snapshot_that_cannot_be_trusted_is_named_and_the_one_before_is_served() {
    type Spoil = fn(&Path);
    let rows: [(&str, Spoil, &str); 8] = [
        (
            "truncated",
            |file| edit(file, |bytes| bytes.truncate(bytes.len() / 2)),
            "damaged",
        ),
        (
            "empty",
            |file| edit(file, Vec::clear),
            "not a saved snapshot",
        ),
        (
            "a bit flipped",
            |file| {
                edit(file, |bytes| {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                });
            },
            "damaged",
        ),
        (
            "of another format",
            |file| edit(file, |bytes| bytes[8] = 9),
            "format 9",
        ),
        (
            "of another gateway",
            |file| {
                let change = |saved: &mut saved::Saved| {
                    saved.gateway = ObjectName::new("shop", "internal");
                };
                rewrite(file, change, Some(&key(7)));
            },
            "it is of gateway shop/internal",
        ),
        (
            "another key",
            |file| rewrite(file, |_| {}, Some(&key(8))),
            "another key",
        ),
        (
            "not sealed",
            |file| rewrite(file, |_| {}, None),
            "not sealed",
        ),
        (
            "a folder",
            |file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            },
            "directory",
        ),
    ];
    let before = set(&[public(), route("a", "one")], 7);
    let newest = set(&[public(), route("a", "two")], 8);
    let (place, _, _) = left_with(&[before, newest]);
    let files = place.generations();
    let file = files.last().unwrap();
    let good = fs::read(file).unwrap();
    for (name, spoil, why) in rows {
        fs::write(file, &good).unwrap();
        spoil(file);
        let mut proxy = place.start();
        let line = proxy.says("a saved snapshot is not used");
        assert!(line.contains(why), "{name}: {line}");
        assert!(line.contains("snapshot-1"), "{name}: {line}");
        assert_eq!(proxy.get("/a"), (200, "one".to_owned()), "{name}");
        proxy.stop();
    }
}

#[test]
fn only_three_generations_are_kept_and_they_are_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let sets: Vec<_> = (0..5)
        .map(|n| set(&[public(), route("a", &n.to_string())], n))
        .collect();
    let (place, _, _) = left_with(&sets);
    let files = place.generations();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in &files {
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let mut proxy = place.start();
    assert_eq!(proxy.get("/a"), (200, "4".to_owned()));
}

#[test]
fn a_folder_that_cannot_be_written_costs_a_warning_and_nothing_else() {
    let (controller, place) = controlled();
    fs::write(place.cache(), "a file in its place").unwrap();
    let mut proxy = place.start();
    let stream = controller.stream();
    let first = set(&[public(), route("a", "one")], 7);
    stream.run(1, &first, None);
    proxy.says("the snapshot can't be kept on disk");
    let source = proxy.source_until(|source| !source["kept"].is_null());
    assert!(
        source["kept"].as_str().unwrap().starts_with("failed: "),
        "{source}"
    );
    assert!(
        proxy
            .metrics()
            .contains("tollgate_snapshot_persist_failed 1")
    );
    let second = set(&[public(), route("a", "two")], 8);
    stream.run(2, &second, Some(&first));
    assert_eq!(proxy.get("/a"), (200, "two".to_owned()));

    // It is tried again by itself.
    fs::remove_file(place.cache()).unwrap();
    proxy.says("snapshots are kept on disk again");
    proxy.source_until(|source| source["kept"] == "snapshot-0");
    assert!(
        proxy
            .metrics()
            .contains("tollgate_snapshot_persist_failed 0")
    );
    let said = proxy.stop();
    let warned = said.matches("the snapshot can't be kept on disk").count();
    assert_eq!(warned, 1, "{said}");
}

#[test]
fn a_full_disk_costs_the_newest_generation_alone() {
    let before = set(&[public(), route("a", "one")], 7);
    let (place, ca, port) = left_with(&[before]);
    let controller = Controller::start_at(&ca, &port);
    let mut proxy = with_small_files(&place, 1);
    let stream = controller.stream();
    // More than a block, even packed: every route is another.
    let many = (0..200).map(|n| route(&format!("r{n}"), &format!("{:x}", n * 7919)));
    let routes: Vec<_> = many.chain([public(), route("a", "two")]).collect();
    stream.run(1, &set(&routes, 8), None);
    proxy.says("the snapshot can't be kept on disk");
    assert_eq!(proxy.get("/a"), (200, "two".to_owned()));
    drop((stream, controller));
    proxy.stop();
    assert_eq!(place.generations().len(), 1);
    let unfinished = fs::read_dir(place.cache()).unwrap();
    let unfinished = unfinished.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with("snapshot-1")
    });
    assert_eq!(unfinished.count(), 0);
    let mut proxy = place.start();
    assert_eq!(proxy.get("/a"), (200, "one".to_owned()));
}
