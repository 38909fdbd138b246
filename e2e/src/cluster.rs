//! A cluster to test against: one of our own, or the one that `KUBECONFIG` names.
//!
//! In: nothing. Out: an API server that is ready, and its administrator. Our own has a folder in
//! the temporary one, with its data, keys, logs and kubeconfig; it ends with this process at the
//! latest. It has no nodes, so no pod ever runs.
//!
//! All is blocking: a start may be shared by tests that each have a runtime of their own.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use rustix::process::Signal;
use rustls::crypto::aws_lc_rs;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    admin::Admin,
    binary, certificates, commands,
    component::{Component, INTERVAL, Part},
    kubeconfig,
};

/// How long a cluster may take to be ready, and a component to be so again. Twenty times what an
/// idle machine takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often another free port is tried.
const ATTEMPTS: usize = 5;

/// What is there when the controllers run: they make it.
const FIRST_ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";

/// Marks the namespaces of tests.
const LABEL: &str = "tollgate.dev/e2e";

/// A cluster with an API server that answers.
#[derive(Debug)]
pub struct Cluster {
    admin: Admin,
    kubeconfig: PathBuf,
    own: Option<Own>,
}

/// What only a cluster of our own has.
#[derive(Debug)]
struct Own {
    folder: TempDir,
    binary: PathBuf,
    parts: [Component; 3],
    /// Whether others use it too, so that nobody may break it.
    is_shared: bool,
}

impl Cluster {
    /// The cluster that `KUBECONFIG` names; without it a new one, for this caller alone.
    ///
    /// # Errors
    /// It can't be built or doesn't get ready, with the end of the log that says why; or the given
    /// one can't be reached.
    pub fn start() -> anyhow::Result<Self> {
        match given() {
            Some(path) => Self::given(path),
            None => Self::own(),
        }
    }

    /// A new cluster, whatever `KUBECONFIG` says.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn own() -> anyhow::Result<Self> {
        let binary = binary::find()?;
        for _ in 1..ATTEMPTS {
            match Self::on_free_port(&binary) {
                Err(error) if is_port_taken(&error) => {}
                outcome => return outcome,
            }
        }
        Self::on_free_port(&binary)
    }

    /// The cluster of all tests of this process that break nothing: each works in a namespace of
    /// its own. It is as [`Self::start`] has it, started by whoever asks first, and ends with the
    /// process.
    ///
    /// # Errors
    /// As [`Self::start`]; all callers get the same.
    pub fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let mut cluster = Self::start().map_err(|error| format!("{error:#}"))?;
            if let Some(own) = &mut cluster.own {
                own.is_shared = true;
            }
            Ok(cluster)
        });
        shared.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// A file that every Kubernetes client reads.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Who may do all in it.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Whether it is of our own, so that its parts can be broken.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// kubectl for this cluster, without arguments yet: that of the binary; for a given cluster
    /// that of the PATH.
    pub fn kubectl(&self) -> Command {
        let mut command = match &self.own {
            Some(own) => {
                let mut command = Command::new(&own.binary);
                command.arg("kubectl");
                command
            }
            None => Command::new("kubectl"),
        };
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Makes a namespace with a new name that begins with `prefix`. It goes with the cluster; in a
    /// given one it stays, with the label `tollgate.dev/e2e`.
    ///
    /// # Errors
    /// The API server doesn't take it.
    pub fn fresh_namespace(&self, prefix: &str) -> anyhow::Result<String> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"generateName": format!("{prefix}-"), "labels": {LABEL: "true"}}});
        let made = self
            .admin
            .post("/api/v1/namespaces", &namespace)?
            .object()?;
        let name = made["metadata"]["name"].as_str();
        Ok(name.context("a namespace without a name")?.to_owned())
    }

    /// Ends all of our own and removes the folder. A given cluster is left as it is.
    ///
    /// # Errors
    /// A process can't be ended, or the folder can't be removed.
    pub fn stop(self) -> anyhow::Result<()> {
        let Some(own) = self.own else {
            return Ok(());
        };
        // Nothing of it is needed any more, so that nobody needs to say goodbye.
        for component in &own.parts {
            component.kill()?;
        }
        own.folder.close().context("remove the cluster's folder")
    }

    fn given(kubeconfig: PathBuf) -> anyhow::Result<Self> {
        let cluster = Self {
            admin: kubeconfig::read(&kubeconfig)?,
            kubeconfig,
            own: None,
        };
        let answer = cluster.admin.get("/readyz")?;
        let (path, status) = (cluster.kubeconfig.display(), answer.status);
        ensure!(status == 200, "KUBECONFIG {path}: /readyz answers {status}");
        Ok(cluster)
    }

    fn on_free_port(binary: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            // `cluster/owner.go` removes folders of this name only.
            .prefix("tollgate-cluster-")
            .tempdir()?;
        // The port is free again when the listener goes; what takes it first is tried again.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let ca = certificates::write(folder.path())?;
        let token = token()?;
        let tokens = format!("{token},admin,admin,system:masters\n");
        fs::write(folder.path().join(commands::TOKENS), tokens)?;
        let kubeconfig = folder.path().join(commands::KUBECONFIG);
        kubeconfig::write(
            &kubeconfig,
            &format!("https://127.0.0.1:{port}"),
            &ca,
            &token,
        )?;
        let parts = [Part::Etcd, Part::ApiServer, Part::Controllers].map(|part| {
            let arguments = commands::arguments(part, folder.path(), port);
            Component::new(part, binary, folder.path(), arguments)
        });
        let cluster = Self {
            admin: kubeconfig::read(&kubeconfig)?,
            kubeconfig,
            own: Some(Own {
                folder,
                binary: binary.into(),
                parts,
                is_shared: false,
            }),
        };
        match cluster.launch_all() {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.stop()?;
                Err(error)
            }
        }
    }

    fn launch_all(&self) -> anyhow::Result<()> {
        self.component(Part::Etcd)?.launch()?;
        self.component(Part::ApiServer)?.launch()?;
        self.wait_until("/readyz")?;
        self.component(Part::Controllers)?.launch()?;
        self.wait_until(FIRST_ACCOUNT)
    }

    /// Waits until the API server answers 200 at `path`.
    fn wait_until(&self, path: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let last = match self.admin.get(path) {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => format!("status {}: {}", answer.status, answer.text),
                Err(error) => format!("{error:#}"),
            };
            for component in self.parts()? {
                component.has_not_ended()?;
            }
            if started.elapsed() > DEADLINE {
                let words = self.component(Part::ApiServer)?.last_words();
                bail!("{path} is not ready after {DEADLINE:?}: {last}\n{words}");
            }
            thread::sleep(INTERVAL);
        }
    }
}

