//! One client's connection: HTTP/1.1 or HTTP/2 by prior knowledge, its deadlines, its end.
//!
//! In: an accepted socket. Out: every request on it handed to `pipeline`, and one record for a head
//! so broken that hyper refuses it. Requests on one connection share nothing but this.

use std::{
    cell::RefCell,
    error::Error,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{net::TcpStream, task::spawn_local};

use super::{
    house::House,
    socket::{Shared, Socket},
};
use crate::{
    active::port::Limits,
    core::{
        Core,
        door::Door,
        link::Link,
        vigil::{Deadlines, Expired, Vigil},
    },
    pipeline::{self, record},
    refusal::Reason,
};

/// Bounds on HTTP/2 that hyper leaves wide: with its defaults one hostile connection could hold
/// 80 MiB.
const H2_STREAMS_MAX: u32 = 100;
const H2_SEND_BUFFER_BYTES: usize = 64 << 10;
const H2_PING_EVERY: Duration = Duration::from_secs(30);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The smallest read buffer that hyper takes.
const READ_BUFFER_BYTES_MIN: usize = 8 << 10;

/// Tasks of hyper's HTTP/2 stay on this core.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    house: &House,
    id: u64,
    door: Rc<Door>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let core = &house.core;
    let limits = core.with_active(|active| door.port(active, &mut None).gateway.limits);
    // Without it, small answers wait for acknowledgements; failing to set it costs only time.
    let _ = stream.set_nodelay(true);
    let deadlines = Deadlines {
        head: limits.header_timeout,
        idle: limits.idle_timeout,
    };
    let vigil = Vigil::new(Rc::clone(&core.clock), deadlines);
    let Some(link) = Link::new(door, peer, vigil) else {
        return;
    };
    house.links.borrow_mut().insert(id, Rc::clone(&link));
    let stream = Rc::new(RefCell::new(stream));
    match drive(core, &link, Rc::clone(&stream), &limits).await {
        End::Finished => {}
        End::Expired(Expired::Idle) => {}
        End::Expired(Expired::Head) => {
            record::bare(core, &link, Reason::RequestTimeout);
            // The connection is given up: what does not fit its buffer is not worth waiting for.
            let _ = stream.borrow().try_write(BARE_408);
        }
        End::Refused(reason) => record::bare(core, &link, reason),
    }
}

const BARE_408: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

enum End {
    /// The client or we closed it, or it broke.
    Finished,
    /// A deadline passed.
    Expired(Expired),
    /// hyper refused a head, and answered it.
    Refused(Reason),
}

async fn drive(core: &Rc<Core>, link: &Rc<Link>, stream: Shared, limits: &Limits) -> End {
    let builder = builder(limits);
    let service = service_fn(|request| pipeline::handle(Rc::clone(core), Rc::clone(link), request));
    let io = TokioIo::new(Socket::new(stream, Rc::clone(&link.vigil)));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut parting = false;
    std::future::poll_fn(|cx| {
        link.vigil.watch(cx.waker());
        if let Some(expired) = link.vigil.expired() {
            return Poll::Ready(End::Expired(expired));
        }
        if !parting && link.must_part() {
            parting = true;
            connection.as_mut().graceful_shutdown();
        }
        poll_connection(connection.as_mut(), cx)
    })
    .await
}

fn poll_connection<C>(connection: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<End>
where
    C: Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
{
    connection.poll(cx).map(|result| match result {
        Ok(()) => End::Finished,
        Err(error) => match error.downcast_ref::<hyper::Error>().and_then(refused) {
            Some(reason) => End::Refused(reason),
            None => End::Finished,
        },
    })
}

/// Why hyper refused a head; none if it did not.
fn refused(error: &hyper::Error) -> Option<Reason> {
    if error.is_parse_too_large() {
        // hyper tells the two apart only in words.
        let uri = error.to_string().contains("URI");
        return Some(if uri {
            Reason::UriTooLong
        } else {
            Reason::HeadersTooLarge
        });
    }
    error.is_parse().then_some(Reason::BadRequest)
}

fn builder(limits: &Limits) -> auto::Builder<LocalExecutor> {
    let mut builder = auto::Builder::new(LocalExecutor);
    builder
        .http1()
        .max_headers(limits.header_count)
        .max_buf_size(limits.header_bytes.max(READ_BUFFER_BYTES_MIN))
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(H2_PING_TIMEOUT);
    builder
}
