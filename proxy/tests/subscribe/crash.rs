//! A snapshot that crashes the proxy: it is rolled back.

use tollgate_snapshot::UnitSet;

use crate::support::{
    controlled,
    controller::Controller,
    proxy::{Place, Proxy},
    units::{public, route, set},
};

fn answers(proxy: &mut Proxy, text: &str) {
    assert_eq!(proxy.get("/a"), (200, text.to_owned()));
}

/// A good snapshot was run and kept; another one is run now.
fn poisoned(controller: &Controller, place: &Place) -> (Proxy, UnitSet, UnitSet) {
    let good = set(&[public(), route("a", "good")], 7);
    let poison = set(&[public(), route("a", "poison")], 8);
    let proxy = place.start();
    controller.stream().run(1, &good, None);
    proxy.stop();
    let proxy = place.start();
    controller.stream().run(1, &poison, Some(&good));
    (proxy, good, poison)
}

/// Removes the generations that were kept after the first one.
fn keep_the_oldest(place: &Place) {
    for file in place.generations().iter().skip(1) {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn two_crashes_soon_after_a_snapshot_roll_it_back_until_another_one_comes() {
    let (controller, place) = controlled();
    let (mut proxy, good, poison) = poisoned(&controller, &place);
    proxy.source_until(|source| source["kept"] == "snapshot-1");
    proxy.crash();

    // The first crash may have been anything.
    let mut proxy = place.start();
    answers(&mut proxy, "poison");
    let stream = controller.stream();
    assert_eq!(stream.hello.root, poison.root().as_bytes());
    proxy.crash();

    let mut proxy = place.start();
    proxy.says("rolled back");
    answers(&mut proxy, "good");
    let stream = controller.stream();
    assert_eq!(stream.hello.root, good.root().as_bytes());
    stream.send(1, &poison, Some(&good));
    let verdicts = stream.verdicts();
    assert!(
        verdicts.refused.starts_with("rolled back: "),
        "{verdicts:?}"
    );
    assert_eq!(verdicts.root, good.root().as_bytes());
    answers(&mut proxy, "good");
    let source = proxy.source();
    assert_eq!(
        source["rolledBack"],
        serde_json::json!([poison.root().to_string()])
    );
    assert!(proxy.metrics().contains("tollgate_snapshot_refused 1"));

    // The stream goes on: what is mended is taken at once.
    let mended = set(&[public(), route("a", "mended")], 9);
    stream.run(2, &mended, Some(&good));
    answers(&mut proxy, "mended");
    assert_eq!(proxy.source()["rolledBack"], serde_json::json!([]));
    assert!(proxy.metrics().contains("tollgate_snapshot_refused 0"));
}

#[test]
fn a_snapshot_that_crashes_before_it_is_kept_is_refused_the_third_time() {
    let (controller, place) = controlled();
    let (proxy, good, poison) = poisoned(&controller, &place);
    proxy.crash();
    // Whatever was kept of it is gone: the crash came first.
    keep_the_oldest(&place);

    let mut proxy = place.start();
    answers(&mut proxy, "good");
    let stream = controller.stream();
    stream.run(1, &poison, Some(&good));
    proxy.crash();
    keep_the_oldest(&place);

    let mut proxy = place.start();
    answers(&mut proxy, "good");
    let stream = controller.stream();
    stream.send(1, &poison, Some(&good));
    assert!(stream.verdicts().refused.starts_with("rolled back: "));
    answers(&mut proxy, "good");
    // Nor after another restart.
    proxy.stop();
    let mut proxy = place.start();
    answers(&mut proxy, "good");
    let stream = controller.stream();
    stream.send(1, &poison, Some(&good));
    assert!(stream.verdicts().refused.starts_with("rolled back: "));
}

#[test]
fn ends_that_were_asked_for_are_no_crashes() {
    let (controller, place) = controlled();
    let (proxy, _, _) = poisoned(&controller, &place);
    proxy.stop();
    for _ in 0..3 {
        let mut proxy = place.start();
        answers(&mut proxy, "poison");
        proxy.stop();
    }
}

#[test]
fn a_proxy_with_nothing_else_serves_what_crashed_it() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    controller
        .stream()
        .run(1, &set(&[public(), route("a", "poison")], 8), None);
    proxy.source_until(|source| source["kept"] == "snapshot-0");
    proxy.crash();
    let mut proxy = place.start();
    answers(&mut proxy, "poison");
    proxy.crash();
    let mut proxy = place.start();
    proxy.says("has no other");
    answers(&mut proxy, "poison");
}
