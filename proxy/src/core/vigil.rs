//! What a connection is doing and since when: the ground for its deadlines.
//!
//! In: bytes read and written, requests that begin and end. Out: whether a deadline has passed. It
//! reads the core's coarse clock (see `clock`), so that watching costs no system call and no timer.
//! hyper's own header timer can't serve: it also runs while a connection is idle.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};

use super::clock::Clock;

/// Bytes that open an HTTP/2 connection (RFC 9113 section 3.4), as far as no method of HTTP/1
/// begins with them.
const H2_PREFACE: &[u8] = b"PRI";

/// What a connection may take its time for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
}

/// A deadline that has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expired {
    /// A head was begun and not finished.
    Head,
    /// Nothing was asked, or an answer made no progress.
    Idle,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Between requests.
    Idle,
    /// A head has begun.
    Head,
    /// At least one request is being answered.
    Busy,
}

/// Watches one connection.
pub(crate) struct Vigil {
    clock: Rc<Clock>,
    deadlines: Deadlines,
    phase: Cell<Phase>,
    /// When the phase began.
    since: Cell<Instant>,
    /// When bytes were last read or written.
    moved: Cell<Instant>,
    /// Requests whose answer is not complete.
    open: Cell<u32>,
    /// Those of them whose answer has no head yet; the rule's timeout bounds them.
    waiting: Cell<u32>,
    h2: Cell<bool>,
    /// Whether the bytes being read belong to a request line.
    in_line: Cell<bool>,
    /// Bytes came while a request was being answered: of its body, or of the next head.
    ahead: Cell<bool>,
    /// A request line held a `#`. Which one is not known any more: the connection is done for.
    fragment: Cell<bool>,
    expired: Cell<Option<Expired>>,
    waker: RefCell<Option<Waker>>,
}

impl Vigil {
    pub(crate) fn new(clock: Rc<Clock>, deadlines: Deadlines) -> Rc<Self> {
        let now = clock.now();
        Rc::new(Self {
            clock,
            deadlines,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(now),
            moved: Cell::new(now),
            open: Cell::new(0),
            waiting: Cell::new(0),
            h2: Cell::new(false),
            in_line: Cell::new(true),
            ahead: Cell::new(false),
            fragment: Cell::new(false),
            expired: Cell::new(None),
            waker: RefCell::new(None),
        })
    }

    /// Whether HTTP/2 is spoken.
    pub(crate) fn is_h2(&self) -> bool {
        self.h2.get()
    }

    /// Whether a request line held a `#`.
    pub(crate) fn saw_fragment(&self) -> bool {
        self.fragment.get()
    }

    /// Whether a head has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.phase.get() == Phase::Head
    }

    /// Bytes were read; none at the end of the stream.
    pub(crate) fn read(&self, bytes: &[u8]) {
        self.progress_of_bytes();
        if bytes.is_empty() || self.h2.get() {
            return;
        }
        if self.phase.get() == Phase::Busy {
            self.ahead.set(true);
            return;
        }
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head);
            // Where the line began is not known when bytes came ahead: then it is not judged.
            self.in_line.set(!self.ahead.take());
            self.h2.set(bytes.starts_with(H2_PREFACE));
        }
        if self.in_line.get() && !self.h2.get() {
            // A request may follow empty lines (RFC 9112 section 2.2).
            let bytes = bytes.trim_ascii_start();
            let line = bytes
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            self.in_line.set(line.len() == bytes.len());
            if line.contains(&b'#') {
                self.fragment.set(true);
            }
        }
    }

    /// Bytes were written.
    pub(crate) fn wrote(&self) {
        self.progress_of_bytes();
    }

    /// An answer makes progress.
    pub(crate) fn progress(&self) {
        self.moved.set(self.clock.now());
    }

    /// Over HTTP/2 bytes alone are none: pings come and go on a connection that stands still.
    fn progress_of_bytes(&self) {
        if !self.h2.get() {
            self.progress();
        }
    }

    /// A request's head is complete.
    pub(crate) fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.waiting.set(self.waiting.get() + 1);
        self.enter(Phase::Busy);
    }

    /// The head of a request's answer is known.
    pub(crate) fn answer(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
    }

    /// A request's answer is complete or given up.
    pub(crate) fn end(&self, answered: bool) {
        if !answered {
            self.answer();
        }
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0 {
            self.waiting.set(0);
            self.enter(Phase::Idle);
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.clock.now());
    }

    /// Marks the connection and wakes its task if a deadline has passed.
    pub(crate) fn check(&self) {
        let now = self.clock.now();
        let expired = match self.phase.get() {
            // An HTTP/2 head is bounded by its connection's idle time: its bytes are not read here.
            Phase::Head if !self.h2.get() => self
                .overdue(now, self.since.get(), self.deadlines.head)
                .then_some(Expired::Head),
            Phase::Head | Phase::Idle => self
                .overdue(now, self.since.get(), self.deadlines.idle)
                .then_some(Expired::Idle),
            Phase::Busy => (self.waiting.get() == 0
                && self.overdue(now, self.moved.get(), self.deadlines.idle))
            .then_some(Expired::Idle),
        };
        if expired.is_some() && self.expired.get().is_none() {
            self.expired.set(expired);
            self.wake();
        }
    }

    fn overdue(&self, now: Instant, since: Instant, limit: Duration) -> bool {
        now.duration_since(since) > limit
    }

    /// The deadline that has passed.
    pub(crate) fn expired(&self) -> Option<Expired> {
        self.expired.get()
    }

    /// Remembers whom to wake.
    pub(crate) fn watch(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if own.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
