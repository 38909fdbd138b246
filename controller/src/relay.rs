//! Relay: what the proxies of this replica run, told to the holder of the Lease.
//!
//! In: the table of proxies, and where the holder is. Out: a report for each proxy that dialled
//! this replica, all at the start and then what changes. At the holder's end ([`Received`]) the
//! reports come into its table. A proxy that dialled the holder itself is known first-hand, and no
//! report says otherwise.

mod dial;
mod received;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

pub(crate) use self::received::Received;
use crate::{ca::Certificates, holder::Holder, proxies::Proxies};

/// Before the second attempt; doubled until [`BACKOFF_MAX`], and each time anything below that.
const BACKOFF: Duration = Duration::from_millis(200);

/// Longest time between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A relay that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// What the relay needs.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The operator's own namespace.
    pub namespace: String,
    /// File with the operator's own token for the audience `tollgate`; read anew for each attempt.
    pub token_file: PathBuf,
    /// Whom to trust.
    pub certificates: Arc<Certificates>,
    /// What is reported.
    pub proxies: Proxies,
    /// To whom.
    pub holder: watch::Receiver<Holder>,
}

/// Relays until `ending` says true, whenever another replica holds the Lease.
pub async fn run(relay: Relay, mut ending: watch::Receiver<bool>) {
    tokio::select! {
        () = relay.forever() => {}
        _ = ending.wait_for(|ending| *ending) => {}
    }
}

impl Relay {
    async fn forever(self) {
        let mut backoff = BACKOFF;
        let mut holder = self.holder.clone();
        loop {
            let current = holder.borrow_and_update().clone();
            let Holder::Other { identity, relay } = current else {
                // Without anybody who says who holds the Lease there is nobody to relay to.
                if holder.changed().await.is_err() {
                    return;
                }
                backoff = BACKOFF;
                continue;
            };
            let began = Instant::now();
            let failed = tokio::select! {
                failed = self.report(&relay) => failed,
                Ok(()) = holder.changed() => {
                    backoff = BACKOFF;
                    continue;
                }
            };
            tracing::warn!(
                holder = identity,
                address = relay,
                error = failed,
                "can't relay"
            );
            if began.elapsed() >= GOOD {
                backoff = BACKOFF;
            }
            tokio::select! {
                () = sleep(backoff.mul_f64(fastrand::f64())) => {
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
                Ok(()) = holder.changed() => backoff = BACKOFF,
            }
        }
    }
}

#[cfg(test)]
mod tests;
