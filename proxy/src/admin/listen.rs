//! Sockets for operators: where they may listen, and one answer per connection.
//!
//! In: an address, a site. Out: answers, until the future is dropped. Each connection has one
//! request and ten seconds, so that one that dawdles can't keep a probe away for long.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::admin::{Site, answer::answer};

/// For a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection in all.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time; more wait in the backlog.
const CONNECTIONS_MAX: usize = 256;
/// After a failed accept (out of file descriptors), for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no listening on an address.
#[derive(Debug, thiserror::Error)]
pub enum Unlistenable {
    /// The admin listener shows the configuration and stays on the machine.
    #[error("--admin {0}: not a loopback address")]
    NotLoopback(SocketAddr),
    /// The operating system says no.
    #[error("{flag} {address}: cannot listen")]
    Refused {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
}

/// Listens for `--health`.
///
/// # Errors
/// When the operating system refuses the address.
pub fn listen_health(address: SocketAddr) -> Result<StdListener, Unlistenable> {
    listen("--health", address)
}

/// Listens for `--admin`.
///
/// # Errors
/// When the address isn't loopback or the operating system refuses it.
pub fn listen_admin(address: SocketAddr) -> Result<StdListener, Unlistenable> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(Unlistenable::NotLoopback(address));
    }
    listen("--admin", address)
}

fn listen(flag: &'static str, address: SocketAddr) -> Result<StdListener, Unlistenable> {
    StdListener::bind(address).map_err(|error| Unlistenable::Refused {
        flag,
        address,
        error,
    })
}

/// Serves a site until the future is dropped. Runs on the control runtime, never on a core's.
///
/// # Errors
/// When the listener can't be made the runtime's.
pub async fn serve(listener: StdListener, site: Site) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let site = Arc::new(site);
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed, so that there is always a permit to wait for.
        let permit = Arc::clone(&free).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    // Who dawdles or breaks off is not told: nobody waits for the answer.
                    let _ = timeout(CONNECTION_TIMEOUT, serve_one(stream, &site)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection for operators");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, site: &Site) -> hyper::Result<()> {
    let service = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(answer(site, request.method(), request.uri().path()))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}
