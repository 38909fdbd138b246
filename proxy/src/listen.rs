//! Ports, seen from the control side: which are open, on which cores, and how they end.
//!
//! In: the ports of the active configuration. Out: sockets on every core, opened and closed as the
//! configuration changes; a drain that loses nothing. It never sees a request.

mod bind;
mod connection;
mod house;
mod socket;
mod survive;
mod sweep;

use std::{
    collections::BTreeMap, io, net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use self::house::Command;
use crate::{
    access_log::AccessLog,
    active::{Active, port::Port},
    core::Parts,
    function::Functions,
    metrics::Metrics,
    upstream::egress::Loopback,
};

/// A port that is open, or why it is not.
#[derive(Clone, Debug)]
pub struct OpenPort {
    /// The gateway, as `namespace/name`.
    pub gateway: Arc<str>,
    /// The listeners that share the port.
    pub listeners: Vec<Arc<str>>,
    /// Where it is bound, or why it can't be.
    pub address: Result<SocketAddr, String>,
}

/// How cores listen and what they may reach, beside what the configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Threads, one for each core.
    pub cores: usize,
    /// Which port is bound for a listener.
    pub ports: Ports,
    /// Whether `url` backends on this machine are denied: what a cluster asks for.
    pub deny_loopback: bool,
}

/// Which port is bound for a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ports {
    /// The listener's own.
    Own,
    /// The listener's own; below 1024, which a container without rights can't bind, 10000 more.
    Container,
    /// Any free one.
    Any,
}

impl Ports {
    fn bound(self, port: u16) -> u16 {
        match self {
            Self::Container if port < 1024 => port + 10_000,
            Self::Own | Self::Container => port,
            Self::Any => 0,
        }
    }
}

/// The cores and the ports that are open on them.
pub struct Listen {
    active: Arc<ArcSwap<Active>>,
    which: Ports,
    commands: Vec<mpsc::UnboundedSender<Command>>,
    threads: Vec<JoinHandle<()>>,
    open: BTreeMap<usize, OpenPort>,
    /// Ports that an older gateway has.
    taken: Vec<OpenPort>,
}

impl Listen {
    /// Starts the cores' threads, without a port yet.
    ///
    /// # Errors
    /// When a core can't be started; those that were end again.
    pub fn start(
        terms: Terms,
        active: &Arc<ArcSwap<Active>>,
        functions: &Functions,
        metrics: &Metrics,
        log: &AccessLog,
    ) -> io::Result<Self> {
        let loopback = match terms.deny_loopback {
            true => Loopback::Denied,
            false => Loopback::Allowed,
        };
        let (mut commands, mut threads) = (Vec::new(), Vec::new());
        for index in 0..terms.cores {
            let (sender, receiver) = mpsc::unbounded_channel();
            let parts = Parts {
                active: Arc::clone(active),
                functions: functions.clone(),
                metrics: metrics.core(),
                log: log.core(),
                loopback,
            };
            threads.push(house::start(index, parts, receiver)?);
            commands.push(sender);
        }
        let active = Arc::clone(active);
        Ok(Self {
            active,
            which: terms.ports,
            commands,
            threads,
            open: BTreeMap::new(),
            taken: Vec::new(),
        })
    }

    /// Opens and closes sockets until they are those of the active configuration. A port that could
    /// not be bound is tried again.
    pub fn follow(&mut self) {
        let active = self.active.load_full();
        let gone: Vec<_> = self
            .open
            .keys()
            .copied()
            .filter(|slot| active.port(*slot).is_none())
            .collect();
        for slot in gone {
            self.open.remove(&slot);
            self.tell(|| Command::Close { slot });
        }
        for (slot, port) in active.ports() {
            let address = match self.open.get(&slot) {
                Some(OpenPort {
                    address: Ok(address),
                    ..
                }) => Ok(*address),
                Some(OpenPort {
                    address: Err(_), ..
                })
                | None => self.bind(slot, port),
            };
            let listeners = port.listeners().map(Arc::clone).collect();
            self.open.insert(
                slot,
                OpenPort {
                    gateway: Arc::clone(&port.shown),
                    listeners,
                    address,
                },
            );
        }
        let taken = active.taken().iter().map(|taken| OpenPort {
            gateway: Arc::clone(&taken.gateway),
            listeners: taken.listeners.clone(),
            address: Err(taken.why.clone()),
        });
        self.taken = taken.collect();
    }

    fn bind(&self, slot: usize, port: &Arc<Port>) -> Result<SocketAddr, String> {
        let mut wanted = port.key.socket();
        wanted.set_port(self.which.bound(wanted.port()));
        let failed = |error: io::Error| format!("{wanted}: {error}");
        let mut sockets = bind::bind(wanted, self.commands.len()).map_err(failed)?;
        let address = sockets[0].local_addr().map_err(failed)?;
        for command in &self.commands {
            if let Some(listener) = sockets.pop() {
                // A core ends only after its commands do.
                let _ = command.send(Command::Open {
                    slot,
                    port: Arc::clone(port),
                    listener,
                });
            }
        }
        Ok(address)
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for core in &self.commands {
            let _ = core.send(command());
        }
    }

    /// The ports as they are now.
    pub fn ports(&self) -> impl Iterator<Item = &OpenPort> {
        self.open.values().chain(&self.taken)
    }

    /// Stops accepting and waits until every connection has finished, at most for `patience`.
    /// Whether all have.
    pub async fn drain(&self, patience: Duration) -> bool {
        let waits = self.commands.iter().map(|core| {
            let (done, wait) = oneshot::channel();
            let _ = core.send(Command::Drain { done });
            wait
        });
        let waits: Vec<_> = waits.collect();
        let all = async {
            for wait in waits {
                let _ = wait.await;
            }
        };
        tokio::time::timeout(patience, all).await.is_ok()
    }

    /// Ends the threads, whatever they are doing, and waits for them.
    pub fn stop(self) {
        drop(self.commands);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a core panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_port_is_moved_up_in_a_container_alone() {
        let rows = [
            ("own", Ports::Own, 80, 80),
            ("low", Ports::Container, 80, 10_080),
            ("the last low one", Ports::Container, 1023, 11_023),
            ("high", Ports::Container, 1024, 1024),
            ("any", Ports::Any, 80, 0),
        ];
        for (name, ports, port, expected) in rows {
            assert_eq!(ports.bound(port), expected, "{name}");
        }
    }
}
