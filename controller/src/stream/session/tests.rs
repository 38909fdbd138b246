//! What a session says, by events.

use imbl::OrdMap;
use tollgate_snapshot::{
    Entry, Function, ObjectName, Payload, Unit,
    gateway::Gateway,
    wire::{
        self, CHUNK_BYTES, Chunk, ControllerMessage, EntryHash, State as WireState,
        Verdict as WireVerdict, controller_message::Message as Sent,
    },
};

use super::*;
use crate::proxies::Running as Runs;

fn unit(name: &str, timeout_ms: u64) -> Unit {
    let payload = Payload::Function(Function {
        timeout_ms,
        ..Function::default()
    });
    Unit::new(ObjectName::new("shop", name), payload).unwrap()
}

fn set(units: &[Unit]) -> UnitSet {
    let entries = units.iter();
    let entries = entries.map(|unit| (unit.id.clone(), Entry::Unit(unit.clone())));
    UnitSet::new(entries.collect::<OrdMap<_, _>>(), 7)
}

fn bytes(root: Hash) -> Vec<u8> {
    root.as_bytes().to_vec()
}

fn hello(set: &UnitSet) -> Hello {
    let have = set.entries().iter().map(|(id, entry)| EntryHash {
        id: id.to_string(),
        hash: bytes(entry.hash()),
    });
    Hello {
        protocol: 1,
        root: bytes(set.root()),
        have: have.collect(),
        ..Hello::default()
    }
}

fn empty_hello() -> Hello {
    Hello {
        protocol: 1,
        ..Hello::default()
    }
}

fn adopted(seq: u64, root: Hash) -> Verdicts {
    Verdicts {
        seq,
        root: bytes(root),
        ..Verdicts::default()
    }
}

/// A stream, and its clock.
struct Case {
    session: Session,
    now: Instant,
}

impl Case {
    fn new(newest: &UnitSet) -> Self {
        let now = Instant::now();
        let session = Session::new(Some(newest.clone()), now);
        Self { session, now }
    }

    fn running(newest: &UnitSet) -> Self {
        let mut case = Self::new(newest);
        case.hello(hello(newest)).unwrap();
        let seq = case.sends().unwrap().seq();
        case.verdicts(adopted(seq, newest.root())).unwrap();
        case
    }

    fn hello(&mut self, hello: Hello) -> Result<(), Ended> {
        let taken = self.session.take(Message::Hello(hello), self.now);
        taken.map(|took| assert_eq!(took, None))
    }

    fn verdicts(&mut self, verdicts: Verdicts) -> Result<Took, Ended> {
        let taken = self.session.take(Message::Verdicts(verdicts), self.now);
        taken.map(Option::unwrap)
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
    }

    /// What is sent now, all of it.
    fn sends(&mut self) -> Option<Transfer> {
        let transaction = self.session.next(self.now)?;
        let messages = transaction.map(Result::unwrap).collect();
        self.session.sent(self.now);
        Some(Transfer(messages))
    }
}

/// What was sent.
#[derive(Debug)]
struct Transfer(Vec<ControllerMessage>);

impl Transfer {
    fn begin(&self) -> &wire::Begin {
        match &self.0[0].message {
            Some(Sent::Begin(begin)) => begin,
            other => panic!("{other:?}"),
        }
    }

    fn seq(&self) -> u64 {
        assert!(matches!(
            self.0.last().unwrap().message,
            Some(Sent::Commit(_))
        ));
        self.begin().seq
    }

    fn chunks(&self) -> Vec<&Chunk> {
        let chunks = self.0.iter().filter_map(|sent| match &sent.message {
            Some(Sent::Chunk(chunk)) => Some(chunk),
            _ => None,
        });
        chunks.collect()
    }

    fn entries(&self) -> Vec<&str> {
        let chunks = self.chunks().into_iter();
        let entries = chunks.flat_map(|chunk| &chunk.entries);
        entries.map(|entry| entry.id.as_str()).collect()
    }

    fn removed(&self) -> Vec<&str> {
        let chunks = self.chunks().into_iter();
        let removed = chunks.flat_map(|chunk| &chunk.removed);
        removed.map(String::as_str).collect()
    }
}

