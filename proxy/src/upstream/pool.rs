//! This core's connections to upstreams.
//!
//! In: an address and a request. Out: the head of the answer with its body, or why there is none and
//! whether the request was written. A connection serves one request at a time and comes back when the
//! answer's body has been read to its end. Connections that rest for a few seconds are closed.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::RequestBody;
use crate::refusal::Reason;

/// Longest time to set up a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest rest of a connection: shorter than the common five seconds of servers, so that they seldom
/// close it under us.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Most resting connections to one address.
const IDLE_COUNT_MAX: usize = 1024;

type Sender = http1::SendRequest<RequestBody>;

/// The upstreams that this core knows.
#[derive(Default)]
pub(crate) struct Pool {
    upstreams: RefCell<HashMap<SocketAddr, Rc<Upstream>, foldhash::fast::RandomState>>,
    /// Connections set up since the start.
    pub(crate) connections_total: Cell<u64>,
}

/// One address and this core's connections to it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Requests of this core that wait for or read an answer of this upstream.
    pub(crate) in_flight: Cell<usize>,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// The upstream at an address.
    fn upstream(&self, address: SocketAddr) -> Rc<Upstream> {
        let mut upstreams = self.upstreams.borrow_mut();
        Rc::clone(upstreams.entry(address).or_insert_with(|| {
            Rc::new(Upstream {
                address,
                in_flight: Cell::new(0),
                idle: RefCell::default(),
            })
        }))
    }

    /// Of two addresses at random, the one with fewer requests of this core in flight, and the other
    /// in case the first can't be reached. None without an address.
    pub(crate) fn choose(
        &self,
        addresses: &[SocketAddr],
    ) -> Option<(Rc<Upstream>, Option<Rc<Upstream>>)> {
        let [one, two] = match addresses {
            [] => return None,
            [only] => return Some((self.upstream(*only), None)),
            [one, two] => [*one, *two],
            _ => {
                let one = fastrand::usize(..addresses.len());
                let step = fastrand::usize(1..addresses.len());
                [addresses[one], addresses[(one + step) % addresses.len()]]
            }
        };
        let (one, two) = (self.upstream(one), self.upstream(two));
        // A tie is broken by chance, or a quiet gateway would send everything to the first.
        let swap = match one.in_flight.get().cmp(&two.in_flight.get()) {
            Ordering::Less => false,
            Ordering::Equal => fastrand::bool(),
            Ordering::Greater => true,
        };
        Some(if swap {
            (two, Some(one))
        } else {
            (one, Some(two))
        })
    }

    /// Closes connections that have rested too long and forgets upstreams without any.
    pub(crate) fn prune(&self, now: Instant) {
        self.upstreams.borrow_mut().retain(|_, upstream| {
            let mut idle = upstream.idle.borrow_mut();
            idle.retain(|i| !i.sender.is_closed() && now.duration_since(i.since) < IDLE_MAX);
            !idle.is_empty() || Rc::strong_count(upstream) > 1
        });
    }

    /// Sends a request and waits for the head of its answer. The request is taken out of its place
    /// once it is written; while it is still there, it may be sent again.
    pub(crate) async fn send(
        &self,
        upstream: &Rc<Upstream>,
        request: &mut Option<Request<RequestBody>>,
    ) -> Result<(Response<Incoming>, Connection), Reason> {
        let (mut sender, reused) = match upstream.idle().await {
            Some(sender) => (sender, true),
            // Boxed: connecting is rare, and its future would make every request's larger.
            None => (Box::pin(self.connect(upstream.address)).await?, false),
        };
        let Some(taken) = request.take() else {
            return Err(Reason::Internal);
        };
        match sender.try_send_request(taken).await {
            Ok(response) => {
                let upstream = Rc::clone(upstream);
                Ok((
                    response,
                    Connection {
                        upstream,
                        sender: Some(sender),
                    },
                ))
            }
            Err(mut error) => {
                // A fresh connection that takes no request will not take it again.
                *request = error.take_message().filter(|_| reused);
                Err(reason_of(error.error()))
            }
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<Sender, Reason> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let stream = match connecting.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => return Err(Reason::UpstreamUnreachable),
        };
        // Without it, small requests wait for acknowledgements; failing to set it costs only time.
        let _ = stream.set_nodelay(true);
        let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|_| Reason::UpstreamReset)?;
        self.connections_total.set(self.connections_total.get() + 1);
        // It ends when the sender is dropped or the upstream closes; its error reaches the request.
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

impl Upstream {
    /// A resting connection that still takes requests; the newest first, so that the rest can age.
    async fn idle(&self) -> Option<Sender> {
        loop {
            let mut sender = self.idle.borrow_mut().pop()?.sender;
            if sender.is_ready() || (!sender.is_closed() && sender.ready().await.is_ok()) {
                return Some(sender);
            }
        }
    }
}

/// A connection that is reading an answer.
pub(crate) struct Connection {
    upstream: Rc<Upstream>,
    sender: Option<Sender>,
}

impl Connection {
    /// Takes the connection back: the answer has been read to its end.
    pub(crate) fn release(&mut self, now: Instant) {
        let Some(sender) = self.sender.take() else {
            return;
        };
        let mut idle = self.upstream.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < IDLE_COUNT_MAX {
            idle.push(Idle { sender, since: now });
        }
    }
}

fn reason_of(error: &hyper::Error) -> Reason {
    if error.is_parse() || error.is_parse_too_large() {
        Reason::UpstreamGarbage
    } else {
        Reason::UpstreamReset
    }
}
