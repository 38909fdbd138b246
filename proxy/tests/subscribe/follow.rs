//! What takes effect while a controller is there, and while it is away.

use serde_json::json;
use tollgate_snapshot::{
    Hash,
    wire::{self, Boot, Chunk, Commit, Entry, State, controller_message::Message},
};

use crate::support::{
    ca::Ca,
    controlled,
    controller::{Controller, begin},
    proxy::Place,
    units::{bad_route, forwarding, function, public, route, set},
};

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

#[test]
fn the_first_snapshot_an_edit_and_a_removal_take_effect() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    assert_eq!(stream.hello.protocol, 1);
    assert_eq!(stream.hello.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(stream.hello.boot(), Boot::Empty);
    assert!(stream.hello.root.is_empty() && stream.hello.have.is_empty());
    assert_eq!(stream.token, "secret-token-1");
    assert!(!proxy.is_ready());

    let first = set(&[public(), route("a", "one"), route("b", "two")], 7);
    stream.run(1, &first, None);
    assert_eq!(proxy.get("/a"), ok("one"));
    proxy.says("ready");
    assert!(proxy.is_ready());

    let edited = set(&[public(), route("a", "other"), route("b", "two")], 8);
    stream.run(2, &edited, Some(&first));
    assert_eq!(proxy.get("/a"), ok("other"));
    assert_eq!(proxy.get("/b"), ok("two"));

    let less = set(&[public(), route("b", "two")], 9);
    stream.run(3, &less, Some(&edited));
    assert_eq!(proxy.get("/a").0, 404);
    let source = proxy.source();
    assert_eq!(source["from"], "controller");
    assert_eq!(source["root"], less.root().to_string());
    assert_eq!(source["resourceVersion"], 9);
    assert_eq!(source["controller"], controller.address.to_string());
    let metrics = proxy.metrics();
    for line in [
        "tollgate_controller_connected 1".to_owned(),
        format!(
            "tollgate_snapshot_info{{root=\"{}\",source=\"controller\"}} 1",
            less.root()
        ),
    ] {
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

#[test]
fn a_full_snapshot_takes_away_what_it_does_not_name() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    stream.run(
        1,
        &set(&[public(), route("a", "one"), route("b", "two")], 7),
        None,
    );
    stream.run(2, &set(&[public(), route("b", "two")], 8), None);
    assert_eq!(proxy.get("/a").0, 404);
    assert_eq!(proxy.get("/b"), ok("two"));
}

#[test]
fn a_refused_object_is_held_and_says_so() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    let good = set(&[public(), route("a", "one")], 7);
    stream.run(1, &good, None);
    let held = set(&[public(), bad_route("a"), bad_route("b")], 8);
    let verdicts = stream.run(2, &held, Some(&good));
    assert_eq!(proxy.get("/a"), ok("one"));
    let states = verdicts
        .exceptions
        .iter()
        .map(|v| (v.id.as_str(), v.state()));
    let expected = [
        ("route/shop/a", State::HeldAtLastGood),
        ("route/shop/b", State::HeldWithoutLastGood),
    ];
    assert_eq!(states.collect::<Vec<_>>(), expected);
    let mended = set(&[public(), route("a", "two")], 9);
    let again = stream.run(3, &mended, Some(&held));
    assert_eq!(again.exceptions, []);
    assert_eq!(proxy.get("/a"), ok("two"));
}

#[test]
fn a_unit_that_this_version_cannot_read_costs_only_itself() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    let first = set(&[public(), route("a", "one"), route("b", "two")], 7);
    stream.run(1, &first, None);

    // What a later version might send: a payload of another shape, with its own hash.
    let payload = br#"{"route":7}"#.to_vec();
    let hash = {
        use sha2::{Digest, Sha256};
        Hash::from_bytes(Sha256::digest(&payload).into())
    };
    let next = set(&[public(), route("a", "one"), route("b", "other")], 8);
    let id = wire::unit_id("route/shop/a".to_owned()).unwrap();
    let hashes: Vec<_> = next
        .entries()
        .iter()
        .map(|(entry, unit)| (entry, if *entry == id { hash } else { unit.hash() }))
        .collect();
    let root = tollgate_snapshot::Root::hash_of(hashes.iter().map(|(id, hash)| (*id, hash)));
    let mut begun = begin(2, &next, false);
    if let Message::Begin(begin) = &mut begun {
        begin.root = root.as_bytes().to_vec();
    }
    stream.say(begun);
    let changes = next.changes_since(&first);
    let entries = changes
        .iter()
        .map(|(id, entry)| wire::encode(id, entry.as_ref().unwrap()).unwrap());
    let unreadable = Entry {
        id: id.to_string(),
        hash: hash.as_bytes().to_vec(),
        payload,
        held: false,
    };
    stream.say(Message::Chunk(Chunk {
        seq: 2,
        entries: entries.chain([unreadable]).collect(),
        removed: Vec::new(),
    }));
    stream.say(Message::Commit(Commit { seq: 2 }));
    let verdicts = stream.verdicts();
    assert_eq!(verdicts.refused, "");
    assert_eq!(verdicts.root, root.as_bytes());
    let [verdict] = &verdicts.exceptions[..] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(
        (verdict.id.as_str(), verdict.state()),
        ("route/shop/a", State::Rejected)
    );
    assert!(!verdict.reason.is_empty());
    assert_eq!(proxy.get("/a"), ok("one"));
    assert_eq!(proxy.get("/b"), ok("other"));
}

#[test]
fn a_proxy_goes_on_without_its_controller_and_asks_for_the_difference() {
    let ca = Ca::new();
    let controller = Controller::start(&ca);
    let port = controller.port.clone();
    let place = Place::new(controller.url(), &ca);
    let mut proxy = place.start();
    let first = set(&[public(), route("a", "one")], 7);
    controller.stream().run(1, &first, None);
    drop(controller);
    proxy.source_until(|source| source["controller"].is_null());
    assert_eq!(proxy.get("/a"), ok("one"));
    assert!(proxy.is_ready());
    assert!(proxy.metrics().contains("tollgate_controller_connected 0"));

    let controller = Controller::start_at(&ca, &port);
    let stream = controller.stream();
    assert_eq!(stream.hello.boot(), Boot::Running);
    assert_eq!(stream.hello.root, first.root().as_bytes());
    assert_eq!(stream.hello.resource_version, 7);
    let have: Vec<_> = stream.have().into_iter().collect();
    let expected = first
        .entries()
        .iter()
        .map(|(id, entry)| (id.clone(), entry.hash()));
    assert_eq!(have, expected.collect::<Vec<_>>());
    let second = set(&[public(), route("a", "other")], 8);
    stream.run(1, &second, Some(&first));
    assert_eq!(proxy.get("/a"), ok("other"));
}

#[test]
fn what_only_a_machine_of_ones_own_may_do_is_refused_in_a_cluster() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let target = controller.address.port();
    let units = set(
        &[
            public(),
            function("f"),
            forwarding("f", json!({"function": {"name": "f"}})),
            forwarding("home", json!({"url": format!("http://127.0.0.1:{target}")})),
            forwarding(
                "named",
                json!({"url": format!("http://localhost:{target}")}),
            ),
        ],
        7,
    );
    controller.stream().run(1, &units, None);
    let rows = [
        ("a function without pods", "/f", 503),
        ("loopback", "/home", 502),
        ("a name of loopback", "/named", 502),
    ];
    for (name, path, status) in rows {
        let (found, body) = proxy.get(path);
        assert_eq!(found, status, "{name}: {body}");
    }
    assert_eq!(proxy.config()["functions"], json!([]));
}
