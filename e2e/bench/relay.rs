//! A relay that counts what goes over a connection, TLS and all.
//!
//! In: the operator's port. Out: a port that leads there, and the bytes in both directions so far.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A relay.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) port: u16,
    bytes: Arc<AtomicU64>,
}

impl Relay {
    /// Begins to relay to `port`, until the runtime ends.
    ///
    /// # Errors
    /// There is no port to listen on.
    pub(crate) async fn start(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (here, bytes) = (listener.local_addr()?.port(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&bytes);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
                    continue;
                };
                // Small messages must not wait for the acknowledgement of those before.
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(copy(near_read, far_write, Arc::clone(&counted)));
                tokio::spawn(copy(far_read, near_write, Arc::clone(&counted)));
            }
        });
        Ok(Self { port: here, bytes })
    }

    /// Bytes so far, in both directions.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

/// Copies until either end is gone; who waits at the other end sees it.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, bytes: Arc<AtomicU64>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        bytes.fetch_add(count as u64, Relaxed);
    }
}
