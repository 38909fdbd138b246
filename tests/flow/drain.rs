//! The end: what was accepted is answered, and nothing else is waited for.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use tollgate_proxy::serve::Ended;
use tollgate_tests::{
    client,
    gateway::{Gateway, eventually},
    h2::{self, H2},
    load::Load,
    session::Session,
    upstream::{Upstream, read_request},
};

/// An upstream that answers a request when told to, and says when one has come.
fn told() -> (Upstream, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (got, asked) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (got, gone) = (Mutex::new(got), Mutex::new(gone));
    let upstream = Upstream::with(move |stream, _| {
        while read_request(stream).is_some() {
            got.lock().unwrap().send(()).unwrap();
            // The other end is dropped by a test that wants no answer.
            if gone.lock().unwrap().recv().is_err() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
        }
    });
    (upstream, asked, go)
}

fn is_draining(health: SocketAddr) {
    eventually(|| {
        let reply = client::get(health, "/readyz");
        (reply.status == 503 && reply.body == "draining\n").then_some(())
    });
}

#[test]
fn every_request_that_was_sent_is_answered() {
    let gateway = Gateway::in_front_of(&Upstream::echo());
    let load = Load::on(gateway.address(), 8, "/");
    load.may_be_refused();
    gateway.ask_to_stop();
    let outcome = load.ended();
    assert!(outcome.lost.is_empty(), "{:?}", outcome.lost);
    let answers: Vec<_> = outcome.answers.keys().collect();
    assert_eq!(answers, [&(200, "hello".to_owned())]);
    assert_eq!(outcome.refused, 8, "each ended by finding no connection");
    assert_eq!(gateway.ended(), Ended::Drained);
}

/// Asks over one connection, eight at a time, until it takes no more. Every stream that the
/// server has taken is answered; one that it has not is refused by number (GOAWAY), which a
/// client may send again.
async fn ask_until_refused(client: H2, answered: Arc<AtomicUsize>, lost: Arc<Mutex<Vec<String>>>) {
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut client, answered, lost) = (client.clone(), answered.clone(), lost.clone());
        askers.spawn(async move {
            loop {
                match client.get("/").await {
                    Ok(reply) if reply.body == "hello" => answered.fetch_add(1, SeqCst),
                    Ok(reply) => return lost.lock().unwrap().push(format!("{reply:?}")),
                    Err(error) => {
                        let text = format!("{error:?}");
                        let unsent = error.is_canceled() || error.is_closed();
                        if !unsent && !text.contains("NO_ERROR") && !text.contains("REFUSED_STREAM")
                        {
                            lost.lock().unwrap().push(text);
                        }
                        return;
                    }
                };
            }
        });
    }
    while askers.join_next().await.is_some() {}
}

#[test]
fn an_http_2_connection_ends_after_its_last_stream() {
    let gateway = Gateway::in_front_of(&Upstream::echo());
    let (answered, lost) = (Arc::new(AtomicUsize::new(0)), Arc::default());
    h2::run(async {
        let (client, closed) = H2::connect(gateway.address()).await;
        let asking = ask_until_refused(client, answered.clone(), Arc::clone(&lost));
        let asking = tokio::spawn(asking);
        while answered.load(SeqCst) < 100 {
            tokio::task::yield_now().await;
        }
        gateway.ask_to_stop();
        asking.await.unwrap();
        closed.await.unwrap().unwrap();
    });
    assert!(
        lost.lock().unwrap().is_empty(),
        "{:?}",
        lost.lock().unwrap()
    );
    let log = gateway.lines(answered.load(SeqCst));
    assert!(log.iter().all(|line| line["status"] == 200));
    assert_eq!(
        log.len(),
        answered.load(SeqCst),
        "what was begun was answered"
    );
    assert_eq!(gateway.ended(), Ended::Drained);
}

