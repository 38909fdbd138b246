//! A start with the controller away.

use std::{fs, process::Command, slice, time::Instant};

use tollgate_snapshot::wire::{Boot, State};

use crate::support::{
    ca::Ca,
    controlled,
    controller::{Controller, Port},
    proxy::{Place, Proxy},
    units::{bad_route, public, route, set},
};

/// A place where a proxy ran this, and was stopped; no controller is there any more.
pub(crate) fn left_with(sets: &[tollgate_snapshot::UnitSet]) -> (Place, Ca, Port) {
    let ca = Ca::new();
    let controller = Controller::start(&ca);
    let place = Place::new(controller.url(), &ca);
    for units in sets {
        let proxy = place.start();
        let stream = controller.stream();
        stream.run(1, units, None);
        drop(stream);
        proxy.stop();
    }
    let port = controller.port.clone();
    (place, ca, port)
}

#[test]
fn a_proxy_starts_from_its_disk() {
    let units = set(&[public(), route("a", "one"), bad_route("b")], 7);
    let (place, ca, port) = left_with(slice::from_ref(&units));
    let mut proxy = place.start();
    assert_eq!(proxy.get("/a"), (200, "one".to_owned()));
    proxy.says("ready");
    assert!(proxy.is_ready());
    let source = proxy.source();
    assert_eq!(source["from"], "disk");
    assert_eq!(source["root"], units.root().to_string());
    assert_eq!(source["kept"], "snapshot-0");
    assert!(proxy.metrics().contains("source=\"disk\""));

    // It asks for the difference alone, and says what it holds.
    let controller = Controller::start_at(&ca, &port);
    let stream = controller.stream();
    assert_eq!(stream.hello.boot(), Boot::LastGood);
    assert_eq!(stream.hello.root, units.root().as_bytes());
    assert_eq!(stream.hello.resource_version, 7);
    assert_eq!(stream.have().len(), units.entries().len());
    let states: Vec<_> = stream
        .hello
        .exceptions
        .iter()
        .map(|v| (v.id.as_str(), v.state()))
        .collect();
    assert_eq!(states, [("route/shop/b", State::HeldWithoutLastGood)]);
    let next = set(&[public(), route("a", "other"), bad_route("b")], 8);
    stream.run(1, &next, Some(&units));
    assert_eq!(proxy.get("/a"), (200, "other".to_owned()));
}

#[test]
fn the_last_good_version_of_a_held_object_survives_a_restart() {
    let (controller, place) = controlled();
    let proxy = place.start();
    let stream = controller.stream();
    let good = set(&[public(), route("a", "one")], 7);
    stream.run(1, &good, None);
    let held = set(&[public(), bad_route("a")], 8);
    stream.run(2, &held, Some(&good));
    proxy.stop();
    let mut proxy = place.start();
    let stream = controller.stream();
    assert_eq!(proxy.get("/a"), (200, "one".to_owned()));
    assert_eq!(stream.hello.root, held.root().as_bytes());
    let [verdict] = &stream.hello.exceptions[..] else {
        panic!("{:?}", stream.hello)
    };
    assert_eq!(verdict.state(), State::HeldAtLastGood);
}

#[test]
fn a_snapshot_of_another_program_version_is_served_and_everything_is_asked_for_anew() {
    let units = set(&[public(), route("a", "one")], 7);
    let (place, ca, port) = left_with(slice::from_ref(&units));
    let file = place.generations().pop().unwrap();
    let key = tollgate_snapshot::saved::SealKey::new(&[7; 32]).unwrap();
    let saved = tollgate_snapshot::saved::read(&fs::read(&file).unwrap(), Some(&key)).unwrap();
    let older = tollgate_snapshot::saved::Saved {
        version: "0.0.9".to_owned(),
        ..saved
    };
    fs::write(
        &file,
        tollgate_snapshot::saved::write(&older, Some(&key)).unwrap(),
    )
    .unwrap();
    let mut proxy = place.start();
    assert_eq!(proxy.get("/a"), (200, "one".to_owned()));
    let controller = Controller::start_at(&ca, &port);
    let stream = controller.stream();
    assert_eq!(stream.hello.boot(), Boot::LastGood);
    assert!(stream.hello.root.is_empty() && stream.hello.have.is_empty());
    let next = set(&[public(), route("b", "two")], 8);
    stream.run(1, &next, None);
    assert_eq!(proxy.get("/a").0, 404);
    assert_eq!(proxy.get("/b"), (200, "two".to_owned()));
}

