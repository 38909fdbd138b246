//! What is well-formed stays as it was written, and means the same after the API server had it.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use tollgate_compile::{Change, ObjectRef, Reason, compile};
use tollgate_e2e::Cluster;
use tollgate_proxy::config::directory::document::{self, Document};

use crate::{cluster, objects, repository};

/// The inputs of the golden pairs, each with the name of its case.
fn inputs() -> Vec<(String, String)> {
    let files = fs::read_dir(repository("tests/golden")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let named = paths.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".in.yaml")?;
        Some((name.to_owned(), fs::read_to_string(&path).unwrap()))
    });
    let mut inputs: Vec<_> = named.collect();
    inputs.sort();
    inputs
}

fn changes(documents: &[Document]) -> Vec<Change> {
    let documents = documents.iter().cloned();
    documents.map(document::change).collect()
}

/// The objects that are refused for what stands in them.
fn refused(documents: &[Document]) -> BTreeSet<ObjectRef> {
    let compiled = compile(changes(documents));
    let problems = compiled.problems.into_values().flatten();
    let own = problems
        .filter(|problem| problem.reason.holds() && problem.reason != Reason::ReferenceHeld);
    own.map(|problem| problem.object).collect()
}

/// The spec of an object as the API server has it after it was created.
fn stored(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    manifest: &Value,
) -> Result<Value, String> {
    let kind = manifest["kind"].as_str().unwrap();
    let path = objects(kind, namespace);
    let sent = json!({"apiVersion": manifest["apiVersion"], "kind": kind,
        "metadata": {"name": name}, "spec": manifest["spec"]});
    let strict = format!("{path}?fieldValidation=Strict");
    let made = cluster.admin().post(&strict, &sent).unwrap().object();
    made.map_err(|error| error.to_string())?;
    let read = cluster.admin().get(&format!("{path}/{name}")).unwrap();
    Ok(read.object().unwrap()["spec"].take())
}

#[test]
fn every_well_formed_golden_input_is_kept_and_compiles_to_the_same() {
    let cluster = cluster();
    let namespace = cluster.fresh_namespace("golden").unwrap();
    let mut wrong = Vec::new();
    let mut kept = 0;
    for (case, text) in inputs() {
        let mut documents = document::read(&text).unwrap().objects;
        let before = compile(changes(&documents));
        let refused = refused(&documents);
        for (i, document) in documents.iter_mut().enumerate() {
            let ours = document.manifest["apiVersion"] == "tollgate.dev/v1alpha1";
            if !ours || refused.contains(&document.object) {
                continue;
            }
            let name = format!("{case}-{i}");
            match stored(cluster, &namespace, &name, &document.manifest) {
                Ok(spec) if spec == document.manifest["spec"] => {
                    document.manifest["spec"] = spec;
                    kept += 1;
                }
                Ok(spec) => wrong.push(format!("{name}: became {spec}")),
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
        if compile(changes(&documents)) != before {
            wrong.push(format!("{case}: compiles to something else"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(kept > 100, "only {kept} objects");
}
