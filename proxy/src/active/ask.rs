//! Which rule takes a request, for whoever asks beside the request path.
//!
//! In: a listener; a request's method, host and path. Out: the names of the route and the rule. The
//! answer is found as the request path finds it; header fields and query are taken to be none.

use http::{HeaderMap, Method};
use tollgate_snapshot::ObjectName;

use super::{
    Active,
    port::Port,
    table::{Candidate, Head},
};

/// The routes of one listener's port.
#[derive(Clone, Copy, Debug)]
pub struct Routes<'a>(&'a Port);

/// The rule that takes a request.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a>(&'a Candidate);

impl<'a> Taker<'a> {
    /// Its route.
    pub fn route(&self) -> &'a ObjectName {
        &self.0.rule.object
    }

    /// Its name.
    pub fn rule(&self) -> &'a str {
        &self.0.rule.name
    }
}

impl Active {
    /// The routes of a listener's port; none if there is no such listener, or another gateway has
    /// its port. Listeners that share a port share its routes.
    pub fn routes(&self, gateway: &ObjectName, listener: &str) -> Option<Routes<'_>> {
        let key = self.gateways.get(gateway)?.port_key(gateway, listener)?;
        Some(Routes(self.port(self.slot_of(&key)?)?))
    }
}

impl<'a> Routes<'a> {
    /// The rule that takes a request. `host` is lower case and without a port, `path` canonical and
    /// without a query.
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Option<Taker<'a>> {
        let head = Head {
            method,
            headers: &HeaderMap::new(),
            query: None,
        };
        let table = self.0.hosts.find(host)?;
        Some(Taker(table.find(path, head)?))
    }
}
