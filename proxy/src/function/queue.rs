//! The calls of one environment and the state of its process: what waits, what runs, who is told
//! what.
//!
//! In: calls, what the process asks and posts, what became of the process, and the time. Out:
//! events for the process, answers for the callers, and what is to be done about the process. There
//! is no I/O here and nothing waits: the whole of it lives behind one small lock. A caller that
//! goes away closes its channel, and with that its call counts no more.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{CallError, attempt::Attempt};

/// Most calls that wait for the slot.
pub(super) const WAITING_MAX: usize = 1_000;
/// Most bytes of events that wait for the slot; a first one waits whatever its size.
pub(super) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many ids are remembered of calls that ended without an answer.
const LATE_MAX: usize = 1_000;
/// Longest time from the start of a process to its first `/next`, and from the loss of a parked
/// `/next` to another one. AWS gives an environment as long.
pub(super) const INIT_MAX: Duration = Duration::from_secs(10);
/// Longest timeout: a day, so that no deadline is beyond what a clock can say. AWS has 15 minutes.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a caller gets.
pub(super) type Answer = Result<Bytes, CallError>;

/// A connection of the runtime; never the same for two of them.
pub(super) type ConnectionId = u64;

/// Why an environment did not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InitError {
    /// Machine name, such as `Runtime.ExitError`.
    pub error_type: String,
    /// In words.
    pub message: String,
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}

/// A parked `/next`.
#[derive(Clone, Debug)]
pub(super) struct Poll {
    /// The connection that it came on.
    pub(super) connection: ConnectionId,
    /// Wakes it: it then looks again with [`Queue::take`].
    pub(super) wake: Arc<Notify>,
}

/// What a `/next` gets.
#[derive(Debug)]
pub(super) enum Next {
    /// An event.
    Event(Arc<Attempt>),
    /// Nothing yet: wait for the poll's wake.
    Wait,
    /// It is out of turn.
    Refused,
    /// The environment stops: close the connection.
    Closed,
}

/// What an answer's id stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Recipient {
    /// The call that runs.
    Running,
    /// A call that has ended without this answer: accept and drop it.
    Late,
    /// No call.
    Unknown,
    /// Another attempt at the call: the nonce differs.
    OtherAttempt,
    /// The process has not even asked for an event.
    OutOfTurn,
}

/// What is to be done about the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// Nothing, until this time or until something changes.
    Wait(Option<Instant>),
    /// Kill it and start another one at once: its call took too long.
    Replace,
    /// End it and start another one after the back-off: it does not work.
    Restart,
    /// End it: there is nothing left to do and there never will be.
    Stop,
}

/// A call that waits for the slot.
#[derive(Debug)]
struct Waiting {
    event: Bytes,
    answer: oneshot::Sender<Answer>,
}

/// The call that has the slot.
#[derive(Debug)]
struct Running {
    attempt: Arc<Attempt>,
    /// The caller; none once it was answered. The slot stays taken until the next `/next`.
    answer: Option<oneshot::Sender<Answer>>,
    /// Where the event went last; none once that connection closed.
    connection: Option<ConnectionId>,
}

#[derive(Debug)]
enum Phase {
    /// There is no process.
    Down,
    /// It runs and has not asked for an event yet. It must, before this time.
    Starting(Instant),
    /// It could not start, by its own account.
    Failed,
    /// Its parked `/next` was lost. It must ask again before this time.
    Lost(Instant),
    /// It waits for an event.
    Ready(Poll),
    /// It has an event.
    Running(Running),
}

/// What a look at an environment shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// There is no process; another one starts soon.
    BackingOff,
    /// The process has not asked for its first event yet.
    Starting,
    /// The process waits for an event.
    Ready,
    /// The process has an event.
    Running,
    /// What was accepted is finished, then the process ends.
    Stopping,
}

impl State {
    /// The machine name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BackingOff => "BackingOff",
            Self::Starting => "Starting",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
        }
    }
}

/// The calls of one environment and the state of its process.
#[derive(Debug)]
pub(super) struct Queue {
    /// Longest time for one call, from the delivery of its event.
    timeout: Duration,
    phase: Phase,
    /// The process is as good as gone: it gets no more events, but what it posts still counts.
    closed: bool,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    late: VecDeque<String>,
    /// Why the last start failed; gone once one succeeds. Meanwhile callers are not kept waiting.
    init_error: Option<InitError>,
    /// No new calls; what was accepted is finished.
    retired: bool,
    /// Whether a call succeeded since this was last asked.
    succeeded: bool,
}