/// Faults: what a test does to a cluster of its own.
impl Cluster {
    /// Kills a part, as a crash does, and waits for its end.
    ///
    /// # Errors
    /// The cluster is not the caller's own, as all of these; or the part doesn't run.
    pub fn kill(&self, part: Part) -> anyhow::Result<()> {
        self.victim(part)?.kill()
    }

    /// Asks a part to end, as an upgrade does, and waits for its end.
    ///
    /// # Errors
    /// As [`Self::kill`].
    pub fn terminate(&self, part: Part) -> anyhow::Result<()> {
        self.victim(part)?.terminate()
    }

    /// Freezes a part: its connections stay open and from now on nothing answers on them.
    ///
    /// # Errors
    /// As [`Self::kill`].
    pub fn freeze(&self, part: Part) -> anyhow::Result<()> {
        self.victim(part)?.freeze()
    }

    /// Lets a frozen part go on.
    ///
    /// # Errors
    /// As [`Self::kill`].
    pub fn thaw(&self, part: Part) -> anyhow::Result<()> {
        self.victim(part)?.signal(Signal::CONT)
    }

    /// Starts a part that has ended, at the same address and with the same data, and waits until
    /// the API server is ready; unless that one is down, too.
    ///
    /// # Errors
    /// The part runs, or the API server doesn't get ready: it needs etcd for that.
    pub fn launch(&self, part: Part) -> anyhow::Result<()> {
        let component = self.victim(part)?;
        let started = Instant::now();
        component.launch()?;
        if part != Part::ApiServer && self.pid(Part::ApiServer).is_err() {
            return Ok(());
        }
        loop {
            match self.wait_until("/readyz") {
                // Somebody's connection has got our port meanwhile.
                Err(error) if is_port_taken(&error) && started.elapsed() < DEADLINE => {
                    component.launch()?;
                }
                outcome => return outcome,
            }
        }
    }

    /// The id of a part's process.
    ///
    /// # Errors
    /// The cluster is given, or the part doesn't run.
    pub fn pid(&self, part: Part) -> anyhow::Result<u32> {
        self.component(part)?.pid()
    }

    /// The file with a part's log.
    ///
    /// # Errors
    /// The cluster is given.
    pub fn log(&self, part: Part) -> anyhow::Result<PathBuf> {
        Ok(self.component(part)?.log())
    }

    fn victim(&self, part: Part) -> anyhow::Result<&Component> {
        if let Some(own) = &self.own {
            let name = part.name();
            ensure!(
                !own.is_shared,
                "{name}: not ours alone: the cluster is shared"
            );
        }
        self.component(part)
    }

    fn component(&self, part: Part) -> anyhow::Result<&Component> {
        let [etcd, api_server, controllers] = self.parts()?;
        Ok(match part {
            Part::Etcd => etcd,
            Part::ApiServer => api_server,
            Part::Controllers => controllers,
        })
    }

    fn parts(&self) -> anyhow::Result<&[Component; 3]> {
        let own = self.own.as_ref().with_context(|| {
            let path = self.kubeconfig.display();
            format!("not ours: the cluster is the one of KUBECONFIG {path}")
        })?;
        Ok(&own.parts)
    }
}

/// What `KUBECONFIG` names; set but empty is as not set.
fn given() -> Option<PathBuf> {
    let path = env::var_os("KUBECONFIG")?;
    (!path.is_empty()).then(|| path.into())
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("address already in use")
}

/// 32 random hex digits.
fn token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    let random = aws_lc_rs::default_provider().secure_random;
    random
        .fill(&mut bytes)
        .map_err(|_| anyhow!("no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
