//! The yardstick: the least that a reverse proxy of the gateway's form can do.
//!
//! In: where to listen, where to forward, on how many cores. Out: every request sent on as it came
//! and every answer sent back as it came. The form is the gateway's: one current-thread runtime per
//! core, SO_REUSEPORT, hyper's HTTP/1.1 on both sides, a pool of upstream connections per core,
//! mimalloc. What it leaves out is what the gateway is for: no routing, no header is looked at, no
//! limit, no deadline, no log. A failed request closes its connection. It is no proxy to use.

use std::{
    cell::RefCell,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    thread,
};

use bytes::Bytes;
use clap::Parser;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    task::spawn_local,
};

/// Small allocations are most of what is left; the gateway uses the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bare reverse proxy to measure others against.
#[derive(Parser)]
struct Flags {
    /// Address and port to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Address and port to forward to.
    #[arg(long)]
    upstream: SocketAddr,
    /// Number of threads, each with a runtime of its own.
    #[arg(long, default_value_t = 1)]
    cores: usize,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    // Bound here, so that a port in use ends the program and not one thread of it.
    let listeners = (0..flags.cores)
        .map(|_| bind(flags.listen))
        .collect::<io::Result<Vec<_>>>()?;
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| thread::spawn(move || serve(listener, flags.upstream)))
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
    }
    Ok(())
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// One core: accepts and serves until accepting fails.
fn serve(listener: StdListener, upstream: SocketAddr) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let pool = Rc::new(Pool {
            upstream,
            idle: RefCell::default(),
        });
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn_local(connection(stream, pool.clone()));
        }
    })
}

async fn connection(stream: TcpStream, pool: Rc<Pool>) {
    let service = service_fn(move |request| forward(pool.clone(), request));
    // A client that goes away and an upstream that fails end the connection, and nobody is told.
    let _ = server::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn forward(
    pool: Rc<Pool>,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Returning>> {
    let mut connection = pool.take().await?;
    let response = connection.send_request(request).await?;
    Ok(response.map(|body| Returning::new(body, connection, pool)))
}

/// The connections of one core to the upstream that wait for a request.
struct Pool {
    upstream: SocketAddr,
    idle: RefCell<Vec<SendRequest<Incoming>>>,
}

impl Pool {
    /// The connection used last, else a new one.
    async fn take(&self) -> anyhow::Result<SendRequest<Incoming>> {
        loop {
            // A variable of its own: the borrow must not last over the await.
            let idle = self.idle.borrow_mut().pop();
            let Some(mut connection) = idle else {
                return self.connect().await;
            };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Incoming>> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        spawn_local(connection);
        Ok(sender)
    }
}

/// A response body that gives its connection back to the pool at its end.
struct Returning {
    body: Incoming,
    lease: Option<(SendRequest<Incoming>, Rc<Pool>)>,
}

impl Returning {
    fn new(body: Incoming, connection: SendRequest<Incoming>, pool: Rc<Pool>) -> Self {
        let mut returning = Self {
            body,
            lease: Some((connection, pool)),
        };
        returning.give_back_at_end();
        returning
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some((connection, pool)) = self.lease.take()
        {
            pool.idle.borrow_mut().push(connection);
        }
    }
}

impl Body for Returning {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.give_back_at_end(),
            // The end of a chunked body shows only here.
            None => {
                if let Some((connection, pool)) = self.lease.take() {
                    pool.idle.borrow_mut().push(connection);
                }
            }
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
