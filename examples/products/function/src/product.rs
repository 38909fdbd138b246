//! A product: its type, what makes one valid, and how a merge patch changes one.
//!
//! In: JSON from a client. Out: a [`Draft`] that may be stored, or the first field that is wrong.
//! Where products are kept is not known here.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;

/// Largest amount: a whole number that every JSON reader keeps exactly.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// Most tags, and the longest one in characters.
const TAGS_MAX: usize = 20;
const TAG_CHARS_MAX: usize = 50;

/// A product as it is kept and shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    /// Its name in URLs; see [`is_id`].
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) draft: Draft,
    /// When it was first stored, RFC 3339 in UTC.
    pub(crate) created_at: String,
}

/// The part of a product that clients give.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) price: Price,
    pub(crate) tags: Vec<String>,
}

/// A sum of money.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Price {
    /// In the currency's smallest unit, such as cents.
    pub(crate) amount: i64,
    /// ISO 4217 code, such as `EUR`.
    pub(crate) currency: String,
}

/// The first field that is wrong, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Invalid {
    field: String,
    reason: String,
}

impl Invalid {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Invalid {
    /// `field: reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Whether a text may name a product: 1 to 64 letters, digits, `-` and `_`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Draft {
    /// Reads what a client gives for the product `id`, or for a new one without.
    ///
    /// A client may give back a product as it was shown: `id` must then be the same, and
    /// `createdAt` is not looked at.
    pub(crate) fn parse(body: &Value, id: Option<&str>) -> Result<Self, Invalid> {
        let fields = object(body, "body")?;
        known(fields, "", &["id", "name", "price", "tags", "createdAt"])?;
        if let Some(given) = fields.get("id").filter(|given| given.as_str() != id) {
            return Err(match id {
                Some(id) => Invalid::new("id", format!("{given} is not the path's \"{id}\"")),
                None => Invalid::new("id", "given by the server, leave it out"),
            });
        }
        Ok(Self {
            name: text(fields, "name", NAME_CHARS_MAX)?,
            price: price(required(fields, "price")?)?,
            tags: fields.get("tags").map_or_else(|| Ok(Vec::new()), tags)?,
        })
    }
}

fn price(value: &Value) -> Result<Price, Invalid> {
    let fields = object(value, "price")?;
    known(fields, "price.", &["amount", "currency"])?;
    let amount = fields
        .get("amount")
        .and_then(Value::as_i64)
        .filter(|amount| (0..=AMOUNT_MAX).contains(amount))
        .ok_or_else(|| {
            Invalid::new(
                "price.amount",
                format!("a whole number from 0 to {AMOUNT_MAX} is needed"),
            )
        })?;
    let currency = fields
        .get("currency")
        .and_then(Value::as_str)
        .filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
        .ok_or_else(|| {
            Invalid::new(
                "price.currency",
                "three capital letters such as EUR are needed",
            )
        })?;
    Ok(Price {
        amount,
        currency: currency.to_owned(),
    })
}

fn tags(value: &Value) -> Result<Vec<String>, Invalid> {
    let list = value
        .as_array()
        .ok_or_else(|| Invalid::new("tags", "a list is needed"))?;
    if list.len() > TAGS_MAX {
        return Err(Invalid::new("tags", format!("more than {TAGS_MAX}")));
    }
    list.iter()
        .enumerate()
        .map(|(i, tag)| bounded(tag, &format!("tags[{i}]"), TAG_CHARS_MAX))
        .collect()
}

fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, Invalid> {
    value
        .as_object()
        .ok_or_else(|| Invalid::new(field, "an object is needed"))
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Invalid> {
    fields
        .get(name)
        .ok_or_else(|| Invalid::new(name, "missing"))
}

fn text(fields: &Map<String, Value>, name: &str, chars_max: usize) -> Result<String, Invalid> {
    bounded(required(fields, name)?, name, chars_max)
}

fn bounded(value: &Value, field: &str, chars_max: usize) -> Result<String, Invalid> {
    value
        .as_str()
        .filter(|text| !text.trim().is_empty() && text.chars().count() <= chars_max)
        .map(ToOwned::to_owned)
        .ok_or_else(|| Invalid::new(field, format!("1 to {chars_max} characters are needed")))
}

fn known(fields: &Map<String, Value>, path: &str, names: &[&str]) -> Result<(), Invalid> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Invalid::new(format!("{path}{name}"), "unknown field")),
        None => Ok(()),
    }
}

