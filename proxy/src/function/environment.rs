//! One environment of a function: its queue, and who is to be woken when the queue changes.
//!
//! Callers on any thread push calls; the Runtime API and the supervision, on the control runtime,
//! take them, answer them and look after the process.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tollgate_snapshot::ObjectName;

use super::{
    CallError, FunctionSpec, FunctionState, event,
    queue::{Answer, ConnectionId, Due, InitError, Next, Poll, Queue, Recipient},
};

/// One environment of a function.
#[derive(Debug)]
pub(super) struct Environment {
    /// The function's name.
    pub(super) name: ObjectName,
    /// What it runs and within which bounds.
    pub(super) spec: FunctionSpec,
    /// What the function is told its ARN is.
    pub(super) arn: String,
    queue: Mutex<Queue>,
    /// Wakes the supervision: the queue may want something of it.
    changed: Notify,
    ended: watch::Sender<bool>,
    /// The process group that runs; 0: none.
    group: AtomicI32,
    restarts: AtomicU64,
}

impl Environment {
    pub(super) fn new(name: ObjectName, spec: FunctionSpec) -> Self {
        Self {
            arn: arn(&name, &spec),
            queue: Mutex::new(Queue::new(spec.timeout)),
            changed: Notify::new(),
            ended: watch::Sender::new(false),
            group: AtomicI32::new(0),
            restarts: AtomicU64::new(0),
            name,
            spec,
        }
    }

    /// The queue is whole at every point where a panic could leave it, so a poisoned lock is no
    /// harm.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the function. Whoever drops this is no longer waited for.
    pub(super) async fn call(&self, event: Bytes) -> Answer {
        let answer = self.queue().push(event)?;
        // Without an answer the control runtime is gone, and what became of the call is unknown.
        answer.await.unwrap_or(Err(CallError::Crashed))
    }

    /// Waits for an event on behalf of a `/next`. Dropping this while it waits loses nothing: an
    /// event leaves the queue only together with the return from here.
    pub(super) async fn next(&self, connection: ConnectionId) -> Next {
        let wake = Arc::new(Notify::new());
        let poll = Poll {
            connection,
            wake: Arc::clone(&wake),
        };
        let mut next = self.queue().arrive(poll, Instant::now());
        self.changed.notify_one();
        while matches!(next, Next::Wait) {
            wake.notified().await;
            next = self.queue().take(&wake, Instant::now());
            self.changed.notify_one();
        }
        next
    }

    /// A connection of the runtime is closed.
    pub(super) fn disconnected(&self, connection: ConnectionId) {
        self.queue().disconnected(connection, Instant::now());
        self.changed.notify_one();
    }

    /// For whom an answer is.
    pub(super) fn recipient(&self, id: &str, nonce: Option<&str>) -> Recipient {
        self.queue().recipient(id, nonce)
    }

    /// Answers the call `id`, if it still runs.
    pub(super) fn answer(&self, id: &str, answer: Answer) {
        self.queue().answer(id, answer);
    }

    /// The process says that it can't start; false: it has started already.
    pub(super) fn refuse_start(&self, error: &InitError) -> bool {
        let mut queue = self.queue();
        if !queue.is_starting() {
            return false;
        }
        queue.init_failed(error);
        self.changed.notify_one();
        true
    }

    /// A process was started, or is about to be.
    pub(super) fn started(&self) {
        self.queue().started(Instant::now());
    }

    /// The group of the process that runs, for [`Environment::kill`].
    pub(super) fn set_group(&self, group: Option<Pid>) {
        let raw = group.map_or(0, |group| group.as_raw_nonzero().get());
        self.group.store(raw, Ordering::Relaxed);
    }

    /// The process is gone; `how` says in what way.
    pub(super) fn exited(&self, how: &str) {
        self.queue().exited(how);
    }

    /// Waits until something is to be done about the process.
    pub(super) async fn due(&self) -> Due {
        loop {
            let due = self.queue().due(Instant::now());
            let Due::Wait(until) = due else {
                return due;
            };
            let until = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = until => {}
            }
        }
    }

    /// Whether a call succeeded since this was last asked.
    pub(super) fn succeeded(&self) -> bool {
        self.queue().succeeded()
    }

    /// One restart more.
    pub(super) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits `pause` before a restart; false: there is nothing left to restart for.
    pub(super) async fn back_off(&self, pause: Duration) -> bool {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            if self.queue().is_drained() {
                return false;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = &mut over => return !self.queue().is_drained(),
            }
        }
    }

    /// No new calls; once what was accepted is finished, the process ends.
    pub(super) fn retire(&self) {
        self.queue().retire();
        self.changed.notify_one();
    }

    /// The process is told to go, or has gone: it gets no more events.
    pub(super) fn close(&self) {
        self.queue().close();
    }

    /// The supervision is over.
    pub(super) fn end(&self) {
        self.queue().end();
        self.ended.send_replace(true);
    }

    /// Whether the supervision is over.
    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits until the supervision is over.
    pub(super) async fn ended(&self) {
        // It fails only when the sender is gone, and that is ours.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Kills the process and all that it started, at once; nobody is answered any more.
    pub(super) fn kill(&self) {
        self.queue().end();
        if let Some(group) = Pid::from_raw(self.group.load(Ordering::Relaxed)) {
            // It may have ended by itself just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// What a look at it shows.
    pub(super) fn state(&self) -> FunctionState {
        let queue = self.queue();
        FunctionState {
            name: self.name.clone(),
            state: queue.state(),
            init_error: queue.init_error().cloned(),
            restarts: self.restarts.load(Ordering::Relaxed),
            waiting: queue.waiting(),
        }
    }
}

/// The function's ARN: of the form that runtimes take apart (seven parts, an account of 12 digits).
/// The region is what the function's own environment says, and `local` where it says nothing.
fn arn(name: &ObjectName, spec: &FunctionSpec) -> String {
    let variable = |wanted: &str| {
        let mut env = spec.process.env.iter().rev();
        env.find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let region = variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .filter(|region| {
            region
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .unwrap_or("local");
    let account = event::account_id(&name.namespace);
    format!("arn:aws:lambda:{region}:{account}:function:{}", name.name)
}
