//! The two calls of the push protocol: who may make them, and what runs them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_snapshot::wire::{ControllerMessage, ProxyMessage, ProxyReport, RelayEnd};
use tonic::{Request, Response, Status, Streaming};

use super::{Serving, drive::Drive, gate::Gate, pace::Pace};
use crate::{
    holder::Holder,
    metrics::Refused,
    push::push_server::Push,
    relay::Received,
    token::{Identity, Refusal},
};

/// Messages made and not yet taken: one is being sent while the next one is made.
const QUEUE: usize = 1;

/// Answers the calls.
pub(super) struct Service {
    serving: Serving,
    ending: watch::Receiver<bool>,
    pace: Pace,
    /// Number of the newest stream.
    streams: Arc<AtomicU64>,
}

impl Service {
    pub(super) fn new(serving: Serving, ending: watch::Receiver<bool>) -> Self {
        Self {
            serving,
            ending,
            pace: Pace::default(),
            streams: Arc::default(),
        }
    }

    /// Who calls, once it is its turn.
    async fn admit<T>(&self, request: &Request<T>) -> Result<(Identity, Gate), Status> {
        let gate = request.extensions().get::<Gate>().cloned();
        let gate = gate.ok_or_else(|| Status::internal("a connection without a gate"))?;
        let identity = self.identify(request).await.map_err(|(refused, status)| {
            self.serving.metrics.stream.refused.inc(refused);
            status
        })?;
        gate.admit();
        Ok((identity, gate))
    }

    async fn identify<T>(&self, request: &Request<T>) -> Result<Identity, (Refused, Status)> {
        let reviewer = &self.serving.reviewer;
        let token = bearer(request).ok_or_else(|| {
            let why = "token: missing: `authorization: Bearer …` is needed";
            (Refused::Unauthenticated, Status::unauthenticated(why))
        })?;
        // What nobody would take does not wait for a turn, nor keep others waiting.
        reviewer.screen(token).map_err(refused)?;
        let turn = self.pace.turn(Instant::now()).ok_or_else(|| {
            let why = "too many dial at once; try again";
            (Refused::Busy, Status::unavailable(why))
        })?;
        sleep(turn).await;
        reviewer.identify(token).await.map_err(refused)
    }

    fn denied(&self, why: &str) -> Status {
        self.serving.metrics.stream.refused.inc(Refused::Denied);
        Status::permission_denied(why)
    }
}

#[tonic::async_trait]
impl Push for Service {
    type UnitsStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn units(
        &self,
        request: Request<Streaming<ProxyMessage>>,
    ) -> Result<Response<Self::UnitsStream>, Status> {
        let (identity, gate) = self.admit(&request).await?;
        let Identity::Proxy {
            gateway,
            pod,
            pod_uid,
        } = identity
        else {
            return Err(self.denied("units are for proxies; this is a replica of the controller"));
        };
        let (out, messages) = mpsc::channel(QUEUE);
        let drive = Drive {
            sets: self.serving.snapshots.follow(&gateway),
            gateway,
            pod,
            pod_uid,
            stream: self.streams.fetch_add(1, Ordering::Relaxed) + 1,
            proxies: self.serving.proxies.clone(),
            metrics: Arc::clone(&self.serving.metrics),
            gate,
        };
        tokio::spawn(drive.run(request.into_inner(), out, self.ending.clone()));
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn relay(
        &self,
        request: Request<Streaming<ProxyReport>>,
    ) -> Result<Response<RelayEnd>, Status> {
        let (identity, gate) = self.admit(&request).await?;
        let Identity::Replica { pod } = identity else {
            return Err(self.denied("only a replica of the controller relays"));
        };
        if *self.serving.holder.borrow() != Holder::Me {
            let why = "this replica does not hold the Lease";
            return Err(Status::failed_precondition(why));
        }
        let received = Received::new(self.serving.proxies.clone(), Arc::clone(&self.streams));
        let metrics = &self.serving.metrics;
        tracing::info!(replica = pod, "a replica relays");
        let run = received.run(
            request.into_inner(),
            self.serving.holder.clone(),
            self.ending.clone(),
        );
        let metrics = Arc::clone(metrics);
        // A task of its own: this call is dropped when the connection breaks, and what was reported
        // must still leave the table.
        let task = tokio::spawn(async move {
            metrics.stream.relays.inc();
            let ended = run.await;
            metrics.stream.relays.dec();
            tracing::info!(replica = pod, "a replica has ceased to relay");
            gate.leave();
            ended
        });
        let ended = task
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        ended.map(|()| Response::new(RelayEnd {}))
    }
}

/// The token of a call (RFC 6750 section 2.1).
fn bearer<T>(request: &Request<T>) -> Option<&str> {
    let value = request.metadata().get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(refusal: Refusal) -> (Refused, Status) {
    let text = refusal.to_string();
    match refusal {
        Refusal::Unauthenticated(_) => (Refused::Unauthenticated, Status::unauthenticated(text)),
        Refusal::Denied(_) => (Refused::Denied, Status::permission_denied(text)),
        Refusal::Unavailable(_) => (Refused::Unavailable, Status::unavailable(text)),
    }
}
