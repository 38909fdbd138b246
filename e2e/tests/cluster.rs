//! The API server of the tests is a real one, and it goes when its owner does.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tollgate_e2e::{Cluster, Part};

/// Ten times what a start takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "{what}");
        thread::yield_now();
    }
}

fn post(cluster: &Cluster, path: &str, object: &Value) -> Value {
    cluster
        .admin()
        .post(path, object)
        .unwrap()
        .object()
        .unwrap()
}

fn status(cluster: &Cluster, path: &str) -> u16 {
    cluster.admin().get(path).unwrap().status
}

#[test]
fn the_server_is_that_of_kubeconfig_or_our_own() {
    let cluster = Cluster::shared().unwrap();
    assert_eq!(status(cluster, "/readyz"), 200);
    if let Some(given) = env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
        assert!(!cluster.is_own());
        assert_eq!(cluster.kubeconfig(), Path::new(&given));
        let refused = cluster.kill(Part::ApiServer).unwrap_err().to_string();
        assert!(refused.contains("not ours"), "{refused}");
        return;
    }
    assert!(cluster.is_own());
    let refused = cluster.kill(Part::ApiServer).unwrap_err().to_string();
    assert!(refused.contains("not ours alone"), "{refused}");
    let version = cluster.admin().get("/version").unwrap().object().unwrap();
    assert_eq!(version["gitVersion"], "v1.37.2");
    assert_eq!(version["minor"], "37");

    // The environment is the process's, so another one is asked.
    let test = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_server_is_that_of_kubeconfig_or_our_own"])
        .env("KUBECONFIG", cluster.kubeconfig())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(test.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn the_token_of_an_account_passes_for_its_audience_only() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.fresh_namespace("token").unwrap();
    let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    post(cluster, &accounts, &json!({"metadata": {"name": "proxy"}}));
    let request = json!({"spec": {"audiences": ["tollgate"]}});
    let token = post(cluster, &format!("{accounts}/proxy/token"), &request);
    let token = &token["status"]["token"];
    let user = format!("system:serviceaccount:{namespace}:proxy");
    let changed = json!(format!("{}x", token.as_str().unwrap()));
    let rows = [
        ("its audience", token, json!(["tollgate"]), Some(&user)),
        (
            "one of two",
            token,
            json!(["other", "tollgate"]),
            Some(&user),
        ),
        ("another audience", token, json!(["other"]), None),
        ("the API server's", token, json!([]), None),
        ("another signature", &changed, json!(["tollgate"]), None),
    ];
    for (name, token, audiences, expected) in rows {
        let review = json!({"spec": {"token": token, "audiences": audiences}});
        let review = post(
            cluster,
            "/apis/authentication.k8s.io/v1/tokenreviews",
            &review,
        );
        let status = &review["status"];
        let is_authenticated = status["authenticated"] == true;
        assert_eq!(is_authenticated, expected.is_some(), "{name}: {status}");
        let user = status["user"]["username"].as_str();
        assert_eq!(user, expected.map(String::as_str), "{name}");
    }
}