#[test]
fn a_proxy_without_anything_gets_everything() {
    let newest = set(&[unit("a", 1), unit("b", 1)]);
    let mut case = Case::new(&newest);
    assert!(case.sends().is_none(), "nothing before Hello");
    case.hello(empty_hello()).unwrap();
    assert_eq!(case.session.running().unwrap().root, None);
    let sent = case.sends().unwrap();
    assert!(sent.begin().full);
    assert_eq!(sent.begin().root, bytes(newest.root()));
    assert_eq!(sent.begin().resource_version, 7);
    assert_eq!(sent.entries(), ["function/shop/a", "function/shop/b"]);
    assert_eq!(case.verdicts(adopted(1, newest.root())), Ok(Took::All));
    assert_eq!(case.session.running().unwrap().root, Some(newest.root()));
    assert!(case.sends().is_none(), "nothing is new");
}

#[test]
fn a_proxy_that_has_it_all_is_told_so() {
    let newest = set(&[unit("a", 1)]);
    let mut case = Case::new(&newest);
    case.hello(hello(&newest)).unwrap();
    let sent = case.sends().unwrap();
    assert!(!sent.begin().full);
    assert!(sent.chunks().is_empty());
    assert_eq!(sent.seq(), 1);
    assert_eq!(case.verdicts(adopted(1, newest.root())), Ok(Took::All));
    assert!(case.sends().is_none());
}

#[test]
fn a_hello_and_later_edits_cost_what_differs() {
    let newest = set(&[unit("a", 1), unit("b", 2), unit("c", 1)]);
    let mut case = Case::new(&newest);
    case.hello(hello(&set(&[unit("a", 1), unit("b", 1), unit("d", 1)])))
        .unwrap();
    let sent = case.sends().unwrap();
    assert!(!sent.begin().full);
    assert_eq!(sent.entries(), ["function/shop/b", "function/shop/c"]);
    assert_eq!(sent.removed(), ["function/shop/d"]);
    case.verdicts(adopted(1, newest.root())).unwrap();
    case.session
        .newest(Some(set(&[unit("a", 9), unit("b", 2)])));
    let sent = case.sends().unwrap();
    assert!(!sent.begin().full);
    assert_eq!(sent.entries(), ["function/shop/a"]);
    assert_eq!(sent.removed(), ["function/shop/c"]);
}

#[test]
fn nothing_is_sent_before_everything_is_listed() {
    let mut case = Case {
        session: Session::new(None, Instant::now()),
        now: Instant::now(),
    };
    case.hello(empty_hello()).unwrap();
    assert!(case.sends().is_none());
    assert_eq!(case.session.deadline(), None, "the proxy is not to blame");
    case.session.newest(Some(UnitSet::default()));
    assert!(case.sends().unwrap().begin().full);
}

#[test]
fn sets_that_come_while_a_proxy_is_busy_replace_each_other() {
    let first = set(&[unit("a", 1)]);
    let mut case = Case::running(&first);
    case.session.newest(Some(set(&[unit("a", 2)])));
    let under_way = case.sends().unwrap();
    for timeout in 3..100 {
        case.session.newest(Some(set(&[unit("a", timeout)])));
        assert!(case.sends().is_none());
    }
    case.verdicts(adopted(under_way.seq(), set(&[unit("a", 2)]).root()))
        .unwrap();
    let sent = case.sends().unwrap();
    assert_eq!(sent.begin().root, bytes(set(&[unit("a", 99)]).root()));
    assert_eq!(sent.seq(), under_way.seq() + 1);
    case.session.newest(Some(set(&[unit("a", 2)])));
    case.verdicts(adopted(sent.seq(), set(&[unit("a", 99)]).root()))
        .unwrap();
    assert!(case.sends().is_some(), "back to what was before");
}

#[test]
fn a_wrong_root_is_answered_with_everything_and_a_second_one_ends_the_stream() {
    let first = set(&[unit("a", 1), unit("b", 1)]);
    let second = set(&[unit("a", 1), unit("b", 2)]);
    let mut case = Case::running(&first);
    case.session.newest(Some(second));
    let sent = case.sends().unwrap();
    case.verdicts(adopted(sent.seq(), first.root())).unwrap();
    let sent = case.sends().unwrap();
    assert!(sent.begin().full);
    assert_eq!(sent.entries().len(), 2);
    let wrong = adopted(sent.seq(), first.root());
    assert_eq!(case.verdicts(wrong), Err(Ended::Drift));
}

