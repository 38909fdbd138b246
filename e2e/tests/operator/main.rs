//! The operator does what it is for against a real API server: what is applied reaches the proxies
//! and is reported back; what is not meant does not.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod edit;
mod operator;
mod proxy;
mod replicas;
mod vanish;

use std::{
    future::Future,
    io::Write,
    process::Stdio,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::json;
use tollgate_e2e::Cluster;

/// Ten times what a busy machine takes for the slowest of all this.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often something that can't be followed is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The cluster of the tests that break nothing, with the CRDs.
fn cluster() -> &'static Cluster {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared().unwrap();
    INSTALLED.get_or_init(|| install_crds(cluster));
    cluster
}

fn install_crds(cluster: &Cluster) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    kubectl(cluster, &["apply", "--server-side", "-f", folder], "");
    for plural in ["apigateways", "apiroutes", "functions"] {
        let crd = format!("crd/{plural}.tollgate.dev");
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", &crd];
        kubectl(cluster, &wait, "");
    }
}

/// Applies manifests as a user does.
fn apply(cluster: &Cluster, manifests: &str) {
    // A kind that has just been defined is not known everywhere at once.
    let started = Instant::now();
    while let Err(error) = try_kubectl(cluster, &["apply", "-f", "-"], manifests) {
        let known = !error.contains("no matches for kind");
        assert!(!known && started.elapsed() < DEADLINE, "{error}");
    }
}

fn kubectl(cluster: &Cluster, arguments: &[&str], input: &str) -> String {
    try_kubectl(cluster, arguments, input).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

fn try_kubectl(cluster: &Cluster, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = cluster.kubectl();
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Looks until there is something.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "{what}: not in {DEADLINE:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until a condition of an object of ours is as it should be: its status and reason.
async fn until_condition(cluster: &Cluster, path: &str, condition: &str, expected: (&str, &str)) {
    let path = format!("/apis/tollgate.dev/v1alpha1/namespaces/{path}");
    let started = Instant::now();
    loop {
        let object = cluster.admin().get(&path).unwrap().object().unwrap();
        let conditions = object["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let fits = conditions.any(|found| {
            found["type"] == *condition
                && found["observedGeneration"] == object["metadata"]["generation"]
                && (found["status"] == *expected.0 && found["reason"] == *expected.1)
        });
        if fits {
            return;
        }
        let waited = started.elapsed();
        assert!(
            waited < DEADLINE,
            "{path}: {condition} is not {expected:?}: {object:#}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

fn gateway(namespace: &str, name: &str) -> String {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiGateway",
           "metadata": {"namespace": namespace, "name": name},
           "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}})
    .to_string()
}

/// A route that answers by itself, so that it needs nothing else.
fn route(namespace: &str, name: &str, body: &str) -> String {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
           "metadata": {"namespace": namespace, "name": name},
           "spec": {"gateways": [{"name": "public"}], "hostnames": [format!("{name}.example")],
                    "rules": [{"name": "all", "match": [{"path": "/{rest+}"}],
                               "respond": {"status": 200, "body": body}}]}})
    .to_string()
}
