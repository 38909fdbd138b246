//! The CRDs do in a real API server what they are for: they install, refuse what is wrong with
//! words that help, and keep what is right as it was written.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod columns;
mod install;
mod largest;
mod round_trip;
mod wrong;

use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use tollgate_e2e::{Answer, Cluster};

/// Ten times what a busy machine takes to serve a new kind.
const DEADLINE: Duration = Duration::from_secs(60);

/// The names of the CRDs.
const CRDS: [&str; 3] = ["apigateways", "apiroutes", "functions"];

/// A cluster in which the CRDs are installed and served.
fn cluster() -> &'static Cluster {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared().unwrap();
    INSTALLED.get_or_init(|| {
        kubectl(cluster, &["apply", "--server-side", "-f", folder()]);
        for plural in CRDS {
            let crd = format!("crd/{plural}.tollgate.dev");
            kubectl(
                cluster,
                &["wait", "--for=condition=Established", "--timeout=60s", &crd],
            );
        }
        // Discovery, by which kubectl knows names, comes a little later.
        let started = Instant::now();
        let known = || {
            kubectl(
                cluster,
                &["api-resources", "--api-group=tollgate.dev", "-o=name"],
            )
        };
        while known().lines().count() < CRDS.len() {
            assert!(started.elapsed() < DEADLINE, "{}", known());
        }
    });
    cluster
}

/// The folder of the generated CRDs.
fn folder() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/")
}

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What kubectl prints; it must succeed.
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = cluster.kubectl().args(arguments).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "kubectl {arguments:?}: {out}{err}");
    out.into_owned()
}

/// The URL path of the objects of a kind in a namespace.
fn objects(kind: &str, namespace: &str) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    format!("/apis/tollgate.dev/v1alpha1/namespaces/{namespace}/{plural}")
}

/// Asks whether an object would be created, as `kubectl create --dry-run=server` does.
fn dry_run(cluster: &Cluster, manifest: &Value) -> Answer {
    let kind = manifest["kind"].as_str().unwrap();
    let path = objects(kind, "default");
    let path = format!("{path}?dryRun=All&fieldValidation=Strict");
    cluster.admin().post(&path, manifest).unwrap()
}
