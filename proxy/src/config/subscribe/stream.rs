//! One stream: connect, say Hello, and go through transactions until it ends.
//!
//! In: the controller's addresses. Out: what [`super::Subscriber`] adopts; or why the stream ended.
//! What messages mean is the session's.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_snapshot::wire::{ControllerMessage, ProxyMessage};
use tonic::{Request, Status, Streaming};

use super::{
    Subscriber,
    dial::{Line, chain},
    session::{Refusal, Session, Step},
    words,
};

/// Longest time from the request to the head of the answer: the controller asks the API server who
/// this is.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the controller may take to end a stream that this side has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// A stream that lasted this long went well even if nothing came.
const LASTING: Duration = Duration::from_secs(10);

/// A stream that is open.
struct Stream {
    /// Both ends of the connection, as long as this lives.
    _line: Line,
    say: mpsc::Sender<ProxyMessage>,
    heard: Streaming<ControllerMessage>,
}

impl Subscriber {
    /// Goes through the addresses until one has a stream, and through that stream until it ends.
    /// Ok: it went well until then.
    pub(super) async fn connect(&mut self) -> Result<(), String> {
        let controller = self.controller.clone();
        let addresses = self.while_settling(controller.addresses()).await;
        let mut why = String::new();
        for address in addresses.map_err(|error| error.to_string())? {
            match self.open_stream(address).await {
                Ok(stream) => return self.converse(stream, address).await,
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    async fn open_stream(&mut self, address: SocketAddr) -> Result<Stream, String> {
        let controller = self.controller.clone();
        let line = self.while_settling(controller.dial(address)).await;
        let mut line = line.map_err(|error| error.to_string())?;
        let (say, said) = mpsc::channel(2);
        let (source, exceptions) = (self.source(), self.adopter.exceptions());
        let hello = words::hello(&self.holding, source, self.tells, exceptions);
        let closed = |_| "the stream closed".to_owned();
        say.try_send(hello).map_err(closed)?;
        let mut request = Request::new(ReceiverStream::new(said));
        let bearer = line.bearer.clone();
        request.metadata_mut().insert("authorization", bearer);
        let opening = timeout(OPEN_TIMEOUT, line.client.units(request));
        let opened = self.while_settling(opening).await;
        let opened = opened.map_err(|_| format!("{address}: no answer to Hello in time"))?;
        let opened = opened.map_err(|status| format!("{address}: {}", in_words(&status)))?;
        Ok(Stream {
            heard: opened.into_inner(),
            say,
            _line: line,
        })
    }

    async fn converse(&mut self, mut stream: Stream, address: SocketAddr) -> Result<(), String> {
        let began = Instant::now();
        tracing::info!(%address, "connected to the controller");
        self.report.send_modify(|report| {
            report.connected = Some((address, SystemTime::now()));
            report.disconnected = None;
        });
        let (mut session, mut went_well) = (Session::default(), false);
        let why = loop {
            let message = match self.while_settling(stream.heard.message()).await {
                Ok(Some(message)) => message,
                Ok(None) => break format!("{address}: the controller ended the stream"),
                Err(status) => break format!("{address}: {}", in_words(&status)),
            };
            let now = Instant::now();
            let said = match session.take(message, &self.holding, &mut self.gate, now) {
                Step::Wait => continue,
                Step::Adopt(transaction, next) => {
                    went_well = true;
                    let seq = transaction.seq;
                    self.adopt(transaction, next).await;
                    let exceptions = self.adopter.exceptions();
                    words::outcome(seq, &self.holding, String::new(), exceptions)
                }
                Step::Refuse { seq, why } => {
                    let said = self.refuse(seq, &why);
                    if !why.keeps_stream() {
                        stream.part(said).await;
                        return Err(format!("{address}: refused: {why}"));
                    }
                    said
                }
            };
            if stream.say.send(said).await.is_err() {
                break format!("{address}: the stream closed");
            }
        };
        self.disconnected(why.clone());
        match went_well || began.elapsed() >= LASTING {
            true => Ok(()),
            false => Err(why),
        }
    }

    fn refuse(&mut self, seq: u64, why: &Refusal) -> ProxyMessage {
        tracing::warn!(seq, %why, "a snapshot of the controller is refused");
        self.tells &= !why.wants_all();
        let text = why.to_string();
        self.report
            .send_modify(|report| report.refused = Some(text.clone()));
        words::outcome(seq, &self.holding, text, self.adopter.exceptions())
    }
}

impl Stream {
    /// Says a last word, and waits a little until it has been heard.
    async fn part(mut self, said: ProxyMessage) {
        if self.say.send(said).await.is_err() {
            return;
        }
        drop(self.say);
        let ended = async { while let Ok(Some(_)) = self.heard.message().await {} };
        // Whether it ended in time makes no difference.
        let _ = timeout(FAREWELL, ended).await;
    }
}

fn in_words(status: &Status) -> String {
    match status.message() {
        "" => status.code().to_string().to_lowercase(),
        _ => chain(status),
    }
}
