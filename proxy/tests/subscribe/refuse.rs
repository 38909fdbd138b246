//! What a controller says and a proxy does not believe.

use tollgate_snapshot::wire::{Chunk, Commit, controller_message::Message};

use crate::support::{
    controlled,
    controller::{Stream, begin},
    units::{public, route, set},
};

#[test]
fn a_root_that_does_not_come_out_is_refused_and_everything_is_asked_for_anew() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    let first = set(&[public(), route("a", "one"), route("b", "two")], 7);
    stream.run(1, &first, None);

    // The controller believes that the proxy has what it has not.
    let believed = set(&[public(), route("a", "one"), route("c", "three")], 8);
    let next = set(&[public(), route("a", "other"), route("c", "three")], 9);
    stream.send(2, &next, Some(&believed));
    let verdicts = stream.verdicts();
    assert!(
        verdicts.refused.starts_with("the root hash is "),
        "{verdicts:?}"
    );
    assert_eq!(verdicts.root, first.root().as_bytes());
    assert_eq!(proxy.get("/a"), (200, "one".to_owned()));

    let stream = controller.stream();
    assert!(stream.hello.root.is_empty() && stream.hello.have.is_empty());
    assert_eq!(stream.hello.resource_version, 7);
    stream.run(1, &next, None);
    assert_eq!(proxy.get("/a"), (200, "other".to_owned()));
    assert_eq!(proxy.get("/b").0, 404);
}

#[test]
fn an_older_snapshot_is_refused_and_another_replica_is_asked() {
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let stream = controller.stream();
    let newer = set(&[public(), route("a", "newer")], 9);
    stream.run(1, &newer, None);
    drop(stream);

    let lagging = controller.stream();
    let older = set(&[public(), route("a", "older")], 8);
    lagging.send(1, &older, Some(&newer));
    let verdicts = lagging.verdicts();
    assert!(verdicts.refused.contains("older than 9"), "{verdicts:?}");
    assert_eq!(verdicts.root, newer.root().as_bytes());
    assert_eq!(proxy.get("/a"), (200, "newer".to_owned()));

    let stream = controller.stream();
    assert_eq!(stream.hello.root, newer.root().as_bytes());
    let newest = set(&[public(), route("a", "newest")], 10);
    stream.run(1, &newest, Some(&newer));
    assert_eq!(proxy.get("/a"), (200, "newest".to_owned()));
}

#[test]
fn garbage_is_refused_and_what_is_run_goes_on() {
    type Garbage = fn(&Stream);
    let rows: [(&str, Garbage); 5] = [
        ("an end without a begin", |stream| {
            stream.say(Message::Commit(Commit { seq: 5 }))
        }),
        ("a chunk without a begin", |stream| {
            stream.say(Message::Chunk(Chunk {
                seq: 5,
                ..Chunk::default()
            }));
        }),
        ("two begins", |stream| {
            stream.say(begin(5, &set(&[public()], 9), true));
            stream.say(begin(6, &set(&[public()], 9), true));
        }),
        ("no id", |stream| {
            stream.say(begin(5, &set(&[public()], 9), true));
            stream.say(Message::Chunk(Chunk {
                seq: 5,
                removed: vec!["nonsense".to_owned()],
                ..Chunk::default()
            }));
        }),
        ("more than a message may have", |stream| {
            stream.say(begin(5, &set(&[public()], 9), true));
            stream.say(Message::Chunk(Chunk {
                seq: 5,
                removed: vec!["x".repeat(9 << 20)],
                ..Chunk::default()
            }));
        }),
    ];
    let (controller, place) = controlled();
    let mut proxy = place.start();
    let units = set(&[public(), route("a", "one")], 7);
    controller.stream().run(1, &units, None);
    for (name, garbage) in rows {
        garbage(&controller.stream());
        assert_eq!(proxy.get("/a"), (200, "one".to_owned()), "{name}");
    }
    let next = set(&[public(), route("a", "two")], 8);
    controller.stream().run(1, &next, None);
    assert_eq!(proxy.get("/a"), (200, "two".to_owned()));
}
