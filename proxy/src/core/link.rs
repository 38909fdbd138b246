//! A connection, as its requests know it: where it came in, who is at the other end, how it stands.
//!
//! In: a door and a peer. Out: what `listen` and `pipeline` tell each other of a connection. Its
//! bytes are read and written elsewhere.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use http::HeaderValue;

use super::{door::Door, vigil::Vigil};

/// How a connection is asked to end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Farewell {
    /// Not at all.
    Stay,
    /// With its next answer.
    WithNextAnswer,
    /// As soon as nothing is open on it.
    Now,
}

/// What the requests of a connection know of it.
pub(crate) struct Link {
    /// Where it came in.
    pub(crate) door: Rc<Door>,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Its address as a field value, made once.
    pub(crate) peer_ip: HeaderValue,
    pub(crate) vigil: Rc<Vigil>,
    farewell: Cell<Farewell>,
}

impl Link {
    /// A connection that has come in; none for a peer whose address is no field value.
    pub(crate) fn new(door: Rc<Door>, peer: SocketAddr, vigil: Rc<Vigil>) -> Option<Rc<Self>> {
        let peer_ip = HeaderValue::try_from(peer.ip().to_canonical().to_string()).ok()?;
        // One that waited at a door which has closed leaves with its first answer.
        let farewell = match door.is_closed.get() {
            true => Farewell::WithNextAnswer,
            false => Farewell::Stay,
        };
        Some(Rc::new(Self {
            door,
            peer,
            peer_ip,
            vigil,
            farewell: Cell::new(farewell),
        }))
    }

    pub(crate) fn dismiss(&self, farewell: Farewell) {
        self.farewell.set(self.farewell.get().max(farewell));
        self.vigil.wake();
    }

    /// Whether answers should ask the client to close (HTTP/1.1).
    pub(crate) fn is_leaving(&self) -> bool {
        self.farewell.get() != Farewell::Stay
    }

    /// Whether hyper should be told to end the connection now.
    pub(crate) fn must_part(&self) -> bool {
        match self.farewell.get() {
            Farewell::Stay => false,
            Farewell::WithNextAnswer => self.vigil.is_h2(),
            // A head that has begun is answered, or runs out of its time.
            Farewell::Now => self.vigil.is_h2() || !self.vigil.in_head(),
        }
    }
}
