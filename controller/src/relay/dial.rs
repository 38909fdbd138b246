//! The dialling end: one stream of reports, until it fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tollgate_snapshot::wire::ProxyReport;
use tonic::{
    Request,
    metadata::AsciiMetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::Relay;
use crate::{
    ca::SERVICE,
    causes::with_causes,
    proxies::{PodUid, Proxies, Proxy},
    push::push_client::PushClient,
    stream::{KEEPALIVE, KEEPALIVE_TIMEOUT, verdict},
};

/// For a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Reports made and not yet taken.
const QUEUE: usize = 16;

impl Relay {
    /// Reports to this address until that fails; says why.
    pub(super) async fn report(&self, address: &str) -> String {
        let (out, reports) = mpsc::channel(QUEUE);
        let call = async {
            let mut client = PushClient::new(self.connect(address).await?);
            let mut request = Request::new(ReceiverStream::new(reports));
            let token = self.token()?;
            request.metadata_mut().insert("authorization", token);
            let ended = client.relay(request).await;
            Err::<std::convert::Infallible, _>(match ended {
                Ok(_) => "the holder has ended it".to_owned(),
                Err(status) => format!("{:?}: {}", status.code(), status.message()),
            })
        };
        tokio::select! {
            Err(failed) = call => failed,
            () = feed(&self.proxies, &out) => "nobody knows the proxies any more".to_owned(),
        }
    }

    async fn connect(&self, address: &str) -> Result<Channel, String> {
        let bundle = self.certificates.bundle().borrow().clone();
        let bundle = bundle.ok_or("the certificate authority is not known yet")?;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(bundle.as_bytes()))
            .domain_name(format!("{SERVICE}.{}.svc", self.namespace));
        let endpoint = Endpoint::from_shared(format!("https://{address}"));
        let endpoint = endpoint.and_then(|endpoint| endpoint.tls_config(tls));
        let endpoint = endpoint.map_err(|error| with_causes(&error))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        // The time above is TCP's alone: an end that accepts and says nothing must fail as well.
        match tokio::time::timeout(CONNECT_TIMEOUT, endpoint.connect()).await {
            Ok(connected) => connected.map_err(|error| with_causes(&error)),
            Err(_) => Err("no connection in time".to_owned()),
        }
    }

    /// A kilobyte from a file system in memory: nobody has to wait for it.
    fn token(&self) -> Result<AsciiMetadataValue, String> {
        let shown = self.token_file.display();
        let token = std::fs::read_to_string(&self.token_file);
        let token = token.map_err(|error| format!("{shown}: {error}"))?;
        let value = format!("Bearer {}", token.trim());
        value.parse().map_err(|_| format!("{shown}: not a token"))
    }
}

/// Sends what the table has of local proxies, and then what changes, while anybody takes it.
async fn feed(proxies: &Proxies, out: &mpsc::Sender<ProxyReport>) {
    let mut table = proxies.follow();
    let mut told: BTreeMap<PodUid, Arc<Proxy>> = BTreeMap::new();
    loop {
        let now = table.borrow_and_update().clone();
        for report in news(&mut told, now.iter()) {
            if out.send(report).await.is_err() {
                // The call has ended: it says why.
                return std::future::pending().await;
            }
        }
        if table.changed().await.is_err() {
            return;
        }
    }
}

/// What has changed since it was told, which it is by this.
fn news<'a>(
    told: &mut BTreeMap<PodUid, Arc<Proxy>>,
    now: impl Iterator<Item = (&'a PodUid, &'a Arc<Proxy>)>,
) -> Vec<ProxyReport> {
    let mut gone = std::mem::take(told);
    let mut news = Vec::new();
    for (pod, proxy) in now.filter(|(_, proxy)| proxy.local) {
        let before = gone.remove(pod);
        if before.is_none_or(|before| !Arc::ptr_eq(&before, proxy)) {
            news.push(report(pod, proxy));
        }
        told.insert(Arc::clone(pod), Arc::clone(proxy));
    }
    let gone = gone.into_keys().map(|pod| ProxyReport {
        pod_uid: pod.as_ref().to_owned(),
        gone: true,
        ..ProxyReport::default()
    });
    news.extend(gone);
    news
}

fn report(pod: &PodUid, proxy: &Proxy) -> ProxyReport {
    let root = proxy.root.map(|root| root.as_bytes().to_vec());
    ProxyReport {
        pod_uid: pod.as_ref().to_owned(),
        pod: proxy.pod.clone(),
        gateway: proxy.gateway.to_string(),
        root: root.unwrap_or_default(),
        exceptions: verdict::write(&proxy.exceptions),
        gone: false,
        refused: proxy.refused.clone().unwrap_or_default(),
    }
}
