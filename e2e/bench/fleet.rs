//! The fleet: an API server of our own, the operator, and two proxies of one gateway.
//!
//! In: the release programs. Out: processes that run as they do in pods: with the rights of their
//! accounts, with tokens bound to their pods, behind an EndpointSlice. The pods exist in the API
//! server alone, which has no nodes; what the kubelet would mount is written to files here.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;
use tollgate_e2e::Cluster;

use crate::{line::Line, ports::free_ports, program::Program};

/// The gateway.
pub(crate) const GATEWAY: &str = "public";

/// The proxies of the gateway.
pub(crate) const PROXIES: usize = 2;

/// The operator's account.
const OPERATOR: &str = "tollgate-controller";

/// How long something may take that the fleet waits for.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Where everything runs.
pub(crate) struct Setting {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    /// Namespace of the gateway and its routes.
    pub(crate) shop: String,
    /// Namespace of the operator.
    home: String,
    folder: TempDir,
    programs: PathBuf,
    /// Ports of the operator: for proxies, and for its site.
    ports: [u16; 2],
}

/// A proxy that serves.
pub(crate) struct Proxy {
    pub(crate) program: Program,
    /// Port of the gateway's listener.
    pub(crate) port: u16,
}

impl Proxy {
    /// A connection to it.
    pub(crate) async fn line(&self) -> anyhow::Result<Line> {
        Line::connect(self.port).await
    }
}

impl Setting {
    /// An API server with the kinds, the accounts, the gateway and the pods; nothing of ours runs.
    ///
    /// # Errors
    /// The API server doesn't start or doesn't take something.
    pub(crate) async fn new(programs: PathBuf) -> anyhow::Result<Self> {
        let cluster = tokio::task::block_in_place(Cluster::own)?;
        let client = client(&cluster).await?;
        let home = cluster.fresh_namespace("operator")?;
        let shop = cluster.fresh_namespace("shop")?;
        let setting = Self {
            cluster,
            client,
            shop,
            home,
            folder: tempfile::Builder::new()
                .prefix("tollgate-bench-")
                .tempdir()?,
            programs,
            ports: free_ports()?,
        };
        tokio::task::block_in_place(|| setting.install())?;
        Ok(setting)
    }