#[test]
fn a_unit_that_a_proxy_rejected_is_not_sent_again() {
    let newest = set(&[unit("a", 1), unit("b", 1)]);
    let mut case = Case::new(&newest);
    case.hello(empty_hello()).unwrap();
    case.sends().unwrap();
    let rejects = |seq, root| Verdicts {
        exceptions: vec![WireVerdict {
            id: "function/shop/a".to_owned(),
            state: WireState::Rejected.into(),
            reason: "no room".to_owned(),
        }],
        ..adopted(seq, root)
    };
    assert_eq!(case.verdicts(rejects(1, newest.root())), Ok(Took::Partly));
    let exceptions = &case.session.running().unwrap().exceptions;
    let verdict = &exceptions[&unit("a", 1).id];
    assert_eq!(
        (verdict.running, verdict.reason.as_str()),
        (Runs::Rejected, "no room")
    );
    assert!(case.sends().is_none());
    case.later(Duration::from_secs(3600));
    assert!(case.sends().is_none());
    let edited = set(&[unit("a", 1), unit("b", 2)]);
    case.session.newest(Some(edited.clone()));
    assert_eq!(case.sends().unwrap().entries(), ["function/shop/b"]);
    // A proxy that comes again says what it was told, not what it runs.
    let mut again = Case::new(&edited);
    let mut greeting = hello(&edited);
    greeting.exceptions = rejects(0, edited.root()).exceptions;
    again.hello(greeting).unwrap();
    assert_eq!(again.session.running().unwrap().exceptions.len(), 1);
    assert!(again.sends().unwrap().chunks().is_empty());
}

#[test]
fn a_set_that_a_proxy_refused_is_offered_again_after_a_minute_or_when_it_is_another_one() {
    let first = set(&[unit("a", 1)]);
    let refuses = |seq| Verdicts {
        refused: "older than mine".to_owned(),
        ..adopted(seq, first.root())
    };
    let mut case = Case::running(&first);
    let since = case.session.running().unwrap().since;
    case.later(Duration::from_secs(1));
    case.session.newest(Some(set(&[unit("a", 2)])));
    let sent = case.sends().unwrap();
    assert_eq!(case.verdicts(refuses(sent.seq())), Ok(Took::Nothing));
    let running = case.session.running().unwrap();
    assert_eq!(running.refused.as_deref(), Some("older than mine"));
    assert_eq!((running.root, running.since), (Some(first.root()), since));
    case.session.newest(Some(set(&[unit("a", 2)])));
    assert!(case.sends().is_none(), "it is the same");
    assert_eq!(case.session.deadline(), Some(case.now + OFFER_AGAIN));
    case.later(OFFER_AGAIN);
    let again = case.sends().unwrap();
    assert!(!again.begin().full, "it has what it had");
    assert_eq!(again.entries(), ["function/shop/a"]);
    case.verdicts(refuses(again.seq())).unwrap();
    case.session.newest(Some(set(&[unit("a", 3)])));
    let other = case.sends().unwrap();
    case.verdicts(adopted(other.seq(), set(&[unit("a", 3)]).root()))
        .unwrap();
    assert_eq!(case.session.running().unwrap().refused, None);
}

#[test]
fn what_a_proxy_has_is_not_believed_unless_it_makes_its_root() {
    let newest = set(&[unit("a", 1), unit("b", 1)]);
    type Spoil = fn(&mut Hello);
    let rows: [(&str, Spoil); 4] = [
        ("an entry less", |hello| drop(hello.have.pop())),
        ("another hash", |hello| hello.have[0].hash[0] ^= 1),
        ("another root", |hello| hello.root[0] ^= 1),
        ("a kind of the future", |hello| {
            hello.have[0].id = "wonder/shop/a".to_owned();
        }),
    ];
    for (name, spoil) in rows {
        let mut greeting = hello(&newest);
        spoil(&mut greeting);
        let mut case = Case::new(&newest);
        case.hello(greeting).unwrap();
        let sent = case.sends().unwrap();
        assert!(sent.begin().full, "{name}");
        assert_eq!(sent.entries().len(), 2, "{name}");
    }
}

