//! The Lease: which replica writes.
//!
//! In: the Lease in the operator's namespace. Out: its [`Holder`], to follow. When another one's
//! hold is over is judged by how long it has not been renewed before our eyes, on this machine's
//! monotonic clock; the times in the Lease are compared with nothing. What the holder writes is not
//! known here.

mod elector;
mod record;

use std::{convert::Infallible, future::Future, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use self::{
    elector::{Action, Elector, Timing},
    record::Record,
};
use crate::holder::Holder;

/// Name of the Lease.
pub const NAME: &str = "tollgate-controller";

/// Annotation of the Lease: address of its holder's push port.
pub const RELAY: &str = "tollgate.dev/relay";

/// client-go's own figures.
const TIMING: Timing = Timing {
    lease: Duration::from_secs(15),
    renew: Duration::from_secs(10),
    retry: Duration::from_secs(2),
};

/// Longest time for one call while another replica holds the Lease.
const CALL: Duration = Duration::from_secs(5);

/// Longest time for giving the Lease back.
const RELEASE: Duration = Duration::from_secs(2);

/// A replica that would hold the Lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The operator's namespace.
    pub namespace: String,
    /// Unique to this process: the pod's name, `_`, something random.
    pub identity: String,
    /// Address of its push port, `host:port`, for the relays of others.
    pub relay: String,
}

/// Stands for election until `stop`, and then gives the Lease back. Who holds it is said in
/// `holder`; it is never `Me` there at a time when another replica could take over.
pub async fn elect(
    client: Client,
    candidate: Candidate,
    holder: watch::Sender<Holder>,
    stop: impl Future<Output = ()>,
) {
    let mut election = Election {
        api: Api::namespaced(client, &candidate.namespace),
        elector: Elector::new(candidate.identity.clone(), TIMING),
        candidate,
        lease: None,
        holder,
    };
    tokio::select! {
        never = election.stand() => match never {},
        () = stop => election.release().await,
    }
}

/// One replica's part in the election.
struct Election {
    api: Api<Lease>,
    candidate: Candidate,
    elector: Elector,
    /// The Lease as it is now, if we know: what we wrote, or have just read.
    lease: Option<Lease>,
    holder: watch::Sender<Holder>,
}

impl Election {
    /// Tries again and again.
    async fn stand(&mut self) -> Infallible {
        loop {
            self.attempt().await;
            let next = Instant::now() + jittered(TIMING.retry);
            let until = self.elector.mine_until();
            if let Some(until) = until.filter(|until| *until < next) {
                sleep_until(until).await;
                self.say();
            }
            sleep_until(next).await;
        }
    }

    /// One attempt, which ends before our own hold does.
    async fn attempt(&mut self) {
        let latest = Instant::now() + CALL;
        let until = self.elector.mine_until();
        let until = until.map_or(latest, |until| until.min(latest));
        match timeout_at(until, self.look_and_hold()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the Lease can't be read or written"),
            Err(_) => tracing::warn!("the API server is too slow with the Lease"),
        }
        self.say();
    }

    async fn look_and_hold(&mut self) -> kube::Result<()> {
        if self.lease.is_none() {
            self.look().await?;
        }
        let sent = Instant::now();
        let (action, before) = (self.elector.next(sent), self.lease.take());
        let lease = record::held(before.as_ref(), &self.candidate, TIMING.lease);
        let params = PostParams::default();
        let written = match action {
            Action::Wait => return Ok(()),
            Action::Create => self.api.create(&params, &lease).await,
            Action::Hold => self.api.replace(NAME, &params, &lease).await,
        };
        match written {
            Ok(lease) => {
                self.elector.wrote(Record::of(&lease), sent);
                self.lease = Some(lease);
                Ok(())
            }
            // Somebody was quicker. Who it is, is worth knowing at once.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                self.look().await?;
                self.lease = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn look(&mut self) -> kube::Result<()> {
        let lease = self.api.get_opt(NAME).await?;
        self.elector
            .observe(lease.as_ref().map(Record::of), Instant::now());
        self.lease = lease;
        Ok(())
    }

    /// Says who holds it, if that differs.
    fn say(&mut self) {
        let now = Instant::now();
        let next = self.elector.holder(now);
        let late = next != Holder::Me && self.elector.step_down();
        if late {
            tracing::warn!("no longer the holder of the Lease");
        }
        self.holder.send_if_modified(|holder| {
            let differs = *holder != next;
            if differs {
                tracing::info!(holder = ?next, "another holder of the Lease");
                *holder = next;
            }
            differs
        });
    }

    /// Stops acting as the holder, and then gives the Lease back.
    async fn release(&mut self) {
        let held = self.elector.step_down();
        self.holder.send_replace(Holder::Nobody);
        if !held {
            return;
        }
        match timeout(RELEASE, self.give_back()).await {
            Ok(Ok(())) => tracing::info!("gave the Lease back"),
            Ok(Err(error)) => tracing::warn!(%error, "the Lease can't be given back"),
            Err(_) => tracing::warn!("the API server is too slow to take the Lease back"),
        }
    }

    async fn give_back(&mut self) -> kube::Result<()> {
        // A renewal may have been under way.
        self.look().await?;
        let mine = |lease: &Lease| Record::of(lease).holder == self.candidate.identity;
        let Some(lease) = self.lease.take().filter(mine) else {
            return Ok(());
        };
        let (lease, params) = (record::given_back(lease), PostParams::default());
        self.api.replace(NAME, &params, &lease).await?;
        Ok(())
    }
}

/// A quarter more or less, so that candidates don't try in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests;
