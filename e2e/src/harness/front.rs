//! A stable address in front of programs that come and go, as a Service is in front of pods.
//!
//! In: connections. Out: connections to the first target that takes one. It can be held: then
//! nothing passes and nothing is closed, as when packets are dropped.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::beside;

/// A front.
#[derive(Clone, Debug)]
pub struct Front {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    held: watch::Sender<bool>,
    /// How often all connections were cut.
    cuts: watch::Sender<u64>,
}

impl Front {
    /// One that leads nowhere yet.
    pub fn new() -> Self {
        let listener = beside().block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.unwrap();
        let (held, hold) = watch::channel(false);
        let (cuts, cut) = watch::channel(0);
        let front = Self {
            address: listener.local_addr().unwrap(),
            targets: Arc::default(),
            held,
            cuts,
        };
        let targets = Arc::clone(&front.targets);
        beside().spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (targets, hold) = (Arc::clone(&targets), hold.clone());
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let targets = targets
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone();
                    if let Some(far) = connect(targets).await {
                        tokio::select! {
                            () = pass(near, far, hold) => {}
                            // A test that is over cuts them as well.
                            _ = cut.changed() => {}
                        }
                    }
                });
            }
        });
        front
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, new connections go to the newest of these that takes them.
    pub fn lead_to(&self, targets: &[SocketAddr]) {
        *self.targets() = targets.to_vec();
    }

    /// One target more, the first to be tried.
    pub fn add(&self, target: SocketAddr) {
        self.targets().insert(0, target);
    }

    /// Lets nothing pass, or lets it pass again.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    fn targets(&self) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Front {
    fn default() -> Self {
        Self::new()
    }
}

async fn connect(targets: Vec<SocketAddr>) -> Option<TcpStream> {
    for target in targets {
        if let Ok(stream) = TcpStream::connect(target).await {
            return Some(stream);
        }
    }
    None
}

/// Until both ends are done, or one fails.
async fn pass(near: TcpStream, far: TcpStream, hold: watch::Receiver<bool>) {
    // Small messages go at once, as on the way without us.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = copy(near_in, far_out, hold.clone());
    let back = copy(far_in, near_out, hold);
    // Whoever fails takes both directions along, as a closed connection does.
    let _ = tokio::try_join!(there, back);
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut hold: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut buffer).await?;
        if hold.wait_for(|held| !*held).await.is_err() {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
