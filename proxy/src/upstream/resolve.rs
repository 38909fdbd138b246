//! Names of `url` backends to addresses, with a short memory per core.
//!
//! In: a host and a port. Out: the addresses that may be reached, or why there is none.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::egress::{self, Loopback};
use crate::{active::rule::UrlHost, refusal::Reason};

/// How long an answer is used before the name is asked for again.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The names that this core has resolved.
#[derive(Default)]
pub(crate) struct Resolver {
    loopback: Loopback,
    names: RefCell<HashMap<Arc<str>, Answer>>,
}

struct Answer {
    ips: Rc<[IpAddr]>,
    since: Instant,
}

impl Resolver {
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
        if let Some(answer) = self.names.borrow().get(name)
            && answer.since.elapsed() < REMEMBERED
        {
            return Some(Rc::clone(&answer.ips));
        }
        let found = tokio::net::lookup_host((&**name, 0)).await.ok()?;
        let ips: Rc<[IpAddr]> = found.map(|address| address.ip()).collect();
        if ips.is_empty() {
            return None;
        }
        let answer = Answer {
            ips: Rc::clone(&ips),
            since: Instant::now(),
        };
        self.names.borrow_mut().insert(Arc::clone(name), answer);
        Some(ips)
    }
}
