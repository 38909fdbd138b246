//! The CRDs install: names taken, schema structural, rules within their cost.

use serde_json::Value;

use crate::{CRDS, cluster, kubectl, repository};

fn crd(plural: &str) -> Value {
    let path =
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.tollgate.dev");
    cluster().admin().get(&path).unwrap().object().unwrap()
}

#[test]
fn every_crd_is_established_under_its_names_with_a_structural_schema() {
    for plural in CRDS {
        let crd = crd(plural);
        let conditions = crd["status"]["conditions"].as_array().unwrap();
        let status = |wanted: &str| {
            let mut found = conditions.iter();
            let found = found.find(|condition| condition["type"] == wanted);
            found.map(|condition| condition["status"].as_str().unwrap())
        };
        assert_eq!(status("Established"), Some("True"), "{plural}");
        assert_eq!(status("NamesAccepted"), Some("True"), "{plural}");
        assert_ne!(status("NonStructuralSchema"), Some("True"), "{plural}");
        let written = &crd["spec"]["names"]["shortNames"];
        assert_eq!(*written, crd["status"]["acceptedNames"]["shortNames"]);
    }
}

#[test]
fn every_file_is_the_crd_of_a_kind() {
    let files = std::fs::read_dir(repository("crds")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.filter(|name| name.ends_with(".yaml")).collect();
    files.sort();
    assert_eq!(files, CRDS.map(|plural| format!("{plural}.yaml")));
}

/// A default in the schema would be written into objects, and show as drift to those who compare
/// them with their source.
#[test]
fn the_schemas_write_nothing_into_objects_and_name_no_field_nullable() {
    for plural in CRDS {
        let crd = crd(plural);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let spec = schema["properties"]["spec"].to_string();
        assert!(!spec.contains("\"default\":"), "{plural}");
        assert!(!spec.contains("\"nullable\":"), "{plural}");
    }
}

/// CEL is given what it may cost by these.
#[test]
fn every_text_list_and_map_of_a_spec_has_a_largest_size() {
    for plural in CRDS {
        let crd = crd(plural);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut unbounded = Vec::new();
        find_unbounded(&schema["properties"]["spec"], "spec", &mut unbounded);
        assert_eq!(unbounded, [""; 0], "{plural}");
    }
}

fn find_unbounded(schema: &Value, at: &str, found: &mut Vec<String>) {
    let is_integer_or_text = schema["x-kubernetes-int-or-string"] == true;
    let bound = match schema["type"].as_str() {
        Some("string") if schema["enum"].is_array() => None,
        Some("string") => Some("maxLength"),
        Some("array") => Some("maxItems"),
        Some("object") if schema["additionalProperties"].is_object() => Some("maxProperties"),
        None if is_integer_or_text => Some("maxLength"),
        Some(_) | None => None,
    };
    if bound.is_some_and(|bound| schema[bound].is_null()) {
        found.push(at.to_owned());
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(below, &format!("{at}.{name}"), found);
    }
    for below in ["items", "additionalProperties"] {
        if schema[below].is_object() {
            find_unbounded(&schema[below], &format!("{at}[]"), found);
        }
    }
}

#[test]
fn the_manual_of_a_field_is_at_hand() {
    let manual = kubectl(cluster(), &["explain", "aroute.spec.rules.timeout"]);
    assert!(manual.contains("up to 15m"), "{manual}");
}
