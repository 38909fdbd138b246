//! Traffic at a constant rate, of which every answer is checked.
//!
//! In: the addresses of proxies, and which host must answer what. Out: how many requests were sent,
//! which answers were wrong, which requests got none, and the longest time without a good answer.
//! A request has its time whatever became of the ones before, so that a stall is seen as what it
//! is.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::harness::beside;

/// Requests in a second, over all connections.
const RATE: u32 = 300;

/// Connections; each asks in turn.
const CONNECTIONS: u32 = 10;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How many wrong answers and lost requests are told.
const TOLD: usize = 5;

/// What a host may answer: status and body.
type Allowed = Vec<(u16, String)>;

/// Traffic that goes on.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    connections: Vec<JoinHandle<()>>,
    began: Instant,
}

#[derive(Debug)]
struct Shared {
    hosts: Mutex<BTreeMap<String, Allowed>>,
    tally: Mutex<Tally>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests.
    pub sent: usize,
    /// Good answers.
    pub good: usize,
    /// Answers that no host may give, in words; the first ones.
    pub wrong: Vec<String>,
    /// How many there were.
    pub wrong_count: usize,
    /// Requests without an answer, in words; the first ones.
    pub lost: Vec<String>,
    /// How many there were.
    pub lost_count: usize,
    /// Longest time without a good answer.
    pub longest_gap: Duration,
    /// For how long there was traffic.
    pub lasted: Duration,
    last_good: Option<Instant>,
}

impl Load {
    /// Begins to ask the proxies at these addresses in turn for these hosts: each must answer 200
    /// with its body.
    pub fn start(addresses: &[SocketAddr], hosts: &[(&str, &str)]) -> Self {
        let allowed =
            |(host, body): &(&str, &str)| ((*host).to_owned(), vec![(200, (*body).to_owned())]);
        let shared = Arc::new(Shared {
            hosts: Mutex::new(hosts.iter().map(allowed).collect()),
            tally: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let addresses = addresses.iter().copied().cycle();
        let connections = addresses.take(CONNECTIONS as usize).enumerate();
        let connections = connections.map(|(number, address)| {
            let asking = ask(address, number, Arc::clone(&shared), stopped.clone());
            beside().spawn(asking)
        });
        let load = Self {
            connections: connections.collect(),
            shared,
            stop,
            began: Instant::now(),
        };
        load.goes_on();
        load
    }

    /// From now on a host may answer each of these: status and body. A host that is new is asked,
    /// too.
    pub fn expect(&self, host: &str, allowed: &[(u16, &str)]) {
        let allowed = allowed
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()));
        lock(&self.shared.hosts).insert(host.to_owned(), allowed.collect());
    }

    /// From now on a host is not asked.
    pub fn forget(&self, host: &str) {
        lock(&self.shared.hosts).remove(host);
    }

    /// What was seen so far.
    pub fn tally(&self) -> Tally {
        let mut tally = lock(&self.shared.tally).clone();
        tally.lasted = self.began.elapsed();
        // A gap that is under way counts, too.
        let gap = tally
            .last_good
            .map(|last| last.elapsed())
            .unwrap_or_default();
        tally.longest_gap = tally.longest_gap.max(gap);
        tally
    }

    /// Waits until there were good answers from now on, on as many requests as there are
    /// connections.
    pub fn goes_on(&self) {
        let before = self.tally().good;
        crate::harness::until("traffic goes on", || {
            (self.tally().good >= before + 2 * CONNECTIONS as usize).then_some(())
        });
    }

    /// Ends it.
    pub fn stop(self) -> Tally {
        self.stop.send_replace(true);
        for connection in self.connections {
            beside().block_on(connection).unwrap();
        }
        let mut tally = lock(&self.shared.tally).clone();
        tally.lasted = self.began.elapsed();
        tally
    }
}

impl Tally {
    /// Every request was answered, and rightly; and there was as much traffic as there should be.
    #[track_caller]
    pub fn assert_whole(&self) {
        self.assert_right();
        assert_eq!(self.lost_count, 0, "lost: {:#?}", self.lost);
    }

