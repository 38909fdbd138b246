//! What a violation of a schema is called, to the person who wrote the manifest.
//!
//! In: the part of the schema that is violated and the value that does. Out: a field path and one
//! line of text. Values are shown in part only, and not at all where they may be secret.

use jsonschema::ValidationError;
use serde_json::Value;

/// Most characters of a user's value that a message repeats.
const SHOWN_MAX: usize = 64;

/// Names whose values are never repeated.
const SECRET: [&str; 5] = ["secret", "password", "token", "authorization", "credential"];

/// Patterns of the kinds, in words.
const PATTERNS: [(&str, &str); 9] = [
    ("^/", "must start with a slash"),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be of a-z, 0-9 and -, with a letter or digit at both ends",
    ),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "must be of a-z, 0-9, - and ., with a letter or digit at both ends of each part",
    ),
    (
        "^(\\*\\.)?[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$",
        "must be a host name, with or without *. in front",
    ),
    (
        "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
        "must be a duration such as 1h30m, 10s or 500ms",
    ),
    (
        "^[0-9]{1,15}(k|M|G|T|Ki|Mi|Gi|Ti)?$",
        "must be a size such as 512, 64Ki or 10Mi",
    ),
    (
        "^[A-Z][A-Z-]*$",
        "must be a method in upper case, such as GET",
    ),
    (
        "^[A-Za-z_][A-Za-z0-9_]*$",
        "must be of letters, digits and _, and not start with a digit",
    ),
    (
        "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$",
        "must be an IP address or a range such as 10.0.0.0/8",
    ),
];

/// A JSON pointer, and the name of a field below it, as a field path:
/// `spec.rules[2].match[0].path`.
pub(super) fn field(pointer: &str, below: Option<&str>) -> String {
    let mut path = String::new();
    let segments = pointer.split('/').skip(1).map(unescape);
    for segment in segments.chain(below.map(str::to_owned)) {
        let is_index = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        if is_index {
            path.push_str(&format!("[{segment}]"));
        } else if segment.is_empty() || segment.contains(['.', '[', ']', '"']) {
            path.push_str(&format!("[{}]", Value::String(segment)));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&segment);
        }
    }
    path
}

/// RFC 6901 section 4.
fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// The fields of a mapping that its schema does not know, each with a message.
pub(super) fn unknown_fields(rule: &Value, value: &Value) -> Vec<(String, String)> {
    let (Some(known), Some(fields)) = (rule["properties"].as_object(), value.as_object()) else {
        return Vec::new();
    };
    fields
        .keys()
        .filter(|name| !known.contains_key(*name))
        .map(|name| {
            let meant = known.keys().find(|other| is_near(name, other));
            let hint = meant.map(|other| format!(", did you mean {other:?}"));
            let shown = shorten(name);
            let message = format!("unknown field {shown:?}{}", hint.unwrap_or_default());
            (name.clone(), message)
        })
        .collect()
}

/// What is wrong with a value by one keyword of its schema.
pub(super) fn violation(rule: &Value, keyword: &str, error: &ValidationError<'_>) -> String {
    let limit = number(&rule[keyword]);
    let value = error.instance();
    let got = shown(error.instance_path().as_str(), value);
    match keyword {
        "type" => format!("expected {}, got {}", types(&rule["type"]), type_of(value)),
        "enum" => format!("must be {}{got}", options(&rule["enum"])),
        "minimum" => format!("must be at least {limit}{got}"),
        "maximum" => format!("must be at most {limit}{got}"),
        "minLength" if limit == "1" => "must not be empty".to_owned(),
        "minLength" => format!("must have at least {limit} characters"),
        "maxLength" => format!("must have at most {limit} characters"),
        "minItems" => format!("must have at least {limit} {}", entries(&limit)),
        "maxItems" | "maxProperties" => format!("must have at most {limit} {}", entries(&limit)),
        "pattern" => format!("{}{got}", pattern(rule["pattern"].as_str())),
        _ => error.masked().to_string(),
    }
}

fn entries(limit: &str) -> &'static str {
    if limit == "1" { "entry" } else { "entries" }
}

/// A limit as people write it: CRDs have `65535.0`.
fn number(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn types(rule: &Value) -> String {
    let named = rule
        .as_array()
        .map_or_else(|| std::slice::from_ref(rule), Vec::as_slice);
    let named = named.iter().filter_map(Value::as_str);
    let named: Vec<_> = named.collect();
    named.join(" or ")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn options(values: &Value) -> String {
    let texts = values.as_array().into_iter().flatten();
    let texts: Vec<_> = texts.filter_map(Value::as_str).collect();
    texts.join(" or ")
}

fn pattern(pattern: Option<&str>) -> String {
    let pattern = pattern.unwrap_or_default();
    let in_words = PATTERNS.iter().find(|(known, _)| *known == pattern);
    in_words.map_or_else(
        || format!("must match {pattern}"),
        |(_, words)| (*words).to_owned(),
    )
}

/// `, got "value"`; empty for values that may be secret or are no single value.
fn shown(pointer: &str, value: &Value) -> String {
    let pointer = pointer.to_ascii_lowercase();
    if SECRET.iter().any(|name| pointer.contains(name)) {
        return String::new();
    }
    match value {
        Value::String(text) => format!(", got {:?}", shorten(text)),
        Value::Number(number) => format!(", got {number}"),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn shorten(text: &str) -> String {
    let mut kept: String = text.chars().take(SHOWN_MAX).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

/// Whether at most two letters differ, of a word long enough for that to mean something.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let shorter = one.len().min(other.len());
    one.len().abs_diff(other.len()) <= 2 && distance(&one, &other) <= 2.min(shorter / 2)
}

/// Levenshtein's distance: letters added, removed or replaced.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
