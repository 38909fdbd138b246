//! Units: identity, content hash, payload. How a payload is made or used is not known here.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{endpoints::Endpoints, function::Function, gateway::Gateway, route::Route};

/// Namespace and name of a source object, shown as `namespace/name`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl ObjectName {
    /// The name `namespace/name`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl From<ObjectName> for String {
    fn from(name: ObjectName) -> Self {
        name.to_string()
    }
}

/// Why a text is not an [`ObjectName`] or a [`UnitId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidName;

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not of the form namespace/name")
    }
}

impl std::error::Error for InvalidName {}

impl TryFrom<String> for ObjectName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (namespace, name) = text.split_once('/').ok_or(InvalidName)?;
        Ok(Self::new(namespace, name))
    }
}

/// What a unit is compiled from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum UnitKind {
    /// An ApiGateway.
    Gateway,
    /// An ApiRoute.
    Route,
    /// A Function.
    Function,
    /// The EndpointSlices of one Service.
    Endpoints,
}

impl UnitKind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Route, Self::Function, Self::Endpoints];

    /// The kind as it is written in a [`UnitId`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Route => "route",
            Self::Function => "function",
            Self::Endpoints => "endpoints",
        }
    }
}

/// Identity of a unit, shown as `kind/namespace/name`. It outlives every edit of its object.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitId {
    /// What it is compiled from.
    pub kind: UnitKind,
    /// Which object.
    pub object: ObjectName,
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.object)
    }
}

impl From<UnitId> for String {
    fn from(id: UnitId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for UnitId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let (kind, object) = text.split_once('/').ok_or(InvalidName)?;
        let kind = match kind {
            "gateway" => UnitKind::Gateway,
            "route" => UnitKind::Route,
            "function" => UnitKind::Function,
            "endpoints" => UnitKind::Endpoints,
            _ => return Err(InvalidName),
        };
        Ok(Self {
            kind,
            object: object.parse()?,
        })
    }
}

/// A SHA-256, shown as lower-case hex.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes: a SHA-256 that somebody has made.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a unit says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// Listeners and bounds of a gateway.
    Gateway(Gateway),
    /// Hosts and rules of an API.
    Route(Route),
    /// How a function is called.
    Function(Function),
    /// Where a Service's endpoints are.
    Endpoints(Endpoints),
}

impl Payload {
    /// The kind of unit that carries this payload.
    pub fn kind(&self) -> UnitKind {
        match self {
            Self::Gateway(_) => UnitKind::Gateway,
            Self::Route(_) => UnitKind::Route,
            Self::Function(_) => UnitKind::Function,
            Self::Endpoints(_) => UnitKind::Endpoints,
        }
    }
}

/// Largest JSON of a payload that is sent and taken, in bytes. An object of 1 MiB comes nowhere
/// near, unless what it says is multiplied: each host of a route is named for each listener that
/// serves it.
pub const PAYLOAD_BYTES: usize = 4 << 20;

/// Why a payload makes no unit.
#[derive(Debug, Error)]
pub enum NoUnit {
    /// It does not serialise, which no payload of this crate does.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is too large to be sent.
    #[error("compiles to {0} bytes, at most {PAYLOAD_BYTES} can be sent; divide it")]
    TooLarge(usize),
}

/// One source object compiled. Equal units have equal hashes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// Identity.
    pub id: UnitId,
    /// Hash of the payload's JSON.
    pub hash: Hash,
    /// Content, shared: a unit is cloned on its way, its content never.
    pub payload: Arc<Payload>,
}

impl Unit {
    /// Makes the unit of an object, with the hash of its payload.
    ///
    /// # Errors
    /// When the payload is too large.
    pub fn new(object: ObjectName, payload: Payload) -> Result<Self, NoUnit> {
        let json = serde_json::to_vec(&payload)?;
        if json.len() > PAYLOAD_BYTES {
            return Err(NoUnit::TooLarge(json.len()));
        }
        let hash = Hash(Sha256::digest(json).into());
        let id = UnitId {
            kind: payload.kind(),
            object,
        };
        Ok(Self {
            id,
            hash,
            payload: Arc::new(payload),
        })
    }
}

/// What a receiver of units is told of one of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UnitChange {
    /// Run this from now on.
    Put(Unit),
    /// The object is refused: go on with the unit that you have; without one, run the stand-in.
    Hold {
        /// Which unit.
        id: UnitId,
        /// What to run without an older version, if anything.
        stand_in: Option<Unit>,
    },
    /// The object is gone.
    Remove(UnitId),
}

impl UnitChange {
    /// The unit that it speaks of.
    pub fn id(&self) -> &UnitId {
        match self {
            Self::Put(unit) => &unit.id,
            Self::Hold { id, .. } | Self::Remove(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(timeout_ms: u64) -> Unit {
        let payload = Payload::Function(Function {
            timeout_ms,
            ..Function::default()
        });
        Unit::new(ObjectName::new("shop", "products"), payload).unwrap()
    }

    #[test]
    fn equal_payloads_have_equal_hashes() {
        assert_eq!(unit(1).hash, unit(1).hash);
        assert_ne!(unit(1).hash, unit(2).hash);
    }

    #[test]
    fn what_is_too_large_to_be_sent_makes_no_unit() {
        let endpoints = |addresses: usize| {
            let addresses = vec!["192.0.2.100:8080".to_owned(); addresses];
            let ports = [(80, addresses)].into();
            Unit::new(
                ObjectName::new("shop", "products"),
                Payload::Endpoints(Endpoints { ports }),
            )
        };
        assert!(endpoints(100_000).is_ok());
        let error = endpoints(500_000).unwrap_err();
        assert!(error.to_string().contains("9500"), "{error}");
    }

    #[test]
    fn a_payload_survives_json_and_skips_unknown_fields() {
        let json = r#"{"function":{"timeoutMs":7,"memoryMb":1,"ofTheFuture":true}}"#;
        let payload: Payload = serde_json::from_str(json).unwrap();
        let Payload::Function(function) = payload else {
            panic!("another kind")
        };
        assert_eq!(function.timeout_ms, 7);
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = unit(1).id;
        assert_eq!(id.to_string(), "function/shop/products");
        assert_eq!(UnitId::try_from(id.to_string()), Ok(id));
    }
}
