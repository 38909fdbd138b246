//! Compile answers any input with units and problems: golden inputs, mutated as text and as values.

#![allow(clippy::unwrap_used, reason = "a broken fixture fails its test")]

use std::{fs, path::Path};

use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::{Index, select},
};
use serde_json::{Map, Value, json};
use tollgate_compile::{ObjectRef, compile};
use tollgate_tests::{manifests, property::runner};

fn inputs() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.to_string_lossy().ends_with(".in.yaml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// Text that parsers trip over.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "\0",
        "\u{feff}",
        "é",
        "💥",
        "{",
        "}",
        "{}",
        "{+}",
        "{a+}",
        "/",
        "//",
        "/..",
        "/%",
        "/%2f",
        "*",
        "*.",
        "*.*",
        ".",
        "..",
        "-",
        "[",
        "http://",
        "http://[",
        "http://[::1]:",
        "http://:80",
        "0s",
        "99999h99999h99999h99999h",
        "-1",
        "999999999999999Ti",
        "0",
        "65536",
        "2147483648",
        "null",
        "~",
        "::ffff:127.0.0.1",
        "0.0.0.0/0",
        "fe80::1%1",
        "9999-12-31T23:59:60Z",
        "-009999-01-01T00:00:00Z",
    ];
    let repeated = select(vec!["a", "/", "/a", "{", "é", "a.", "%"]);
    prop_oneof![
        8 => select(odd.to_vec()).prop_map(str::to_owned),
        1 => (repeated, 1..5000_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => any::<String>(),
    ]
}

fn odd_value() -> impl Strategy<Value = Value> {
    let odd = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(65536),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!({"": null}),
        json!({"name": "a"}),
    ];
    prop_oneof![1 => select(odd), 1 => odd_text().prop_map(Value::String)]
}

#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, Value),
    Remove(Index),
    Double(Index),
    Insert(Index, String, Value),
    /// Puts a copy of one part in the place of another.
    Move(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), odd_value()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        2 => at().prop_map(Mutation::Remove),
        1 => at().prop_map(Mutation::Double),
        1 => (at(), odd_text(), odd_value())
            .prop_map(|(at, name, value)| Mutation::Insert(at, name, value)),
        1 => (at(), at()).prop_map(|(from, to)| Mutation::Move(from, to)),
    ]
}

/// The pointers of all parts of a value.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(inner, &format!("{here}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                pointers(inner, &format!("{here}/{i}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mutate(manifest: &mut Value, mutation: Mutation) {
    let mut found = Vec::new();
    pointers(manifest, "", &mut found);
    let path = |at: &Index| found[at.index(found.len())].clone();
    match mutation {
        Mutation::Replace(at, value) => {
            if let Some(part) = manifest.pointer_mut(&path(&at)) {
                *part = value;
            }
        }
        Mutation::Remove(at) => remove(manifest, &path(&at)),
        Mutation::Double(at) => {
            if let Some(Value::Array(items)) = manifest.pointer_mut(&path(&at)) {
                items.extend(items.clone());
            }
        }
        Mutation::Insert(at, name, value) => {
            if let Some(Value::Object(map)) = manifest.pointer_mut(&path(&at)) {
                map.insert(name, value);
            }
        }
        Mutation::Move(from, to) => {
            let part = manifest.pointer(&path(&from)).cloned();
            if let (Some(part), Some(place)) = (part, manifest.pointer_mut(&path(&to))) {
                *place = part;
            }
        }
    }
}

fn remove(manifest: &mut Value, path: &str) {
    let Some((parent, name)) = path.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match manifest.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(&name)),
        Some(Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        Some(_) | None => {}
    }
}

/// An object at fault has units or is held, and is told why: nothing vanishes in silence.
#[test]
fn mutated_values_are_compiled_or_refused() {
    let documents: Vec<Vec<Value>> = inputs()
        .iter()
        .map(|text| serde_saphyr::from_multiple(text).unwrap())
        .collect();
    let cases = (select(documents), vec((any::<Index>(), mutation()), 1..5));
    let outcome = runner(1500).run(&cases, |(mut documents, mutations)| {
        for (document, mutation) in mutations {
            let at = document.index(documents.len());
            mutate(&mut documents[at], mutation);
        }
        let changes: Vec<_> = documents.iter().filter_map(manifests::change).collect();
        let compiled = compile(changes);
        for id in compiled.held.keys() {
            let named = |name: &ObjectRef| name.name == id.object;
            let namespace = |name: &ObjectRef| name.name.namespace == id.object.namespace;
            let said = match id.kind.as_str() {
                // The fault may be that of a slice.
                "endpoints" => compiled.problems.keys().any(namespace),
                _ => compiled.problems.keys().any(named),
            };
            proptest::prop_assert!(said, "{id} is held and nobody knows why");
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn mutated_text_is_compiled_or_refused() {
    let edits = vec((any::<Index>(), 0..20_usize, odd_text()), 1..4);
    let outcome = runner(600).run(&(select(inputs()), edits), |(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, length, odd) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + length).min(chars.len());
            chars.splice(at..end, odd.chars());
        }
        let text: String = chars.into_iter().collect();
        compile(manifests::changes(&text));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn manifests_without_any_sense_are_refused_one_by_one() {
    let kinds = [
        "ApiGateway",
        "ApiRoute",
        "Function",
        "Service",
        "EndpointSlice",
        "Namespace",
        "ReferenceGrant",
    ];
    let cases = (select(kinds.to_vec()), odd_text(), odd_value(), odd_text());
    let outcome = runner(400).run(&cases, |(kind, field, value, name)| {
        let mut manifest = Map::new();
        manifest.insert("kind".into(), json!(kind));
        manifest.insert("metadata".into(), json!({"name": name}));
        manifest.insert("spec".into(), json!({ &*field: value }));
        compile(manifests::change(&Value::Object(manifest)));
        Ok(())
    });
    outcome.unwrap();
}
