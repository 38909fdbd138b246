//! Two namespaces of a cluster: that of an operator with its rights, and that of a gateway.

use std::{
    collections::HashSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DEADLINE, Front, Operator, Pod, gateway, until};
use crate::{Cluster, fault_proxy::FaultProxy, kubeconfig};

/// The operator's account.
const ACCOUNT: &str = "tollgate-controller";

/// The kinds of which there must be a definition.
const KINDS: [&str; 3] = ["apigateways", "apiroutes", "functions"];

/// A place for operators and proxies.
#[derive(Debug)]
pub struct Site<'a> {
    pub cluster: &'a Cluster,
    /// The operator's namespace.
    pub home: String,
    /// The gateway's namespace.
    pub shop: String,
    /// What else is watched.
    pub others: Vec<String>,
    /// Where proxies dial: leads to the operator that was started last, and to the others if that
    /// one takes no connection.
    pub controllers: Front,
    folder: TempDir,
    files: AtomicUsize,
}

impl<'a> Site<'a> {
    /// A gateway `public`, and an operator's rights.
    pub fn new(cluster: &'a Cluster) -> Self {
        install_crds(cluster);
        let site = Self {
            cluster,
            home: cluster.fresh_namespace("operator").unwrap(),
            shop: cluster.fresh_namespace("shop").unwrap(),
            others: Vec::new(),
            controllers: Front::new(),
            folder: tempfile::Builder::new()
                .prefix("tollgate-e2e-")
                .tempdir()
                .unwrap(),
            files: AtomicUsize::new(0),
        };
        site.try_kubectl(&["apply", "-f", "-"], &rights(&site.home))
            .unwrap();
        fs::create_dir(site.mounted()).unwrap();
        let named = |kind: &str| {
            json!({"apiVersion": "v1", "kind": kind,
                   "metadata": {"namespace": site.shop, "name": "tollgate-public"}})
        };
        let mut service = named("Service");
        service["spec"] = json!({"clusterIP": "None", "ports": [{"port": 80}]});
        site.apply_all(&[
            gateway(&site.shop, "public"),
            named("ServiceAccount"),
            service,
        ]);
        site
    }

    /// One more namespace, for operators that are started from now on.
    pub fn add_namespace(&mut self, prefix: &str) -> String {
        let name = self.cluster.fresh_namespace(prefix).unwrap();
        self.others.push(name.clone());
        name
    }

    /// Starts an operator.
    pub fn operator(&self, pod: &str) -> Operator {
        let admin = self.cluster.admin();
        self.operator_at(pod, &admin.server, &admin.ca)
    }

    /// Starts an operator that reaches the API server through `proxy` alone.
    pub fn operator_through(&self, pod: &str, proxy: &FaultProxy) -> Operator {
        self.operator_at(pod, &proxy.server(), proxy.ca())
    }

    fn operator_at(&self, pod: &str, server: &str, ca: &str) -> Operator {
        let token = self.token(&self.home, ACCOUNT, &Value::Null, None);
        let path = self.fresh_file("kubeconfig");
        kubeconfig::write(&path, server, ca, &token).unwrap();
        let operator = Operator::start(self, pod, path.display().to_string());
        self.controllers.add(operator.push);
        operator
    }

    /// Makes a pod of the gateway, and waits for what it mounts.
    pub fn pod(&self, name: &str) -> Pod {
        self.mount();
        Pod::make(self, name)
    }

    /// Writes what a kubelet would mount: the CA and the seal key, which must be there.
    fn mount(&self) {
        let ca = until("the CA is there", || {
            let map = self.object("api/v1", "configmaps/tollgate-ca")?;
            Some(map["data"]["ca.crt"].as_str()?.to_owned())
        });
        fs::write(self.mounted().join("ca.crt"), ca).unwrap();
        let seal = until("the seal key is there", || {
            self.secret("tollgate-public-seal")
        });
        fs::write(self.mounted().join("seal"), bytes(&seal, "key").unwrap()).unwrap();
    }

    /// Mounts the bootstrap copy as it is now; whether there is one.
    pub fn mount_bootstrap(&self) -> bool {
        let folder = self.mounted().join("bootstrap");
        for number in 0.. {
            let Some(part) = self.secret(&format!("tollgate-public-bootstrap-{number}")) else {
                return number > 0;
            };
            let part_folder = folder.join(number.to_string());
            fs::create_dir_all(&part_folder).unwrap();
            for key in ["part", "parts", "sum"] {
                fs::write(part_folder.join(key), bytes(&part, key).unwrap()).unwrap();
            }
        }
        false
    }

