//! A snapshot as a file: a proxy's last good one, and the controller's bootstrap copy.
//!
//! In: a set of units, and a key if there is one. Out: bytes, and back again, or why they are not
//! such a file: a reader never guesses. Where the bytes are kept is not known here.
//!
//! ```text
//! magic 8 | format 1 | sealed 1 | nonce 12 | body | SHA-256 32
//!
//! body: proto/saved.proto, zstd, and AES-256-GCM if there is a key
//! ```
//!
//! The sum at the end tells a broken file from one with another key; the head is authenticated with
//! the body.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
};
use prost::Message;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    set::Entry,
    unit::{Hash, ObjectName, Unit, UnitId},
    wire,
};

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the docs are in the proto file"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tollgate.saved.v1.rs"));
}

const MAGIC: &[u8; 8] = b"tollgate";
const FORMAT: u8 = 1;
const HEAD: usize = MAGIC.len() + 2 + NONCE_LEN;
const SUM: usize = 32;

/// Largest body, unpacked, in bytes: what a broken or hostile file may cost.
const UNPACKED_BYTES: usize = 1 << 30;

/// How hard zstd tries: its own default.
const LEVEL: i32 = 3;

/// The key with which saved snapshots are sealed: AES-256.
pub struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// The key of these bytes.
    ///
    /// # Errors
    /// When they are not 32.
    pub fn new(bytes: &[u8]) -> Result<Self, Unreadable> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        key.map(Self)
            .map_err(|_: Unspecified| Unreadable::KeyLength)
    }
}

/// Why some bytes are not a saved snapshot that can be read here.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Unreadable {
    /// A key of the wrong length.
    #[error("the seal key is not 32 bytes long")]
    KeyLength,
    /// Too short, or without the magic bytes.
    #[error("not a saved snapshot")]
    NoSnapshot,
    /// Of a format that this program does not know.
    #[error("of format {0}, which is not known here")]
    Format(u8),
    /// The sum does not fit: cut off or damaged.
    #[error("damaged: its sum does not fit")]
    Damaged,
    /// Sealed, and there is no key.
    #[error("sealed, and there is no key")]
    NoKey,
    /// Sealed with another key.
    #[error("sealed with another key")]
    WrongKey,
    /// Not sealed although there is a key: only a sealed one can be trusted then.
    #[error("not sealed, although there is a key")]
    NotSealed,
    /// What is in it is not a snapshot.
    #[error("its content can't be read: {0}")]
    Content(String),
}

/// A snapshot that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Saved {
    /// The gateway.
    pub gateway: ObjectName,
    /// Version of the program that wrote it.
    pub version: String,
    /// Highest resourceVersion that went into it; 0: unknown.
    pub resource_version: u64,
    /// The entries.
    pub entries: Vec<SavedEntry>,
}

/// One entry that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SavedEntry {
    /// Identity.
    pub id: UnitId,
    /// The entry's part of the root hash.
    pub wanted: Hash,
    /// The unit that was run: the wanted one, or the last good one.
    pub good: Option<Unit>,
    /// Whether the object is refused.
    pub held: bool,
    /// What to run while the object is refused and there is no good unit.
    pub stand_in: Option<Unit>,
}

impl SavedEntry {
    /// What is kept of an entry that is run as it says.
    pub fn of(id: &UnitId, entry: &Entry) -> Self {
        let (good, held, stand_in) = match entry {
            Entry::Unit(unit) => (Some(unit.clone()), false, None),
            Entry::Held { stand_in } => (None, true, stand_in.clone()),
        };
        Self {
            id: id.clone(),
            wanted: entry.hash(),
            good,
            held,
            stand_in,
        }
    }
}

/// The file of a snapshot, sealed if there is a key.
///
/// # Errors
/// [`Unreadable::Content`], only if a payload does not serialise or the machine has no randomness.
pub fn write(saved: &Saved, key: Option<&SealKey>) -> Result<Vec<u8>, Unreadable> {
    let entries = saved.entries.iter().map(to_wire);
    let body = generated::Saved {
        gateway: saved.gateway.to_string(),
        version: saved.version.clone(),
        resource_version: saved.resource_version,
        entries: entries.collect::<Result<_, _>>().map_err(content)?,
    };
    let mut packed = zstd::bulk::compress(&body.encode_to_vec(), LEVEL).map_err(content)?;
    let mut file = Vec::with_capacity(HEAD + packed.len() + SUM + 16);
    file.extend(MAGIC);
    file.extend([FORMAT, u8::from(key.is_some())]);
    let mut nonce = [0; NONCE_LEN];
    if let Some(SealKey(key)) = key {
        let made = key.seal_in_place_append_tag(Aad::from(&file[..]), &mut packed);
        nonce = *made.map_err(|_| content("no randomness"))?.as_ref();
    }
    file.extend(nonce);
    file.append(&mut packed);
    let sum = Sha256::digest(&file);
    file.extend(sum);
    Ok(file)
}

