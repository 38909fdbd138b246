//! One delivery of an event to a runtime: its ids and its deadline.
//!
//! The ids are random, not secret: they keep a runtime's late answer from reaching another call.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::Instant;

/// One delivery of an event. Its id is new for each, so that no answer can reach another call.
#[derive(Debug)]
pub(super) struct Attempt {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub(super) id: String,
    /// `Lambda-Runtime-Invocation-Id`, which new runtimes echo.
    pub(super) nonce: String,
    /// `Lambda-Runtime-Trace-Id`.
    pub(super) trace_id: String,
    /// The event.
    pub(super) event: Bytes,
    /// When the function's timeout is over.
    pub(super) deadline: Instant,
}

impl Attempt {
    pub(super) fn new(event: Bytes, deadline: Instant) -> Self {
        Self {
            id: uuid(),
            nonce: uuid(),
            trace_id: trace_id(),
            event,
            deadline,
        }
    }

    /// The deadline as `Lambda-Runtime-Deadline-Ms` has it: milliseconds of Unix time.
    pub(super) fn deadline_ms(&self) -> u128 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        (now.unwrap_or_default() + left).as_millis()
    }
}

/// A trace of its own for each attempt, not sampled, in the form of X-Ray.
fn trace_id() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    let root = fastrand::u128(..) >> 32;
    let parent = fastrand::u64(..);
    format!("Root=1-{seconds:08x}-{root:024x};Parent={parent:016x};Sampled=0")
}

fn uuid() -> String {
    let random = fastrand::u128(..).to_ne_bytes();
    uuid::Builder::from_random_bytes(random)
        .into_uuid()
        .to_string()
}
