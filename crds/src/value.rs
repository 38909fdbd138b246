//! Values that users write as text: durations and sizes.
//!
//! The types keep the text as written and parse on demand, so that a bad value costs its field and
//! not the whole object. They know nothing of the fields that hold them.

use std::{borrow::Cow, fmt, time::Duration as StdDuration};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration as [GEP-2257](https://gateway-api.sigs.k8s.io/geps/gep-2257/) writes it: up to four
/// parts of up to five digits with the units `h`, `m`, `s`, `ms`, such as `1h30m` or `500ms`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Duration(pub String);

/// Why a text is not a [`Duration`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidDuration;

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration such as 1h30m, 10s or 500ms")
    }
}

impl Duration {
    const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

    /// Parses the text.
    ///
    /// # Errors
    /// [`InvalidDuration`] when it is not of the form above.
    pub fn parse(&self) -> Result<StdDuration, InvalidDuration> {
        let mut rest = self.0.as_str();
        let mut total = StdDuration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let (part, after) = Self::first_part(rest)?;
            total += part;
            rest = after;
            parts += 1;
        }
        if parts == 0 || parts > 4 {
            Err(InvalidDuration)
        } else {
            Ok(total)
        }
    }

    fn first_part(text: &str) -> Result<(StdDuration, &str), InvalidDuration> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 5 {
            return Err(InvalidDuration);
        }
        let count: u64 = text[..digits].parse().map_err(|_| InvalidDuration)?;
        let unit = &text[digits..];
        // `ms` before `m`: the longer unit wins.
        for (name, millis) in [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if let Some(after) = unit.strip_prefix(name) {
                return Ok((StdDuration::from_millis(count * millis), after));
            }
        }
        Err(InvalidDuration)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 32, "pattern": Self::PATTERN})
    }
}

/// A size in bytes as a Kubernetes quantity: a number, with one of the suffixes
/// `k M G T Ki Mi Gi Ti` or none, such as `10Mi`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Size(pub IntOrString);

/// Why a value is not a [`Size`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidSize;

impl fmt::Display for InvalidSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a size such as 512, 64Ki or 10Mi")
    }
}

impl Size {
    const PATTERN: &str = "^[0-9]{1,15}(k|M|G|T|Ki|Mi|Gi|Ti)?$";

    /// The size in bytes.
    ///
    /// # Errors
    /// [`InvalidSize`] when it is not of the form above or too large.
    pub fn bytes(&self) -> Result<u64, InvalidSize> {
        let text = match &self.0 {
            IntOrString::Int(n) => return u64::try_from(*n).map_err(|_| InvalidSize),
            IntOrString::String(text) => text,
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let count: u64 = text[..digits].parse().map_err(|_| InvalidSize)?;
        let unit: u64 = match &text[digits..] {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(InvalidSize),
        };
        count.checked_mul(unit).ok_or(InvalidSize)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 20,
            "minimum": 0,
            "pattern": Self::PATTERN
        })
    }
}

/// The number or the name of a port. Names end where those of Services do.
pub(crate) fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 63})
}

/// Labels: values of up to 63 characters.
pub(crate) fn short_texts(_: &mut SchemaGenerator) -> Schema {
    texts(16, 63)
}

/// Header fields: values of up to 4096 characters.
pub(crate) fn header_fields(_: &mut SchemaGenerator) -> Schema {
    texts(32, 4096)
}

fn texts(entries: u32, length: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": entries,
        "additionalProperties": {"type": "string", "maxLength": length}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_as_gep_2257_says() {
        let rows = [
            ("hours and minutes", "1h30m", Some(5_400_000)),
            ("milliseconds", "500ms", Some(500)),
            ("all units", "1h1m1s1ms", Some(3_661_001)),
            ("zero", "0s", Some(0)),
            ("empty", "", None),
            ("no unit", "10", None),
            ("unknown unit", "1d", None),
            ("fraction", "1.5s", None),
            ("six digits", "123456s", None),
            ("five parts", "1s1s1s1s1s", None),
            ("negative", "-1s", None),
        ];
        for (name, text, millis) in rows {
            let parsed = Duration(text.into()).parse().ok();
            assert_eq!(parsed, millis.map(StdDuration::from_millis), "{name}");
        }
    }

    #[test]
    fn sizes_parse_as_quantities() {
        let rows = [
            ("binary", "10Mi", Some(10 << 20)),
            ("decimal", "2k", Some(2_000)),
            ("plain", "512", Some(512)),
            ("unknown suffix", "1Q", None),
            ("no number", "Mi", None),
            ("overflow", "999999999999999Ti", None),
        ];
        for (name, text, bytes) in rows {
            assert_eq!(
                Size(IntOrString::String(text.into())).bytes().ok(),
                bytes,
                "{name}"
            );
        }
        assert_eq!(Size(IntOrString::Int(-1)).bytes(), Err(InvalidSize));
    }
}
