//! The writer: the task that keeps every status as it should be, while this replica is the one that
//! writes.
//!
//! In: news, the table of proxies, the holder of the Lease. Out: writes, a few at a time, and
//! transitions. A status that is about to change again is not written yet; one that is as it should
//! be is not written at all.

mod pace;

use std::sync::Arc;

use imbl::OrdMap;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tollgate_compile::ObjectRef;

use super::{
    News, Sources, StatusMetrics,
    ledger::{Dirty, Ledger},
    queue::Queue,
    report::Report,
    transition,
    write::{self, NotWritten},
};
use crate::{
    events::Transition,
    holder::Holder,
    proxies::{PodUid, Proxy},
};

/// Writes at once; one while the API server is ailing.
const AT_ONCE: usize = 8;

/// News taken in before anything else is done.
const NEWS_AT_ONCE: usize = 64;

type Table = OrdMap<PodUid, Arc<Proxy>>;

/// A write that has ended.
#[derive(Debug)]
struct Written {
    object: ObjectRef,
    /// The version that it was written over.
    over: String,
    report: Report,
    /// What to tell of it, if it went well.
    told: Option<Transition>,
    result: Result<String, NotWritten>,
}

/// The task.
pub(super) struct Writer {
    client: Client,
    ledger: Ledger,
    queue: Queue,
    writes: JoinSet<Written>,
    /// The objects being written.
    writing: Dirty,
    /// Since when this replica has been the one that writes.
    leading: Option<Instant>,
    /// Whether the last write failed.
    ailing: bool,
    holder: watch::Receiver<Holder>,
    proxies: watch::Receiver<Table>,
    events: mpsc::Sender<Transition>,
    metrics: StatusMetrics,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        sources: Sources,
        events: mpsc::Sender<Transition>,
        metrics: StatusMetrics,
    ) -> Self {
        let mut proxies = sources.proxies.follow();
        proxies.mark_changed();
        let mut holder = sources.holder;
        holder.mark_changed();
        Self {
            client,
            ledger: Ledger::new(sources.snapshots),
            queue: Queue::default(),
            writes: JoinSet::new(),
            writing: Dirty::new(),
            leading: None,
            ailing: false,
            holder,
            proxies,
            events,
            metrics,
        }
    }

    /// Runs until the news end.
    pub(super) async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let mut taken = Vec::new();
        loop {
            let due = self.next_due();
            tokio::select! {
                count = news.recv_many(&mut taken, NEWS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    for news in taken.drain(..) {
                        for (object, _) in &news.seen {
                            self.queue.forgive(object);
                        }
                        let dirty = self.ledger.take_news(news, Instant::now());
                        self.consider_all(dirty);
                    }
                }
                Ok(()) = self.proxies.changed() => {
                    let table = self.proxies.borrow_and_update().clone();
                    let dirty = self.ledger.take_proxies(table);
                    self.consider_all(dirty);
                }
                Ok(()) = self.holder.changed() => self.follow_holder(),
                Some(written) = self.writes.join_next() => match written {
                    Ok(written) => self.settle(written),
                    // It was aborted: this replica no longer writes.
                    Err(_) => continue,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            self.write_due();
            self.metrics
                .waiting
                .set(i64::try_from(self.queue.len()).unwrap_or(i64::MAX));
        }
    }

    /// Begins to write, with every object judged anew, or stops at once.
    fn follow_holder(&mut self) {
        let mine = *self.holder.borrow_and_update() == Holder::Me;
        if mine == self.leading.is_some() {
            return;
        }
        self.leading = mine.then(Instant::now);
        if mine {
            self.consider_all(self.ledger.objects());
        } else {
            self.writes.abort_all();
            self.writing.clear();
            self.queue.clear();
        }
    }

    fn consider_all(&mut self, dirty: Dirty) {
        for object in dirty {
            self.consider(&object);
        }
    }

    /// Puts an object in the queue, if its status is not as it should be.
    fn consider(&mut self, object: &ObjectRef) {
        let Some(leading) = self.leading else {
            return;
        };
        // It is judged again once the write has ended.
        if self.writing.contains(object) {
            return;
        }
        let judged = self.ledger.judge(object, Timestamp::now());
        let known = self.ledger.object(object);
        let (Some(judged), Some(known)) = (judged, known) else {
            self.queue.remove(object);
            return;
        };
        if known.report.as_ref() == Some(&judged.report) {
            self.queue.remove(object);
            return;
        }
        let now = Instant::now();
        let wait = pace::wait(known, &judged, leading, now);
        self.queue.put(object, now, wait);
    }

    /// When to look at the queue next; `None`: not before a write has ended.
    fn next_due(&self) -> Option<Instant> {
        let at_once = if self.ailing { 1 } else { AT_ONCE };
        if self.writes.len() >= at_once {
            return None;
        }
        self.queue.next_due()
    }

    fn write_due(&mut self) {
        let now = Instant::now();
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(object) = self.queue.pop(now) else {
                return;
            };
            self.write(object);
        }
    }

    fn write(&mut self, object: ObjectRef) {
        let judged = self.ledger.judge(&object, Timestamp::now());
        let known = self.ledger.object(&object);
        let (Some(judged), Some(known)) = (judged, known) else {
            return;
        };
        let report = judged.report;
        if known.report.as_ref() == Some(&report) {
            return;
        }
        let Ok(status) = report.to_status(object.kind) else {
            return;
        };
        let (client, over) = (self.client.clone(), known.resource_version.clone());
        let told = transition::of(&object, known, &report);
        self.writing.insert(object.clone());
        self.writes.spawn(async move {
            let result = write::write(client, &object, &over, status).await;
            Written {
                object,
                over,
                report,
                told,
                result,
            }
        });
    }

    /// Takes in how a write ended, and judges the object again.
    fn settle(&mut self, written: Written) {
        let Written {
            object,
            over,
            report,
            told,
            result,
        } = written;
        self.writing.remove(&object);
        match result {
            Ok(version) => {
                self.ailing = false;
                self.queue.forgive(&object);
                self.metrics.written.inc();
                self.ledger.wrote(&object, &over, version, report);
                self.tell(told);
            }
            Err(NotWritten::Gone) => return,
            // What is there now will be heard of, if it has not been yet.
            Err(NotWritten::Stale) => {
                if self.ledger.is_known_as(&object, &over) {
                    tracing::debug!(%object, over, "another version is there");
                    self.queue
                        .failed(&object, Instant::now(), None, fastrand::f64());
                }
            }
            Err(NotWritten::Later(at_least)) => {
                self.ailing = true;
                self.metrics.failed.inc();
                let (now, jitter) = (Instant::now(), fastrand::f64());
                self.queue.failed(&object, now, at_least, jitter);
            }
        }
        self.consider(&object);
    }

    fn tell(&self, told: Option<Transition>) {
        if told.is_some_and(|told| self.events.try_send(told).is_err()) {
            self.metrics.events_dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests;
