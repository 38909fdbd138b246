//! The listener for operators and the cluster's probes.
//!
//! In: how far this replica is, what it counts, who runs what. Out: `/healthz`, `/readyz`,
//! `/metrics` and `/proxies` to `GET` and `HEAD`, in plain HTTP. Nothing here changes anything, and
//! nothing here names a route.

mod answer;
mod view;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use crate::{
    ca::Certificates, holder::Holder, metrics::Metrics, proxies::Proxies, publish::Snapshots,
};

/// For a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection in all.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time; more wait in the backlog.
const CONNECTIONS_MAX: usize = 256;
/// After a failed accept (out of file descriptors), for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is shown.
#[derive(Clone, Debug)]
pub struct Site {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who runs what.
    pub proxies: Proxies,
    /// What they should run.
    pub snapshots: Snapshots,
    /// What this replica serves with.
    pub certificates: Arc<Certificates>,
    /// Who holds the Lease.
    pub holder: watch::Receiver<Holder>,
    /// What is not listed yet, and why if that is known.
    pub missing: watch::Receiver<Vec<String>>,
}

/// Serves until `ending` says true. Each connection has one request and ten seconds, so that one
/// that dawdles can't keep a probe away for long.
pub async fn serve(listener: TcpListener, site: Site, mut ending: watch::Receiver<bool>) {
    tokio::select! {
        _ = accept(listener, Arc::new(site)) => {}
        _ = ending.wait_for(|ending| *ending) => {}
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) -> Infallible {
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
        Ok::<_, Infallible>(answer::answer(site, request.method(), request.uri().path()))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

#[cfg(test)]
mod tests;
