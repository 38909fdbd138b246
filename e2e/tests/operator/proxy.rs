//! A proxy that runs whatever it is sent, and can tell what that is.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_controller::push::push_client::PushClient;
use tollgate_e2e::Cluster;
use tollgate_snapshot::wire::{
    ControllerMessage, Entry, Hello, PROTOCOL, ProxyMessage, Verdicts, controller_message::Message,
    proxy_message,
};
use tonic::{
    Request, Streaming,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

use crate::{
    DEADLINE,
    operator::{make_pod, token},
};

/// What it runs, by id: the payload.
pub(crate) type Running = BTreeMap<String, Value>;

/// A pod of a gateway, as the API server knows it.
pub(crate) struct Pod {
    namespace: String,
    account: String,
    bound: Value,
}

impl Pod {
    /// Makes the pod with its account, ready behind the gateway's Service.
    pub(crate) fn make(cluster: &Cluster, namespace: &str, gateway: &str) -> Self {
        let account = format!("tollgate-{gateway}");
        let name = format!("{account}-1");
        let manifests = [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": account},
                   "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}),
        ];
        for mut manifest in manifests {
            manifest["metadata"]["namespace"] = namespace.into();
            crate::apply(cluster, &manifest.to_string());
        }
        let bound = make_pod(cluster, namespace, &account, &name);
        let mut target = bound.clone();
        target["namespace"] = namespace.into();
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": namespace,
                         "labels": {"kubernetes.io/service-name": account}},
            "addressType": "IPv4", "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": true},
                           "targetRef": target}]});
        crate::apply(cluster, &slice.to_string());
        Self {
            namespace: namespace.to_owned(),
            account,
            bound,
        }
    }

    /// Dials an operator of the namespace `home`, and runs what it sends.
    pub(crate) async fn dial(&self, cluster: &Cluster, home: &str, push: SocketAddr) -> Proxy {
        let path = format!("/api/v1/namespaces/{home}/configmaps/tollgate-ca");
        let bundle = crate::until("the CA is there", || async {
            let map = cluster.admin().get(&path).unwrap().object().ok()?;
            Some(map["data"]["ca.crt"].as_str()?.to_owned())
        })
        .await;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(bundle))
            .domain_name("127.0.0.1");
        let endpoint = Endpoint::from_shared(format!("https://{push}")).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
        let (out, messages) = mpsc::channel(4);
        let hello = proxy_message::Message::Hello(Hello {
            protocol: PROTOCOL,
            version: "test".to_owned(),
            ..Hello::default()
        });
        out.send(said(hello)).await.unwrap();
        let mut request = Request::new(ReceiverStream::new(messages));
        let token = token(cluster, &self.namespace, &self.account, &self.bound);
        let bearer = format!("Bearer {token}");
        request
            .metadata_mut()
            .insert("authorization", bearer.parse().unwrap());
        let answer = PushClient::new(channel).units(request).await.unwrap();
        let (show, running) = watch::channel(Running::new());
        let task = tokio::spawn(follow(answer.into_inner(), out, show));
        Proxy {
            running,
            _task: task,
        }
    }
}

/// A proxy that is connected.
pub(crate) struct Proxy {
    running: watch::Receiver<Running>,
    _task: JoinHandle<()>,
}

impl Proxy {
    /// Waits until it runs what fits.
    pub(crate) async fn until(&mut self, what: &str, fits: impl Fn(&Running) -> bool) {
        let waited = self.running.wait_for(|running| fits(running));
        let waited = tokio::time::timeout(DEADLINE, waited)
            .await
            .map(|fitting| fitting.is_ok());
        assert_eq!(waited, Ok(true), "{what}: {:#?}", self.now());
    }

    pub(crate) fn now(&self) -> Running {
        self.running.borrow().clone()
    }
}

fn said(message: proxy_message::Message) -> ProxyMessage {
    ProxyMessage {
        message: Some(message),
    }
}

/// Takes each transaction as a whole, until the stream ends.
async fn follow(
    mut stream: Streaming<ControllerMessage>,
    out: mpsc::Sender<ProxyMessage>,
    show: watch::Sender<Running>,
) {
    let (mut running, mut root, mut full) = (Running::new(), Vec::new(), false);
    let mut named = Vec::new();
    while let Ok(Some(ControllerMessage { message })) = stream.message().await {
        match message.unwrap() {
            Message::Begin(begin) => {
                (root, full) = (begin.root, begin.full);
                named.clear();
            }
            Message::Chunk(chunk) => {
                for id in chunk.removed {
                    running.remove(&id);
                }
                for entry in chunk.entries {
                    named.push(entry.id.clone());
                    take(&mut running, entry);
                }
            }
            Message::Commit(commit) => {
                running.retain(|id, _| !full || named.contains(id));
                let verdicts = proxy_message::Message::Verdicts(Verdicts {
                    seq: commit.seq,
                    root: root.clone(),
                    ..Verdicts::default()
                });
                // Shown first: whoever sees the verdict must see what it is about.
                show.send_replace(running.clone());
                if out.send(said(verdicts)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A held entry leaves what was there before.
fn take(running: &mut Running, entry: Entry) {
    let payload = serde_json::from_slice(&entry.payload).unwrap_or_default();
    match entry.held {
        true => running.entry(entry.id).or_insert(payload),
        false => running.entry(entry.id).insert_entry(payload).into_mut(),
    };
}
