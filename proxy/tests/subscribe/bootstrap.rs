//! A proxy that never ran, with the controller away: it starts from the operator's copy.

use std::{fs, path::Path};

use sha2::{Digest, Sha256};
use tollgate_snapshot::{
    UnitSet,
    saved::{self, Saved, SavedEntry, SealKey},
    wire::Boot,
};

use crate::{
    start::left_with,
    support::{
        controller::Controller,
        units::{gateway, public, route, set},
    },
};

/// Writes the copy as the mounted Secrets have it, in two parts.
fn write(dir: &Path, units: &UnitSet) {
    let entries = units.entries().iter();
    let saved = Saved {
        gateway: gateway(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resource_version: units.resource_version(),
        entries: entries
            .map(|(id, entry)| SavedEntry::of(id, entry))
            .collect(),
    };
    let whole = saved::write(&saved, Some(&SealKey::new(&[7; 32]).unwrap())).unwrap();
    let sum: String = Sha256::digest(&whole)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for (n, part) in whole.chunks(whole.len().div_ceil(2)).enumerate() {
        let secret = dir.join(n.to_string());
        fs::create_dir_all(&secret).unwrap();
        fs::write(secret.join("part"), part).unwrap();
        fs::write(secret.join("parts"), "2").unwrap();
        fs::write(secret.join("sum"), &sum).unwrap();
    }
}

#[test]
fn a_new_proxy_starts_from_the_copy() {
    let (place, ca, port) = left_with(&[]);
    let units = set(&[public(), route("a", "copied")], 7);
    write(&place.bootstrap(), &units);
    let mut proxy = place.start();
    assert_eq!(proxy.get("/a"), (200, "copied".to_owned()));
    assert_eq!(proxy.source()["from"], "bootstrap");
    assert!(proxy.is_ready());
    let controller = Controller::start_at(&ca, &port);
    let stream = controller.stream();
    assert_eq!(stream.hello.boot(), Boot::Bootstrap);
    assert_eq!(stream.hello.root, units.root().as_bytes());
}

#[test]
fn its_own_last_good_goes_before_the_copy() {
    let (place, _, _) = left_with(&[set(&[public(), route("a", "own")], 7)]);
    write(
        &place.bootstrap(),
        &set(&[public(), route("a", "copied")], 8),
    );
    let mut proxy = place.start();
    assert_eq!(proxy.get("/a"), (200, "own".to_owned()));
}

#[test]
fn a_copy_that_comes_or_is_mended_later_is_taken() {
    let (place, _, _) = left_with(&[]);
    let units = set(&[public(), route("a", "copied")], 7);
    write(&place.bootstrap(), &units);
    fs::write(place.bootstrap().join("1/part"), "of another snapshot").unwrap();
    let mut proxy = place.start();
    let line = proxy.says("a saved snapshot is not used");
    assert!(line.contains("their sum does not fit"), "{line}");
    assert!(!proxy.is_ready());
    write(&place.bootstrap(), &units);
    assert_eq!(proxy.get("/a"), (200, "copied".to_owned()));
}