#[test]
fn another_protocol_is_refused_with_both_names() {
    for protocol in [0, 2, u32::MAX] {
        let refused = Case::new(&UnitSet::default()).hello(Hello {
            protocol,
            ..Hello::default()
        });
        assert_eq!(refused, Err(Ended::Protocol(protocol)));
    }
    let text = Ended::Protocol(2).to_string();
    assert_eq!(text, "hello: protocol 2: this controller speaks 1 only");
}

#[test]
fn a_message_that_cannot_be_right_ends_the_stream() {
    let newest = set(&[unit("a", 1)]);
    type Say = fn(&mut Case, &UnitSet) -> Result<(), Ended>;
    let rows: [(&str, Say, &str); 7] = [
        (
            "verdicts first",
            |case, set| case.verdicts(adopted(1, set.root())).map(drop),
            "verdicts: seq: no transaction 1 is done",
        ),
        (
            "hello twice",
            |case, set| {
                case.hello(hello(set))?;
                case.hello(hello(set))
            },
            "hello: only once",
        ),
        (
            "a short root",
            |case, set| {
                let mut greeting = hello(set);
                greeting.root.pop();
                case.hello(greeting)
            },
            "hello: root: not 32 bytes long",
        ),
        (
            "a short hash",
            |case, set| {
                let mut greeting = hello(set);
                greeting.have[0].hash.pop();
                case.hello(greeting)
            },
            "hello: have: function/shop/a: the hash is not 32 bytes long",
        ),
        (
            "verdicts before a commit",
            |case, set| {
                case.hello(hello(set))?;
                case.session.next(case.now).unwrap();
                case.verdicts(adopted(1, set.root())).map(drop)
            },
            "verdicts: seq: no transaction 1 is done",
        ),
        (
            "verdicts of another transaction",
            |case, set| {
                case.hello(hello(set))?;
                case.sends().unwrap();
                case.verdicts(adopted(2, set.root())).map(drop)
            },
            "verdicts: seq: no transaction 2 is done",
        ),
        (
            "verdicts twice",
            |case, set| {
                case.hello(hello(set))?;
                case.sends().unwrap();
                case.verdicts(adopted(1, set.root()))?;
                case.verdicts(adopted(1, set.root())).map(drop)
            },
            "verdicts: seq: no transaction 1 is done",
        ),
    ];
    for (name, say, why) in rows {
        let said = say(&mut Case::new(&newest), &newest);
        assert_eq!(said, Err(Ended::Garbage(why.to_owned())), "{name}");
    }
}

#[test]
fn a_proxy_that_stays_silent_is_not_waited_for() {
    let newest = set(&[unit("a", 1)]);
    let mut case = Case::new(&newest);
    case.later(HELLO_TIMEOUT);
    assert_eq!(case.session.overdue(case.now), Err(Ended::Slow("hello")));
    let mut case = Case::new(&newest);
    case.hello(hello(&newest)).unwrap();
    case.sends().unwrap();
    case.later(VERDICTS_TIMEOUT - Duration::from_millis(1));
    assert_eq!(case.session.overdue(case.now), Ok(()));
    case.later(Duration::from_millis(1));
    assert_eq!(case.session.overdue(case.now), Err(Ended::Slow("verdicts")));
    let mut idle = Case::running(&newest);
    idle.later(Duration::from_secs(3600));
    assert_eq!(idle.session.overdue(idle.now), Ok(()));
}

#[test]
fn chunks_are_as_large_as_allowed_and_lose_nothing() {
    let lengths = [
        10,
        CHUNK_BYTES - 2000,
        200_000,
        200_000,
        CHUNK_BYTES * 3,
        10,
        10,
    ];
    let units = lengths.into_iter().enumerate().map(|(number, length)| {
        let payload = Payload::Gateway(Gateway {
            trusted_cidrs: vec!["x".repeat(length)],
            ..Gateway::default()
        });
        Unit::new(ObjectName::new("shop", &format!("u{number}")), payload).unwrap()
    });
    let units: Vec<_> = units.collect();
    let newest = set(&units);
    let mut case = Case::new(&newest);
    case.hello(empty_hello()).unwrap();
    let sent = case.sends().unwrap();
    let chunks = sent.chunks();
    for chunk in &chunks {
        let size: usize = chunk.entries.iter().map(|entry| entry.payload.len()).sum();
        assert!(size <= CHUNK_BYTES || chunk.entries.len() == 1);
    }
    assert_eq!(sent.entries().len(), units.len());
    assert_eq!(chunks.len(), 5);
}
