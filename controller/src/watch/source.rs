//! One kind, watched: what its feed says, as changes.
//!
//! In: the steps of a feed. Out: changes, whether the kind has been listed, and what is held. Each
//! kind has a task of its own, so that one which fails keeps no other waiting.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures_util::StreamExt;
use kube::Client;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tollgate_compile::{Change, ObjectRef};
use tollgate_snapshot::ObjectName;
use tracing::{info, warn};

use super::{
    Held, Seen, acceptance,
    definition::Definition,
    deletions::Deletions,
    feed::{Step, Subject, feed},
    kinds::Row,
    raw::Raw,
    roster::Roster,
};

/// How often somebody's word is looked for while objects are held.
const LOOK: Duration = Duration::from_secs(5);

/// What a source says.
#[derive(Debug)]
pub(super) enum News {
    /// An object is different.
    Change {
        change: Change,
        /// For a kind of ours.
        seen: Option<(ObjectRef, Option<Seen>)>,
        /// Of the object; 0: no number.
        version: u64,
    },
    /// The kind has been listed, or it does not exist and need not.
    Listed { version: u64 },
    /// What is held now; none: nothing.
    Held(Option<Held>),
    /// What fails, and will be tried again.
    Failing(String),
}

/// Takes the news of all sources, each with its number.
pub(super) type Sender = mpsc::Sender<(usize, News)>;

/// An error: nobody takes the news any more.
type Sent = Result<(), mpsc::error::SendError<(usize, News)>>;

/// One kind, in one namespace or all.
pub(super) struct Source {
    pub(super) number: usize,
    pub(super) row: &'static Row,
    pub(super) subject: Subject,
    pub(super) client: Client,
    /// The operator's namespace.
    pub(super) home: String,
    pub(super) news: Sender,
}

/// What is known of it.
#[derive(Debug, Default)]
struct State {
    roster: Roster,
    /// Whether it has been said to be listed.
    is_listed: bool,
    held: Option<Held>,
    /// What failed, as it was said last: it is not said twice.
    failing: Option<String>,
}

impl Source {
    /// Watches until nobody takes the news any more.
    pub(super) async fn follow(self) {
        // The only error is that nobody takes the news: then there is nothing left to do.
        let _ = self.run().await;
    }

    async fn run(&self) -> Sent {
        let mut feed = pin!(feed(&self.client, &self.subject));
        let mut state = State::default();
        let mut deletions = Deletions::default();
        let mut look = interval(LOOK);
        // It is asked only while something is held.
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let crd = self.row.definition().unwrap_or_default();
        loop {
            deletions.ask(&self.client, &crd);
            tokio::select! {
                step = feed.next() => match step {
                    Some(step) => self.take(&mut state, &mut deletions, step).await?,
                    None => return Ok(()),
                },
                (answer, names) = deletions.answer() => {
                    self.answered(&mut state, answer, names).await?;
                }
                _ = look.tick(), if state.held.is_some() => self.look(&mut state).await?,
            }
            self.say_held(&mut state).await?;
        }
    }

    async fn take(&self, state: &mut State, deletions: &mut Deletions, step: Step) -> Sent {
        match step {
            Step::Failed(failure) => return self.failing(state, failure.to_string()).await,
            Step::Absent => return self.absent(state).await,
            Step::Begin => state.roster.begin(),
            Step::Listed(raw) => {
                if let Some(name) = self.name(&raw) {
                    deletions.spare(&name);
                    if state.roster.listed(&name, raw.version()) {
                        self.put(&name, &raw).await?;
                    }
                }
            }
            Step::End(version) => {
                for name in state.roster.end() {
                    self.remove(name, 0).await?;
                }
                let version = number(&version);
                self.send(News::Listed { version }).await?;
                state.is_listed = true;
            }
            Step::Put(raw) => {
                if let Some(name) = self.name(&raw) {
                    deletions.spare(&name);
                    state.roster.put(&name, raw.version());
                    self.put(&name, &raw).await?;
                }
            }
            Step::Delete(raw) => {
                if let Some(name) = self.name(&raw) {
                    let version = number(raw.version());
                    match self.row.definition() {
                        Some(_) => deletions.add(name, version),
                        None => self.deleted(state, name, version).await?,
                    }
                }
            }
        }
        if state.failing.take().is_some() {
            info!(
                kind = self.kind(),
                namespace = self.namespace(),
                "watched again"
            );
        }
        Ok(())
    }

