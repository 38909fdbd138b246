//! Checks a manifest of one of our kinds against the schema of its CRD, as strictly as the API
//! server does with `fieldValidation: Strict`.
//!
//! In: a manifest. Out: a problem for every violation, an unknown field among them. Rules that a
//! schema cannot say (CEL) are not evaluated: compile repeats them. Kinds of Kubernetes itself have
//! no schema here; they are as good as they decode.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Value, json};
use tollgate_compile::{Kind, ObjectRef, Problem, Reason};

mod words;

/// A kind's schema, as plain data and compiled.
struct Schema {
    closed: Value,
    validator: Validator,
}

static SCHEMAS: LazyLock<BTreeMap<Kind, Schema>> = LazyLock::new(schemas);

/// Every violation of the schema of the object's kind.
pub(super) fn problems(object: &ObjectRef, manifest: &Value) -> Vec<Problem> {
    let Some(schema) = SCHEMAS.get(&object.kind) else {
        return Vec::new();
    };
    schema
        .validator
        .iter_errors(manifest)
        .flat_map(|error| violations(&schema.closed, &error))
        .map(|(field, message)| Problem {
            object: object.clone(),
            field,
            reason: Reason::Invalid,
            message,
        })
        .collect()
}

/// Takes the fields away that are null: the API server does so where a schema has the field.
pub(super) fn forget_nulls(kind: Kind, manifest: &mut Value) {
    if let Some(schema) = SCHEMAS.get(&kind) {
        forget_nulls_of(&schema.closed, manifest);
    }
}

fn forget_nulls_of(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let below = |name: &str| {
                let property = schema["properties"].get(name);
                property.or_else(|| Some(&schema["additionalProperties"]).filter(|s| s.is_object()))
            };
            map.retain(|name, value| !value.is_null() || below(name).is_none());
            for (name, value) in map {
                if let Some(below) = below(name) {
                    forget_nulls_of(below, value);
                }
            }
        }
        Value::Array(items) => {
            let items = items.iter_mut();
            items.for_each(|item| forget_nulls_of(&schema["items"], item));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn schemas() -> BTreeMap<Kind, Schema> {
    tollgate_crds::all_crds()
        .into_iter()
        .filter_map(|crd| {
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == crd.spec.names.kind)?;
            let version = crd.spec.versions.into_iter().next()?;
            let open = serde_json::to_value(version.schema?.open_api_v3_schema?).ok()?;
            Some((kind, compile(open)))
        })
        .collect()
}

fn compile(mut schema: Value) -> Schema {
    close(&mut schema);
    frame(&mut schema);
    #[expect(clippy::expect_used, reason = "the schemas are part of this program")]
    let validator = jsonschema::options()
        // OpenAPI 3.0 schemas stand on this draft: 1.0 is no integer.
        .with_draft(Draft::Draft4)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(false)
        .build(&schema)
        // INVARIANT: the schemas are generated from our own types; a test builds them all.
        .expect("generated schemas are valid");
    Schema {
        closed: schema,
        validator,
    }
}

/// Turns an OpenAPI schema, in place, into a JSON schema that admits no unknown fields.
fn close(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        map.insert("type".into(), json!(["integer", "string"]));
    }
    let keeps_unknown = map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if map.contains_key("properties") && !keeps_unknown {
        map.insert("additionalProperties".into(), Value::Bool(false));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(close);
    }
    for field in ["items", "additionalProperties"] {
        if let Some(below) = map.get_mut(field) {
            close(below);
        }
    }
}

/// Adds what every object has and no CRD says. The rest of `metadata` is as good as it decodes.
fn frame(schema: &mut Value) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let texts = json!({"type": ["object", "null"], "additionalProperties": {"type": "string"}});
        properties.insert("apiVersion".into(), json!({"type": "string"}));
        properties.insert("kind".into(), json!({"type": "string"}));
        properties.insert("status".into(), json!({}));
        properties.insert(
            "metadata".into(),
            json!({
                "type": "object",
                "properties": {"labels": texts, "annotations": texts},
            }),
        );
    }
}

/// The fields that an error is about, and what is wrong with each.
fn violations(schema: &Value, error: &ValidationError<'_>) -> Vec<(String, String)> {
    let at = error.instance_path().as_str();
    let (owner, keyword) = error
        .schema_path()
        .as_str()
        .rsplit_once('/')
        .unwrap_or_default();
    let rule = schema.pointer(owner).unwrap_or(&Value::Null);
    if keyword == "additionalProperties" {
        return words::unknown_fields(rule, error.instance())
            .into_iter()
            .map(|(name, message)| (words::field(at, Some(&name)), message))
            .collect();
    }
    if let ValidationErrorKind::Required { property } = error.kind() {
        let field = words::field(at, property.as_str());
        return vec![(field, "is required".to_owned())];
    }
    let message = words::violation(rule, keyword, error);
    vec![(words::field(at, None), message)]
}

#[cfg(test)]
mod tests;
