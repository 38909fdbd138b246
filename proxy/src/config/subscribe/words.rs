//! What this proxy says: its Hello and its verdicts, as they travel.
//!
//! In: what is held and what became of it. Out: messages.

use imbl::OrdMap;
use prost::Message;
use tollgate_snapshot::{
    Hash, UnitId,
    wire::{
        self, Boot, Hello, MESSAGE_BYTES, PROTOCOL, ProxyMessage, REASON_BYTES, State, Verdicts,
        proxy_message,
    },
};

use super::report::SnapshotSource;
use crate::config::{adopt::Verdict, holding::Holding};

/// The first message. Without `tells`, it says that it has nothing, so that everything comes.
pub(super) fn hello(
    holding: &Holding,
    source: Option<SnapshotSource>,
    tells: bool,
    exceptions: &OrdMap<UnitId, Verdict>,
) -> ProxyMessage {
    let mut hello = Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot: source.map_or(Boot::Empty, SnapshotSource::boot).into(),
        root: bytes(holding.root()),
        resource_version: holding.resource_version(),
        have: holding.have(),
        exceptions: verdicts(exceptions),
    };
    if !tells || hello.encoded_len() > MESSAGE_BYTES {
        hello.root.clear();
        hello.have.clear();
    }
    said(proxy_message::Message::Hello(hello))
}

/// What became of a transaction.
pub(super) fn outcome(
    seq: u64,
    holding: &Holding,
    refused: String,
    exceptions: &OrdMap<UnitId, Verdict>,
) -> ProxyMessage {
    said(proxy_message::Message::Verdicts(Verdicts {
        seq,
        root: bytes(holding.root()),
        refused: shortened(refused),
        exceptions: verdicts(exceptions),
    }))
}

fn said(message: proxy_message::Message) -> ProxyMessage {
    ProxyMessage {
        message: Some(message),
    }
}

fn bytes(root: Option<Hash>) -> Vec<u8> {
    root.map(|root| root.as_bytes().to_vec())
        .unwrap_or_default()
}

fn verdicts(exceptions: &OrdMap<UnitId, Verdict>) -> Vec<wire::Verdict> {
    let each = exceptions.iter().map(|(id, verdict)| {
        let (state, reason) = match verdict {
            Verdict::HeldAtLastGood => (State::HeldAtLastGood, String::new()),
            Verdict::HeldWithoutLastGood => (State::HeldWithoutLastGood, String::new()),
            Verdict::Rejected(why) => (State::Rejected, shortened(why.clone())),
        };
        wire::Verdict {
            id: id.to_string(),
            state: state.into(),
            reason,
        }
    });
    each.collect()
}

/// At most as long as the protocol has it, cut between characters.
fn shortened(mut text: String) -> String {
    let mut end = text.len().min(REASON_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        let rows = [
            ("short", "é".to_owned(), "é".to_owned()),
            ("exact", "x".repeat(256), "x".repeat(256)),
            ("long", "x".repeat(300), "x".repeat(256)),
            (
                "cut in a character",
                format!("x{}", "é".repeat(200)),
                format!("x{}", "é".repeat(127)),
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(shortened(text), expected, "{name}");
        }
    }

    #[test]
    fn who_wants_everything_anew_says_that_it_has_nothing() {
        let holding = Holding::restore(tollgate_snapshot::saved::Saved {
            gateway: tollgate_snapshot::ObjectName::new("shop", "public"),
            version: String::new(),
            resource_version: 7,
            entries: Vec::new(),
        });
        for tells in [true, false] {
            let source = Some(SnapshotSource::Disk(1));
            let message = hello(&holding.0, source, tells, &OrdMap::new());
            let Some(proxy_message::Message::Hello(hello)) = message.message else {
                panic!("another message")
            };
            assert_eq!(hello.root.is_empty(), !tells);
            assert_eq!(hello.boot(), Boot::LastGood);
            assert_eq!(hello.resource_version, 7);
        }
    }
}
