//! From one replica's table into the holder's.

use std::{io::Write, sync::atomic::AtomicU64};

use imbl::OrdMap;
use tokio_stream::wrappers::ReceiverStream;
use tollgate_snapshot::{Hash, ObjectName, wire::ProxyReport};

use super::*;
use crate::{
    fake::token,
    proxies::{PodUid, Proxy, Running, Verdict},
    stream::tests::port::{OPERATOR, Port},
};

fn proxy(stream: u64, root: u8) -> Proxy {
    let verdict = Verdict {
        running: Running::Rejected,
        reason: "no room".to_owned(),
    };
    let id = "route/shop/one".to_owned().try_into().unwrap();
    Proxy {
        gateway: ObjectName::new("shop", "public"),
        pod: "public-1".to_owned(),
        root: Some(Hash::from_bytes([root; 32])),
        exceptions: OrdMap::unit(id, verdict),
        refused: Some("older".to_owned()),
        since: Instant::now(),
        local: true,
        stream,
    }
}

fn uid() -> PodUid {
    "uid".into()
}

fn report(root: u8) -> ProxyReport {
    ProxyReport {
        pod_uid: "uid".to_owned(),
        pod: "public-1".to_owned(),
        gateway: "shop/public".to_owned(),
        root: vec![root; 32],
        ..ProxyReport::default()
    }
}

type Table = OrdMap<PodUid, Arc<Proxy>>;

fn root(table: &Table) -> Option<(bool, u8)> {
    let proxy = table.get(&uid())?;
    Some((proxy.local, proxy.root.unwrap().as_bytes()[0]))
}

#[tokio::test]
async fn the_holder_learns_what_another_replicas_proxies_run() {
    let port = Port::open().await;
    let token = token("replica", 600);
    port.api.allow(&token, OPERATOR, "controller-2");
    let mut token_file = tempfile::NamedTempFile::new().unwrap();
    writeln!(token_file, "{token}").unwrap();
    let holder = watch::Sender::new(Holder::Other {
        identity: "controller-1_x".to_owned(),
        relay: port.address.to_string(),
    });
    let ending = watch::Sender::new(false);
    let proxies = Proxies::default();
    proxies.set(&uid(), proxy(1, 1));
    let relay = Relay {
        namespace: "tollgate-system".to_owned(),
        token_file: token_file.path().to_owned(),
        certificates: Arc::clone(&port.certificates),
        proxies: proxies.clone(),
        holder: holder.subscribe(),
    };
    let task = tokio::spawn(run(relay, ending.subscribe()));
    port.until(|table| table.contains_key(&uid())).await;
    let known = Arc::clone(port.proxies.now().get(&uid()).unwrap());
    let told = proxy(1, 1);
    assert!(!known.local);
    assert_eq!(known.pod, told.pod);
    assert_eq!(known.gateway, told.gateway);
    assert_eq!(known.root, told.root);
    assert_eq!(known.exceptions, told.exceptions);
    assert_eq!(known.refused, told.refused);

    proxies.set(&uid(), proxy(1, 2));
    port.until(|table| root(table) == Some((false, 2))).await;
    proxies.remove(&uid(), 1);
    port.until(|table| table.is_empty()).await;

    proxies.set(&uid(), proxy(2, 3));
    port.until(|table| !table.is_empty()).await;
    // Who does not hold the Lease any more forgets what others told it.
    port.holder.send_replace(Holder::Nobody);
    port.until(|table| table.is_empty()).await;
    ending.send_replace(true);
    task.await.unwrap();
}

/// The holder's end, without sockets.
struct Holding {
    proxies: Proxies,
    reports: tokio::sync::mpsc::Sender<Result<ProxyReport, tonic::Status>>,
    ended: tokio::task::JoinHandle<Result<(), tonic::Status>>,
    _holder: watch::Sender<Holder>,
    _ending: watch::Sender<bool>,
}

impl Holding {
    fn new() -> Self {
        let proxies = Proxies::default();
        let (reports, inbound) = tokio::sync::mpsc::channel(1);
        let (holder, ending) = (watch::Sender::new(Holder::Me), watch::Sender::new(false));
        // Numbers that are given here are larger than those of the streams before.
        let received = Received::new(proxies.clone(), Arc::new(AtomicU64::new(100)));
        let run = received.run(
            ReceiverStream::new(inbound),
            holder.subscribe(),
            ending.subscribe(),
        );
        Self {
            proxies,
            reports,
            ended: tokio::spawn(run),
            _holder: holder,
            _ending: ending,
        }
    }

    async fn until(&self, expected: Option<(bool, u8)>) {
        let mut table = self.proxies.follow();
        let held = table.wait_for(|table| root(table) == expected);
        held.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_first_hand_is_not_overruled_and_comes_back_from_the_relay() {
    let holding = Holding::new();
    holding.proxies.set(&uid(), proxy(7, 1));
    holding.reports.send(Ok(report(2))).await.unwrap();
    // A second one, so that the first one is taken in.
    let other = ProxyReport {
        pod_uid: "other".to_owned(),
        ..report(9)
    };
    holding.reports.send(Ok(other)).await.unwrap();
    let mut table = holding.proxies.follow();
    table
        .wait_for(|table| table.contains_key("other"))
        .await
        .unwrap();
    assert_eq!(root(&holding.proxies.now()), Some((true, 1)));
    // The proxy has moved, and its old stream ends at last.
    holding.proxies.remove(&uid(), 7);
    holding.until(Some((false, 2))).await;
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_breaks_off_is_remembered_for_a_moment() {
    let holding = Holding::new();
    holding.reports.send(Ok(report(2))).await.unwrap();
    holding.until(Some((false, 2))).await;
    let began = tokio::time::Instant::now();
    drop(holding.reports);
    holding.ended.await.unwrap().unwrap();
    assert_eq!(root(&holding.proxies.now()), Some((false, 2)));
    let mut table = holding.proxies.follow();
    table.wait_for(OrdMap::is_empty).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(10));
}

#[tokio::test]
async fn a_report_that_cannot_be_right_ends_the_relay() {
    type Spoil = fn(&mut ProxyReport);
    let rows: [(&str, Spoil, &str); 2] = [
        (
            "no gateway",
            |report| report.gateway.clear(),
            "report: gateway: ",
        ),
        (
            "half a root",
            |report| report.root.truncate(16),
            "report: root: ",
        ),
    ];
    for (name, spoil, why) in rows {
        let holding = Holding::new();
        let mut bad = report(1);
        spoil(&mut bad);
        holding.reports.send(Ok(bad)).await.unwrap();
        let ended = holding.ended.await.unwrap().unwrap_err();
        assert_eq!(ended.code(), tonic::Code::InvalidArgument, "{name}");
        assert!(ended.message().starts_with(why), "{name}: {ended}");
    }
}
