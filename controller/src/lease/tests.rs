//! Elections against an API server of a few lines, on tokio's paused clock.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle, time::advance};

use super::*;
use crate::fake_api::{self, Answer, Call, failure};

/// Keeps the one Lease, with the resourceVersion as the API server keeps it.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lease: Option<Value>,
    version: u64,
    /// Whether calls get no answer.
    silent: bool,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        fake_api::client(move |call| {
            let server = server.clone();
            async move {
                if server.0.lock().unwrap().silent {
                    return std::future::pending().await;
                }
                server.answer(call)
            }
        })
    }

    fn answer(&self, call: Call) -> Answer {
        let mut kept = self.0.lock().unwrap();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        match (&*call.method, kept.lease.clone()) {
            ("GET", Some(lease)) => (200, lease),
            ("POST", None) => kept.store(call.body),
            ("PUT", Some(lease)) if version(&lease) == version(&call.body) => kept.store(call.body),
            ("POST" | "PUT", Some(_)) => failure(409, "Conflict"),
            _ => failure(404, "NotFound"),
        }
    }

    fn silence(&self, silent: bool) {
        self.0.lock().unwrap().silent = silent;
    }

    fn lease(&self) -> Value {
        self.0.lock().unwrap().lease.clone().unwrap_or_default()
    }

    fn holder(&self) -> Value {
        self.lease()["spec"]["holderIdentity"].clone()
    }
}

impl Kept {
    fn store(&mut self, mut lease: Value) -> Answer {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        (200, lease)
    }
}

struct Replica {
    holder: watch::Receiver<Holder>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(server: &Server, identity: &str) -> Self {
        let candidate = Candidate {
            namespace: "tollgate-system".to_owned(),
            identity: identity.to_owned(),
            relay: format!("{identity}:9443"),
        };
        let (sender, holder) = watch::channel(Holder::Nobody);
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { _ = stopped.await };
        let task = tokio::spawn(elect(server.client(), candidate, sender, stopped));
        Self { holder, stop, task }
    }

    /// Waits until the holder is this one. Time passes by itself while all wait.
    async fn sees(&mut self, expected: Holder) {
        let seen = self.holder.wait_for(|holder| *holder == expected);
        let in_time = timeout(Duration::from_secs(60), seen).await.is_ok();
        let holder = self.holder.borrow();
        assert!(in_time, "no {expected:?}, but {holder:?}");
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn other(identity: &str) -> Holder {
    Holder::Other {
        identity: identity.to_owned(),
        relay: format!("{identity}:9443"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_holds_the_lease_and_the_other_knows_where_to_relay() {
    let server = Server::default();
    let mut one = Replica::start(&server, "one");
    one.sees(Holder::Me).await;
    let mut two = Replica::start(&server, "two");
    two.sees(other("one")).await;
    let lease = server.lease();
    assert_eq!(lease["metadata"]["annotations"][RELAY], "one:9443");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 15);
    advance(Duration::from_secs(300)).await;
    assert_eq!(server.holder(), "one");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_goes_to_the_next_within_one_attempt() {
    let server = Server::default();
    let mut one = Replica::start(&server, "one");
    one.sees(Holder::Me).await;
    let mut two = Replica::start(&server, "two");
    two.sees(other("one")).await;
    let holder = one.holder.clone();
    one.stop().await;
    assert_eq!(*holder.borrow(), Holder::Nobody);
    assert_eq!(server.holder(), "");
    let freed = Instant::now();
    two.sees(Holder::Me).await;
    assert!(freed.elapsed() <= TIMING.retry.mul_f64(1.25));
    assert_eq!(server.lease()["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_not_answered_steps_down_and_comes_back() {
    let server = Server::default();
    let mut one = Replica::start(&server, "one");
    one.sees(Holder::Me).await;
    let since = Instant::now();
    server.silence(true);
    one.sees(Holder::Nobody).await;
    assert!(since.elapsed() <= TIMING.renew, "{:?}", since.elapsed());
    assert_eq!(server.holder(), "one", "nobody has taken it meanwhile");
    server.silence(false);
    one.sees(Holder::Me).await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_died_is_followed_once_its_time_is_over() {
    let server = Server::default();
    let mut one = Replica::start(&server, "one");
    one.sees(Holder::Me).await;
    let mut two = Replica::start(&server, "two");
    two.sees(other("one")).await;
    one.task.abort();
    let died = Instant::now();
    two.sees(Holder::Me).await;
    let took = died.elapsed();
    assert!(took >= TIMING.renew, "{took:?}");
    assert!(took <= TIMING.lease + TIMING.retry.mul_f64(2.5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_lease_is_deleted_or_taken_follows_what_it_says() {
    let server = Server::default();
    let mut one = Replica::start(&server, "one");
    one.sees(Holder::Me).await;
    let mut lease = server.lease();
    lease["spec"]["holderIdentity"] = json!("two");
    lease["metadata"]["annotations"][RELAY] = json!("two:9443");
    server.0.lock().unwrap().store(lease);
    one.sees(other("two")).await;
    server.0.lock().unwrap().lease = None;
    one.sees(Holder::Me).await;
    assert_eq!(server.holder(), "one");
}

#[tokio::test(start_paused = true)]
async fn who_never_held_the_lease_leaves_it_alone_when_it_stops() {
    let server = Server::default();
    let mut one = Replica::start(&server, "one");
    one.sees(Holder::Me).await;
    let mut two = Replica::start(&server, "two");
    two.sees(other("one")).await;
    two.stop().await;
    assert_eq!(server.holder(), "one");
}