    /// Takes the answer to whether the kind is defined, and the deletions that it is about.
    async fn answered(
        &self,
        state: &mut State,
        answer: Definition,
        names: BTreeMap<ObjectName, u64>,
    ) -> Sent {
        match answer {
            Definition::Unknown => return Ok(()),
            Definition::Going => {
                state.roster.hold(names.into_keys());
                return Ok(());
            }
            Definition::There => {}
            Definition::Hidden => warn!(
                kind = self.kind(),
                "objects are deleted, and whether the whole kind is can't be seen: get on \
                 customresourcedefinitions is forbidden",
            ),
        }
        for (name, version) in names {
            self.deleted(state, name, version).await?;
        }
        Ok(())
    }

    async fn deleted(&self, state: &mut State, name: ObjectName, version: u64) -> Sent {
        match state.roster.remove(&name) {
            true => self.remove(name, version).await,
            false => Ok(()),
        }
    }

    /// The kind does not exist. What there was of it goes on.
    async fn absent(&self, state: &mut State) -> Sent {
        state.roster.hold_all();
        if self.row.is_optional {
            return match std::mem::replace(&mut state.is_listed, true) {
                true => Ok(()),
                false => self.send(News::Listed { version: 0 }).await,
            };
        }
        self.failing(state, "the API server does not know the kind".to_owned())
            .await
    }

    /// Gives up what is held if somebody says so.
    async fn look(&self, state: &mut State) -> Sent {
        let Some(held) = &state.held else {
            return Ok(());
        };
        let (key, word) = (held.key(), held.accept.clone());
        if !acceptance::is_given(&self.client, &self.home, &key, &word).await {
            return Ok(());
        }
        warn!(
            kind = self.kind(),
            namespace = self.namespace(),
            word,
            "the loss is accepted"
        );
        for name in state.roster.accept() {
            self.remove(name, 0).await?;
        }
        Ok(())
    }

    /// Says what is held, if that is different now.
    async fn say_held(&self, state: &mut State) -> Sent {
        let count = state.roster.held();
        let before = state.held.as_ref();
        // Whatever is held differs as soon as the numbers do, or the names in the word.
        if count == 0 && before.is_none() {
            return Ok(());
        }
        let held = (count > 0).then(|| Held {
            kind: self.row.kind,
            namespace: self.subject.namespace.clone(),
            had: state.roster.len(),
            listed: state.roster.len() - count,
            accept: state.roster.password(),
        });
        if held.as_ref() == before {
            return Ok(());
        }
        match &held {
            Some(held) => warn!("{held}"),
            None => info!(
                kind = self.kind(),
                namespace = self.namespace(),
                "nothing is held"
            ),
        }
        state.held.clone_from(&held);
        self.send(News::Held(held)).await
    }

    async fn failing(&self, state: &mut State, why: String) -> Sent {
        if state.failing.as_deref() == Some(&*why) {
            return Ok(());
        }
        warn!(
            kind = self.kind(),
            namespace = self.namespace(),
            why,
            "not watched"
        );
        state.failing = Some(why.clone());
        self.send(News::Failing(why)).await
    }

    async fn put(&self, name: &ObjectName, raw: &Raw) -> Sent {
        let (change, seen) = raw.read(self.row, name);
        let seen = seen.map(|seen| (self.object(name.clone()), Some(seen)));
        let version = number(raw.version());
        self.send(News::Change {
            change,
            seen,
            version,
        })
        .await
    }

    async fn remove(&self, name: ObjectName, version: u64) -> Sent {
        let object = self.object(name);
        let seen = self.row.is_ours.then(|| (object.clone(), None));
        let change = Change::Remove(object);
        self.send(News::Change {
            change,
            seen,
            version,
        })
        .await
    }

    async fn send(&self, news: News) -> Sent {
        self.news.send((self.number, news)).await
    }

    /// The name of an object. One without can't be spoken of: it is left out.
    fn name(&self, raw: &Raw) -> Option<ObjectName> {
        let name = raw.name();
        if name.is_none() {
            warn!(
                kind = self.kind(),
                "an object without a name that can be read is left out"
            );
        }
        name
    }

    fn object(&self, name: ObjectName) -> ObjectRef {
        let kind = self.row.kind;
        ObjectRef { kind, name }
    }

    fn kind(&self) -> &'static str {
        self.row.kind.as_str()
    }

    fn namespace(&self) -> Option<&str> {
        self.subject.namespace.as_deref()
    }
}

/// A version as a number, as all versions are in fact; else 0.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}
