//! What is said of objects reaches a real API server as it should, and nothing else does; and of
//! two replicas one writes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    future::Future,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use k8s_openapi::api::{coordination::v1::Lease, events::v1::Event};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot, watch},
    time::sleep,
};
use tollgate_compile::{Change, Compiler, Kind, Object, ObjectRef, Problem, Reason};
use tollgate_controller::{
    events,
    holder::Holder,
    lease::{self, Candidate},
    metrics::Metrics,
    proxies::{PodUid, Proxies, Proxy},
    publish::{Publisher, Snapshots},
    status::{self, News, Sources, StatusMetrics},
    watch::Seen,
};
use tollgate_e2e::Cluster;
use tollgate_snapshot::ObjectName;

/// Ten times what a busy machine takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often something that can't be followed is looked at.
const LOOK: Duration = Duration::from_millis(20);

fn cluster() -> &'static Cluster {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared().unwrap();
    INSTALLED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
        let folder = folder.to_str().unwrap();
        kubectl(cluster, &["apply", "--server-side", "-f", folder]);
        for plural in ["apigateways", "apiroutes", "functions"] {
            let crd = format!("crd/{plural}.tollgate.dev");
            let wait = ["wait", "--for=condition=Established", "--timeout=60s", &crd];
            kubectl(cluster, &wait);
        }
    });
    cluster
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) {
    let output = cluster.kubectl().args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {said}");
}

/// Asks again and again.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "{what}");
        sleep(LOOK).await;
    }
}

async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.unwrap()).unwrap()
}

/// A namespace, and a writer of statuses that is told of it by hand.
struct Case {
    client: Client,
    namespace: String,
    compiler: Compiler,
    publisher: Publisher,
    snapshots: Snapshots,
    proxies: Proxies,
    news: mpsc::Sender<News>,
    metrics: StatusMetrics,
    _holder: watch::Sender<Holder>,
}

