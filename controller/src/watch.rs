//! Watch: what the API server holds, as changes.
//!
//! In: lists and watches of every kind that compile reads. Out: batches of changes, in order, and
//! what status needs to know of each object. An object that can't be decoded is refused on its own;
//! a list that shrinks without deletes is held. Nothing is compiled here.
//!
//! ```text
//! API server ──feed──> Raw ──source (roster, deletions)──> News ──Watch──> Batch
//! ```

mod kinds;

mod feed;
mod pace;
mod raw;

mod acceptance;
mod definition;
mod deletions;
mod roster;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use acceptance::CONFIG_MAP as ACCEPTANCE;
use kube::Client;
use tokio::{sync::mpsc, task::JoinSet};
use tollgate_compile::{Change, Kind, ObjectRef};

use self::{
    feed::Subject,
    kinds::{ROWS, Row},
    source::{News, Source},
};

/// How much news may wait for the compiler before the sources wait, too.
const WAITING: usize = 1024;

/// Most changes in a batch: all that wait.
const BATCH: usize = 4096;

/// What status needs to know of an object that users write.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion: with another one it is another object, or has been edited.
    pub resource_version: String,
    /// Its generation.
    pub generation: i64,
    /// Its status, as the API server has it.
    pub status: serde_json::Value,
    /// For an ApiRoute, the gateways that it names, `(namespace, name)`; readable or not.
    pub gateways: Vec<tollgate_snapshot::ObjectName>,
}

/// Objects that go on though the API server no longer lists them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// Their kind.
    pub kind: Kind,
    /// The namespace that is watched; none: all.
    pub namespace: Option<String>,
    /// How many objects there were.
    pub had: usize,
    /// How many of them are listed.
    pub listed: usize,
    /// The word that gives up those that are not, in the ConfigMap [`ACCEPTANCE`].
    pub accept: String,
}

impl Held {
    /// Where in the ConfigMap the word must stand.
    pub fn key(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}.{namespace}", self.kind.as_str()),
            None => self.kind.as_str().to_owned(),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, key) = (self.kind.as_str(), self.key());
        let (had, listed, accept) = (self.had, self.listed, &self.accept);
        write!(
            f,
            "of {had} objects of kind {kind} the API server lists {listed}, and nobody deleted the \
             others: they go on; to give them up, set {key}={accept} in ConfigMap {ACCEPTANCE}",
        )
    }
}

/// Changes that come together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Objects of our own kinds among them; `None`: gone.
    pub seen: Vec<(ObjectRef, Option<Seen>)>,
    /// The highest resourceVersion seen so far; 0: none that is a number.
    pub resource_version: u64,
    /// Whether every kind that exists has been listed once.
    pub listed: bool,
    /// All that is held, if that is different now.
    pub held: Option<Vec<Held>>,
}

/// What to watch.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The namespaces; none: all.
    pub namespaces: BTreeSet<String>,
    /// The operator's own namespace.
    pub home: String,
}

/// The watch of all kinds.
#[derive(Debug)]
pub struct Watch {
    news: mpsc::Receiver<(usize, News)>,
    /// The sources; they end with it.
    tasks: JoinSet<()>,
    /// What is not listed yet, and why not if that is known.
    missing: BTreeMap<usize, Missing>,
    held: BTreeMap<usize, Held>,
    resource_version: u64,
}

#[derive(Debug)]
struct Missing {
    what: String,
    why: Option<String>,
}

impl Watch {
    /// Begins to watch; to be called inside a runtime.
    pub fn start(client: &Client, scope: &Scope) -> Self {
        let (sender, news) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        let mut missing = BTreeMap::new();
        let subjects = ROWS.iter().flat_map(|row| subjects(row, scope));
        for (number, (row, subject)) in subjects.enumerate() {
            missing.insert(number, Missing::new(row, &subject));
            let source = Source {
                number,
                row,
                subject,
                client: client.clone(),
                home: scope.home.clone(),
                news: sender.clone(),
            };
            tasks.spawn(source.follow());
        }
        Self {
            news,
            tasks,
            missing,
            held: BTreeMap::new(),
            resource_version: 0,
        }
    }

    /// Waits for changes, and takes all that are there by then: a single edit is never kept waiting
    /// for another. Nothing is lost when it is not waited for to the end.
    pub async fn next(&mut self) -> Batch {
        let mut news = Vec::new();
        tokio::select! {
            _ = self.news.recv_many(&mut news, BATCH) => {}
            // Without one of its sources an operator would look alive and see half of the world.
            Some(ended) = self.tasks.join_next() => {
                let panic = ended.err().and_then(|ended| ended.try_into_panic().ok());
                if let Some(panic) = panic {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        let mut batch = Batch::default();
        let mut held_differs = false;
        for (number, news) in news {
            match news {
                News::Change {
                    change,
                    seen,
                    version,
                } => {
                    batch.changes.push(change);
                    batch.seen.extend(seen);
                    self.resource_version = self.resource_version.max(version);
                }
                News::Listed { version } => {
                    self.missing.remove(&number);
                    self.resource_version = self.resource_version.max(version);
                }
                News::Held(held) => {
                    held_differs = true;
                    match held {
                        Some(held) => self.held.insert(number, held),
                        None => self.held.remove(&number),
                    };
                }
                News::Failing(why) => {
                    if let Some(missing) = self.missing.get_mut(&number) {
                        missing.why = Some(why);
                    }
                }
            }
        }
        batch.resource_version = self.resource_version;
        batch.listed = self.missing.is_empty();
        batch.held = held_differs.then(|| self.held.values().cloned().collect());
        batch
    }

    /// What has not been listed yet, in words; empty: all has.
    pub fn missing(&self) -> Vec<String> {
        self.missing.values().map(Missing::to_string).collect()
    }
}

impl Missing {
    fn new(row: &Row, subject: &Subject) -> Self {
        let kind = row.kind.as_str();
        let what = match (&subject.namespace, &subject.fields) {
            (Some(namespace), _) => format!("{kind} in {namespace}"),
            (None, Some(fields)) => format!("{kind} with {fields}"),
            (None, None) => kind.to_owned(),
        };
        Self { what, why: None }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{}: {why}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What to watch of a kind: all of it, or as much as is in the namespaces.
fn subjects(row: &'static Row, scope: &Scope) -> Vec<(&'static Row, Subject)> {
    let all = Subject {
        resources: row.resources().collect(),
        namespace: None,
        fields: None,
    };
    if scope.namespaces.is_empty() {
        return vec![(row, all)];
    }
    let of = |namespace: &String| match row.kind.is_namespaced() {
        true => Subject {
            namespace: Some(namespace.clone()),
            ..all.clone()
        },
        false => Subject {
            fields: Some(format!("metadata.name={namespace}")),
            ..all.clone()
        },
    };
    let subjects = scope.namespaces.iter().map(of);
    subjects.map(|subject| (row, subject)).collect()
}

#[cfg(test)]
mod tests;
