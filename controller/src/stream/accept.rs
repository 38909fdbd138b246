//! Connections: accepted, and through their TLS handshake or gone.
//!
//! In: a listener. Out: connections. Nothing that one of them does or leaves undone keeps another
//! one waiting: of the handshakes under way the oldest makes place for a new one.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::gate::Connection;
use crate::metrics::Metrics;

/// For a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes under way; a good one takes milliseconds.
const HANDSHAKES_MAX: usize = 256;

/// Connections that are open.
const CONNECTIONS_MAX: usize = 4096;

/// After a failed accept (out of file descriptors), for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the future is dropped.
pub(super) async fn run(
    listener: TcpListener,
    tls: TlsAcceptor,
    connections: mpsc::Sender<Connection>,
    metrics: Arc<Metrics>,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut handshakes = Handshakes::default();
    loop {
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection to the push port");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            metrics.stream.handshakes_failed.inc();
            continue;
        };
        let (tls, connections) = (tls.clone(), connections.clone());
        let counts = Arc::clone(&metrics);
        let makes_place = handshakes.begin(async move {
            match timeout(HANDSHAKE_TIMEOUT, shake_hands(&tls, tcp)).await {
                // When the server is gone, so is whoever would have been served.
                Ok(Some(stream)) => {
                    let _ = connections.send(Connection::new(stream, permit)).await;
                }
                Ok(None) | Err(_) => counts.stream.handshakes_failed.inc(),
            }
        });
        if makes_place {
            metrics.stream.handshakes_failed.inc();
        }
    }
}

async fn shake_hands(
    tls: &TlsAcceptor,
    tcp: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    tcp.set_nodelay(true).ok()?;
    let stream = tls.accept(tcp).await.ok()?;
    // Who has not agreed to HTTP/2 would be read as HTTP/1, with limits of its own.
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    http2.then_some(stream)
}

/// The handshakes under way, in the order in which they began.
#[derive(Default)]
struct Handshakes {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Handshakes {
    /// Says whether an older one had to make place.
    fn begin(&mut self, handshake: impl Future<Output = ()> + Send + 'static) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        let oldest = match self.order.len() >= HANDSHAKES_MAX {
            true => self.order.pop_front(),
            false => None,
        };
        if let Some(oldest) = &oldest {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(handshake));
        oldest.is_some()
    }
}
