//! A function, compiled: how it is called. How it is run is not said here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::unit::ObjectName;

/// A Function, compiled.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Function {
    /// Longest time for one call.
    pub timeout_ms: u64,
    /// Memory that the function is told it has, in MiB.
    pub memory_mb: u64,
    /// How its pods are called; none: it runs in no pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoke: Option<Invoke>,
}

impl Default for Function {
    fn default() -> Self {
        Self {
            timeout_ms: 3_000,
            memory_mb: 128,
            invoke: None,
        }
    }
}

/// How a function's pods are called: `POST` of an event to the sidecar in one of them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoke {
    /// The Service whose endpoints the pods are: a unit of its own.
    pub service: ObjectName,
    /// Port of that Service.
    pub port: u16,
    /// What a caller proves itself with: the newest key first, then one that is still accepted.
    pub keys: Vec<InvokeKey>,
}

/// A secret that a function's sidecars and the gateways share, as 64 hex digits. It is never shown.
#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvokeKey([u8; 32]);

/// Why a text is no [`InvokeKey`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not 64 hex digits")]
pub struct NoKey;

impl InvokeKey {
    /// A key of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As callers send it.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::str::FromStr for InvokeKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoKey);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or(NoKey)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NoKey)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for InvokeKey {
    type Error = NoKey;

    fn try_from(text: String) -> Result<Self, NoKey> {
        text.parse()
    }
}

impl From<InvokeKey> for String {
    fn from(key: InvokeKey) -> Self {
        key.to_hex()
    }
}

impl fmt::Debug for InvokeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvokeKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hex_digits_and_never_shown() {
        let key: InvokeKey = "0f".repeat(32).parse().unwrap();
        assert_eq!(key, InvokeKey::from_bytes([15; 32]));
        assert_eq!(key.to_hex(), "0f".repeat(32));
        assert!(!format!("{key:?}").contains("0f"));
        for text in [
            "",
            "0f",
            &"0g".repeat(32),
            &"+f".repeat(32),
            &"é".repeat(32),
        ] {
            assert_eq!(text.parse::<InvokeKey>(), Err(NoKey), "{text}");
        }
    }
}
