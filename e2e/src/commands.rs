//! The command lines of the control plane.
//!
//! In: the cluster's folder and the port of the API server. Out: arguments. What isn't named is as
//! Kubernetes has it.

use std::path::Path;

use crate::{certificates, component::Part};

/// Names of files in the cluster's folder, beside those of `certificates`.
pub(crate) const KUBECONFIG: &str = "kubeconfig";
/// Tokens that the API server accepts, and for whom.
pub(crate) const TOKENS: &str = "tokens.csv";

/// Who issues the tokens of ServiceAccounts, and their audience when none is asked for.
const ISSUER: &str = "https://kubernetes.default.svc";

/// The arguments of `part`, for files in `folder`.
pub(crate) fn arguments(part: Part, folder: &Path, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    match part {
        Part::Etcd => etcd(file),
        Part::ApiServer => api_server(file, port),
        Part::Controllers => controllers(file),
    }
}

/// It listens on sockets in the folder: no port to collide on, and nobody else gets in.
fn etcd(file: impl Fn(&str) -> String) -> Vec<String> {
    let (clients, peers) = (socket(&file), format!("unix://{}", file("peers.sock")));
    vec![
        format!("--data-dir={}", file("etcd")),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        // The data goes with the cluster.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

fn socket(file: impl Fn(&str) -> String) -> String {
    format!("unix://{}", file("etcd.sock"))
}

fn api_server(file: impl Fn(&str) -> String, port: u16) -> Vec<String> {
    let [certificate, key] = certificates::SERVING;
    let [signing, checking] = certificates::ACCOUNTS;
    vec![
        format!("--etcd-servers={}", socket(&file)),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        // Else it looks for a way to the internet, and there may be none.
        "--advertise-address=127.0.0.1".into(),
        "--endpoint-reconciler-type=none".into(),
        format!("--tls-cert-file={}", file(certificate)),
        format!("--tls-private-key-file={}", file(key)),
        format!("--token-auth-file={}", file(TOKENS)),
        "--authorization-mode=RBAC".into(),
        format!("--service-account-issuer={ISSUER}"),
        format!("--service-account-key-file={}", file(checking)),
        format!("--service-account-signing-key-file={}", file(signing)),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        "--allow-privileged=true".into(),
        // Else it waits a minute at its end for watches that nobody tells to end.
        "--shutdown-watch-termination-grace-period=1s".into(),
    ]
}

fn controllers(file: impl Fn(&str) -> String) -> Vec<String> {
    let [signing, _] = certificates::ACCOUNTS;
    vec![
        format!("--kubeconfig={}", file(KUBECONFIG)),
        // There is no second one, and nobody reads its metrics.
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
        format!("--root-ca-file={}", file(certificates::CA)),
        format!("--service-account-private-key-file={}", file(signing)),
        // Tests make thousands of objects at once; its default is 20 requests a second.
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=2000".into(),
    ]
}
