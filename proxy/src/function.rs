//! Functions of the Lambda contract that run on this machine: one process and one slot each.
//!
//! In: what to run, and events. Out: what the functions answer. [`event`] makes an event of a
//! request and [`answer`] a response of an answer; both are pure, and neither is known to the rest.
//!
//! ```text
//! Functions ──> environment ──> queue <── runtime_api <── the process
//!                    └──> supervise ──> child (start, restart, end) ──> output (its log)
//! ```
//!
//! Calls come from any thread. Processes and their Runtime APIs live on one runtime, the control
//! runtime, which therefore must have I/O and time enabled.

pub mod answer;
pub mod event;

mod attempt;
mod child;
mod environment;
mod output;
mod queue;
mod runtime_api;
mod supervise;

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
pub use queue::{InitError, State};
use tokio::runtime::Handle;
use tollgate_snapshot::ObjectName;

use environment::Environment;

/// Largest request body that a function takes, in bytes: 6 MiB, as AWS has it. Whoever reads the
/// body refuses a larger one.
pub const EVENT_BODY_MAX: usize = 6 * 1024 * 1024;

/// What a function runs and within which bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionSpec {
    /// Longest time for one call, from the delivery of its event; then the process is replaced.
    pub timeout: Duration,
    /// Memory that the function is told it has, in MiB. It is not enforced.
    pub memory_mb: u64,
    /// What runs.
    pub process: FunctionProcess,
}

/// A local command.
#[derive(Clone, Eq, PartialEq)]
pub struct FunctionProcess {
    /// The program, absolute or to be found in `PATH`, and its arguments.
    pub command: Vec<String>,
    /// The folder in which it runs.
    pub working_dir: PathBuf,
    /// Environment, beside `PATH`, `HOME`, `TZ` and `LANG` of ours; the last of a name counts, and
    /// the names that the contract reserves win over these.
    pub env: Vec<(String, String)>,
}

impl fmt::Debug for FunctionProcess {
    /// Without the environment, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionProcess")
            .field("command", &self.command)
            .field("working_dir", &self.working_dir)
            .finish_non_exhaustive()
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The function has no process here.
    #[error("no process on this machine")]
    NotFound,
    /// Too many calls wait already. The function has not seen this one.
    #[error("too many calls wait")]
    QueueFull,
    /// The function stops. It has not seen this call.
    #[error("the function stops")]
    Stopping,
    /// The function could not start. It has not seen this call.
    #[error("the function could not start: {error_type}: {message}")]
    Init {
        /// Machine name, such as `Runtime.ExitError`.
        error_type: String,
        /// In words.
        message: String,
    },
    /// The process ended during the call.
    #[error("Runtime.ExitError: the process ended during the call")]
    Crashed,
    /// The call took longer than the function's timeout.
    #[error("Sandbox.Timedout: the call took longer than the function's timeout")]
    TimedOut,
    /// The function returned an error.
    #[error("the function failed: {error_type}")]
    FunctionError {
        /// Machine name, such as `Function.Unknown`.
        error_type: String,
        /// What the runtime posted: JSON with `errorType`, `errorMessage` and more, as a rule.
        body: Bytes,
    },
    /// The answer is larger than 6 MiB and 100 bytes.
    #[error("Function.ResponseSizeTooLarge: the answer is larger than 6 MiB")]
    AnswerTooLarge,
}

impl From<InitError> for CallError {
    fn from(error: InitError) -> Self {
        let InitError {
            error_type,
            message,
        } = error;
        Self::Init {
            error_type,
            message,
        }
    }
}

/// What a look at a function shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionState {
    /// Its name.
    pub name: ObjectName,
    /// What it does.
    pub state: State,
    /// Why the last start failed; none once one succeeds.
    pub init_error: Option<InitError>,
    /// How often a process was started anew.
    pub restarts: u64,
    /// How many calls wait for the slot.
    pub waiting: usize,
}

/// The functions that run on this machine. Clones are the same functions.
#[derive(Clone, Debug)]
pub struct Functions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    control: Handle,
    /// Swapped as a whole: a call reads it without a lock, on every core at once.
    current: ArcSwap<Current>,
    /// Environments that only finish what they have. Whoever swaps `current` holds it.
    retired: Mutex<Vec<Arc<Environment>>>,
}