impl Case {
    async fn start(namespace: String) -> Self {
        let client = client(cluster()).await;
        let (snapshots, proxies) = (Snapshots::default(), Proxies::default());
        let (news, receiver) = mpsc::channel(16);
        let (holder, followed) = watch::channel(Holder::Me);
        let (turn, transitions) = mpsc::channel(16);
        let metrics = Metrics::new().unwrap().status;
        let sources = Sources {
            snapshots: snapshots.clone(),
            proxies: proxies.clone(),
            holder: followed,
        };
        let status = status::run(client.clone(), receiver, sources, turn, metrics.clone());
        tokio::spawn(status);
        let pod = "tollgate-0".to_owned();
        tokio::spawn(events::record(
            client.clone(),
            pod,
            transitions,
            metrics.clone(),
        ));
        Self {
            client,
            namespace,
            compiler: Compiler::default(),
            publisher: Publisher::new(snapshots.clone()),
            snapshots,
            proxies,
            news,
            metrics,
            _holder: holder,
        }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "tollgate.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "tollgate.dev/v1alpha1".to_owned(),
            kind: kind.as_str().to_owned(),
            plural: format!("{}s", kind.as_str().to_lowercase()),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Creates an object.
    async fn create(&self, kind: Kind, name: &str, spec: Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "tollgate.dev/v1alpha1", "kind": kind.as_str(),
            "metadata": {"name": name}, "spec": spec,
        });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let params = PostParams::default();
        self.api(kind).create(&params, &object).await.unwrap()
    }

    /// Gives an object another spec.
    async fn edit(&self, kind: Kind, name: &str, spec: Value) -> DynamicObject {
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({"spec": spec})));
        let api = self.api(kind);
        api.patch(name, &params, &patch).await.unwrap()
    }

    /// Publishes what an object compiles to, and tells the writer of it.
    async fn tell(&mut self, kind: Kind, object: &DynamicObject) {
        let manifest = serde_json::to_value(object).unwrap();
        let name = object.metadata.name.as_deref().unwrap();
        let named = manifest["spec"]["gateways"].as_array();
        let named = named.into_iter().flatten();
        let named = named.map(|at| ObjectName::new(&self.namespace, at["name"].as_str().unwrap()));
        let seen = Seen {
            uid: object.metadata.uid.clone().unwrap(),
            resource_version: object.metadata.resource_version.clone().unwrap(),
            generation: object.metadata.generation.unwrap(),
            status: manifest["status"].clone(),
            gateways: named.collect(),
        };
        let put = Object::decode(kind, manifest).unwrap();
        let mut delta = self.compiler.apply(Change::Put(put));
        self.publisher.apply(delta.take_changes());
        self.publisher.publish(0);
        let reference = ObjectRef::new(kind, &self.namespace, name);
        let news = News {
            seen: vec![(reference, Some(seen))],
            problems: delta.problems,
            ..News::default()
        };
        self.news.send(news).await.unwrap();
    }

    /// Tells the writer whether an object has a fault: the schemas let none through that is easy to
    /// make.
    async fn finds(&self, kind: Kind, name: &str, fault: bool) {
        let object = ObjectRef::new(kind, &self.namespace, name);
        let problem = Problem {
            object: object.clone(),
            field: "spec.process.command".to_owned(),
            reason: Reason::Invalid,
            message: "is wrong".to_owned(),
        };
        let problems = if fault { vec![problem] } else { Vec::new() };
        let news = News {
            problems: [(object, problems)].into(),
            ..News::default()
        };
        self.news.send(news).await.unwrap();
    }

    /// A gateway with one ready proxy, which runs the newest set whenever it is told to.
    async fn gateway(&mut self) {
        self.endpoints().await;
        let spec = json!({"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]});
        let gateway = self.create(Kind::ApiGateway, "public", spec).await;
        self.tell(Kind::ApiGateway, &gateway).await;
    }

    /// One proxy is ready.
    async fn endpoints(&self) {
        let slice = json!({
            "metadata": {
                "namespace": self.namespace, "name": "tollgate-public-1",
                "labels": {"kubernetes.io/service-name": "tollgate-public"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "uid": "a"}}],
        });
        let slice = Object::decode(Kind::EndpointSlice, slice).unwrap();
        let news = News {
            endpoints: vec![Change::Put(slice)],
            ..News::default()
        };
        self.news.send(news).await.unwrap();
    }

    fn adopt(&self) {
        let gateway = ObjectName::new(&self.namespace, "public");
        let newest = self.snapshots.newest(&gateway).unwrap();
        let proxy = Proxy {
            gateway,
            pod: "public-a".to_owned(),
            root: Some(newest.root()),
            exceptions: imbl::OrdMap::new(),
            refused: None,
            since: Instant::now(),
            local: true,
            stream: 1,
        };
        self.proxies.set(&PodUid::from("a"), proxy);
    }

    async fn read(&self, kind: Kind, name: &str) -> DynamicObject {
        self.api(kind).get(name).await.unwrap()
    }

    /// Waits until a condition has this status and reason.
    async fn says(&self, kind: Kind, name: &str, expected: (&str, &str, &str)) -> DynamicObject {
        let ask = || async {
            let object = self.read(kind, name).await;
            let condition = condition(&object, expected.0)?;
            let said = (&condition["status"], &condition["reason"]);
            (*said.0 == expected.1 && *said.1 == expected.2).then_some(object)
        };
        until(&format!("{name}: {expected:?}"), ask).await
    }
}

fn condition(object: &DynamicObject, type_: &str) -> Option<Value> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let mut conditions = conditions.iter();
    conditions.find(|one| one["type"] == type_).cloned()
}

fn answering(status: u16) -> Value {
    json!({
        "gateways": [{"name": "public"}], "hostnames": ["orders.example"],
        "rules": [{"name": "all", "match": [{"path": "/{rest+}"}], "respond": {"status": status}}],
    })
}

fn in_a_runtime<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let namespace = cluster().fresh_namespace("status").unwrap();
    Runtime::new().unwrap().block_on(test(namespace));
}

