//! One core: a thread with a runtime of its own, its sockets, its connections, its share of
//! everything.
//!
//! In: commands from the control side. Out: answers to clients. Nothing here is shared with
//! another core but the active configuration, the functions and what metrics read; a request
//! stays on the core that accepted its connection.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::{Notify, mpsc, oneshot},
    task::spawn_local,
};

use super::{alarm::Alarms, connection, connection::Link, sweep, sweep::Clock};
use crate::{
    access_log::{CoreLog, Record},
    active::{Active, port::Port},
    function::Functions,
    metrics::CoreMetrics,
    request_id::RequestIds,
    upstream::{egress::Loopback, pool::Pool, resolve::Resolver},
};

/// How long an HTTP/1.1 connection that is idle when draining begins may still bring a request. A
/// client that keeps connections open may be sending one this moment.
const LAME_DUCK: Duration = Duration::from_secs(1);

/// Rest after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the control side tells a core.
pub(super) enum Command {
    /// Accept on a socket, for a slot of [`Active`] and the port in it.
    Open {
        slot: usize,
        port: Arc<Port>,
        listener: StdListener,
    },
    /// Stop accepting for a slot and let its connections finish.
    Close { slot: usize },
    /// Stop accepting and let all connections finish; then tell.
    Drain { done: oneshot::Sender<()> },
}

/// Where connections come in.
pub(crate) struct Door {
    /// The port's slot in [`Active`].
    slot: usize,
    /// The port as it was at the last beat: a listener that is taken away is gone from [`Active`]
    /// before its connections are, and they are answered as long as they last.
    port: RefCell<Arc<Port>>,
    closing: Notify,
    /// Nothing more is let in; what has been is asked to leave.
    pub(super) is_closed: Cell<bool>,
}

impl Door {
    /// The port as it is now; `last` is where to keep it if it is gone.
    pub(crate) fn port<'a>(
        &self,
        active: &'a Active,
        last: &'a mut Option<Arc<Port>>,
    ) -> &'a Arc<Port> {
        match active.port(self.slot) {
            Some(port) => port,
            None => last.insert(Arc::clone(&self.port.borrow())),
        }
    }

    fn remember(&self, active: &Active) {
        if let Some(port) = active.port(self.slot) {
            self.port.borrow_mut().clone_from(port);
        }
    }
}

/// What a core is made from.
pub(super) struct Parts {
    pub(super) active: Arc<ArcSwap<Active>>,
    pub(super) functions: Functions,
    pub(super) metrics: CoreMetrics,
    pub(super) log: CoreLog,
    pub(super) loopback: Loopback,
}

/// What the connections of a core share.
pub(crate) struct Core {
    pub(super) clock: Rc<Clock>,
    pub(super) alarms: Alarms,
    pub(super) links: RefCell<HashMap<u64, Rc<Link>, foldhash::fast::RandomState>>,
    next_link: Cell<u64>,
    doors: RefCell<HashMap<usize, Rc<Door>>>,
    /// Doors that may still let connections in, and connections.
    live: Cell<usize>,
    drained: RefCell<Option<oneshot::Sender<()>>>,
    active: RefCell<arc_swap::Cache<Arc<ArcSwap<Active>>, Arc<Active>>>,
    pub(crate) pool: Pool,
    pub(crate) resolver: Resolver,
    pub(crate) functions: Functions,
    pub(crate) metrics: Rc<CoreMetrics>,
    /// None once the core has ended.
    log: RefCell<Option<CoreLog>>,
    pub(crate) ids: RefCell<RequestIds>,
}

/// Starts the thread of a core. It ends when its commands do.
pub(super) fn start(
    index: usize,
    parts: Parts,
    commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    thread::Builder::new()
        .name(format!("core-{index}"))
        .spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build_local(LocalOptions::default())?;
            let core = Core::new(parts);
            runtime.block_on(run(Rc::clone(&core), commands));
            // Requests that are cut short are recorded when their tasks go; a look-up of a name
            // that hangs is not waited for.
            runtime.shutdown_background();
            core.finish_log();
            Ok(())
        })
}

