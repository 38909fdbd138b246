//! Deletions that are not believed yet, because the kind itself may be going.
//!
//! In: what the watch says is deleted. Out: the same once it is known that somebody meant it. A
//! question is asked after the deletions that it is about have come, so that its answer holds for
//! them; those that come meanwhile wait for the next one.

use std::{collections::BTreeMap, future::pending, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use kube::Client;
use tokio::time::{Instant, sleep};
use tollgate_snapshot::ObjectName;

use super::definition::{self, Definition};

/// Shortest time between two questions: what is deleted meanwhile is asked for together.
const APART: Duration = Duration::from_millis(100);

/// How long until a question that nobody could answer is asked again; half as long at least.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The deletions, each with its version.
#[derive(Default)]
pub(super) struct Deletions {
    waiting: BTreeMap<ObjectName, u64>,
    /// Those that the question is about.
    asked: BTreeMap<ObjectName, u64>,
    question: Option<BoxFuture<'static, Definition>>,
    not_before: Option<Instant>,
}

impl Deletions {
    /// An object is deleted, says the watch.
    pub(super) fn add(&mut self, name: ObjectName, version: u64) {
        self.waiting.insert(name, version);
    }

    /// An object is there again, or still.
    pub(super) fn spare(&mut self, name: &ObjectName) {
        self.waiting.remove(name);
        self.asked.remove(name);
    }

    /// Asks, if there is something to ask for and no question is under way.
    pub(super) fn ask(&mut self, client: &Client, crd: &str) {
        if self.question.is_some() || self.waiting.is_empty() {
            return;
        }
        self.asked.append(&mut self.waiting);
        let (client, crd) = (client.clone(), crd.to_owned());
        let pause = self.not_before.map(|at| at.duration_since(Instant::now()));
        let question = async move {
            sleep(pause.unwrap_or_default()).await;
            definition::ask(client, crd).await
        };
        self.question = Some(question.boxed());
    }

    /// Waits for the answer; for ever if there is no question.
    pub(super) async fn answer(&mut self) -> (Definition, BTreeMap<ObjectName, u64>) {
        let Some(question) = &mut self.question else {
            return pending().await;
        };
        let answer = question.await;
        self.question = None;
        let asked = std::mem::take(&mut self.asked);
        let pause = match answer {
            Definition::There | Definition::Going | Definition::Hidden => APART,
            Definition::Unknown => ASK_AGAIN.mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        self.not_before = Some(Instant::now() + pause);
        match answer {
            Definition::There | Definition::Going | Definition::Hidden => (answer, asked),
            Definition::Unknown => {
                self.waiting.extend(asked);
                (answer, BTreeMap::new())
            }
        }
    }
}
