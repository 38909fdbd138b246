//! The push protocol's messages, and what they say in this crate's own types.
//!
//! In: bytes of `proto/push.proto`. Out: ids, hashes, entries; or why a message is not one. Who
//! sends what when is not known here.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    set::{self, held_hash},
    unit::{Hash, PAYLOAD_BYTES, Payload, Unit, UnitId},
};

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    reason = "generated; the docs are in the proto file"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tollgate.push.v1.rs"));
}

pub use generated::*;

/// Version of the protocol.
pub const PROTOCOL: u32 = 1;

/// Audience of the tokens with which proxies and replicas dial.
pub const AUDIENCE: &str = "tollgate";

/// Largest sum of payloads in a chunk, in bytes, unless one entry alone is larger.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Largest message that either side takes, in bytes: a chunk of one largest unit, and room; or a
/// Hello that names some ten thousand units.
pub const MESSAGE_BYTES: usize = 2 * PAYLOAD_BYTES;

/// Longest reason in a verdict, in bytes.
pub const REASON_BYTES: usize = 256;

/// Why a message is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadMessage {
    /// An id is not of the form `kind/namespace/name` with a kind that is known here.
    Id(String),
    /// A hash is not 32 bytes.
    HashLength(UnitId),
    /// A payload does not have the hash that it came with.
    HashMismatch(UnitId),
    /// A payload is not a unit of its id's kind.
    Payload(UnitId, String),
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id:?} names no unit that is known here"),
            Self::HashLength(id) => write!(f, "{id}: the hash is not 32 bytes long"),
            Self::HashMismatch(id) => write!(f, "{id}: the payload has another hash"),
            Self::Payload(id, why) => write!(f, "{id}: {why}"),
        }
    }
}

impl std::error::Error for BadMessage {}

/// An entry as it travels.
///
/// # Errors
/// Only if a payload does not serialise, which no payload of this crate does.
pub fn encode(id: &UnitId, entry: &set::Entry) -> Result<Entry, serde_json::Error> {
    let (unit, held) = match entry {
        set::Entry::Unit(unit) => (Some(unit), false),
        set::Entry::Held { stand_in } => (stand_in.as_ref(), true),
    };
    let payload = unit.map(|unit| serde_json::to_vec(&*unit.payload));
    Ok(Entry {
        id: id.to_string(),
        hash: entry.hash().as_bytes().to_vec(),
        payload: payload.transpose()?.unwrap_or_default(),
        held,
    })
}

/// An entry that has come: its id, its part of the root hash, and what to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrived {
    /// Identity.
    pub id: UnitId,
    /// The entry's part of the root hash, also when it can't be read.
    pub hash: Hash,
    /// What to run, or why this program can't read it.
    pub entry: Result<set::Entry, String>,
}

/// Reads an entry that has come. One that this program can't read spoils no other: it is handed on
/// as such.
///
/// # Errors
/// When its id or hash can't be right: then nothing of the message can be trusted.
pub fn decode(entry: Entry) -> Result<Arrived, BadMessage> {
    let id = unit_id(entry.id)?;
    let hash = hash(&id, &entry.hash)?;
    let sealed = (!entry.payload.is_empty())
        .then(|| Hash::from_bytes(Sha256::digest(&entry.payload).into()));
    let expected = match (entry.held, sealed) {
        (true, sealed) => held_hash(sealed.as_ref()),
        (false, Some(sealed)) => sealed,
        (false, None) => return Err(BadMessage::Payload(id, "it is empty".to_owned())),
    };
    if expected != hash {
        return Err(BadMessage::HashMismatch(id));
    }
    let unit = sealed
        .map(|hash| unit(&id, hash, &entry.payload))
        .transpose();
    let entry = match unit {
        Ok(Some(unit)) if !entry.held => Ok(set::Entry::Unit(unit)),
        Ok(stand_in) => Ok(set::Entry::Held { stand_in }),
        Err(BadMessage::Payload(_, why)) => Err(why),
        Err(other) => return Err(other),
    };
    Ok(Arrived { id, hash, entry })
}

/// The unit that a payload's JSON makes.
///
/// # Errors
/// When it is not of the id's kind or can't be read.
pub fn unit(id: &UnitId, hash: Hash, payload: &[u8]) -> Result<Unit, BadMessage> {
    let payload: Payload = serde_json::from_slice(payload)
        .map_err(|error| BadMessage::Payload(id.clone(), error.to_string()))?;
    if payload.kind() != id.kind {
        let why = format!("the payload is a {}", payload.kind().as_str());
        return Err(BadMessage::Payload(id.clone(), why));
    }
    Ok(Unit {
        id: id.clone(),
        hash,
        payload: payload.into(),
    })
}

/// Reads an id.
///
/// # Errors
/// When it is not of the form `kind/namespace/name` with a known kind.
pub fn unit_id(text: String) -> Result<UnitId, BadMessage> {
    UnitId::try_from(text.clone()).map_err(|_| BadMessage::Id(text))
}

/// Reads the hash that came with an id.
///
/// # Errors
/// When it is not 32 bytes long.
pub fn hash(id: &UnitId, bytes: &[u8]) -> Result<Hash, BadMessage> {
    let bytes = bytes.try_into();
    bytes
        .map(Hash::from_bytes)
        .map_err(|_| BadMessage::HashLength(id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Function, ObjectName};

    fn some() -> (UnitId, Unit) {
        let payload = Payload::Function(Function::default());
        let unit = Unit::new(ObjectName::new("shop", "products"), payload).unwrap();
        (unit.id.clone(), unit)
    }

    #[test]
    fn an_entry_arrives_as_it_was_sent() {
        let (id, unit) = some();
        let entries = [
            set::Entry::Unit(unit.clone()),
            set::Entry::Held { stand_in: None },
            set::Entry::Held {
                stand_in: Some(unit),
            },
        ];
        for entry in entries {
            let arrived = decode(encode(&id, &entry).unwrap()).unwrap();
            assert_eq!(arrived.hash, entry.hash());
            assert_eq!(arrived.entry, Ok(entry));
        }
    }

    #[test]
    fn a_message_that_cannot_be_right_is_refused() {
        let (id, unit) = some();
        let good = encode(&id, &set::Entry::Unit(unit)).unwrap();
        type Spoil = fn(&mut Entry);
        let rows: [(&str, Spoil); 5] = [
            ("no id", |entry| entry.id.clear()),
            ("a kind of the future", |entry| {
                entry.id = "wonder/shop/products".to_owned();
            }),
            ("a short hash", |entry| entry.hash.truncate(31)),
            ("another payload", |entry| entry.payload.push(b' ')),
            ("no payload", |entry| entry.payload.clear()),
        ];
        for (name, spoil) in rows {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert!(decode(bad).is_err(), "{name}");
        }
    }

    #[test]
    fn a_payload_that_cannot_be_read_spoils_its_own_entry_alone() {
        let (id, _) = some();
        let payload = br#"{"route":{}}"#.to_vec();
        let sent = Entry {
            id: id.to_string(),
            hash: Sha256::digest(&payload).to_vec(),
            payload,
            held: false,
        };
        let arrived = decode(sent).unwrap();
        assert_eq!(arrived.entry, Err("the payload is a route".to_owned()));
    }
}
