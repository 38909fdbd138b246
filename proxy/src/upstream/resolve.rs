//! Names of `url` backends to addresses, with a short memory per core.
//!
//! In: a host and a port. Out: the addresses that may be reached, or why there is none. Of all
//! requests that need a name at once, one look-up is made; when it fails, the addresses before go
//! on. What is remembered for how long is [`names`]'s.

mod names;

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::spawn_local;

use self::names::{Answer, Names};
use super::egress::{self, Loopback};
use crate::{active::rule::UrlHost, refusal::Reason};

/// Longest time for a look-up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Brings the addresses of a name.
type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>>>>;

/// The names that this core has resolved.
pub(crate) struct Resolver {
    loopback: Loopback,
    lookup: Box<dyn Fn(Arc<str>) -> Found>,
    names: Rc<RefCell<Names>>,
}

impl Resolver {
    /// Resolves as the system does.
    pub(crate) fn of_system() -> Self {
        Self::with(|name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((&*name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        })
    }

    /// Resolves by other means.
    fn with(lookup: impl Fn(Arc<str>) -> Found + 'static) -> Self {
        Self {
            loopback: Loopback::default(),
            lookup: Box::new(lookup),
            names: Rc::default(),
        }
    }

    /// The same, with another rule for addresses of this machine.
    pub(crate) fn with_loopback(self, loopback: Loopback) -> Self {
        Self { loopback, ..self }
    }

    /// The addresses of a host that may be reached.
    pub(crate) async fn resolve(
        &self,
        host: &UrlHost,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Reason> {
        let ips = match host {
            UrlHost::Ip(ip) => Rc::from([*ip]),
            UrlHost::Name(name) => self.ask(name).await.ok_or(Reason::UpstreamUnresolved)?,
        };
        let allowed = ips.iter().filter(|ip| !egress::denied(**ip, self.loopback));
        let addresses: Vec<_> = allowed.map(|ip| SocketAddr::new(*ip, port)).collect();
        if addresses.is_empty() {
            Err(Reason::EgressDenied)
        } else {
            Ok(addresses)
        }
    }

    async fn ask(&self, name: &Arc<str>) -> Option<Rc<[IpAddr]>> {
        if self.names.borrow_mut().begin_if_due(name, now()) {
            self.look_up(name);
        }
        loop {
            let answer = self.names.borrow().answer(name);
            match answer {
                Answer::Known(ips) => return Some(ips),
                Answer::Unknown => return None,
                Answer::Awaited(landed) => landed.notified().await,
            }
        }
    }

    /// In a task of its own: whoever needed the name first may go away before the others.
    fn look_up(&self, name: &Arc<str>) {
        let (names, name) = (Rc::clone(&self.names), Arc::clone(name));
        let lookup = (self.lookup)(Arc::clone(&name));
        spawn_local(async move {
            let found = tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await;
            let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            if let Err(error) = &found {
                tracing::warn!(%name, %error, "a name can't be resolved");
            }
            names.borrow_mut().learn(&name, found, now());
        });
    }
}

/// The time, on the runtime's clock.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