    /// Every answer was right; requests may be lost.
    #[track_caller]
    pub fn assert_right(&self) {
        assert_eq!(self.wrong_count, 0, "wrong: {:#?}", self.wrong);
        let due = self.lasted.as_secs_f64() * f64::from(RATE);
        // A machine that is busy elsewhere is late, and no less strict.
        assert!(
            self.sent as f64 > due / 4.0,
            "only {} of {due:.0} requests",
            self.sent
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask(
    address: SocketAddr,
    number: usize,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut turn = interval(Duration::from_secs(1) * CONNECTIONS / RATE);
    turn.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut connection = None;
    for request in number.. {
        tokio::select! {
            _ = turn.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let Some((host, allowed)) = shared.host(request) else {
            continue;
        };
        let answer = timeout(ANSWER, exchange(&mut connection, address, &host)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer in {ANSWER:?}")));
        if answer.is_err() {
            connection = None;
        }
        // What is allowed may have become more while the request was under way.
        let allowed_now = shared.allowed(&host).unwrap_or_default();
        let is_good =
            |found: &(u16, String)| allowed.contains(found) || allowed_now.contains(found);
        lock(&shared.tally).note(&host, answer, is_good);
    }
}

impl Shared {
    /// The host of a request, by its number.
    fn host(&self, number: usize) -> Option<(String, Allowed)> {
        let hosts = lock(&self.hosts);
        let at = number.checked_rem(hosts.len())?;
        let (host, allowed) = hosts.iter().nth(at)?;
        Some((host.clone(), allowed.clone()))
    }

    fn allowed(&self, host: &str) -> Option<Allowed> {
        lock(&self.hosts).get(host).cloned()
    }
}

impl Tally {
    fn note(
        &mut self,
        host: &str,
        answer: Result<(u16, String), String>,
        is_good: impl Fn(&(u16, String)) -> bool,
    ) {
        self.sent += 1;
        let at = self
            .last_good
            .map(|last| last.elapsed())
            .unwrap_or_default();
        let (told, count, words) = match answer {
            Ok(found) if is_good(&found) => {
                self.good += 1;
                self.longest_gap = self.longest_gap.max(at);
                self.last_good = Some(Instant::now());
                return;
            }
            Ok((status, body)) => (
                &mut self.wrong,
                &mut self.wrong_count,
                format!("{host}: {status} {body}"),
            ),
            Err(why) => (
                &mut self.lost,
                &mut self.lost_count,
                format!("{host}: {why}"),
            ),
        };
        *count += 1;
        if told.len() < TOLD {
            told.push(words);
        }
    }
}

type Connection = http1::SendRequest<Empty<Bytes>>;

async fn exchange(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    host: &str,
) -> Result<(u16, String), String> {
    let is_open = match connection {
        Some(open) => open.ready().await.is_ok(),
        None => false,
    };
    if !is_open {
        *connection = Some(connect(address).await?);
    }
    let Some(open) = connection else {
        return Err("no connection".to_owned());
    };
    let request = Request::get("/x").header("host", host).body(Empty::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = open.send_request(request).await.map_err(words)?;
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(words)?
        .to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

async fn connect(address: SocketAddr) -> Result<Connection, String> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(words)?;
    tokio::spawn(connection);
    Ok(sender)
}

fn words(error: hyper::Error) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers every request on a connection with the next of these, again and
    /// again; with nothing, it closes the connection.
    fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = beside().block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        beside().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    for answer in answers.iter().cycle() {
                        // A request of this test comes in one piece.
                        if stream.read(&mut buffer).await.is_err() || answer.is_empty() {
                            return;
                        }
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood";

    fn seen(answers: &'static [&'static str]) -> Tally {
        let load = Load::start(&[server(answers)], &[("a.example", "good")]);
        for _ in 0..3 {
            load.goes_on();
        }
        load.stop()
    }

    #[test]
    fn good_answers_are_all_that_there_is() {
        let tally = seen(&[GOOD]);
        tally.assert_whole();
        assert_eq!(tally.sent, tally.good);
    }

    #[test]
    fn a_wrong_body_and_a_wrong_status_are_wrong() {
        const BODY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad";
        const STATUS: &str = "HTTP/1.1 503 Gone\r\ncontent-length: 4\r\n\r\ngood";
        for answers in [&[GOOD, BODY], &[GOOD, STATUS]] {
            let tally = seen(answers);
            assert!(tally.wrong_count > 0 && tally.lost_count == 0, "{tally:?}");
            assert!(std::panic::catch_unwind(|| tally.assert_right()).is_err());
        }
    }

    #[test]
    fn a_request_without_an_answer_is_lost_and_makes_a_gap() {
        let tally = seen(&[GOOD, ""]);
        assert!(tally.lost_count > 0 && tally.wrong_count == 0, "{tally:?}");
        assert!(std::panic::catch_unwind(|| tally.assert_whole()).is_err());
        tally.assert_right();
        assert!(tally.longest_gap > Duration::ZERO);
    }
}
