//! The watch against API servers that behave, and such that don't.

mod script;
mod server;

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};
use tollgate_compile::{Change, ObjectRef};

use self::{
    script::{Answer, Call, Script, failure},
    server::Server,
};
use super::{
    Batch, Held, Scope, Watch,
    feed::{Step, Subject, feed},
    kinds::ROWS,
};

/// Much longer than anything takes. Time is the runtime's own: nobody waits for it.
const LONG: Duration = Duration::from_secs(300);

fn routes() -> Subject {
    Subject {
        resources: ROWS[1].resources().collect(),
        namespace: None,
        fields: None,
    }
}

fn route(name: &str) -> Value {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
           "metadata": {"namespace": "shop", "name": name},
           "spec": {"gateways": [{"name": "public"}], "rules": []}})
}

fn bookmark(version: &str) -> Value {
    json!({"type": "BOOKMARK", "object": {"kind": "ApiRoute", "apiVersion": "v1", "metadata": {
        "resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}}})
}

/// A list by watch that ends at once, as a part of the answers below.
fn listed(call: &Call, then: Answer) -> Answer {
    match call.is_list_by_watch() {
        true => Answer::Events(vec![bookmark("5")]),
        false => then,
    }
}

/// What one kind's feed asks for in a minute of a server that answers so.
async fn calls(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Vec<Call> {
    let script = Script::new(answer);
    let feed = feed(&script.client(), &routes());
    let minute = Instant::now() + Duration::from_secs(60);
    let drain = feed.for_each(|_| async {});
    let _ = timeout_at(minute, drain).await;
    script.calls()
}

#[tokio::test(start_paused = true)]
async fn no_answer_makes_a_feed_ask_hotly() {
    type Answers = fn(&Call) -> Answer;
    let rows: [(&str, Answers); 11] = [
        ("429", |_| Answer::Json(429, failure(429))),
        ("500", |_| Answer::Json(500, failure(500))),
        ("403", |_| Answer::Json(403, failure(403))),
        ("404", |_| Answer::Json(404, failure(404))),
        ("410", |_| Answer::Json(410, failure(410))),
        ("422", |_| Answer::Json(422, failure(422))),
        ("garbage", |_| Answer::Garbage),
        ("stalled", |_| Answer::Stalled),
        ("lists without an end", |_| Answer::Events(Vec::new())),
        ("watches that end at once", |call| {
            listed(call, Answer::Events(Vec::new()))
        }),
        ("410 in every watch", |call| {
            let gone = json!({"type": "ERROR", "object": failure(410)});
            listed(call, Answer::Events(vec![gone]))
        }),
    ];
    for (name, answer) in rows {
        let calls = calls(answer).await;
        assert!(calls.len() >= 2, "{name}: it is tried again");
        for (i, call) in calls.iter().enumerate() {
            let second = calls[i..].iter();
            let second = second.filter(|later| later.at - call.at < Duration::from_secs(1));
            assert!(second.count() <= 5, "{name}: {calls:#?}");
        }
        // In the long run much less: at most one in two seconds.
        assert!(calls.len() <= 36, "{name}: {} in a minute", calls.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_list_by_watch_is_asked_for_pages() {
    let script = Script::new(|call| {
        if call.is_list_by_watch() {
            return Answer::Json(422, failure(422));
        }
        if call.is_watch() {
            return Answer::Stalled;
        }
        let (name, metadata) = match call.query.get("continue") {
            None => ("one", json!({"continue": "second"})),
            Some(_) => ("two", json!({"resourceVersion": "9"})),
        };
        Answer::Json(200, json!({"items": [route(name)], "metadata": metadata}))
    });
    let mut feed = Box::pin(feed(&script.client(), &routes()));
    let mut said = Vec::new();
    while said.last().is_none_or(|last| last != "end 9") {
        said.push(match feed.next().await.unwrap() {
            Step::Begin => "begin".to_owned(),
            Step::Listed(raw) => raw.name().unwrap().to_string(),
            Step::End(version) => format!("end {version}"),
            step @ (Step::Put(_) | Step::Delete(_) | Step::Absent | Step::Failed(_)) => {
                panic!("{step:?}")
            }
        });
    }
    assert_eq!(said, ["begin", "shop/one", "shop/two", "end 9"]);
    let resumed = timeout(Duration::from_secs(1), feed.next()).await;
    assert!(resumed.is_err(), "the watch is silent");
    let last = script.calls().pop().unwrap();
    assert_eq!(last.query["resourceVersion"], "9");
    assert_eq!(last.query["timeoutSeconds"], "30");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_stalls_is_given_up_and_goes_on_where_it_was() {
    let script = Script::new(|call| listed(call, Answer::Stalled));
    let mut feed = Box::pin(feed(&script.client(), &routes()));
    let (mut failures, started) = (0, Instant::now());
    while failures < 2 {
        failures += usize::from(matches!(feed.next().await.unwrap(), Step::Failed(_)));
    }
    // The first ended at once after its list, the second was silent.
    assert!(started.elapsed() < Duration::from_secs(40));
    feed.next().await;
    let versions = script
        .calls()
        .into_iter()
        .map(|call| call.query["resourceVersion"].clone());
    let versions: Vec<String> = versions.take(3).collect();
    assert_eq!(versions, ["", "5", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_server_no_longer_knows_is_given_up() {
    for code in [400, 410, 504] {
        let script = Script::new(move |call| listed(call, Answer::Json(code, failure(code))));
        let mut feed = Box::pin(feed(&script.client(), &routes()));
        let mut lists = 0;
        while lists < 2 {
            lists += usize::from(matches!(feed.next().await.unwrap(), Step::Begin));
        }
        assert_eq!(script.calls().len(), 3, "{code}: list, watch, list");
    }
}

/// A watch, and all that it has said.
struct Case {
    server: Server,
    watch: Watch,
    there: BTreeSet<String>,
    refused: BTreeSet<String>,
    held: Vec<Held>,
    last: Batch,
}

impl Case {
    fn new(server: &Server, scope: &Scope) -> Self {
        Self {
            server: server.clone(),
            watch: Watch::start(&server.client(), scope),
            there: BTreeSet::new(),
            refused: BTreeSet::new(),
            held: Vec::new(),
            last: Batch::default(),
        }
    }

    /// A case with these routes, listed.
    async fn with_routes(names: &str) -> Self {
        let server = Server::new();
        for name in names.split_whitespace() {
            server.put("apiroutes", route(name));
        }
        let mut case = Self::new(&server, &Scope::default());
        case.until(|case| case.last.listed).await;
        case
    }

    async fn until(&mut self, fits: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LONG;
        while !fits(self) {
            let next = timeout_at(end, self.watch.next()).await;
            self.take(next.unwrap_or_else(|_| panic!("{:?} {:?}", self.there, self.held)));
        }
    }

    /// Lets time pass in which nothing may change.
    async fn stays(&mut self) {
        let (end, held) = (Instant::now() + LONG, self.held.clone());
        while let Ok(batch) = timeout_at(end, self.watch.next()).await {
            assert!(batch.changes.is_empty(), "{batch:?}");
            self.take(batch);
            assert_eq!(self.held, held);
        }
    }

    fn take(&mut self, batch: Batch) {
        let name = |object: &ObjectRef| object.name.name.to_string();
        for change in &batch.changes {
            match change {
                Change::Put(object) => {
                    self.refused.remove(&name(&object.reference()));
                    self.there.insert(name(&object.reference()));
                }
                Change::Refuse { object, .. } => {
                    self.refused.insert(name(object));
                    self.there.insert(name(object));
                }
                Change::Remove(object) => {
                    self.there.remove(&name(object));
                }
            }
        }
        if let Some(held) = &batch.held {
            self.held.clone_from(held);
        }
        self.last = batch;
    }

    fn has(&self, names: &str) -> bool {
        self.there.iter().eq(names.split_whitespace())
    }
}

#[tokio::test(start_paused = true)]
async fn edits_and_deletes_come_as_they_happen_with_the_version() {
    let mut case = Case::with_routes("a b").await;
    assert!(case.has("a b"));
    case.server.put("apiroutes", route("c"));
    case.until(|case| case.has("a b c")).await;
    assert_eq!(case.last.resource_version, 3);
    let (object, seen) = &case.last.seen[0];
    assert_eq!(object.to_string(), "ApiRoute shop/c");
    assert_eq!(seen.as_ref().unwrap().gateways.len(), 1);
    case.server.delete("apiroutes", "a");
    case.until(|case| case.has("b c")).await;
    assert_eq!(case.last.resource_version, 4);
    assert_eq!(case.last.seen.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn deleting_everything_takes_effect_at_once() {
    let mut case = Case::with_routes("a b c d e").await;
    let started = Instant::now();
    for name in ["a", "b", "c", "d", "e"] {
        case.server.delete("apiroutes", name);
    }
    case.until(|case| case.there.is_empty()).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(case.held.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_crd_that_goes_takes_no_object_along() {
    let mut case = Case::with_routes("a b c").await;
    case.server.set_going("apiroutes");
    for name in ["a", "b", "c"] {
        case.server.delete("apiroutes", name);
    }
    case.until(|case| case.held.first().is_some_and(|held| held.listed == 0))
        .await;
    case.server.set_absent("apiroutes", true);
    case.stays().await;
    assert!(case.has("a b c"));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_comes_back_lists_anew_and_frees_what_it_lists() {
    let mut case = Case::with_routes("a b c").await;
    case.server.set_absent("apiroutes", true);
    case.until(|case| !case.held.is_empty()).await;
    case.server.set_absent("apiroutes", false);
    case.until(|case| case.held.is_empty()).await;
    assert!(case.has("a b c"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_held_until_somebody_accepts_exactly_that() {
    let mut case = Case::with_routes("a b c").await;
    case.server.set_emptied("apiroutes", true);
    case.until(|case| !case.held.is_empty()).await;
    let held = case.held[0].clone();
    assert_eq!(
        (held.had, held.listed, held.key()),
        (3, 0, "ApiRoute".to_owned())
    );
    case.server.accept("ApiRoute", "3-00000000");
    case.stays().await;
    assert!(case.has("a b c"));
    case.server.accept("ApiRoute", &held.accept);
    case.until(|case| case.there.is_empty()).await;
    case.until(|case| case.held.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_unseen_is_gone_when_most_are_left() {
    let mut case = Case::with_routes("a b c").await;
    case.server.expire("apiroutes");
    case.server.delete("apiroutes", "b");
    case.until(|case| case.has("a c")).await;
    assert_eq!(
        case.last.resource_version, 4,
        "the list's version covers the deletion"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bad_object_is_refused_and_heals() {
    let mut case = Case::with_routes("a b").await;
    let mut bad = route("a");
    bad["spec"]["gateways"] = json!("none");
    case.server.put("apiroutes", bad);
    case.until(|case| case.refused.contains("a")).await;
    case.server.put("apiroutes", route("c"));
    case.until(|case| case.has("a b c")).await;
    case.server.put("apiroutes", route("a"));
    case.until(|case| case.refused.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn our_own_kinds_are_waited_for_and_optional_ones_are_not() {
    let server = Server::new();
    server.set_absent("functions", true);
    let mut case = Case::new(&server, &Scope::default());
    case.until(|case| case.watch.missing().len() == 1).await;
    case.until(|case| case.watch.missing()[0].contains("does not know the kind"))
        .await;
    assert!(!case.last.listed);
    server.set_absent("functions", false);
    case.until(|case| case.last.listed).await;
    server.set_absent("referencegrants", false);
    let grant = json!({"metadata": {"namespace": "shop", "name": "grant"},
                       "spec": {"from": [], "to": []}});
    server.put("referencegrants", grant);
    case.until(|case| case.has("grant")).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_namespaces_that_are_named_are_asked_for() {
    let script = Script::new(|_| Answer::Stalled);
    let scope = Scope {
        namespaces: ["shop", "infra"].map(str::to_owned).into(),
        home: "tollgate".to_owned(),
    };
    let mut watch = Watch::start(&script.client(), &scope);
    assert!(timeout(Duration::from_secs(1), watch.next()).await.is_err());
    let calls = script.calls();
    assert_eq!(calls.len(), 14, "each kind once in each namespace");
    for call in calls {
        let selector = call.query.get("fieldSelector").map(String::as_str);
        let fits = match &*call.path {
            "/api/v1/namespaces" => {
                matches!(
                    selector,
                    Some("metadata.name%3Dshop" | "metadata.name%3Dinfra")
                )
            }
            path => path.contains("/namespaces/shop/") || path.contains("/namespaces/infra/"),
        };
        assert!(fits, "{call:?}");
    }
}
