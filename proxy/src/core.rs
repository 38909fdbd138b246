//! One core, as its connections and requests see it: its clock, its upstreams, its share of
//! everything.
//!
//! In: the active configuration. Out: what a request needs beside itself. Nothing here is shared
//! with another core but the active configuration, the functions and what metrics read. Sockets are
//! `listen`'s, the stages of a request `pipeline`'s; both know this, and it knows neither.

pub(crate) mod alarm;
pub(crate) mod clock;
pub(crate) mod door;
pub(crate) mod link;
pub(crate) mod vigil;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;

use self::{alarm::Alarms, clock::Clock};
use crate::{
    access_log::{CoreLog, Record},
    active::Active,
    function::Functions,
    metrics::CoreMetrics,
    request_id::RequestIds,
    upstream::{egress::Loopback, pool::Pool, resolve::Resolver},
};

/// What a core is made from.
pub(crate) struct Parts {
    pub(crate) active: Arc<ArcSwap<Active>>,
    pub(crate) functions: Functions,
    pub(crate) metrics: CoreMetrics,
    pub(crate) log: CoreLog,
    pub(crate) loopback: Loopback,
}

/// What the connections of a core share.
pub(crate) struct Core {
    pub(crate) clock: Rc<Clock>,
    pub(crate) alarms: Alarms,
    active: RefCell<arc_swap::Cache<Arc<ArcSwap<Active>>, Arc<Active>>>,
    pub(crate) pool: Pool,
    pub(crate) resolver: Resolver,
    pub(crate) functions: Functions,
    pub(crate) metrics: Rc<CoreMetrics>,
    /// None once the core has ended.
    log: RefCell<Option<CoreLog>>,
    pub(crate) ids: RefCell<RequestIds>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let metrics = Rc::new(parts.metrics);
        Rc::new(Self {
            clock: Clock::new(),
            alarms: Alarms::default(),
            active: RefCell::new(arc_swap::Cache::new(parts.active)),
            pool: Pool::new(Rc::clone(&metrics)),
            resolver: Resolver::of_system().with_loopback(parts.loopback),
            functions: parts.functions,
            metrics,
            log: RefCell::new(Some(parts.log)),
            ids: RefCell::new(RequestIds::new()),
        })
    }

    /// Looks at the configuration as it is now.
    pub(crate) fn with_active<T>(&self, look: impl FnOnce(&Active) -> T) -> T {
        look(self.active.borrow_mut().load())
    }

    /// Writes a line of the access log.
    pub(crate) fn log(&self, record: &Record<'_>) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.record(record);
        }
    }

    /// Ends the log: the core has ended.
    pub(crate) fn finish_log(&self) {
        if let Some(log) = self.log.take() {
            log.finish();
        }
    }

    /// Hands what was logged to the writer.
    pub(crate) fn flush_log(&self) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.flush();
        }
    }

    /// The time, and the time of day. The latter is the last beat's and what has passed since: one
    /// look at the system's clock for both.
    pub(crate) fn now(&self) -> (Instant, SystemTime) {
        let now = Instant::now();
        (now, self.clock.time_of_day(now))
    }

    /// Takes back an alarm, if one is set.
    pub(crate) fn cancel_alarm(&self, set: &Cell<Option<u64>>) {
        if let Some(id) = set.take() {
            self.alarms.cancel(id);
        }
    }

    /// The time of the last beat.
    pub(crate) fn coarse_now(&self) -> Instant {
        self.clock.now()
    }
}