/// Reads the file of a snapshot.
///
/// # Errors
/// Why it is none, or can't be read with this key.
pub fn read(file: &[u8], key: Option<&SealKey>) -> Result<Saved, Unreadable> {
    let (head, body) = checked(file)?;
    let (aad, nonce) = head.split_at(HEAD - NONCE_LEN);
    let mut body = body.to_vec();
    let packed = match (key, head[MAGIC.len() + 1]) {
        (None, 0) => &body[..],
        (None, _) => return Err(Unreadable::NoKey),
        (Some(_), 0) => return Err(Unreadable::NotSealed),
        (Some(SealKey(key)), _) => {
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable::Damaged)?;
            let opened = key.open_in_place(nonce, Aad::from(aad), &mut body);
            opened.map_err(|_: Unspecified| Unreadable::WrongKey)?
        }
    };
    let body = unpack(packed)?;
    let saved = generated::Saved::decode(&body[..]).map_err(content)?;
    let entries = saved.entries.into_iter().map(from_wire);
    Ok(Saved {
        gateway: saved.gateway.parse().map_err(content)?,
        version: saved.version,
        resource_version: saved.resource_version,
        entries: entries.collect::<Result<_, _>>().map_err(content)?,
    })
}

/// Splits a whole file of a known format into head and body.
fn checked(file: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    if file.len() < HEAD + SUM || !file.starts_with(MAGIC) {
        return Err(Unreadable::NoSnapshot);
    }
    let format = file[MAGIC.len()];
    if format != FORMAT {
        return Err(Unreadable::Format(format));
    }
    let (content, sum) = file.split_at(file.len() - SUM);
    if Sha256::digest(content)[..] != *sum {
        return Err(Unreadable::Damaged);
    }
    Ok(content.split_at(HEAD))
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let size = zstd::bulk::Decompressor::upper_bound(packed);
    match size {
        Some(size) if size <= UNPACKED_BYTES => {
            zstd::bulk::decompress(packed, size).map_err(content)
        }
        Some(_) | None => Err(content("it is too large")),
    }
}

fn to_wire(entry: &SavedEntry) -> Result<generated::Entry, serde_json::Error> {
    let json = |unit: &Option<Unit>| match unit {
        Some(unit) => serde_json::to_vec(&*unit.payload),
        None => Ok(Vec::new()),
    };
    Ok(generated::Entry {
        id: entry.id.to_string(),
        wanted: entry.wanted.as_bytes().to_vec(),
        payload: json(&entry.good)?,
        held: entry.held,
        stand_in: json(&entry.stand_in)?,
    })
}

fn from_wire(entry: generated::Entry) -> Result<SavedEntry, wire::BadMessage> {
    let id = wire::unit_id(entry.id)?;
    let unit = |payload: &[u8]| {
        let hash = Hash::from_bytes(Sha256::digest(payload).into());
        let unit = (!payload.is_empty()).then(|| wire::unit(&id, hash, payload));
        unit.transpose()
    };
    Ok(SavedEntry {
        wanted: wire::hash(&id, &entry.wanted)?,
        good: unit(&entry.payload)?,
        held: entry.held,
        stand_in: unit(&entry.stand_in)?,
        id,
    })
}

fn content(why: impl ToString) -> Unreadable {
    Unreadable::Content(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Function, Payload};

    fn some() -> Saved {
        let name = ObjectName::new("shop", "products");
        let unit = Unit::new(name, Payload::Function(Function::default())).unwrap();
        let id = unit.id.clone();
        Saved {
            gateway: ObjectName::new("shop", "public"),
            version: "1.2.3".to_owned(),
            resource_version: 7,
            entries: vec![
                SavedEntry::of(&id, &Entry::Unit(unit.clone())),
                SavedEntry::of(
                    &id,
                    &Entry::Held {
                        stand_in: Some(unit),
                    },
                ),
            ],
        }
    }

    fn key(byte: u8) -> SealKey {
        SealKey::new(&[byte; SealKey::BYTES]).unwrap()
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        for key in [None, Some(key(1))] {
            let file = write(&some(), key.as_ref()).unwrap();
            assert_eq!(read(&file, key.as_ref()), Ok(some()));
        }
    }

    #[test]
    fn a_sealed_file_shows_nothing_of_its_content() {
        let file = write(&some(), Some(&key(1))).unwrap();
        let shown = file.windows(8).any(|part| part == b"products");
        assert!(!shown);
    }

    #[test]
    fn the_key_must_be_the_one_it_was_sealed_with() {
        let sealed = write(&some(), Some(&key(1))).unwrap();
        let plain = write(&some(), None).unwrap();
        assert_eq!(read(&sealed, Some(&key(2))), Err(Unreadable::WrongKey));
        assert_eq!(read(&sealed, None), Err(Unreadable::NoKey));
        assert_eq!(read(&plain, Some(&key(1))), Err(Unreadable::NotSealed));
        assert!(SealKey::new(&[0; 31]).is_err());
    }

    #[test]
    fn a_file_with_any_byte_changed_is_refused() {
        let file = write(&some(), Some(&key(1))).unwrap();
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert!(read(&bad, Some(&key(1))).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let file = write(&some(), None).unwrap();
        for length in 0..file.len() {
            assert!(read(&file[..length], None).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_format_of_the_future_is_named() {
        let mut file = write(&some(), None).unwrap();
        file[MAGIC.len()] = 9;
        assert_eq!(read(&file, None), Err(Unreadable::Format(9)));
    }
}