    fn install(&self) -> anyhow::Result<()> {
        let checkout = crate::checkout();
        let crds = checkout.join("crds");
        self.kubectl(
            &["apply", "--server-side", "-f", &crds.to_string_lossy()],
            "",
        )?;
        for plural in ["apigateways", "apiroutes", "functions"] {
            let crd = format!("crd/{plural}.tollgate.dev");
            self.kubectl(
                &["wait", "--for=condition=Established", "--timeout=60s", &crd],
                "",
            )?;
        }
        let rights = fs::read_to_string(checkout.join("charts/tollgate/rbac.yaml"))?;
        self.apply(&rights.replace("tollgate-system", &self.home))?;
        self.make_pod(&self.home, OPERATOR, "operator-1")?;
        let account = format!("tollgate-{GATEWAY}");
        let gateway = json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiGateway",
            "metadata": {"namespace": self.shop, "name": GATEWAY},
            "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}});
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": self.shop, "name": account},
            "spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
        let owner = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"namespace": self.shop, "name": account}});
        for object in [gateway, service, owner] {
            self.apply(&object.to_string())?;
        }
        let mut endpoints = Vec::new();
        for number in 0..PROXIES {
            let mut pod = self.make_pod(&self.shop, &account, &pod_name(number))?;
            pod["namespace"] = self.shop.clone().into();
            endpoints.push(json!({"addresses": [format!("10.1.0.{}", number + 1)],
                                  "conditions": {"ready": true}, "targetRef": pod}));
        }
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": self.shop, "name": account,
                         "labels": {"kubernetes.io/service-name": account}},
            "addressType": "IPv4", "ports": [{"port": 80}], "endpoints": endpoints});
        self.apply(&slice.to_string())
    }

    /// Starts the operator, which is not ready then.
    ///
    /// # Errors
    /// It gets no token, or can't be started.
    pub(crate) fn start_operator(&self) -> anyhow::Result<Program> {
        let kubeconfig = self.folder.path().join("operator.kubeconfig");
        let token = self.token(&self.home, OPERATOR, &json!({}))?;
        let text = fs::read_to_string(self.cluster.kubeconfig())?;
        let mut config: Value = serde_saphyr::from_str(&text)?;
        config["users"][0]["user"] = json!({"token": token});
        fs::write(&kubeconfig, config.to_string())?;
        let [push, site] = self.ports;
        let mut command = Command::new(self.programs.join("tollgate-controller"));
        command
            .env("KUBECONFIG", &kubeconfig)
            .args(["run", "--namespace", &self.home, "--pod", "operator-1"])
            .args(["--listen", &format!("127.0.0.1:{push}")])
            .args(["--admin", &format!("127.0.0.1:{site}")])
            .args(["--server-name", "127.0.0.1"]);
        Program::start("operator", self.folder.path(), site, &mut command)
    }

    /// Where the operator listens for proxies.
    pub(crate) fn push_port(&self) -> u16 {
        self.ports[0]
    }

    /// What the kubelet mounts into a proxy's pod: once the operator has written it.
    ///
    /// # Errors
    /// It isn't there in time.
    pub(crate) async fn mount(&self) -> anyhow::Result<()> {
        let path = format!("/api/v1/namespaces/{}/configmaps/tollgate-ca", self.shop);
        let bundle = self.object(&path).await?;
        let bundle = bundle["data"]["ca.crt"].as_str().context("no ca.crt")?;
        fs::write(self.folder.path().join("ca.crt"), bundle)?;
        let path = format!(
            "/api/v1/namespaces/{}/secrets/tollgate-{GATEWAY}-seal",
            self.shop
        );
        let key = self.object(&path).await?;
        let key = key["data"]["key"].as_str().context("no key")?;
        fs::write(self.folder.path().join("seal"), STANDARD.decode(key)?)?;
        for number in 0..PROXIES {
            let name = pod_name(number);
            let path = format!("/api/v1/namespaces/{}/pods/{name}", self.shop);
            let pod = self.object(&path).await?;
            let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": name,
                               "uid": pod["metadata"]["uid"]});
            let request = json!({"audiences": ["tollgate"], "boundObjectRef": bound});
            let token = self.token(&self.shop, &format!("tollgate-{GATEWAY}"), &request)?;
            fs::write(self.folder.path().join(format!("{name}.token")), token)?;
        }
        Ok(())
    }

    /// Starts a proxy, which is not ready then; `push`: the operator's port, or one that leads
    /// there.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start_proxy(&self, number: usize, push: u16) -> anyhow::Result<Program> {
        let [admin, health] = free_ports()?;
        let (name, folder) = (pod_name(number), self.folder.path());
        let mut command = Command::new(self.programs.join("tollgate-proxy"));
        command
            .args(["serve", "--cores", "1", "--any-port"])
            .args(["--controller", &format!("https://127.0.0.1:{push}")])
            .args(["--gateway", &format!("{}/{GATEWAY}", self.shop)])
            .args(["--admin", &format!("127.0.0.1:{admin}")])
            .args(["--health", &format!("127.0.0.1:{health}")])
            .arg("--ca")
            .arg(folder.join("ca.crt"))
            .arg("--token")
            .arg(folder.join(format!("{name}.token")))
            .arg("--seal-key")
            .arg(folder.join("seal"))
            .arg("--cache")
            .arg(self.cache(number));
        Program::start(&name, folder, health, &mut command)
    }

    /// The folder in which a proxy keeps its last good snapshots.
    pub(crate) fn cache(&self, number: usize) -> PathBuf {
        self.folder
            .path()
            .join(format!("{}.cache", pod_name(number)))
    }

    /// Takes a proxy that says it is ready.
    ///
    /// # Errors
    /// It has not said where it listens.
    pub(crate) fn serving(&self, program: Program) -> anyhow::Result<Proxy> {
        let port = listener(&program.log()?)?;
        Ok(Proxy { program, port })
    }

    async fn object(&self, path: &str) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let answer = tokio::task::block_in_place(|| self.cluster.admin().get(path))?;
            if answer.status == 200 {
                return answer.object();
            }
            let waited = began.elapsed();
            ensure!(waited < DEADLINE, "{path}: status {}", answer.status);
            sleep(LOOK).await;
        }
    }

    /// Makes a pod; what a bound token and an EndpointSlice name.
    fn make_pod(&self, namespace: &str, account: &str, name: &str) -> anyhow::Result<Value> {
        let account_path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}");
        if self.cluster.admin().get(&account_path)?.status == 404 {
            let object = json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"namespace": namespace, "name": account}});
            self.apply(&object.to_string())?;
        }
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"serviceAccountName": account,
                     "containers": [{"name": "main", "image": "none"}]}});
        self.apply(&pod.to_string())?;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let pod = self.cluster.admin().get(&path)?.object()?;
        Ok(json!({"kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]}))
    }

    fn token(&self, namespace: &str, account: &str, spec: &Value) -> anyhow::Result<String> {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                             "spec": spec});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.cluster.admin().post(&path, &request)?.object()?;
        let token = answer["status"]["token"].as_str();
        Ok(token.context("an answer without a token")?.to_owned())
    }

    fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        self.kubectl(&["apply", "-f", "-"], manifests)
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> anyhow::Result<()> {
        let mut command = self.cluster.kubectl();
        command.args(arguments).stdin(Stdio::piped());
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {arguments:?}: {said}");
        Ok(())
    }
}

fn pod_name(number: usize) -> String {
    format!("tollgate-{GATEWAY}-{number}")
}

/// A client with the administrator's rights, whose connections stay open.
async fn client(cluster: &Cluster) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(cluster.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    // A request that is sent twice is no measurement.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// The port in the last line that names one, `listening gateway=… address=…`.
fn listener(log: &str) -> anyhow::Result<u16> {
    let mut lines = log.lines().filter(|line| line.starts_with("listening "));
    let line = lines.next_back().context("no listener")?;
    let (_, port) = line.rsplit_once(':').context("no port")?;
    Ok(port.trim().parse()?)
}

/// Removes a folder with all that is in it, if it is there.
///
/// # Errors
/// It can't be removed.
pub(crate) fn forget(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_listener_counts() {
        let log = "admin address=127.0.0.1:1\n\
                   listening gateway=a/b listener=http address=0.0.0.0:2\n\
                   listening gateway=a/b listener=http address=0.0.0.0:3\nready\n";
        assert_eq!(listener(log).unwrap(), 3);
        assert!(listener("ready\n").is_err());
    }
}