#[test]
fn a_route_says_when_it_is_served_and_when_an_edit_is_not() {
    in_a_runtime(|namespace| async move {
        let mut case = Case::start(namespace).await;
        case.gateway().await;
        let route = case.create(Kind::ApiRoute, "orders", answering(200)).await;
        case.tell(Kind::ApiRoute, &route).await;
        case.says(Kind::ApiRoute, "orders", ("Programmed", "False", "Pending"))
            .await;
        case.adopt();
        let served = case
            .says(Kind::ApiRoute, "orders", ("Ready", "True", "Ready"))
            .await;
        assert_eq!(served.data["status"]["observedGeneration"], 1);
        assert_eq!(served.data["status"]["gateways"][0]["acked"], 1);
        let since = condition(&served, "Accepted").unwrap()["lastTransitionTime"].clone();
        case.tell(Kind::ApiRoute, &served).await;

        let edited = case.edit(Kind::ApiRoute, "orders", answering(201)).await;
        assert_eq!(edited.metadata.generation, Some(2));
        case.tell(Kind::ApiRoute, &edited).await;
        case.says(Kind::ApiRoute, "orders", ("Programmed", "False", "Pending"))
            .await;
        case.adopt();
        let served = case
            .says(Kind::ApiRoute, "orders", ("Ready", "True", "Ready"))
            .await;
        assert_eq!(served.data["status"]["observedGeneration"], 2);
        let accepted = condition(&served, "Accepted").unwrap();
        assert_eq!(accepted["lastTransitionTime"], since);
    });
}

