//! What a session makes of messages in order, out of order, and of garbage.

use tollgate_snapshot::{
    Entry, Function, ObjectName, Payload, Unit, UnitId, UnitSet,
    wire::{Commit, controller_message::Message},
};

use super::*;
use crate::active::Active;

fn unit(name: &str, timeout_ms: u64) -> Unit {
    let payload = Payload::Function(Function {
        timeout_ms,
        ..Function::default()
    });
    Unit::new(ObjectName::new("shop", name), payload).unwrap()
}

fn set(units: &[Unit], resource_version: u64) -> UnitSet {
    let entries = units
        .iter()
        .map(|unit| (unit.id.clone(), Entry::Unit(unit.clone())));
    UnitSet::new(entries.collect(), resource_version)
}

fn wire_entry(unit: &Unit) -> wire::Entry {
    wire::encode(&unit.id, &Entry::Unit(unit.clone())).unwrap()
}

fn begin(seq: u64, set: &UnitSet, full: bool) -> Message {
    Message::Begin(Begin {
        seq,
        root: set.root().as_bytes().to_vec(),
        resource_version: set.resource_version(),
        full,
    })
}

fn chunk(seq: u64, units: &[Unit], removed: &[&str]) -> Message {
    Message::Chunk(Chunk {
        seq,
        entries: units.iter().map(wire_entry).collect(),
        removed: removed.iter().map(|id| (*id).to_owned()).collect(),
    })
}

fn commit(seq: u64) -> Message {
    Message::Commit(Commit { seq })
}

/// A stream's proxy end.
#[derive(Default)]
struct Case {
    session: Session,
    held: Holding,
    gate: Gate,
}

impl Case {
    /// One that has these.
    fn holding(units: &[Unit], resource_version: u64) -> Self {
        let set = set(units, resource_version);
        let mut case = Self::default();
        let first = [begin(1, &set, true), chunk(1, units, &[]), commit(1)];
        assert!(case.ends_with(first.to_vec()).is_ok());
        case
    }

    fn say(&mut self, message: Option<Message>) -> Step {
        let message = ControllerMessage { message };
        let step = self
            .session
            .take(message, &self.held, &mut self.gate, Instant::now());
        if let Step::Adopt(_, next) = &step {
            self.held = next.clone();
        }
        step
    }

    /// What the first of these makes that is not waited after: a transaction or a refusal.
    fn ends_with(&mut self, messages: Vec<Message>) -> Result<Transaction, String> {
        for message in messages {
            match self.say(Some(message)) {
                Step::Wait => {}
                Step::Adopt(transaction, _) => return Ok(transaction),
                Step::Refuse { why, .. } => return Err(why.to_string()),
            }
        }
        Err("nothing".to_owned())
    }
}

fn ids<'a>(ids: impl Iterator<Item = &'a UnitId>) -> Vec<String> {
    ids.map(ToString::to_string).collect()
}

#[test]
fn transactions_lead_from_one_set_to_the_next() {
    let mut case = Case::holding(&[unit("a", 1), unit("b", 1)], 7);
    let next = set(&[unit("a", 2), unit("c", 1)], 8);
    let messages = vec![
        begin(2, &next, false),
        chunk(2, &[unit("a", 2)], &[]),
        chunk(2, &[unit("c", 1)], &["function/shop/b"]),
        commit(2),
    ];
    let transaction = case.ends_with(messages).unwrap();
    assert_eq!(
        ids(transaction.entries.keys()),
        ["function/shop/a", "function/shop/c"]
    );
    assert_eq!(ids(transaction.removed.iter()), ["function/shop/b"]);
    assert_eq!(case.held.root(), Some(next.root()));
    assert_eq!(case.held.resource_version(), 8);
}

#[test]
fn a_full_transaction_leaves_nothing_else() {
    let mut case = Case::holding(&[unit("a", 1), unit("b", 1)], 7);
    let next = set(&[unit("a", 1)], 8);
    let messages = vec![
        begin(2, &next, true),
        chunk(2, &[unit("a", 1)], &[]),
        commit(2),
    ];
    let transaction = case.ends_with(messages).unwrap();
    let mut active = Active::default();
    for name in ["a", "b"] {
        active.apply(&[tollgate_snapshot::UnitChange::Put(unit(name, 1))]);
    }
    let steps = transaction.steps(&active, std::iter::empty());
    let removed = steps
        .changes
        .iter()
        .filter(|change| matches!(change, tollgate_snapshot::UnitChange::Remove(_)));
    assert_eq!(ids(removed.map(|change| change.id())), ["function/shop/b"]);
}

#[test]
fn an_empty_transaction_of_an_equal_set_is_adopted() {
    let mut case = Case::holding(&[unit("a", 1)], 7);
    let same = set(&[unit("a", 1)], 9);
    assert!(
        case.ends_with(vec![begin(2, &same, false), commit(2)])
            .is_ok()
    );
    assert_eq!(case.held.resource_version(), 9);
}

