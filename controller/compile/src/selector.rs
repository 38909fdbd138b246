//! Label selectors: which namespaces they select.
//!
//! In: a selector and the labels of a namespace. Out: whether it is selected, as Kubernetes says
//! it, or what is wrong with the selector. An empty one selects nothing here: it is refused.

use std::collections::BTreeMap;

use tollgate_crds::api_gateway::{LabelOperator, LabelRequirement, NamespaceSelector};

use crate::findings::{Field, Findings};

/// The label whose value is the namespace's name. The API server sets it, whatever was written.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of a namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    /// Name of the namespace.
    pub(crate) name: &'a str,
    /// The labels that were written; none: nobody has described the namespace.
    pub(crate) written: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Labels<'a> {
    fn find(&self, key: &str) -> Option<&'a str> {
        match key {
            NAME_LABEL => Some(self.name),
            key => self.written?.get(key).map(String::as_str),
        }
    }

    /// Whether a namespace lacks a label. Of one that nobody has described that is not known, and
    /// what is not known admits nobody.
    fn lacks(&self, key: &str) -> bool {
        (key == NAME_LABEL || self.written.is_some()) && self.find(key).is_none()
    }
}

/// Whether all that a selector says holds.
pub(crate) fn selects(selector: &NamespaceSelector, labels: Labels<'_>) -> bool {
    let mut equal = selector.match_labels.iter();
    let mut required = selector.match_expressions.iter();
    !is_empty(selector)
        && equal.all(|(key, value)| labels.find(key) == Some(value))
        && required.all(|one| holds(one, labels))
}

fn is_empty(selector: &NamespaceSelector) -> bool {
    selector.match_labels.is_empty() && selector.match_expressions.is_empty()
}

fn holds(one: &LabelRequirement, labels: Labels<'_>) -> bool {
    let found = labels.find(&one.key);
    let is_listed = |value: &str| one.values.iter().any(|listed| listed == value);
    match one.operator {
        LabelOperator::In => found.is_some_and(is_listed),
        LabelOperator::NotIn => match found {
            Some(value) => !is_listed(value),
            None => labels.lacks(&one.key),
        },
        LabelOperator::Exists => found.is_some(),
        LabelOperator::DoesNotExist => labels.lacks(&one.key),
    }
}

/// What is wrong with a selector.
pub(crate) fn check(selector: &NamespaceSelector, field: Field<'_>, findings: &mut Findings<'_>) {
    if is_empty(selector) {
        let message = "at least one of matchLabels and matchExpressions; every namespace is \
                       namespaces: All";
        findings.invalid(field, message);
    }
    let labels = field.key("matchLabels");
    for (key, value) in &selector.match_labels {
        findings.parsed(labels, check_key(key));
        findings.parsed(labels.key(key), check_value(value));
    }
    let expressions = field.key("matchExpressions");
    for (i, one) in selector.match_expressions.iter().enumerate() {
        let field = expressions.index(i);
        findings.parsed(field.key("key"), check_key(&one.key));
        let values = field.key("values");
        let takes_values = match one.operator {
            LabelOperator::In | LabelOperator::NotIn => true,
            LabelOperator::Exists | LabelOperator::DoesNotExist => false,
        };
        if takes_values == one.values.is_empty() {
            findings.invalid(values, "values go with In and NotIn, and only with them");
        }
        for (j, value) in one.values.iter().enumerate() {
            findings.parsed(values.index(j), check_value(value));
        }
    }
}

/// A name, maybe with a DNS name and a slash in front.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((prefix, name)) => (Some(prefix), name),
    };
    let is_prefix = |prefix: &str| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| is_text(part, b"-"))
            && !prefix.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    match is_text(name, b"-_.") && prefix.is_none_or(is_prefix) {
        true if name.len() <= 63 => Ok(()),
        true | false => Err(format!("{key:?} is not the key of a label")),
    }
}

fn check_value(value: &str) -> Result<(), String> {
    match value.is_empty() || (value.len() <= 63 && is_text(value, b"-_.")) {
        true => Ok(()),
        false => Err(format!("{value:?} is not the value of a label")),
    }
}

/// Letters and digits, between them also `inner`.
fn is_text(text: &str, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter()
        .all(|byte| byte.is_some_and(u8::is_ascii_alphanumeric))
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || inner.contains(byte))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn selector(value: Value) -> NamespaceSelector {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_selector_selects_as_kubernetes_says() {
        let one = |key, operator, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let rows = [
            ("equal", json!({"matchLabels": {"team": "shop"}}), true),
            ("other value", json!({"matchLabels": {"team": "x"}}), false),
            (
                "absent",
                json!({"matchLabels": {"team": "shop", "a": ""}}),
                false,
            ),
            ("in", one("team", "In", json!(["a", "shop"])), true),
            ("not among", one("team", "In", json!(["a"])), false),
            ("in of absent", one("a", "In", json!([""])), false),
            ("not in", one("team", "NotIn", json!(["a"])), true),
            ("among", one("team", "NotIn", json!(["shop"])), false),
            ("not in of absent", one("a", "NotIn", json!(["b"])), true),
            ("exists", one("team", "Exists", json!([])), true),
            ("exists of absent", one("a", "Exists", json!([])), false),
            (
                "does not exist",
                one("team", "DoesNotExist", json!([])),
                false,
            ),
            ("absent and so", one("a", "DoesNotExist", json!([])), true),
            ("empty", json!({}), false),
            (
                "own name",
                json!({"matchLabels": {NAME_LABEL: "pay"}}),
                true,
            ),
            (
                "name that was written",
                json!({"matchLabels": {NAME_LABEL: "infra"}}),
                false,
            ),
        ];
        let written = [("team", "shop"), (NAME_LABEL, "infra")];
        let written = written.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let written = BTreeMap::from(written);
        let labels = Labels {
            name: "pay",
            written: Some(&written),
        };
        for (name, value, expected) in rows {
            assert_eq!(selects(&selector(value), labels), expected, "{name}");
        }
    }

    #[test]
    fn of_a_namespace_that_nobody_described_only_the_name_is_known() {
        let one = |key, operator, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let rows = [
            ("in", one("team", "In", json!(["shop"])), false),
            ("not in", one("team", "NotIn", json!(["shop"])), false),
            ("exists", one("team", "Exists", json!([])), false),
            (
                "does not exist",
                one("team", "DoesNotExist", json!([])),
                false,
            ),
            ("name", one(NAME_LABEL, "In", json!(["pay"])), true),
            (
                "other name",
                one(NAME_LABEL, "NotIn", json!(["shop"])),
                true,
            ),
        ];
        let labels = Labels {
            name: "pay",
            written: None,
        };
        for (name, value, expected) in rows {
            assert_eq!(selects(&selector(value), labels), expected, "{name}");
        }
    }

    #[test]
    fn keys_and_values_are_those_of_labels() {
        let long = "a".repeat(64);
        let rows = [
            ("plain", "team", true),
            ("prefix", "example.com/team", true),
            ("inner", "a-b_c.D", true),
            ("empty", "", false),
            ("empty prefix", "/team", false),
            ("empty name", "example.com/", false),
            ("two slashes", "a/b/c", false),
            ("upper case in front", "Example.com/team", false),
            ("hyphen first", "-a", false),
            ("space", "a b", false),
            ("long", &long, false),
        ];
        for (name, key, expected) in rows {
            assert_eq!(check_key(key).is_ok(), expected, "{name}");
        }
        assert!(check_value("").is_ok());
        assert!(check_value("a b").is_err());
        assert!(check_value(&long).is_err());
    }
}