impl Queue {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout: timeout.min(TIMEOUT_MAX),
            phase: Phase::Down,
            closed: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            late: VecDeque::new(),
            init_error: None,
            retired: false,
            succeeded: false,
        }
    }

    /// Takes in a call.
    pub(super) fn push(&mut self, event: Bytes) -> Result<oneshot::Receiver<Answer>, CallError> {
        if self.retired {
            return Err(CallError::Stopping);
        }
        if let Some(error) = &self.init_error {
            return Err(error.clone().into());
        }
        if self.is_full_for(event.len()) {
            self.forget_gone();
            if self.is_full_for(event.len()) {
                return Err(CallError::QueueFull);
            }
        }
        let (answer, receiver) = oneshot::channel();
        self.waiting_bytes += event.len();
        self.waiting.push_back(Waiting { event, answer });
        if let Phase::Ready(poll) = &self.phase {
            poll.wake.notify_one();
        }
        Ok(receiver)
    }

    fn is_full_for(&self, bytes: usize) -> bool {
        self.waiting.len() >= WAITING_MAX
            || (!self.waiting.is_empty() && self.waiting_bytes + bytes > WAITING_BYTES_MAX)
    }

    /// Drops the calls whose callers have gone.
    fn forget_gone(&mut self) {
        self.waiting.retain(|call| !call.answer.is_closed());
        self.waiting_bytes = self.waiting.iter().map(|call| call.event.len()).sum();
    }

    /// A process was started.
    pub(super) fn started(&mut self, now: Instant) {
        self.phase = Phase::Starting(now + INIT_MAX);
        self.closed = false;
    }

    /// The process asks for an event.
    pub(super) fn arrive(&mut self, poll: Poll, now: Instant) -> Next {
        if self.closed {
            return Next::Closed;
        }
        match &mut self.phase {
            Phase::Down | Phase::Failed => return Next::Refused,
            Phase::Running(running) if running.answer.is_some() && running.connection.is_some() => {
                // The reply may have been lost on its way: the same event once more.
                running.connection = Some(poll.connection);
                return Next::Event(Arc::clone(&running.attempt));
            }
            // The connection that fetched the event is closed and its call has no answer: whoever
            // fetched it is dead, and this is another one.
            Phase::Running(running) if running.answer.is_some() => self.fail(CallError::Crashed),
            // The older poll finds that it is no longer the one, and ends.
            Phase::Ready(older) => older.wake.notify_one(),
            Phase::Running(_) | Phase::Starting(_) | Phase::Lost(_) => {}
        }
        self.init_error = None;
        let wake = Arc::clone(&poll.wake);
        self.phase = Phase::Ready(poll);
        self.take(&wake, now)
    }

    /// A parked poll looks for an event. What it gets is delivered from here on.
    pub(super) fn take(&mut self, wake: &Arc<Notify>, now: Instant) -> Next {
        let connection = match &self.phase {
            _ if self.closed => return Next::Closed,
            Phase::Ready(poll) if Arc::ptr_eq(&poll.wake, wake) => poll.connection,
            Phase::Ready(_)
            | Phase::Down
            | Phase::Starting(_)
            | Phase::Failed
            | Phase::Lost(_)
            | Phase::Running(_) => return Next::Refused,
        };
        while let Some(Waiting { event, answer }) = self.waiting.pop_front() {
            self.waiting_bytes -= event.len();
            if answer.is_closed() {
                continue;
            }
            let attempt = Arc::new(Attempt::new(event, now + self.timeout));
            self.phase = Phase::Running(Running {
                attempt: Arc::clone(&attempt),
                answer: Some(answer),
                connection: Some(connection),
            });
            return Next::Event(attempt);
        }
        Next::Wait
    }

    /// A connection of the runtime is closed; a `/next` parked on it is gone with it.
    pub(super) fn disconnected(&mut self, connection: ConnectionId, now: Instant) {
        match &mut self.phase {
            Phase::Ready(poll) if poll.connection == connection => {
                self.phase = Phase::Lost(now + INIT_MAX);
            }
            Phase::Running(running) if running.connection == Some(connection) => {
                running.connection = None;
            }
            Phase::Ready(_)
            | Phase::Running(_)
            | Phase::Down
            | Phase::Starting(_)
            | Phase::Failed
            | Phase::Lost(_) => {}
        }
    }

    /// For whom an answer is.
    pub(super) fn recipient(&self, id: &str, nonce: Option<&str>) -> Recipient {
        match &self.phase {
            Phase::Running(running) if running.attempt.id == id && running.answer.is_some() => {
                if nonce.is_none_or(|nonce| nonce == running.attempt.nonce) {
                    Recipient::Running
                } else {
                    Recipient::OtherAttempt
                }
            }
            _ if self.late.iter().any(|late| late == id) => Recipient::Late,
            Phase::Starting(_) | Phase::Failed => Recipient::OutOfTurn,
            Phase::Running(_) | Phase::Ready(_) | Phase::Lost(_) | Phase::Down => {
                Recipient::Unknown
            }
        }
    }

    /// Answers the call `id`, if it still runs.
    pub(super) fn answer(&mut self, id: &str, answer: Answer) {
        if let Phase::Running(running) = &mut self.phase
            && running.attempt.id == id
            && let Some(caller) = running.answer.take()
        {
            self.succeeded |= answer.is_ok();
            // A caller that has gone does not want it.
            let _ = caller.send(answer);
        }
    }

    /// Ends the running call without an answer from the process, whose answer is late from here on.
    fn fail(&mut self, error: CallError) {
        if let Phase::Running(running) = &mut self.phase
            && let Some(caller) = running.answer.take()
        {
            if self.late.len() == LATE_MAX {
                self.late.pop_front();
            }
            self.late.push_back(running.attempt.id.clone());
            let _ = caller.send(Err(error));
        }
    }

    /// Whether the process may still say that it can't start.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting(_))
    }

    /// The process can't start: those who wait are told, and those who come before one can.
    pub(super) fn init_failed(&mut self, error: &InitError) {
        self.phase = Phase::Failed;
        self.init_error = Some(error.clone());
        self.fail_waiting(|| error.clone().into());
    }

    fn fail_waiting(&mut self, error: impl Fn() -> CallError) {
        self.waiting_bytes = 0;
        for call in self.waiting.drain(..) {
            let _ = call.answer.send(Err(error()));
        }
    }

    /// The process is gone; `how` says in what way.
    pub(super) fn exited(&mut self, how: &str) {
        if self.is_starting() {
            self.init_failed(&InitError {
                error_type: "Runtime.ExitError".to_owned(),
                message: format!("ended before it asked for an event: {how}"),
            });
        }
        self.fail(CallError::Crashed);
        self.phase = Phase::Down;
    }

    /// What is to be done about the process now.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.is_drained() {
            return Due::Stop;
        }
        match &self.phase {
            Phase::Failed => Due::Restart,
            Phase::Lost(until) if *until <= now => Due::Restart,
            Phase::Starting(until) if *until <= now => {
                self.init_failed(&InitError {
                    error_type: "Sandbox.Timedout".to_owned(),
                    message: format!("did not ask for an event within {INIT_MAX:?}"),
                });
                Due::Restart
            }
            Phase::Running(running) if running.attempt.deadline <= now => {
                self.fail(CallError::TimedOut);
                Due::Replace
            }
            Phase::Starting(until) | Phase::Lost(until) => Due::Wait(Some(*until)),
            Phase::Running(running) => Due::Wait(Some(running.attempt.deadline)),
            Phase::Ready(_) | Phase::Down => Due::Wait(None),
        }
    }

    /// No new calls from here on.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether nothing is left to do and nothing can come.
    pub(super) fn is_drained(&self) -> bool {
        self.retired
            && !matches!(self.phase, Phase::Running(_))
            && self.waiting.iter().all(|call| call.answer.is_closed())
    }

    /// The process is told to go, or has gone: its parked `/next` ends, and another one gets
    /// nothing.
    pub(super) fn close(&mut self) {
        self.closed = true;
        if let Phase::Ready(poll) = &self.phase {
            poll.wake.notify_one();
        }
    }

    /// Nothing will ever be done here again.
    pub(super) fn end(&mut self) {
        self.retired = true;
        self.fail(CallError::Crashed);
        self.phase = Phase::Down;
        self.fail_waiting(|| CallError::Stopping);
    }

    /// Whether a call succeeded since this was last asked.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.succeeded)
    }

    /// What a look at it shows.
    pub(super) fn state(&self) -> State {
        match &self.phase {
            _ if self.retired => State::Stopping,
            Phase::Down | Phase::Failed => State::BackingOff,
            Phase::Starting(_) | Phase::Lost(_) => State::Starting,
            Phase::Ready(_) => State::Ready,
            Phase::Running(_) => State::Running,
        }
    }

    /// Why the last start failed, until one succeeds.
    pub(super) fn init_error(&self) -> Option<&InitError> {
        self.init_error.as_ref()
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        let waits = |call: &&Waiting| !call.answer.is_closed();
        self.waiting.iter().filter(waits).count()
    }
}

#[cfg(test)]
mod tests;
