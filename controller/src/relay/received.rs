//! The holder's end: reports of another replica, into the table.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};
use tokio_stream::{Stream, StreamExt};
use tollgate_snapshot::{Hash, wire::ProxyReport};
use tonic::Status;

use crate::{
    holder::Holder,
    proxies::{PodUid, Proxies, Proxy},
    stream::verdict,
};

/// How long what was reported holds after the relay has ended: it may come again, or its proxies
/// move, and neither is news for anybody's status.
const GRACE: Duration = Duration::from_secs(10);

/// What one replica has reported.
pub(crate) struct Received {
    proxies: Proxies,
    /// Number of the newest stream.
    streams: Arc<AtomicU64>,
    reports: BTreeMap<PodUid, Proxy>,
}

impl Received {
    /// Nothing yet.
    pub(crate) fn new(proxies: Proxies, streams: Arc<AtomicU64>) -> Self {
        Self {
            proxies,
            streams,
            reports: BTreeMap::new(),
        }
    }

    /// Takes reports in until they end, this replica no longer holds the Lease, or `ending` says
    /// true.
    pub(crate) async fn run(
        mut self,
        mut inbound: impl Stream<Item = Result<ProxyReport, Status>> + Unpin,
        mut holder: watch::Receiver<Holder>,
        mut ending: watch::Receiver<bool>,
    ) -> Result<(), Status> {
        let take = async {
            let mut table = self.proxies.follow();
            loop {
                tokio::select! {
                    report = inbound.next() => match report {
                        Some(Ok(report)) => self.take(report).map_err(Status::invalid_argument)?,
                        Some(Err(_)) | None => return Ok(()),
                    },
                    Ok(()) = table.changed() => {
                        table.mark_unchanged();
                        self.restore();
                    }
                }
            }
        };
        let ended = tokio::select! {
            ended = take => ended,
            _ = holder.wait_for(|holder| *holder != Holder::Me) => {
                Err(Status::failed_precondition("this replica no longer holds the Lease"))
            }
            _ = ending.wait_for(|ending| *ending) => Ok(()),
        };
        // The other end need not wait for the grace.
        tokio::spawn(self.leave(holder, ending));
        ended
    }

    fn take(&mut self, report: ProxyReport) -> Result<(), String> {
        let pod = PodUid::from(report.pod_uid.as_str());
        if report.gone {
            if let Some(known) = self.reports.remove(&pod) {
                self.proxies.remove(&pod, known.stream);
            }
            return Ok(());
        }
        let known = self.reports.get(&pod);
        let stream = known.map_or_else(|| self.number(), |known| known.stream);
        let since = known.map(|known| (known.root, known.since));
        let proxy = read(report, stream, since)?;
        self.reports.insert(Arc::clone(&pod), proxy.clone());
        let first_hand = self
            .proxies
            .now()
            .get(&pod)
            .is_some_and(|known| known.local);
        if !first_hand {
            self.proxies.set(&pod, proxy);
        }
        Ok(())
    }

    /// A proxy that has left another stream is back at the one that still reports it.
    fn restore(&mut self) {
        let table = self.proxies.now();
        for (pod, proxy) in &mut self.reports {
            if !table.contains_key(pod) {
                proxy.stream = self.streams.fetch_add(1, Ordering::Relaxed) + 1;
                self.proxies.set(pod, proxy.clone());
            }
        }
    }

    fn number(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn leave(self, mut holder: watch::Receiver<Holder>, mut ending: watch::Receiver<bool>) {
        tokio::select! {
            () = sleep(GRACE) => {}
            _ = holder.wait_for(|holder| *holder != Holder::Me) => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
        for (pod, proxy) in self.reports {
            self.proxies.remove(&pod, proxy.stream);
        }
    }
}

fn read(
    report: ProxyReport,
    stream: u64,
    before: Option<(Option<Hash>, Instant)>,
) -> Result<Proxy, String> {
    let gateway = report.gateway.parse();
    let gateway = gateway.map_err(|error| format!("report: gateway: {error}"))?;
    let root: Option<[u8; 32]> = match report.root.is_empty() {
        true => None,
        false => {
            let root = report.root.try_into();
            Some(root.map_err(|_| "report: root: not 32 bytes long".to_owned())?)
        }
    };
    let root = root.map(Hash::from_bytes);
    let before = before.filter(|(before, _)| *before == root);
    let refused = verdict::reason(report.refused);
    Ok(Proxy {
        gateway,
        pod: report.pod,
        root,
        exceptions: verdict::read(report.exceptions),
        refused: (!refused.is_empty()).then_some(refused),
        since: before.map_or_else(Instant::now, |(_, since)| since),
        local: false,
        stream,
    })
}