#[test]
fn conditions_of_others_stay_and_ours_go_when_they_are_over() {
    in_a_runtime(|namespace| async move {
        let mut case = Case::start(namespace).await;
        let spec = json!({"contract": "lambda", "process": {"command": ["app"]}});
        let function = case.create(Kind::Function, "products", spec).await;
        let foreign = json!({
            "apiVersion": "tollgate.dev/v1alpha1", "kind": "Function",
            "metadata": {"name": "products"},
            "status": {"conditions": [{
                "type": "Reviewed", "status": "True", "reason": "Yes", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        });
        let (params, patch) = (PatchParams::apply("a person"), Patch::Apply(foreign));
        let api = case.api(Kind::Function);
        let reviewed = api.patch_status("products", &params, &patch).await.unwrap();
        assert_eq!(reviewed.metadata.uid, function.metadata.uid);
        case.tell(Kind::Function, &reviewed).await;
        case.finds(Kind::Function, "products", true).await;
        let expected = ("Stalled", "True", "Invalid");
        let refused = case.says(Kind::Function, "products", expected).await;
        assert!(condition(&refused, "Reviewed").is_some());

        case.finds(Kind::Function, "products", false).await;
        let expected = ("Ready", "True", "Ready");
        let accepted = case.says(Kind::Function, "products", expected).await;
        assert!(condition(&accepted, "Stalled").is_none());
        assert!(condition(&accepted, "Reviewed").is_some());
    });
}

#[test]
fn a_status_that_is_true_already_costs_no_write() {
    in_a_runtime(|namespace| async move {
        let mut case = Case::start(namespace).await;
        case.gateway().await;
        let route = case.create(Kind::ApiRoute, "orders", answering(200)).await;
        case.tell(Kind::ApiRoute, &route).await;
        case.adopt();
        let served = case
            .says(Kind::ApiRoute, "orders", ("Ready", "True", "Ready"))
            .await;
        let gateway = case
            .says(Kind::ApiGateway, "public", ("Ready", "True", "Ready"))
            .await;

        // Another holder of the Lease, that knows nothing but what is there.
        let mut next = Case::start(case.namespace.clone()).await;
        next.endpoints().await;
        next.tell(Kind::ApiGateway, &gateway).await;
        next.tell(Kind::ApiRoute, &served).await;
        next.adopt();
        // What is written after it says that it has looked at the others.
        let spec = json!({"contract": "lambda", "process": {"command": ["app"]}});
        let function = next.create(Kind::Function, "late", spec).await;
        next.tell(Kind::Function, &function).await;
        next.says(Kind::Function, "late", ("Ready", "True", "Ready"))
            .await;
        assert_eq!(next.metrics.written.get(), 1);
        let again = next.read(Kind::ApiRoute, "orders").await;
        assert_eq!(
            again.metadata.resource_version,
            served.metadata.resource_version
        );
    });
}

#[test]
fn the_status_of_an_object_never_reaches_the_next_of_its_name() {
    in_a_runtime(|namespace| async move {
        let mut case = Case::start(namespace).await;
        let spec = json!({"contract": "lambda", "process": {"command": ["app"]}});
        let first = case.create(Kind::Function, "products", spec.clone()).await;
        let api = case.api(Kind::Function);
        api.delete("products", &DeleteParams::default())
            .await
            .unwrap();
        case.create(Kind::Function, "products", spec).await;
        // The writer has not heard of that yet.
        case.tell(Kind::Function, &first).await;
        let spec = json!({"contract": "lambda", "process": {"command": ["app"]}});
        let late = case.create(Kind::Function, "late", spec).await;
        case.tell(Kind::Function, &late).await;
        // Both were due at once.
        case.says(Kind::Function, "late", ("Ready", "True", "Ready"))
            .await;
        let second = case.read(Kind::Function, "products").await;
        assert!(second.data.get("status").is_none(), "{:?}", second.data);
        case.tell(Kind::Function, &second).await;
        case.says(Kind::Function, "products", ("Ready", "True", "Ready"))
            .await;
    });
}

#[test]
fn an_event_tells_of_the_turn() {
    in_a_runtime(|namespace| async move {
        let mut case = Case::start(namespace).await;
        let spec = json!({"contract": "lambda", "process": {"command": ["app"]}});
        let function = case.create(Kind::Function, "products", spec).await;
        case.tell(Kind::Function, &function).await;
        let events: Api<Event> = Api::namespaced(case.client.clone(), &case.namespace);
        let told = || async {
            let listed = events.list(&ListParams::default()).await.unwrap();
            listed.items.into_iter().next()
        };
        let event = until("an event", told).await;
        let regarding = event.regarding.unwrap();
        assert_eq!(regarding.uid, function.metadata.uid);
        assert_eq!(event.reason.as_deref(), Some("Ready"));
        assert_eq!(event.type_.as_deref(), Some("Normal"));
    });
}

#[test]
fn of_two_replicas_one_holds_the_lease_and_the_other_follows_when_it_is_given_back() {
    in_a_runtime(|namespace| async move {
        let client = client(cluster()).await;
        let start = |identity: &str| {
            let candidate = Candidate {
                namespace: namespace.clone(),
                identity: identity.to_owned(),
                relay: format!("{identity}:9443"),
            };
            let (say, holder) = watch::channel(Holder::Nobody);
            let (stop, stopped) = oneshot::channel::<()>();
            let stopped = async move { _ = stopped.await };
            tokio::spawn(lease::elect(client.clone(), candidate, say, stopped));
            (holder, stop)
        };
        let (mut one, stop_one) = start("one");
        one.wait_for(|holder| *holder == Holder::Me).await.unwrap();
        let (mut two, _stop_two) = start("two");
        let other = Holder::Other {
            identity: "one".to_owned(),
            relay: "one:9443".to_owned(),
        };
        two.wait_for(|holder| *holder == other).await.unwrap();
        stop_one.send(()).unwrap();
        let freed = Instant::now();
        two.wait_for(|holder| *holder == Holder::Me).await.unwrap();
        assert!(
            freed.elapsed() < Duration::from_secs(10),
            "{:?}",
            freed.elapsed()
        );
        let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
        let spec = leases.get(lease::NAME).await.unwrap().spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("two"));
        assert_eq!(spec.lease_transitions, Some(1));
    });
}