#[test]
fn roles_bind_accounts() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.fresh_namespace("rbac").unwrap();
    let review = |user: &str| {
        let attributes = json!({"namespace": namespace, "verb": "list", "resource": "secrets"});
        let review = json!({"spec": {"user": user, "resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        post(cluster, path, &review)["status"]["allowed"] == true
    };
    let user = format!("system:serviceaccount:{namespace}:default");
    assert!(!review(&user));
    let bound = cluster
        .kubectl()
        .args(["create", "rolebinding", "all", "--clusterrole=admin", "-n"])
        .args([&namespace, &format!("--serviceaccount={namespace}:default")])
        .output()
        .unwrap();
    assert!(
        bound.status.success(),
        "{}",
        String::from_utf8_lossy(&bound.stderr)
    );
    until("the role binds", || review(&user));
}

#[test]
fn controllers_follow_a_namespace_from_its_account_to_its_end() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.fresh_namespace("life").unwrap();
    let path = format!("/api/v1/namespaces/{namespace}");
    let account = format!("{path}/serviceaccounts/default");
    until("an account is made", || status(cluster, &account) == 200);
    let deleted = cluster
        .kubectl()
        .args(["delete", "namespace", &namespace, "--wait=false"])
        .status()
        .unwrap();
    assert!(deleted.success());
    until("the namespace ends", || status(cluster, &path) == 404);
}

#[test]
fn parts_fail_and_come_back_with_all_objects_at_the_same_address() {
    let cluster = Cluster::own().unwrap();
    let namespace = cluster.fresh_namespace("fault").unwrap();
    let path = format!("/api/v1/namespaces/{namespace}");

    cluster.terminate(Part::ApiServer).unwrap();
    assert!(cluster.admin().get(&path).is_err());
    assert!(cluster.pid(Part::ApiServer).is_err());
    cluster.launch(Part::ApiServer).unwrap();
    assert_eq!(status(&cluster, &path), 200);
    assert!(cluster.launch(Part::ApiServer).is_err(), "it runs already");

    for part in [Part::Etcd, Part::ApiServer, Part::Controllers] {
        let before = cluster.pid(part).unwrap();
        cluster.kill(part).unwrap();
        cluster.launch(part).unwrap();
        assert_ne!(cluster.pid(part).unwrap(), before);
        assert_eq!(status(&cluster, &path), 200, "{part:?}");
    }

    cluster.freeze(Part::ApiServer).unwrap();
    let pid = cluster.pid(Part::ApiServer).unwrap();
    assert!(is_frozen(pid));
    let admin = cluster.admin().clone();
    let asked = thread::spawn(move || admin.get(&path).unwrap().status);
    thread::yield_now();
    assert!(!asked.is_finished());
    cluster.thaw(Part::ApiServer).unwrap();
    assert_eq!(asked.join().unwrap(), 200);

    let folder = cluster.kubeconfig().parent().unwrap().to_owned();
    assert!(fs::metadata(cluster.log(Part::Etcd).unwrap()).is_ok());
    cluster.stop().unwrap();
    assert!(!folder.exists() && !proc(pid).exists());
}

/// `cluster` as a person runs it, with a state folder of its own.
struct Person {
    state: tempfile::TempDir,
}

impl Person {
    fn runs(&self, command: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_cluster"))
            .arg(command)
            .env("XDG_STATE_HOME", self.state.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.path().join("tollgate/cluster").join(name)
    }

    fn holder(&self) -> u32 {
        let text = fs::read_to_string(self.file("pid")).unwrap();
        text.trim().parse().unwrap()
    }
}

/// What `/proc/<pid>/stat`, or that of a thread, says after the name: state, parent, …
fn stat(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    text.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

fn proc(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// Whether all threads of a process stand still.
fn is_frozen(pid: u32) -> bool {
    let threads = fs::read_dir(proc(pid).join("task")).unwrap();
    let mut states = threads.filter_map(|thread| stat(&thread.unwrap().path()));
    states.all(|stat| stat.starts_with('T'))
}

fn children(of: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        stat(&proc(*pid)).is_some_and(|stat| stat[2..].starts_with(&format!("{of} ")))
    })
    .collect()
}

fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Whether a process has ended; one that nobody has collected yet has, too.
fn is_over(pid: u32) -> bool {
    stat(&proc(pid)).is_none_or(|stat| stat.starts_with('Z'))
}

#[test]
fn a_cluster_in_the_background_is_one_and_ends_with_its_holder_however_that_ends() {
    let person = Person {
        state: tempfile::tempdir().unwrap(),
    };
    assert_eq!(person.runs("down"), "no cluster runs\n");

    let up = person.runs("up");
    let kubeconfig = person.file("kubeconfig");
    assert_eq!(up, format!("export KUBECONFIG={}\n", kubeconfig.display()));
    let holder = person.holder();
    let parts = children(holder);
    assert_eq!(parts.len(), 3, "{parts:?}");
    let folder = fs::read_link(proc(parts[0]).join("cwd")).unwrap();
    assert_eq!(person.runs("up"), up);
    assert_eq!(person.holder(), holder);

    send(parts[0], Signal::STOP);
    until("it is frozen", || is_frozen(parts[0]));
    send(holder, Signal::KILL);
    for part in parts {
        until("a part ends", || is_over(part));
    }
    until("the folder goes", || !folder.exists());

    assert_eq!(person.runs("up"), up);
    let holder = person.holder();
    let parts = children(holder);
    assert_eq!(person.runs("down"), "the cluster is stopped\n");
    assert!(is_over(holder));
    assert!(parts.into_iter().all(is_over));
    assert!(!kubeconfig.exists());
    assert_eq!(person.runs("down"), "no cluster runs\n");
}