/// Changes `target` as a JSON merge patch says (RFC 7396 section 2).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (name, change) in patch {
        if change.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(body: &Value, id: Option<&str>) -> String {
        Draft::parse(body, id).map_or_else(|invalid| invalid.to_string(), |_| "valid".into())
    }

    fn mug(field: &str, value: Value) -> Value {
        let mut body = json!({"name": "Mug", "price": {"amount": 1250, "currency": "EUR"}});
        body[field] = value;
        body
    }

    #[test]
    fn a_draft_is_refused_with_the_name_of_its_field() {
        let amount = "a whole number from 0 to 1000000000000 is needed";
        let rows = [
            ("no object", json!([]), "body: an object is needed".into()),
            ("no name", json!({}), "name: missing".into()),
            (
                "blank name",
                mug("name", json!("  ")),
                "name: 1 to 200 characters are needed".into(),
            ),
            ("no price", json!({"name": "Mug"}), "price: missing".into()),
            (
                "price as a number",
                mug("price", json!(12)),
                "price: an object is needed".into(),
            ),
            (
                "fraction",
                mug("price", json!({"amount": 1.5, "currency": "EUR"})),
                format!("price.amount: {amount}"),
            ),
            (
                "debt",
                mug("price", json!({"amount": -1, "currency": "EUR"})),
                format!("price.amount: {amount}"),
            ),
            (
                "currency in lower case",
                mug("price", json!({"amount": 1, "currency": "eur"})),
                "price.currency: three capital letters such as EUR are needed".into(),
            ),
            (
                "unknown part of the price",
                mug("price", json!({"amount": 1, "currency": "EUR", "vat": 7})),
                "price.vat: unknown field".into(),
            ),
            (
                "tags as text",
                mug("tags", json!("a")),
                "tags: a list is needed".into(),
            ),
            (
                "empty tag",
                mug("tags", json!(["a", ""])),
                "tags[1]: 1 to 50 characters are needed".into(),
            ),
            (
                "unknown field",
                mug("colour", json!("red")),
                "colour: unknown field".into(),
            ),
            (
                "id of a new product",
                mug("id", json!("mug")),
                "id: given by the server, leave it out".into(),
            ),
        ];
        for (name, body, expected) in rows {
            assert_eq!(reason(&body, None), expected, "{name}");
        }
    }

    #[test]
    fn a_product_may_be_given_back_as_it_was_shown() {
        let mut body = mug("id", json!("mug"));
        body["createdAt"] = json!("2026-01-01T00:00:00.000Z");
        assert_eq!(reason(&body, Some("mug")), "valid");
        assert_eq!(
            reason(&body, Some("cup")),
            "id: \"mug\" is not the path's \"cup\""
        );
    }

    #[test]
    fn an_id_is_short_and_plain() {
        let rows = [
            ("letters", "mug-2_X", true),
            ("empty", "", false),
            ("slash", "a/b", false),
            ("space", "a b", false),
            ("non-ascii", "é", false),
        ];
        for (name, id, expected) in rows {
            assert_eq!(is_id(id), expected, "{name}");
        }
        assert!(is_id(&"a".repeat(64)));
        assert!(!is_id(&"a".repeat(65)));
    }

    /// The examples of RFC 7396 appendix A.
    #[test]
    fn a_merge_patch_changes_what_the_rfc_says() {
        let rows = [
            (
                "replace",
                json!({"a": "b"}),
                json!({"a": "c"}),
                json!({"a": "c"}),
            ),
            (
                "add",
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            ("remove", json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                "remove one of two",
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (
                "list by text",
                json!({"a": ["b"]}),
                json!({"a": "c"}),
                json!({"a": "c"}),
            ),
            (
                "text by list",
                json!({"a": "c"}),
                json!({"a": ["b"]}),
                json!({"a": ["b"]}),
            ),
            (
                "nested",
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                "list of objects",
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                "lists are whole",
                json!(["a", "b"]),
                json!(["c", "d"]),
                json!(["c", "d"]),
            ),
            (
                "object by list",
                json!({"a": "b"}),
                json!(["c"]),
                json!(["c"]),
            ),
            (
                "null is a value",
                json!({"a": "foo"}),
                json!(null),
                json!(null),
            ),
            (
                "object by text",
                json!({"a": "foo"}),
                json!("bar"),
                json!("bar"),
            ),
            (
                "a null that was there stays",
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                "list by object",
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                "nulls of a new object are left out",
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (name, mut target, patch, expected) in rows {
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{name}");
        }
    }
}