/// The functions that calls find.
#[derive(Clone, Debug, Default)]
struct Current {
    environments: BTreeMap<ObjectName, Arc<Environment>>,
    /// Whether all of them are to end.
    stopping: bool,
}

impl Functions {
    /// No functions yet; their processes and Runtime APIs will live on `control`.
    pub fn new(control: Handle) -> Self {
        Self {
            shared: Arc::new(Shared {
                control,
                current: ArcSwap::default(),
                retired: Mutex::default(),
            }),
        }
    }

    /// Keeps others from swapping the functions until it is dropped.
    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Environment>>> {
        let retired = self.shared.retired.lock();
        retired.unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a function as `spec` says, from now on; none: no longer.
    ///
    /// A spec equal to the one that runs changes nothing. Otherwise new calls go to a new process,
    /// which starts at once, while the old one finishes what it was given and then ends.
    pub fn set(&self, name: &ObjectName, spec: Option<FunctionSpec>) {
        let mut retired = self.retired();
        retired.retain(|retired| !retired.has_ended());
        let mut current = Current::clone(&self.shared.current.load());
        let running = current.environments.get(name).map(|known| &known.spec);
        if current.stopping || running == spec.as_ref() {
            return;
        }
        let new = spec.map(|spec| Arc::new(Environment::new(name.clone(), spec)));
        let old = match new {
            Some(new) => {
                self.shared
                    .control
                    .spawn(supervise::supervise(Arc::clone(&new)));
                current.environments.insert(name.clone(), new)
            }
            None => current.environments.remove(name),
        };
        // First the new one is found, then the old one refuses.
        self.shared.current.store(Arc::new(current));
        if let Some(old) = old {
            old.retire();
            retired.push(old);
        }
    }

    /// Calls a function with an event, on any runtime; waits for its slot and for its answer.
    ///
    /// There is no bound here but the function's own: a caller with a deadline drops the future. It
    /// then no longer waits for the slot; if the event was delivered, the answer is dropped.
    ///
    /// # Errors
    /// [`CallError`] says why there is no answer.
    pub async fn call(&self, name: &ObjectName, event: Bytes) -> Result<Bytes, CallError> {
        let mut environment = self.find(name)?;
        loop {
            let answer = environment.call(event.clone()).await;
            if answer != Err(CallError::Stopping) {
                return answer;
            }
            // It was replaced between the look-up and the call, which it has not seen.
            let newer = self.find(name)?;
            if Arc::ptr_eq(&newer, &environment) {
                return answer;
            }
            environment = newer;
        }
    }

    fn find(&self, name: &ObjectName) -> Result<Arc<Environment>, CallError> {
        let current = self.shared.current.load();
        if current.stopping {
            return Err(CallError::Stopping);
        }
        let found = current.environments.get(name);
        found.map(Arc::clone).ok_or(CallError::NotFound)
    }

    /// Refuses new calls, finishes those that were accepted, ends all processes. Each has two
    /// seconds from its SIGTERM on; how long the calls may take is the caller's to bound.
    pub async fn stop(&self) {
        let all = self.retire_all();
        for environment in all {
            environment.ended().await;
        }
    }

    /// Kills all processes at once: the last thing to do before an exit that does not wait.
    pub fn kill(&self) {
        for environment in self.retire_all() {
            environment.kill();
        }
    }

    fn retire_all(&self) -> Vec<Arc<Environment>> {
        let retired = self.retired();
        let mut current = Current::clone(&self.shared.current.load());
        current.stopping = true;
        let running = current.environments.values();
        let all: Vec<_> = running.chain(retired.iter()).cloned().collect();
        self.shared.current.store(Arc::new(current));
        drop(retired);
        all.iter().for_each(|environment| environment.retire());
        all
    }

    /// What a look at each function shows, by name.
    pub fn states(&self) -> Vec<FunctionState> {
        let current = self.shared.current.load();
        let environments = current.environments.values();
        environments.map(|known| known.state()).collect()
    }
}
