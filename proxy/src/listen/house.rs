//! One core: a thread with a runtime of its own, its sockets, its connections.
//!
//! In: commands from the control side. Out: connections, each served in a task of its own. A
//! request stays on the core that accepted its connection.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::pin,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::{mpsc, oneshot},
    task::spawn_local,
};

use super::{
    connection,
    survive::{Panicked, survive},
    sweep,
};
use crate::{
    active::port::Port,
    core::{
        Core, Parts,
        door::Door,
        link::{Farewell, Link},
    },
};

/// How long an HTTP/1.1 connection that is idle when draining begins may still bring a request. A
/// client that keeps connections open may be sending one this moment.
const LAME_DUCK: Duration = Duration::from_secs(1);

/// Rest after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the control side tells a core.
pub(super) enum Command {
    /// Accept on a socket, for a slot of the active configuration and the port in it.
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

/// The doors of a core, and the connections that came in through them.
pub(super) struct House {
    pub(super) core: Rc<Core>,
    pub(super) links: RefCell<HashMap<u64, Rc<Link>, foldhash::fast::RandomState>>,
    next_link: Cell<u64>,
    doors: RefCell<HashMap<usize, Rc<Door>>>,
    /// Doors that may still let connections in, and connections.
    live: Cell<usize>,
    drained: RefCell<Option<oneshot::Sender<()>>>,
}

/// Starts the thread of a core, and waits until it runs. It ends when its commands do.
///
/// # Errors
/// When the thread can't be started, or lacks what its runtime needs, such as file descriptors.
pub(super) fn start(
    index: usize,
    parts: Parts,
    commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<JoinHandle<()>> {
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new()
        .name(format!("core-{index}"))
        .spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build_local(LocalOptions::default());
            // Whoever starts the core waits for this.
            match runtime {
                Ok(runtime) => {
                    let _ = ready.send(Ok(()));
                    live(runtime, parts, commands);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
    let started = is_ready.recv();
    started.unwrap_or_else(|_| Err(io::Error::other("its thread ended at once")))?;
    Ok(thread)
}

/// The life of a core.
fn live(runtime: LocalRuntime, parts: Parts, commands: mpsc::UnboundedReceiver<Command>) {
    let core = Core::new(parts);
    runtime.block_on(run(House::new(Rc::clone(&core)), commands));
    // Requests that are cut short are recorded when their tasks go; a look-up of a name that hangs
    // is not waited for.
    runtime.shutdown_background();
    core.finish_log();
}

async fn run(house: Rc<House>, mut commands: mpsc::UnboundedReceiver<Command>) {
    spawn_local(sweep::sweep(Rc::clone(&house)));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Open {
                slot,
                port,
                listener,
            } => open(&house, slot, port, listener),
            Command::Close { slot } => {
                if let Some(door) = house.doors.borrow_mut().remove(&slot) {
                    door.closing.notify_one();
                }
            }
            Command::Drain { done } => {
                *house.drained.borrow_mut() = Some(done);
                for (_, door) in house.doors.borrow_mut().drain() {
                    door.closing.notify_one();
                }
                house.tell_if_drained();
            }
        }
    }
}

fn open(house: &Rc<House>, slot: usize, port: Arc<Port>, listener: StdListener) {
    let door = Door::new(slot, port);
    house.doors.borrow_mut().insert(slot, Rc::clone(&door));
    let house = Rc::clone(house);
    house.enter();
    spawn_local(async move {
        let accepting = pin!(async {
            match TcpListener::from_std(listener) {
                Ok(listener) => accept(&house, listener, &door).await,
                Err(error) => tracing::error!(%error, "a socket can't be listened on"),
            }
        });
        if let Err(Panicked) = survive(accepting).await {
            tracing::error!("a socket's task panicked");
        }
        house.leave();
        house.see_off(&door).await;
    });
}

/// Accepts until the door closes; then what has been accepted by the kernel, and no more.
async fn accept(house: &Rc<House>, listener: TcpListener, door: &Rc<Door>) {
    loop {
        tokio::select! {
            biased;
            () = door.closing.notified() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => house.welcome(door, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    door.is_closed.set(true);
    if let Err(error) = accept_backlog(house, listener, door) {
        tracing::warn!(%error, "what waited to be accepted is lost");
    }
}

/// Accepts what the kernel has, asking it and not the runtime, which may not have heard of all yet.
fn accept_backlog(house: &Rc<House>, listener: TcpListener, door: &Rc<Door>) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                house.welcome(door, TcpStream::from_std(stream)?, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl House {
    fn new(core: Rc<Core>) -> Rc<Self> {
        Rc::new(Self {
            core,
            links: RefCell::default(),
            next_link: Cell::new(0),
            doors: RefCell::default(),
            live: Cell::new(0),
            drained: RefCell::new(None),
        })
    }

    /// Keeps the ports as they are now, for when they are gone.
    pub(super) fn remember_ports(&self) {
        self.core.with_active(|active| {
            for door in self.doors.borrow().values() {
                door.remember(active);
            }
        });
    }

    /// Serves a new connection in a task of its own.
    fn welcome(self: &Rc<Self>, door: &Rc<Door>, stream: TcpStream, peer: SocketAddr) {
        let (house, door) = (Rc::clone(self), Rc::clone(door));
        let id = self.next_link.replace(self.next_link.get() + 1);
        self.core.metrics.connection_opened();
        self.enter();
        spawn_local(async move {
            let serving = pin!(connection::serve(&house, id, door, stream, peer));
            // Without it, a drain would wait for one that is no more.
            if let Err(Panicked) = survive(serving).await {
                tracing::error!(%peer, "a connection's task panicked");
            }
            house.links.borrow_mut().remove(&id);
            house.core.metrics.connection_closed();
            house.leave();
        });
    }

    /// Lets the connections of a door finish: HTTP/2 is told at once; HTTP/1.1 with its next
    /// answer, or after a moment if none comes.
    async fn see_off(&self, door: &Rc<Door>) {
        self.dismiss(door, Farewell::WithNextAnswer);
        tokio::time::sleep(LAME_DUCK).await;
        self.dismiss(door, Farewell::Now);
    }

    fn dismiss(&self, door: &Rc<Door>, farewell: Farewell) {
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
