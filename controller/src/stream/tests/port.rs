//! A push port on loopback, and proxies that dial it.

use std::net::SocketAddr;

use imbl::OrdMap;
use tokio::task::JoinHandle;
use tollgate_snapshot::{
    Entry, Hash, ObjectName, Payload, Unit, UnitSet,
    gateway::Gateway,
    wire::{
        ControllerMessage, Hello, ProxyMessage, Verdicts, controller_message::Message as Sent,
        proxy_message::Message,
    },
};
use tonic::{
    Request, Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::super::*;
use crate::{
    ca::tests::certificates,
    fake::{FakeApi, token},
    proxies::{PodUid, Proxy},
    push::push_client::PushClient,
};

pub(crate) const OPERATOR: &str = "system:serviceaccount:tollgate-system:tollgate-controller";

pub(crate) fn account(gateway: &str) -> String {
    format!("system:serviceaccount:shop:tollgate-{gateway}")
}

/// A unit that is as long as its text.
pub(crate) fn unit(name: &str, text: &str) -> Unit {
    let payload = Payload::Gateway(Gateway {
        trusted_cidrs: vec![text.to_owned()],
        ..Gateway::default()
    });
    Unit::new(ObjectName::new("shop", name), payload).unwrap()
}

pub(crate) struct Port {
    pub(crate) api: FakeApi,
    pub(crate) address: SocketAddr,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) snapshots: Snapshots,
    pub(crate) proxies: Proxies,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) holder: watch::Sender<Holder>,
    pub(crate) ending: watch::Sender<bool>,
    pub(crate) server: JoinHandle<Result<(), Unservable>>,
}

impl Port {
    pub(crate) async fn open() -> Self {
        let api = FakeApi::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let (client, own) = (api.client.clone(), "tollgate-controller");
        let reviewer = Reviewer::new(client, "tollgate-system", own, Arc::clone(&metrics));
        let (holder, ending) = (watch::Sender::new(Holder::Me), watch::Sender::new(false));
        let serving = Serving {
            reviewer: Arc::new(reviewer),
            certificates: certificates(),
            snapshots: Snapshots::default(),
            proxies: Proxies::default(),
            holder: holder.subscribe(),
            metrics: Arc::clone(&metrics),
        };
        let (certificates, snapshots) =
            (Arc::clone(&serving.certificates), serving.snapshots.clone());
        let proxies = serving.proxies.clone();
        let server = tokio::spawn(serve(listener, serving, ending.subscribe()));
        Self {
            api,
            address,
            certificates,
            snapshots,
            proxies,
            metrics,
            holder,
            ending,
            server,
        }
    }

    /// Publishes a gateway's own unit and these. Returns the root.
    pub(crate) fn publish(&self, gateway: &str, units: &[Unit]) -> Hash {
        let own = unit(gateway, "own");
        let entries = units.iter().chain([&own]);
        let entries = entries.map(|unit| (unit.id.clone(), Entry::Unit(unit.clone())));
        let set = UnitSet::new(entries.collect(), 1);
        let root = set.root();
        self.snapshots.put(&ObjectName::new("shop", gateway), set);
        root
    }

    pub(crate) async fn client(&self) -> PushClient<Channel> {
        let bundle = self.certificates.bundle().borrow().clone().unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(bundle.as_bytes()))
            .domain_name("tollgate-controller.tollgate-system.svc");
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        // A small window, so that who does not read holds up what is sent.
        let endpoint = endpoint
            .tls_config(tls)
            .unwrap()
            .initial_stream_window_size(65_535);
        let channel = endpoint.connect().await.unwrap();
        PushClient::new(channel).max_decoding_message_size(MESSAGE_BYTES)
    }

    pub(crate) fn request<T>(&self, mut request: Request<T>, token: Option<&str>) -> Request<T> {
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    pub(crate) async fn units(&self, token: Option<&str>) -> Result<Dialled, Status> {
        let (out, messages) = mpsc::channel(16);
        let request = Request::new(ReceiverStream::new(messages));
        let mut client = self.client().await;
        let inbound = client
            .units(self.request(request, token))
            .await?
            .into_inner();
        Ok(Dialled { out, inbound })
    }

    /// Dials as a pod of a gateway in the namespace `shop`.
    pub(crate) async fn dial(&self, gateway: &str, pod: &str) -> Dialled {
        let token = token(pod, 600);
        self.api.allow(&token, &account(gateway), pod);
        self.units(Some(&token)).await.unwrap()
    }

    pub(crate) async fn until(&self, holds: impl Fn(&OrdMap<PodUid, Arc<Proxy>>) -> bool) {
        let mut table = self.proxies.follow();
        table.wait_for(|table| holds(table)).await.unwrap();
    }
}

/// A proxy's end.
pub(crate) struct Dialled {
    pub(crate) out: mpsc::Sender<ProxyMessage>,
    pub(crate) inbound: Streaming<ControllerMessage>,
}

/// A transaction that has come.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) seq: u64,
    pub(crate) full: bool,
    pub(crate) root: Vec<u8>,
    pub(crate) entries: Vec<String>,
}

impl Dialled {
    async fn send(&self, message: Message) {
        let message = Some(message);
        self.out.send(ProxyMessage { message }).await.unwrap();
    }

    pub(crate) async fn say(&self, hello: Hello) {
        self.send(Message::Hello(hello)).await;
    }

    pub(crate) async fn say_verdicts(&self, verdicts: Verdicts) {
        self.send(Message::Verdicts(verdicts)).await;
    }

    pub(crate) async fn adopt(&self, seq: u64, root: Hash) {
        let root = root.as_bytes().to_vec();
        self.say_verdicts(Verdicts {
            seq,
            root,
            ..Verdicts::default()
        })
        .await;
    }

    pub(crate) async fn transaction(&mut self) -> Arrived {
        let mut arrived = Arrived::default();
        loop {
            let message = self.inbound.message().await.unwrap().unwrap();
            match message.message.unwrap() {
                Sent::Begin(begin) => {
                    arrived.seq = begin.seq;
                    arrived.full = begin.full;
                    arrived.root = begin.root;
                }
                Sent::Chunk(chunk) => {
                    arrived
                        .entries
                        .extend(chunk.entries.into_iter().map(|entry| entry.id));
                }
                Sent::Commit(_) => return arrived,
            }
        }
    }

    /// How the stream ends.
    pub(crate) async fn ended(&mut self) -> Result<(), Status> {
        while self.inbound.message().await?.is_some() {}
        Ok(())
    }
}
