//! This core's connections to upstreams.
//!
//! In: an address and a request. Out: the head of the answer with its body, or why there is none
//! and whether the request was written. A connection serves one request at a time, is driven by the
//! task of that request (a task of its own would cost a wake-up for each step), and comes back when
//! the answer's body has been read to its end. Connections that rest for a few seconds are closed.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::HashMap,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::unconstrained};

use super::{body::RequestBody, relay::Relay};
use crate::{metrics::CoreMetrics, refusal::Reason};

/// Longest time to set up a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest rest of a connection: shorter than the common five seconds of servers, so that they
/// seldom close it under us.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Most resting connections to one address.
const IDLE_COUNT_MAX: usize = 1024;

/// One connection, and what drives it.
struct Wire {
    sender: http1::SendRequest<RequestBody>,
    /// None once it has ended: a request that it had not begun to write comes back when it is
    /// dropped.
    connection: Option<http1::Connection<TokioIo<TcpStream>, RequestBody>>,
    relay: Arc<Relay>,
    /// The relay as the connection knows it.
    waker: Waker,
    /// Counts this connection among the pool's, in use or not.
    _open: Rc<()>,
}

impl Wire {
    /// Lets the connection read and write what it can; the task is woken when it can do more.
    fn drive(&mut self, cx: &mut Context<'_>) {
        self.relay.turn_on(cx.waker());
        if let Some(connection) = &mut self.connection
            && Pin::new(connection)
                .poll(&mut Context::from_waker(&self.waker))
                .is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether it takes a request now.
    fn is_free(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }
}

/// The upstreams that this core knows.
pub(crate) struct Pool {
    upstreams: RefCell<HashMap<SocketAddr, Rc<Upstream>, foldhash::fast::RandomState>>,
    metrics: Rc<CoreMetrics>,
    /// Held once by every connection.
    open: Rc<()>,
}

/// One address and this core's connections to it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Requests of this core that wait for or read an answer of this upstream.
    pub(crate) in_flight: Cell<usize>,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    wire: Box<Wire>,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(metrics: Rc<CoreMetrics>) -> Self {
        Self {
            upstreams: RefCell::default(),
            metrics,
            open: Rc::default(),
        }
    }

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

    /// Of two addresses at random, the one with fewer requests of this core in flight, and the
    /// other in case the first can't be reached. None without an address.
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
            idle.retain(|i| now.duration_since(i.since) < IDLE_MAX);
            !idle.is_empty() || Rc::strong_count(upstream) > 1
        });
        self.metrics
            .upstreams_open(Rc::strong_count(&self.open) - 1);
    }

    /// Sends a request and waits for the head of its answer. The request is taken out of its place
    /// once it is written; while it is still there, it may be sent again, over a `fresh`
    /// connection, since the others may be as dead as the first.
    pub(crate) async fn send(
        &self,
        upstream: &Rc<Upstream>,
        request: &mut Option<Request<RequestBody>>,
        fresh: bool,
    ) -> Result<(Response<Incoming>, Connection), Reason> {
        let resting = if fresh { None } else { upstream.rested() };
        let reused = resting.is_some();
        let mut wire = match resting {
            Some(wire) => wire,
            // Boxed: connecting is rare, and its future would make every request's larger.
            None => Box::pin(self.connect(upstream.address)).await?,
        };
        let Some(taken) = request.take() else {
            return Err(Reason::Internal);
        };
        let mut answer = pin!(wire.sender.try_send_request(taken));
        let outcome = poll_fn(|cx| {
            wire.drive(cx);
            // Only driving brings the answer, so that it has nobody to wake; and it must not ask to
            // be polled later for fairness' sake.
            let polled = pin!(unconstrained(answer.as_mut())).poll(&mut asleep());
            match polled {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut error)) => {
                    // A fresh connection that takes no request will not take it again.
                    *request = error.take_message().filter(|_| reused);
                    Poll::Ready(Err(reason_of(error.error())))
                }
                Poll::Pending if wire.connection.is_none() => {
                    Poll::Ready(Err(Reason::UpstreamReset))
                }
                Poll::Pending => Poll::Pending,
            }
        });
        let response = outcome.await?;
        wire.relay.turn_off();
        let connection = Connection {
            upstream: Rc::clone(upstream),
            wire: Some(wire),
        };
        Ok((response, connection))
    }

    async fn connect(&self, address: SocketAddr) -> Result<Box<Wire>, Reason> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let Ok(Ok(stream)) = connecting.await else {
            return Err(Reason::UpstreamUnreachable);
        };
        // Without it, small requests wait for acknowledgements; failing to set it costs only time.
        let _ = stream.set_nodelay(true);
        // Most requests have a small body or none: copying it behind the head costs less than a
        // list of what to write.
        let mut builder = http1::Builder::new();
        builder.writev(false);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|_| Reason::UpstreamReset)?;
        self.metrics.upstream_opened();
        let relay = Relay::new();
        Ok(Box::new(Wire {
            sender,
            connection: Some(connection),
            waker: Waker::from(Arc::clone(&relay)),
            relay,
            _open: Rc::clone(&self.open),
        }))
    }
}

impl Upstream {
    /// A connection that has rested and still takes requests; the newest first, so that the rest
    /// age.
    fn rested(&self) -> Option<Box<Wire>> {
        loop {
            let wire = self.idle.borrow_mut().pop()?.wire;
            if wire.is_free() {
                return Some(wire);
            }
        }
    }
}

/// A connection that is reading an answer.
pub(crate) struct Connection {
    upstream: Rc<Upstream>,
    wire: Option<Box<Wire>>,
}

impl Connection {
    /// Lets the connection read and write what it can.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(wire) = &mut self.wire {
            wire.drive(cx);
        }
    }

    /// Takes the connection back: the answer has been read to its end. One that can't serve another
    /// request is closed.
    pub(crate) fn release(&mut self, now: Instant) {
        let Some(mut wire) = self.wire.take() else {
            return;
        };
        // It has to see the end of the answer before it is free; nobody waits for it.
        if !wire.is_free() {
            wire.drive(&mut asleep());
        }
        wire.relay.turn_off();
        let mut idle = self.upstream.idle.borrow_mut();
        if wire.is_free() && idle.len() < IDLE_COUNT_MAX {
            idle.push(Idle { wire, since: now });
        }
    }
}

/// For what is polled where nobody waits for it.
fn asleep() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn reason_of(error: &hyper::Error) -> Reason {
    if error.is_parse() || error.is_parse_too_large() {
        Reason::UpstreamGarbage
    } else {
        Reason::UpstreamReset
    }
}