async fn run(core: Rc<Core>, mut commands: mpsc::UnboundedReceiver<Command>) {
    spawn_local(sweep::sweep(Rc::clone(&core)));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Open {
                slot,
                port,
                listener,
            } => open(&core, slot, port, listener),
            Command::Close { slot } => {
                if let Some(door) = core.doors.borrow_mut().remove(&slot) {
                    door.closing.notify_one();
                }
            }
            Command::Drain { done } => {
                *core.drained.borrow_mut() = Some(done);
                for (_, door) in core.doors.borrow_mut().drain() {
                    door.closing.notify_one();
                }
                core.tell_if_drained();
            }
        }
    }
}

fn open(core: &Rc<Core>, slot: usize, port: Arc<Port>, listener: StdListener) {
    let door = Rc::new(Door {
        slot,
        port: RefCell::new(port),
        closing: Notify::new(),
        is_closed: Cell::new(false),
    });
    core.doors.borrow_mut().insert(slot, Rc::clone(&door));
    let core = Rc::clone(core);
    core.enter();
    spawn_local(async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => accept(&core, listener, &door).await,
            Err(error) => tracing::error!(%error, "a socket can't be listened on"),
        }
        core.leave();
        core.see_off(&door).await;
    });
}

/// Accepts until the door closes; then what has been accepted by the kernel, and no more.
async fn accept(core: &Rc<Core>, listener: TcpListener, door: &Rc<Door>) {
    loop {
        tokio::select! {
            biased;
            () = door.closing.notified() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => core.welcome(door, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    door.is_closed.set(true);
    if let Err(error) = accept_backlog(core, listener, door) {
        tracing::warn!(%error, "what waited to be accepted is lost");
    }
}

/// Accepts what the kernel has, asking it and not the runtime, which may not have heard of all yet.
fn accept_backlog(core: &Rc<Core>, listener: TcpListener, door: &Rc<Door>) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                core.welcome(door, TcpStream::from_std(stream)?, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Core {
    fn new(parts: Parts) -> Rc<Self> {
        let metrics = Rc::new(parts.metrics);
        Rc::new(Self {
            clock: Clock::new(),
            alarms: Alarms::default(),
            links: RefCell::default(),
            next_link: Cell::new(0),
            doors: RefCell::default(),
            live: Cell::new(0),
            drained: RefCell::new(None),
            active: RefCell::new(arc_swap::Cache::new(parts.active)),
            pool: Pool::new(Rc::clone(&metrics)),
            resolver: Resolver::default().with_loopback(parts.loopback),
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
    fn finish_log(&self) {
        if let Some(log) = self.log.take() {
            log.finish();
        }
    }

    /// Hands what was logged to the writer.
    pub(super) fn flush_log(&self) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.flush();
        }
    }

    /// Keeps the ports as they are now, for when they are gone.
    pub(super) fn remember_ports(&self) {
        self.with_active(|active| {
            for door in self.doors.borrow().values() {
                door.remember(active);
            }
        });
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

    /// Serves a new connection in a task of its own.
    fn welcome(self: &Rc<Self>, door: &Rc<Door>, stream: TcpStream, peer: SocketAddr) {
        let (core, door) = (Rc::clone(self), Rc::clone(door));
        let id = self.next_link.replace(self.next_link.get() + 1);
        self.metrics.connection_opened();
        self.enter();
        spawn_local(async move {
            connection::serve(&core, id, door, stream, peer).await;
            core.links.borrow_mut().remove(&id);
            core.metrics.connection_closed();
            core.leave();
        });
    }

    /// Lets the connections of a door finish: HTTP/2 is told at once; HTTP/1.1 with its next
    /// answer, or after a moment if none comes.
    async fn see_off(&self, door: &Rc<Door>) {
        self.dismiss(door, connection::Farewell::WithNextAnswer);
        tokio::time::sleep(LAME_DUCK).await;
        self.dismiss(door, connection::Farewell::Now);
    }

    fn dismiss(&self, door: &Rc<Door>, farewell: connection::Farewell) {
        for link in self
            .links
            .borrow()
            .values()
            .filter(|link| Rc::ptr_eq(&link.door, door))
        {
            link.dismiss(farewell);
        }
    }

    fn enter(&self) {
        self.live.set(self.live.get() + 1);
    }

    fn leave(&self) {
        self.live.set(self.live.get().saturating_sub(1));
        self.tell_if_drained();
    }

    fn tell_if_drained(&self) {
        if self.drained.borrow().is_some()
            && self.live.get() == 0
            && let Some(done) = self.drained.borrow_mut().take()
        {
            // Nobody waits any more when the drain was cut short.
            let _ = done.send(());
        }
    }
}
