//! A small API server: objects that lists and watches tell of, CRDs, and its faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::script::{Answer, Call, Script, failure};

/// The server; copies are the same one.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    /// By plural and name.
    objects: BTreeMap<(String, String), Value>,
    watches: Vec<(String, mpsc::UnboundedSender<Value>)>,
    /// Plurals that do not exist.
    absent: BTreeSet<String>,
    /// Plurals whose CRD is about to go.
    going: BTreeSet<String>,
    /// Plurals whose lists are empty though they should not be.
    emptied: BTreeSet<String>,
    config_map: Option<Value>,
}

impl Server {
    /// A server with everything but ReferenceGrant.
    pub(super) fn new() -> Self {
        let server = Self::default();
        server.with(|state| state.absent.insert("referencegrants".to_owned()));
        server
    }

    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        Script::new(move |call| server.answer(call)).client()
    }

    pub(super) fn put(&self, plural: &str, mut object: Value) {
        self.with(|state| {
            state.version += 1;
            object["metadata"]["resourceVersion"] = state.version.to_string().into();
            let name = object["metadata"]["name"].to_string();
            state
                .objects
                .insert((plural.to_owned(), name), object.clone());
            state.tell(plural, "MODIFIED", &object);
        });
    }

    pub(super) fn delete(&self, plural: &str, name: &str) {
        self.with(|state| {
            state.version += 1;
            let key = (plural.to_owned(), format!("{name:?}"));
            let mut object = state.objects.remove(&key).unwrap();
            object["metadata"]["resourceVersion"] = state.version.to_string().into();
            state.tell(plural, "DELETED", &object);
        });
    }

    pub(super) fn set_absent(&self, plural: &str, absent: bool) {
        self.with(|state| set(&mut state.absent, plural, absent));
        self.end_watches(plural);
    }

    pub(super) fn set_going(&self, plural: &str) {
        self.with(|state| set(&mut state.going, plural, true));
    }

    pub(super) fn set_emptied(&self, plural: &str, emptied: bool) {
        self.with(|state| set(&mut state.emptied, plural, emptied));
        self.expire(plural);
    }

    pub(super) fn accept(&self, key: &str, word: &str) {
        let map = json!({"metadata": {"name": "tollgate-accept"}, "data": {key: word}});
        self.with(|state| state.config_map = Some(map));
    }

    /// Makes the watches begin anew with a list.
    pub(super) fn expire(&self, plural: &str) {
        self.with(|state| {
            let expired = json!({"type": "ERROR", "object": failure(410)});
            state.watches.retain(|(of, watch)| {
                if of == plural {
                    let _ = watch.send(expired.clone());
                }
                of != plural
            });
        });
    }

    fn end_watches(&self, plural: &str) {
        self.with(|state| state.watches.retain(|(of, _)| of != plural));
    }

    fn answer(&self, call: &Call) -> Answer {
        self.with(|state| state.answer(call))
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }
}

impl State {
    fn tell(&self, plural: &str, what: &str, object: &Value) {
        for (of, watch) in &self.watches {
            if of == plural {
                let _ = watch.send(json!({"type": what, "object": object}));
            }
        }
    }

    fn answer(&mut self, call: &Call) -> Answer {
        let (rest, last) = call.path.rsplit_once('/').unwrap();
        if rest.ends_with("/customresourcedefinitions") {
            return self.definition(last);
        }
        if last == "tollgate-accept" {
            let found = self.config_map.clone().map(|map| Answer::Json(200, map));
            return found.unwrap_or_else(|| Answer::Json(404, failure(404)));
        }
        if self.absent.contains(last) {
            return Answer::Json(404, failure(404));
        }
        let (sender, events) = mpsc::unbounded_channel();
        if call.is_list_by_watch() {
            self.list(last, &sender);
        }
        self.watches.push((last.to_owned(), sender));
        Answer::Live(events)
    }

    fn list(&self, plural: &str, sender: &mpsc::UnboundedSender<Value>) {
        let objects = self.objects.iter();
        let objects = objects.filter(|((of, _), _)| of == plural && !self.emptied.contains(of));
        for (_, object) in objects {
            sender
                .send(json!({"type": "ADDED", "object": object}))
                .unwrap();
        }
        let end = json!({"type": "BOOKMARK", "object": {
            "kind": "Any", "apiVersion": "v1",
            "metadata": {"resourceVersion": self.version.to_string(),
                         "annotations": {"k8s.io/initial-events-end": "true"}}}});
        sender.send(end).unwrap();
    }

    fn definition(&self, crd: &str) -> Answer {
        let plural = crd.split('.').next().unwrap();
        if self.absent.contains(plural) {
            return Answer::Json(404, failure(404));
        }
        let mut metadata = json!({"name": crd});
        if self.going.contains(plural) {
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        let found = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                           "metadata": metadata});
        Answer::Json(200, found)
    }
}

fn set(among: &mut BTreeSet<String>, plural: &str, is: bool) {
    match is {
        true => among.insert(plural.to_owned()),
        false => among.remove(plural),
    };
}
