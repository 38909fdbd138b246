//! One proxy's stream: the session's decisions on the wire.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    time::{sleep, sleep_until, timeout},
};
use tollgate_snapshot::{
    ObjectName, UnitSet,
    wire::{ControllerMessage, ProxyMessage, controller_message::Message},
};
use tonic::{Code, Status, Streaming};

use super::{
    gate::Gate,
    session::{Ended, Session},
    transaction::Transaction,
};
use crate::{
    metrics::{Metrics, Sent},
    proxies::{PodUid, Proxies, Proxy},
};

/// How long a proxy may take for one message, which is about one chunk.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a stream lasts: then the proxy dials anew, so that replicas share the proxies evenly.
/// Give or take a tenth.
const AGE: Duration = Duration::from_secs(30 * 60);

/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Where messages to a proxy go.
pub(super) type Out = mpsc::Sender<Result<ControllerMessage, Status>>;

/// Why a stream is over.
enum Over {
    /// The proxy is gone.
    Gone,
    /// The proxy shall dial anew.
    Move,
    /// Because of what the proxy did.
    Ended(Ended),
    /// Something of our own failed.
    Failed(String),
}

impl From<Ended> for Over {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

/// A proxy's stream.
pub(super) struct Drive {
    pub(super) gateway: ObjectName,
    pub(super) pod: String,
    pub(super) pod_uid: PodUid,
    /// Number of the stream.
    pub(super) stream: u64,
    pub(super) sets: watch::Receiver<Option<UnitSet>>,
    pub(super) proxies: Proxies,
    pub(super) metrics: Arc<Metrics>,
    pub(super) gate: Gate,
}

impl Drive {
    /// Talks with the proxy until either wants no more, or `ending` says true.
    pub(super) async fn run(
        mut self,
        mut inbound: Streaming<ProxyMessage>,
        out: Out,
        mut ending: watch::Receiver<bool>,
    ) {
        self.metrics.stream.proxies.inc();
        let age = AGE.mul_f64(0.9 + 0.2 * fastrand::f64());
        let over = tokio::select! {
            Err(over) = self.talk(&mut inbound, &out) => over,
            () = out.closed() => Over::Gone,
            () = sleep(age) => Over::Move,
            _ = ending.wait_for(|ending| *ending) => Over::Move,
        };
        self.proxies.remove(&self.pod_uid, self.stream);
        self.metrics.stream.proxies.dec();
        self.part(over, &out).await;
    }

    async fn talk(
        &mut self,
        inbound: &mut Streaming<ProxyMessage>,
        out: &Out,
    ) -> Result<std::convert::Infallible, Over> {
        let newest = self.sets.borrow_and_update().clone();
        let mut session = Session::new(newest, now());
        // When the newest set came, and when the one under way did.
        let (mut came, mut under_way) = (None, None);
        loop {
            if let Some(transaction) = session.next(now()) {
                under_way = came.take();
                self.send(transaction, out).await?;
                session.sent(now());
            }
            tokio::select! {
                message = inbound.message() => {
                    let heard = now();
                    let message = message.map_err(unreadable)?.ok_or(Over::Gone)?;
                    // A message of the future.
                    let Some(message) = message.message else { continue };
                    if let Some(took) = session.take(message, heard)? {
                        self.metrics.stream.verdicts.inc(took);
                        if let Some(came) = under_way.take() {
                            let seconds = heard.duration_since(came).as_secs_f64();
                            self.metrics.stream.push_seconds.observe(seconds);
                        }
                    }
                    self.report(&session);
                }
                Ok(()) = self.sets.changed() => {
                    came = Some(now());
                    session.newest(self.sets.borrow_and_update().clone());
                }
                () = until(session.deadline()) => session.overdue(now())?,
            }
        }
    }

    async fn send(&self, transaction: Transaction, out: &Out) -> Result<(), Over> {
        let metrics = &self.metrics.stream;
        metrics.sent.inc(match transaction.full {
            true => Sent::Full,
            false => Sent::Delta,
        });
        for message in transaction {
            let message = message.map_err(|error| Over::Failed(error.to_string()))?;
            if let Some(Message::Chunk(chunk)) = &message.message {
                metrics.chunks.inc();
                let units = chunk.entries.len() + chunk.removed.len();
                metrics
                    .units
                    .inc_by(u64::try_from(units).unwrap_or(u64::MAX));
            }
            let bytes = prost::Message::encoded_len(&message);
            metrics
                .bytes
                .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
            match timeout(TAKE_TIMEOUT, out.send(Ok(message))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Over::Gone),
                Err(_) => return Err(Ended::Slow("room for a message").into()),
            }
        }
        Ok(())
    }

    fn report(&self, session: &Session) {
        let Some(running) = session.running() else {
            return;
        };
        let proxy = Proxy {
            gateway: self.gateway.clone(),
            pod: self.pod.clone(),
            root: running.root,
            exceptions: running.exceptions.clone(),
            refused: running.refused.clone(),
            since: running.since,
            local: true,
            stream: self.stream,
        };
        self.proxies.set(&self.pod_uid, proxy);
    }

    /// Ends the stream. One that ends well says nothing: the proxy dials anew at once.
    async fn part(self, over: Over, out: &Out) {
        let status = match over {
            Over::Gone | Over::Move => None,
            Over::Ended(ended) => {
                self.metrics.stream.refused.inc(ended.counted());
                tracing::warn!(gateway = %self.gateway, pod = self.pod, %ended, "ended a stream");
                Some(status(&ended))
            }
            Over::Failed(error) => {
                tracing::error!(gateway = %self.gateway, pod = self.pod, error, "can't send");
                Some(Status::internal(error))
            }
        };
        if let Some(status) = status {
            let _ = timeout(LAST_WORD, out.send(Err(status))).await;
        }
        self.gate.leave();
    }
}

/// The clock of the timers: the session must not think otherwise than they do.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Tells a message that can't be read from a connection that is gone.
fn unreadable(status: Status) -> Over {
    match status.code() {
        Code::Internal | Code::OutOfRange | Code::InvalidArgument | Code::Unimplemented => {
            Over::Ended(Ended::Garbage(status.message().to_owned()))
        }
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Over::Gone,
    }
}

fn status(ended: &Ended) -> Status {
    let text = ended.to_string();
    match ended {
        Ended::Protocol(_) => Status::failed_precondition(text),
        Ended::Garbage(_) => Status::invalid_argument(text),
        Ended::Slow(_) => Status::deadline_exceeded(text),
        Ended::Drift => Status::data_loss(text),
    }
}