    /// What is mounted into the proxies' pods.
    pub fn mounted(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn secret(&self, name: &str) -> Option<Value> {
        self.object("api/v1", &format!("secrets/{name}"))
    }

    /// An object of the gateway's namespace, such as `("apis/tollgate.dev/v1alpha1",
    /// "apiroutes/products")`.
    pub fn object(&self, group: &str, name: &str) -> Option<Value> {
        let path = format!("/{group}/namespaces/{}/{name}", self.shop);
        self.cluster.admin().get(&path).ok()?.object().ok()
    }

    /// An object of our own kinds, such as `apiroutes/products`.
    pub fn ours(&self, name: &str) -> Option<Value> {
        self.object("apis/tollgate.dev/v1alpha1", name)
    }

    /// Waits until a condition of an object of ours, such as `apiroutes/products`, speaks of its
    /// newest generation and is as it should be: status and reason. Returns its message.
    pub fn until_condition(&self, name: &str, condition: &str, expected: (&str, &str)) -> String {
        self.until_condition_in(&self.shop, name, condition, expected)
    }

    /// The same in another namespace.
    pub fn until_condition_in(
        &self,
        namespace: &str,
        name: &str,
        condition: &str,
        expected: (&str, &str),
    ) -> String {
        let path = format!("/apis/tollgate.dev/v1alpha1/namespaces/{namespace}/{name}");
        let (started, mut last) = (Instant::now(), Value::Null);
        loop {
            let answer = self.cluster.admin().get(&path);
            if let Some(object) = answer.ok().and_then(|answer| answer.object().ok()) {
                let generation = &object["metadata"]["generation"];
                let conditions = object["status"]["conditions"].as_array();
                let found = conditions.into_iter().flatten().find(|found| {
                    found["type"] == *condition
                        && found["observedGeneration"] == *generation
                        && (found["status"] == *expected.0 && found["reason"] == *expected.1)
                });
                if let Some(found) = found {
                    return found["message"].as_str().unwrap_or_default().to_owned();
                }
                last = object["status"].clone();
            }
            assert!(
                started.elapsed() < DEADLINE,
                "{name}: {condition} is not {expected:?}: {last:#}"
            );
            std::thread::sleep(super::LOOK);
        }
    }

    /// A token of an account; `audiences`: null for the API server's.
    pub fn token(
        &self,
        namespace: &str,
        account: &str,
        audiences: &Value,
        bound: Option<&Value>,
    ) -> String {
        let mut request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                 "spec": {"audiences": audiences, "expirationSeconds": 3600}});
        if let Some(bound) = bound {
            request["spec"]["boundObjectRef"] = bound.clone();
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.cluster.admin().post(&path, &request).unwrap().object();
        answer.unwrap()["status"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The file with an operator's token for other replicas.
    pub(super) fn operator_token(&self, pod: &str) -> String {
        let bound = self.make_pod(&self.home, ACCOUNT, pod);
        let token = self.token(&self.home, ACCOUNT, &json!(["tollgate"]), Some(&bound));
        let path = self.fresh_file("operator.token");
        fs::write(&path, token).unwrap();
        path.display().to_string()
    }

    /// Makes a pod as the API server knows it: it never runs, there are no nodes. What a token that
    /// is bound to it names.
    pub fn make_pod(&self, namespace: &str, account: &str, name: &str) -> Value {
        self.apply(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"serviceAccountName": account,
                     "containers": [{"name": "main", "image": "none"}]}}));
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let pod = self.cluster.admin().get(&path).unwrap().object().unwrap();
        json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": pod["metadata"]["uid"]})
    }

    /// Applies an object as a user does.
    pub fn apply(&self, object: &Value) {
        self.apply_all(std::slice::from_ref(object));
    }

    /// Applies objects as a user does.
    pub fn apply_all(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        // A kind that has just been defined is not known everywhere at once.
        let started = Instant::now();
        while let Err(error) = self.try_kubectl(&["apply", "-f", "-"], &list) {
            let known = !error.contains("no matches for kind");
            assert!(!known && started.elapsed() < DEADLINE, "{error}");
        }
    }

    /// kubectl in the gateway's namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let all = [&["-n", &self.shop], arguments].concat();
        let said = self.try_kubectl(&all, "");
        said.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// kubectl with something on standard input.
    ///
    /// # Errors
    /// What it says on standard error.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        try_kubectl(self.cluster, arguments, input)
    }

    /// A new file's path.
    pub(super) fn fresh_file(&self, name: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Relaxed);
        self.folder.path().join(format!("{number}-{name}"))
    }

    /// A new folder.
    pub fn fresh_folder(&self, name: &str) -> PathBuf {
        let folder = self.fresh_file(name);
        fs::create_dir(&folder).unwrap();
        folder
    }
}

fn bytes(secret: &Value, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret["data"][key].as_str()?).ok()
}

/// The operator's account and rights, as the chart has them, in a namespace.
fn rights(namespace: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/tollgate/rbac.yaml");
    let rights = fs::read_to_string(file).unwrap();
    // The parts without a namespace get a name of their own, for tests side by side.
    let mut own = rights.replace("tollgate-system", namespace);
    for before in [
        "ClusterRole, name: tollgate-controller",
        "ClusterRole\nmetadata:\n  name: tollgate-controller",
        "ClusterRoleBinding\nmetadata:\n  name: tollgate-controller",
    ] {
        own = own.replace(before, &before.replace(ACCOUNT, namespace));
    }
    own
}

/// Installs the CRDs, once in each cluster.
fn install_crds(cluster: &Cluster) {
    static INSTALLED: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !installed.insert(cluster.kubeconfig().to_owned()) {
        return;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    try_kubectl(cluster, &["apply", "--server-side", "-f", folder], "").unwrap();
    let crds = KINDS.map(|kind| format!("crd/{kind}.tollgate.dev"));
    let [one, two, three] = &crds;
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"];
    try_kubectl(cluster, &[&wait[..], &[one, two, three]].concat(), "").unwrap();
}

fn try_kubectl(cluster: &Cluster, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = cluster.kubectl();
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
