//! An operator in this process, with the rights of its ServiceAccount and no others.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tollgate_controller::run::{self, Listeners, Options};
use tollgate_e2e::Cluster;
use tracing_subscriber::EnvFilter;

const ACCOUNT: &str = "tollgate-controller";

/// A running operator.
pub(crate) struct Operator {
    pub(crate) push: SocketAddr,
    pub(crate) admin: SocketAddr,
    end: watch::Sender<bool>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Operator {
    /// Starts one in a namespace in which [`install`] was. `watched`: the only namespace that it
    /// knows, so that tests side by side don't write each other's status; empty: all.
    pub(crate) async fn start(
        cluster: &Cluster,
        namespace: &str,
        pod: &str,
        watched: &str,
    ) -> Self {
        // What went wrong is in the operators' own words: RUST_LOG=info shows them.
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env());
        // Another test may have begun it.
        let _ = log.with_test_writer().try_init();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::bind(loopback, loopback).await.unwrap();
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let (push, admin) = (address(&listeners.push), address(&listeners.admin));
        let bound = make_pod(cluster, namespace, ACCOUNT, pod);
        let token = token(cluster, namespace, ACCOUNT, &bound);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &token).unwrap();
        let options = Options {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            watch_namespaces: watched.split_whitespace().map(str::to_owned).collect(),
            relay_address: push.to_string(),
            token: file.path().to_owned(),
            server_names: vec!["127.0.0.1".to_owned()],
        };
        let client = client(cluster, &kubernetes_token(cluster, namespace)).await;
        let (end, ending) = watch::channel(false);
        let task = tokio::spawn(async move {
            let ended = run::run(client, options, listeners, ending).await;
            drop(file);
            ended
        });
        Self {
            push,
            admin,
            end,
            task,
        }
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.end.send_replace(true);
        self.task.await.unwrap().unwrap();
    }

    /// Ends it as a crash does: nothing is given back.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.unwrap();
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.starts_with("HTTP/1.1 200")
    }
}

/// A namespace with the operator's account and rights, as the chart has them.
pub(crate) fn install(cluster: &Cluster) -> String {
    let namespace = cluster.fresh_namespace("operator").unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/tollgate/rbac.yaml");
    let rights = fs::read_to_string(file).unwrap();
    // The parts without a namespace get a name of their own, for tests side by side.
    let rights = rights
        .replace(
            "ClusterRole, name: tollgate-controller",
            "ClusterRole, name: OWN",
        )
        .replace(
            "ClusterRole\nmetadata:\n  name: tollgate-controller",
            "ClusterRole\nmetadata:\n  name: OWN",
        )
        .replace(
            "ClusterRoleBinding\nmetadata:\n  name: tollgate-controller",
            "ClusterRoleBinding\nmetadata:\n  name: OWN",
        )
        .replace("OWN", &namespace)
        .replace("tollgate-system", &namespace);
    crate::apply(cluster, &rights);
    namespace
}

/// Makes a pod, as the API server knows it: it never runs, there are no nodes. What a token that is
/// bound to it names.
pub(crate) fn make_pod(cluster: &Cluster, namespace: &str, account: &str, name: &str) -> Value {
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"serviceAccountName": account,
                 "containers": [{"name": "main", "image": "none"}]}});
    crate::apply(cluster, &pod.to_string());
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let pod = cluster.admin().get(&path).unwrap().object().unwrap();
    json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": pod["metadata"]["uid"]})
}

/// A token of a pod's ServiceAccount for the operator.
pub(crate) fn token(cluster: &Cluster, namespace: &str, account: &str, bound: &Value) -> String {
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                         "spec": {"audiences": ["tollgate"], "boundObjectRef": bound}});
    ask_for_token(cluster, namespace, account, &request)
}

/// A token of the operator for the API server.
fn kubernetes_token(cluster: &Cluster, namespace: &str) -> String {
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                         "spec": {}});
    ask_for_token(cluster, namespace, ACCOUNT, &request)
}

fn ask_for_token(cluster: &Cluster, namespace: &str, account: &str, request: &Value) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let answer = cluster
        .admin()
        .post(&path, request)
        .unwrap()
        .object()
        .unwrap();
    answer["status"]["token"].as_str().unwrap().to_owned()
}

async fn client(cluster: &Cluster, token: &str) -> Client {
    let mut file = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    for user in &mut file.auth_infos {
        user.auth_info = Some(kube::config::AuthInfo {
            token: Some(token.to_owned().into()),
            ..kube::config::AuthInfo::default()
        });
    }
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .unwrap();
    config.connect_timeout = Some(Duration::from_secs(5));
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// Shares a cluster between a test and what it starts.
pub(crate) type Shared = Arc<Cluster>;