#[test]
fn what_is_out_of_order_or_cannot_be_read_is_refused() {
    let next = set(&[unit("a", 2)], 8);
    let begun = || begin(2, &next, true);
    let spoilt = |spoil: fn(&mut wire::Entry)| {
        let mut entry = wire_entry(&unit("a", 2));
        spoil(&mut entry);
        Message::Chunk(Chunk {
            seq: 2,
            entries: vec![entry],
            removed: Vec::new(),
        })
    };
    let mut short = begun();
    if let Message::Begin(begin) = &mut short {
        begin.root.truncate(31);
    }
    let a = [unit("a", 2)];
    let rows = [
        (
            "a chunk first",
            vec![chunk(2, &a, &[])],
            "a chunk of a transaction",
        ),
        (
            "a commit first",
            vec![commit(2)],
            "the end of a transaction",
        ),
        (
            "begun twice",
            vec![begun(), begin(3, &next, true)],
            "begins within another",
        ),
        (
            "an old number",
            vec![begin(1, &next, true)],
            "transaction 1 after 1",
        ),
        ("a short root", vec![short], "32 bytes"),
        (
            "a chunk of another",
            vec![begun(), chunk(3, &a, &[])],
            "a chunk of a transaction",
        ),
        (
            "a commit of another",
            vec![begun(), commit(3)],
            "the end of a transaction",
        ),
        (
            "committed twice",
            vec![begun(), chunk(2, &a, &[]), commit(2), commit(2)],
            "",
        ),
        (
            "no id",
            vec![begun(), spoilt(|entry| entry.id.clear())],
            "names no unit",
        ),
        (
            "a short hash",
            vec![begun(), spoilt(|entry| entry.hash.truncate(3))],
            "32 bytes",
        ),
        (
            "another payload",
            vec![begun(), spoilt(|entry| entry.payload.push(b' '))],
            "hash",
        ),
        (
            "no payload",
            vec![begun(), spoilt(|entry| entry.payload.clear())],
            "empty",
        ),
        (
            "the same entry twice",
            vec![begun(), chunk(2, &a, &[]), chunk(2, &a, &[])],
            "function/shop/a comes twice",
        ),
        (
            "an entry that is gone",
            vec![begun(), chunk(2, &a, &["function/shop/a"])],
            "function/shop/a comes twice",
        ),
        (
            "gone twice",
            vec![
                begun(),
                chunk(2, &[], &["function/shop/a", "function/shop/a"]),
            ],
            "function/shop/a comes twice",
        ),
        (
            "gone without an id",
            vec![begun(), chunk(2, &[], &["x"])],
            "names no unit",
        ),
        (
            "another root",
            vec![begun(), chunk(2, &[unit("a", 3)], &[]), commit(2)],
            "root hash",
        ),
        (
            "less than the root says",
            vec![begun(), commit(2)],
            "root hash",
        ),
    ];
    for (name, messages, expected) in rows {
        let mut case = Case::holding(&[unit("a", 1)], 7);
        let before = case.held.root();
        match case.ends_with(messages) {
            Err(why) => {
                assert!(why.contains(expected), "{name}: {why}");
                assert_eq!(case.held.root(), before, "{name}");
            }
            Ok(_) => assert_eq!(expected, "", "{name}"),
        }
    }
}

#[test]
fn a_message_without_content_is_refused() {
    let Step::Refuse { why, .. } = Case::default().say(None) else {
        panic!("it is taken")
    };
    assert!(why.wants_all() && !why.keeps_stream());
}

#[test]
fn a_transaction_that_was_committed_is_over() {
    let mut case = Case::holding(&[unit("a", 1)], 7);
    let Step::Refuse { seq, .. } = case.say(Some(commit(1))) else {
        panic!("it is taken")
    };
    assert_eq!(seq, 1);
}

#[test]
fn a_transaction_has_a_largest_size() {
    let mut case = Case::default();
    case.say(Some(begin(1, &UnitSet::default(), true)));
    // Of garbage, which is not even looked at before its size is.
    let payload = vec![b' '; TRANSACTION_BYTES];
    let mut entry = wire_entry(&unit("a", 1));
    entry.payload = payload;
    let chunk = Message::Chunk(Chunk {
        seq: 1,
        entries: vec![entry],
        removed: Vec::new(),
    });
    let Step::Refuse { why, .. } = case.say(Some(chunk)) else {
        panic!("it is taken")
    };
    assert_eq!(why, Refusal::TooLarge);
}

#[test]
fn an_entry_that_is_too_large_is_rejected_alone() {
    let json = format!(
        "{{\"function\":{{\"note\":\"{}\"}}}}",
        "x".repeat(PAYLOAD_BYTES)
    );
    let hash = {
        use sha2::{Digest, Sha256};
        Sha256::digest(json.as_bytes()).to_vec()
    };
    let id = unit("a", 1).id;
    let entry = wire::Entry {
        id: id.to_string(),
        hash: hash.clone(),
        payload: json.into_bytes(),
        held: false,
    };
    let mut transaction = Transaction {
        seq: 1,
        root: Hash::from_bytes([0; 32]),
        resource_version: 0,
        full: true,
        entries: BTreeMap::new(),
        removed: BTreeSet::new(),
    };
    transaction.arrive(entry).unwrap();
    let arrival = &transaction.entries[&id];
    assert_eq!(arrival.hash.as_bytes()[..], hash);
    let why = arrival.entry.as_ref().unwrap_err();
    assert!(why.contains("bytes"), "{why}");
}

#[test]
fn a_snapshot_that_was_rolled_back_is_heard_to_its_end_and_refused() {
    let bad = set(&[unit("a", 2)], 8);
    let mut case = Case::holding(&[unit("a", 1)], 7);
    case.gate = Gate::new(vec![bad.root()]);
    let messages = vec![
        begin(2, &bad, false),
        chunk(2, &[unit("a", 2)], &[]),
        commit(2),
    ];
    let why = case.ends_with(messages).unwrap_err();
    assert!(why.starts_with("rolled back"), "{why}");
    let mended = set(&[unit("a", 3)], 9);
    let messages = vec![
        begin(3, &mended, false),
        chunk(3, &[unit("a", 3)], &[]),
        commit(3),
    ];
    assert!(case.ends_with(messages).is_ok());
}
