//! Stream: the push port, where proxies get their units and replicas report to the Lease holder.
//!
//! In: connections, the newest sets, who holds the Lease. Out: units, and who runs what, in
//! [`Proxies`]. TLS is done here rather than by the server beneath, so that no handshake keeps
//! another one waiting. What a stream carries follows from its token alone.

mod accept;
mod drive;
mod gate;
mod pace;
mod service;
mod session;
mod transaction;
pub(crate) mod verdict;

use std::{io, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tollgate_snapshot::wire::MESSAGE_BYTES;
use tonic::transport::Server;

use self::service::Service;
use crate::{
    ca::Certificates, holder::Holder, metrics::Metrics, proxies::Proxies, publish::Snapshots,
    push::push_server::PushServer, token::Reviewer,
};

/// Between two pings on an idle connection.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long the answer to a ping may take.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Streams on one connection: a proxy needs one, and a second one while it moves.
const STREAMS_MAX: u32 = 4;

/// What one stream may have sent without being read, in bytes: a Hello of a large gateway takes
/// several rounds.
const WINDOW: u32 = 256 << 10;

/// Bytes of headers, of which a token is the most.
const HEADERS_MAX: u32 = 32 << 10;

/// How long streams may take to end once they are told.
const DRAIN: Duration = Duration::from_secs(5);

/// What the push port needs.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Says who dials.
    pub reviewer: Arc<Reviewer>,
    /// What it serves with.
    pub certificates: Arc<Certificates>,
    /// What it serves.
    pub snapshots: Snapshots,
    /// Who runs what.
    pub proxies: Proxies,
    /// Who holds the Lease.
    pub holder: watch::Receiver<Holder>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Why there is no push port.
#[derive(Debug, Error)]
pub enum Unservable {
    /// TLS can't be set up.
    #[error("push: TLS")]
    Tls(#[from] rustls::Error),
    /// The server beneath failed.
    #[error("push: server")]
    Server(#[from] tonic::transport::Error),
}

/// Serves until `ending` says true: then the port closes, and streams end at once, so that proxies
/// move to another replica.
///
/// # Errors
/// When TLS or the server beneath fails.
pub async fn serve(
    listener: TcpListener,
    serving: Serving,
    ending: watch::Receiver<bool>,
) -> Result<(), Unservable> {
    let tls = TlsAcceptor::from(serving.certificates.tls()?);
    let metrics = Arc::clone(&serving.metrics);
    let (sender, connections) = mpsc::channel(16);
    let (mut accept_until, mut serve_until) = (ending.clone(), ending.clone());
    let (mut drain_from, ending) = (ending.clone(), ending);
    let accepting = async {
        tokio::select! {
            () = accept::run(listener, tls, sender, metrics) => {}
            _ = accept_until.wait_for(|ending| *ending) => {}
        }
    };
    let service = PushServer::new(Service::new(serving, ending))
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADERS_MAX)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 2)
        .max_concurrent_streams(STREAMS_MAX)
        .add_service(service)
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections).map(Ok::<_, io::Error>),
            async move {
                // An end of whoever would say it is an end as well.
                let _ = serve_until.wait_for(|ending| *ending).await;
            },
        );
    let drained = async {
        let mut server = std::pin::pin!(server);
        tokio::select! {
            served = &mut server => return served,
            _ = drain_from.wait_for(|ending| *ending) => {}
        }
        timeout(DRAIN, server).await.unwrap_or(Ok(()))
    };
    let ((), served) = tokio::join!(accepting, drained);
    Ok(served?)
}

#[cfg(test)]
pub(crate) mod tests;