#[test]
fn a_proxy_with_nothing_is_not_ready_and_binds_nothing() {
    let (place, _, _) = left_with(&[]);
    let mut proxy = place.start();
    let source = proxy.source_until(|source| !source["disconnected"].is_null());
    assert_eq!(source["from"], "nothing");
    assert!(!proxy.is_ready());
    assert_eq!(proxy.config()["listeners"], serde_json::json!([]));
}

#[test]
fn nothing_secret_is_said_or_kept_in_the_clear() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    stream.run(1, &set(&[public(), route("secret-path", "one")], 7), None);
    drop(controller);
    proxy.source_until(|source| !source["disconnected"].is_null());
    let shown = format!("{}{}", proxy.config(), proxy.metrics());
    let said = proxy.stop();
    // RUST_LOG is trace here.
    for text in [&said, &shown] {
        assert!(!text.contains("secret-token"), "{text}");
        assert!(!text.contains(&"\u{7}".repeat(8)), "{text}");
    }
    let file = fs::read(place.generations().pop().unwrap()).unwrap();
    assert!(!file.windows(11).any(|part| part == b"secret-path"));
}

#[test]
fn arguments_that_make_no_sense_end_with_2() {
    let (place, _, _) = left_with(&[]);
    let short = place.path().join("short");
    fs::write(&short, [0; 31]).unwrap();
    let short = short.to_str().unwrap();
    let all = place.arguments();
    let with = |flag: &str, value: &str| {
        let mut all = all.clone();
        let at = all.iter().position(|word| word == flag).unwrap();
        all[at + 1] = value.to_owned();
        all
    };
    let without = |flag: &str| {
        let mut all = all.clone();
        let at = all.iter().position(|word| word == flag).unwrap();
        all.drain(at..at + 2);
        all
    };
    let both = [&all[..], &["--manifests".to_owned(), ".".to_owned()]].concat();
    let rows = [
        ("both sources", both, "--manifests"),
        ("no ca", without("--ca"), "--ca"),
        ("no token", without("--token"), "--token"),
        ("no gateway", without("--gateway"), "--gateway"),
        ("no controller", without("--controller"), "--controller"),
        (
            "no namespace",
            with("--gateway", "public"),
            "namespace/name",
        ),
        (
            "no tls",
            with("--controller", "http://localhost:1"),
            "https://HOST",
        ),
        (
            "no key",
            with("--seal-key", "/nonexistent"),
            "--seal-key /nonexistent",
        ),
        ("a short key", with("--seal-key", short), "32 bytes"),
    ];
    for (name, arguments, word) in rows {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-proxy"));
        let output = command.args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
        assert!(errors.contains(word), "{name}: {errors}");
    }
}

#[test]
fn five_thousand_routes_start_from_the_disk() {
    let routes = (0..5_000).map(|n| route(&format!("r{n}"), "one"));
    let units = set(&routes.chain([public()]).collect::<Vec<_>>(), 7);
    let (place, _, _) = left_with(&[units]);
    let began = Instant::now();
    let mut proxy = place.start();
    proxy.says("ready");
    // Judged by benches.
    println!("ready after {:?}", began.elapsed());
    assert_eq!(proxy.get("/r4999"), (200, "one".to_owned()));
    let rss = proxy.metrics();
    let rss = rss
        .lines()
        .find(|line| line.starts_with("process_resident_memory_bytes "));
    println!("{}", rss.unwrap());
}

/// A proxy whose files may have at most so many blocks of 512 or 1024 bytes.
pub(crate) fn with_small_files(place: &Place, blocks: u32) -> Proxy {
    let mut command = Command::new("/bin/sh");
    // A signal that is ignored stays so: a write that is too much fails instead.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_tollgate-proxy")]);
    command.args(place.arguments());
    Proxy::start(command)
}