#[test]
fn requests_in_flight_are_finished() {
    let (upstream, asked, go) = told();
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    session.ask("/").unwrap();
    asked.recv().unwrap();
    let (health, address) = (gateway.health(), gateway.address());
    gateway.ask_to_stop();
    is_draining(health);
    assert_eq!(client::get(health, "/healthz").status, 200);
    eventually(|| Session::try_open(address).is_err().then_some(()));
    go.send(()).unwrap();
    let reply = session.reply().unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "late"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(session.is_closed_silently());
    assert_eq!(gateway.ended(), Ended::Drained);
}

#[test]
fn an_upload_in_flight_is_finished() {
    let gateway = Gateway::in_front_of(&Upstream::echo());
    let mut session = Session::open(gateway.address());
    let head = "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 8\r\n\r\n";
    session.write(format!("{head}firs")).unwrap();
    let health = gateway.health();
    eventually(|| {
        let metrics = client::get(health, "/metrics").body;
        metrics
            .contains("tollgate_requests_in_flight 1")
            .then_some(())
    });
    gateway.ask_to_stop();
    is_draining(health);
    session.write("trest").unwrap();
    assert_eq!(session.reply().unwrap().body, "hello");
    assert_eq!(gateway.ended(), Ended::Drained);
}

#[test]
fn an_http_2_stream_in_flight_is_finished() {
    let (upstream, asked, go) = told();
    let gateway = Gateway::in_front_of(&upstream);
    let health = gateway.health();
    let asked = Mutex::new(asked);
    h2::run(async {
        let (client, closed) = H2::connect(gateway.address()).await;
        let mut asking = client.clone();
        let asking = tokio::spawn(async move { asking.get("/").await });
        while asked.lock().unwrap().try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        gateway.ask_to_stop();
        let probe = tokio::task::spawn_blocking(move || is_draining(health));
        probe.await.unwrap();
        go.send(()).unwrap();
        assert_eq!(asking.await.unwrap().unwrap().body, "late");
        drop(client);
        closed.await.unwrap().unwrap();
    });
    assert_eq!(gateway.ended(), Ended::Drained);
}

#[test]
fn connections_at_rest_are_closed() {
    let gateway = Gateway::in_front_of(&Upstream::echo());
    let mut used = Session::open(gateway.address());
    assert_eq!(used.get("/").unwrap().body, "hello");
    let mut fresh = Session::open(gateway.address());
    gateway.ask_to_stop();
    assert!(used.is_closed_silently());
    assert!(fresh.is_closed_silently());
    assert_eq!(gateway.ended(), Ended::Drained);
}

/// A client that sends as the end begins has not been told yet.
#[test]
fn a_connection_at_rest_may_bring_one_more_request() {
    let gateway = Gateway::in_front_of(&Upstream::echo());
    let mut session = Session::open(gateway.address());
    assert_eq!(session.get("/").unwrap().body, "hello");
    let health = gateway.health();
    gateway.ask_to_stop();
    is_draining(health);
    let last = session.get("/").unwrap();
    assert_eq!(
        (last.status, last.header("connection")),
        (200, Some("close"))
    );
    assert!(session.is_closed_silently());
    assert_eq!(gateway.ended(), Ended::Drained);
}

#[test]
fn a_second_stop_ends_at_once() {
    let (upstream, asked, go) = told();
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    session.ask("/").unwrap();
    asked.recv().unwrap();
    let health = gateway.health();
    gateway.ask_to_stop();
    is_draining(health);
    gateway.ask_to_stop();
    assert_eq!(gateway.ended(), Ended::CutShort);
    assert!(session.reply().is_err());
    drop(go);
}

#[test]
fn the_log_has_every_request_at_the_end() {
    let gateway = Gateway::in_front_of(&Upstream::echo());
    let stop = Arc::new(AtomicBool::new(false));
    let address = gateway.address();
    let client = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let mut session = Session::open(address);
            let mut count = 0;
            while !stop.load(SeqCst) {
                session.get("/").unwrap();
                count += 1;
            }
            count
        })
    };
    gateway.lines(50);
    stop.store(true, SeqCst);
    let count: usize = client.join().unwrap();
    let log = gateway.stop_and_log();
    assert_eq!(log.len(), count);
}
