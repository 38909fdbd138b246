//! The Secret with the authority's keys: followed by every replica, written by the Lease holder.

use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    CaError, Keeper, NAME, Options,
    keyring::Keyring,
    plan::{Step, plan},
};
use crate::{
    holder::Holder,
    secrets::{CallFailed, follow, in_time, metadata},
};

/// How often it is asked whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// After a failed write, at least; at most twice as long.
const RETRY: Duration = Duration::from_secs(2);

/// After a certificate could not be made, at least; at most twice as long.
const RETRY_KEEP: Duration = Duration::from_secs(30);

/// What is known of the Secret.
enum Seen {
    /// Nothing yet.
    Unknown,
    /// There is none.
    Missing,
    /// It is there, readable or not.
    There(Box<Secret>, Result<Keyring, CaError>),
}

/// Follows and writes the Secret.
pub(super) struct SecretTask {
    options: Options,
    api: Api<Secret>,
    keeper: Keeper,
    seen: Seen,
    /// No write before this.
    write_after: Instant,
    /// No certificate before this.
    keep_after: Instant,
}

impl SecretTask {
    pub(super) fn new(options: Options, keeper: Keeper) -> Self {
        Self {
            api: Api::namespaced(options.client.clone(), &options.namespace),
            options,
            keeper,
            seen: Seen::Unknown,
            write_after: Instant::now(),
            keep_after: Instant::now(),
        }
    }

    /// Runs until `ending` says true.
    pub(super) async fn run(mut self, mut ending: watch::Receiver<bool>) {
        let client = self.options.client.clone();
        let mut events = pin!(follow(client, &self.options.namespace, NAME));
        let mut holder = self.options.holder.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ended = pin!(ending.wait_for(|ending| *ending));
        loop {
            tokio::select! {
                _ = &mut ended => return,
                Some(secret) = events.next() => self.see(secret),
                Ok(()) = holder.changed() => {}
                _ = tick.tick() => {}
            }
            let now = SystemTime::now();
            self.write(now).await;
            self.keep(now);
        }
    }

    fn see(&mut self, secret: Option<Secret>) {
        self.seen = match secret {
            None => Seen::Missing,
            Some(secret) => {
                let ring = Keyring::read(&secret);
                if let Err(error) = &ring {
                    self.options.metrics.ca.errors.inc();
                    tracing::error!(
                        namespace = self.options.namespace,
                        %error,
                        "can't use the Secret; delete it to have it made anew"
                    );
                }
                Seen::There(Box::new(secret), ring)
            }
        };
    }

    /// Does what is due, on the Lease holder.
    async fn write(&mut self, now: SystemTime) {
        let is_holder = *self.options.holder.borrow() == Holder::Me;
        if !is_holder || Instant::now() < self.write_after {
            return;
        }
        let (before, ring) = match &self.seen {
            // What can't be read may be of a newer version, or an accident: it is not overwritten.
            Seen::Unknown | Seen::There(_, Err(_)) => return,
            Seen::Missing => (None, None),
            Seen::There(secret, Ok(ring)) => (Some(&**secret), Some(ring)),
        };
        let step = plan(now, ring);
        let written = match Keyring::after(ring, step, now) {
            Ok(None) => return,
            Ok(Some(ring)) => self.put(before, &ring).await,
            Err(error) => Err(CallFailed::Failed(error.to_string())),
        };
        match written {
            Ok(secret) => {
                tracing::info!(?step, "wrote the certificate authority");
                self.see(Some(secret));
            }
            // The watch brings what the other one wrote.
            Err(CallFailed::Conflict) => self.wait(),
            Err(error @ (CallFailed::NotFound | CallFailed::Failed(_))) => {
                self.options.metrics.ca.errors.inc();
                tracing::warn!(?step, %error, "can't write the certificate authority");
                self.wait();
            }
        }
    }

    fn wait(&mut self) {
        self.write_after = Instant::now() + jittered(RETRY);
    }

    /// Makes the Secret, or replaces exactly the one that was seen.
    async fn put(&self, before: Option<&Secret>, ring: &Keyring) -> Result<Secret, CallFailed> {
        let mut secret = before.cloned().unwrap_or_else(|| Secret {
            metadata: metadata(&self.options.namespace, NAME),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        });
        secret.data = Some(ring.write().into_iter().collect());
        let options = PostParams::default();
        match before {
            None => in_time(self.api.create(&options, &secret)).await,
            Some(_) => in_time(self.api.replace(NAME, &options, &secret)).await,
        }
    }

    fn keep(&mut self, now: SystemTime) {
        let Seen::There(_, Ok(ring)) = &self.seen else {
            return;
        };
        // With an authority that has ended nothing can be signed: the holder makes another one.
        if plan(now, Some(ring)) == Step::Make || Instant::now() < self.keep_after {
            return;
        }
        if let Err(error) = self.keeper.keep(ring, now) {
            self.options.metrics.ca.errors.inc();
            let error = anyhow::Error::from(error);
            tracing::error!("can't renew the serving certificate: {error:#}");
            self.keep_after = Instant::now() + jittered(RETRY_KEEP);
        }
    }
}

fn jittered(time: Duration) -> Duration {
    time.mul_f64(1.0 + fastrand::f64())
}
