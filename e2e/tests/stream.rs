//! What the operator's serving side does with a real API server: it knows who dials by their
//! tokens, and keeps its certificates and bootstrap copies there.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, Secret, ServiceAccount},
};
use kube::{
    Api, Client, Config, Resource,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};
use tollgate_controller::{
    bootstrap::{self, Bootstrap},
    ca::{self, Certificates},
    holder::Holder,
    metrics::Metrics,
    publish::{Publisher, Snapshots},
    token::{Identity, Refusal, Reviewer},
};
use tollgate_crds::ApiGateway;
use tollgate_e2e::Cluster;
use tollgate_snapshot::{
    ObjectName, Payload, Unit, UnitChange, gateway::Gateway, saved, wire::AUDIENCE,
};

/// Ten times what a busy machine takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A namespace of its own in the shared cluster.
struct Place {
    client: Client,
    namespace: String,
}

impl Place {
    async fn new() -> Self {
        let cluster = Cluster::shared().unwrap();
        let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Self {
            client: Client::try_from(config.unwrap()).unwrap(),
            namespace: cluster.fresh_namespace("stream").unwrap(),
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn create<K>(&self, object: Value) -> K
    where
        K: Clone + std::fmt::Debug + DeserializeOwned + Serialize,
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        let object = serde_json::from_value(object).unwrap();
        let created = self.api().create(&PostParams::default(), &object).await;
        created.unwrap()
    }

    /// A pod that runs nowhere, with a service account of its own.
    async fn pod(&self, account: &str, name: &str) -> Pod {
        let accounts: Api<ServiceAccount> = self.api();
        if accounts.get_opt(account).await.unwrap().is_none() {
            let _: ServiceAccount = self.create(json!({"metadata": {"name": account}})).await;
        }
        self.create(json!({
            "metadata": {"name": name},
            "spec": {
                "serviceAccountName": account,
                "containers": [{"name": "proxy", "image": "example/proxy:1"}],
            },
        }))
        .await
    }

    /// What a pod finds in its projected file.
    async fn token(&self, account: &str, audience: &str, pod: Option<&Pod>) -> String {
        let bound = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        });
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                bound_object_ref: bound,
                expiration_seconds: Some(600),
            },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = self.api();
        let options = PostParams::default();
        let answer = accounts
            .create_token_request(account, &options, &request)
            .await;
        answer.unwrap().status.unwrap().token
    }

    fn reviewer(&self) -> Reviewer {
        let metrics = Arc::new(Metrics::new().unwrap());
        Reviewer::new(
            self.client.clone(),
            &self.namespace,
            "tollgate-controller",
            metrics,
        )
    }

    /// Waits until an object is as it should be.
    async fn until<K>(&self, name: &str, holds: impl Fn(&K) -> bool) -> K
    where
        K: Clone + std::fmt::Debug + DeserializeOwned,
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        let api: Api<K> = self.api();
        let found = async {
            loop {
                match api.get_opt(name).await.unwrap() {
                    Some(found) if holds(&found) => return found,
                    Some(_) | None => tokio::task::yield_now().await,
                }
            }
        };
        timeout(DEADLINE, found).await.expect(name)
    }
}

#[tokio::test]
async fn a_pods_own_token_says_which_gateways_proxy_it_is() {
    let place = Place::new().await;
    let account = "tollgate-public";
    let pod = place.pod(account, "public-1").await;
    let token = place.token(account, AUDIENCE, Some(&pod)).await;
    let expected = Identity::Proxy {
        gateway: ObjectName::new(&place.namespace, "public"),
        pod: "public-1".to_owned(),
        pod_uid: pod.metadata.uid.as_deref().unwrap().into(),
    };
    assert_eq!(place.reviewer().identify(&token).await, Ok(expected));
}

#[tokio::test]
async fn the_operators_own_token_is_a_replicas() {
    let place = Place::new().await;
    let account = "tollgate-controller";
    let pod = place.pod(account, "controller-1").await;
    let token = place.token(account, AUDIENCE, Some(&pod)).await;
    let pod = "controller-1".to_owned();
    let expected = Identity::Replica { pod };
    assert_eq!(place.reviewer().identify(&token).await, Ok(expected));
}

#[tokio::test]
async fn other_tokens_are_refused() {
    let place = Place::new().await;
    let reviewer = place.reviewer();
    let pod = place.pod("tollgate-public", "public-1").await;
    let stranger = place.pod("shop", "shop-1").await;

    let other = place.token("tollgate-public", "vault", Some(&pod)).await;
    let refused = reviewer.identify(&other).await;
    assert!(
        matches!(refused, Err(Refusal::Unauthenticated(_))),
        "{refused:?}"
    );

    let unbound = place.token("tollgate-public", AUDIENCE, None).await;
    let refused = reviewer.identify(&unbound).await;
    assert!(matches!(refused, Err(Refusal::Denied(_))), "{refused:?}");

    let account = place.token("shop", AUDIENCE, Some(&stranger)).await;
    let refused = reviewer.identify(&account).await;
    assert!(matches!(refused, Err(Refusal::Denied(_))), "{refused:?}");

    // A signature that nobody made.
    let good = place.token("tollgate-public", AUDIENCE, Some(&pod)).await;
    let (signed, _) = good.rsplit_once('.').unwrap();
    let refused = reviewer.identify(&format!("{signed}.c2ln")).await;
    assert!(
        matches!(refused, Err(Refusal::Unauthenticated(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_token_of_a_pod_that_is_gone_is_refused() {
    let place = Place::new().await;
    let pod = place.pod("tollgate-public", "public-1").await;
    let token = place.token("tollgate-public", AUDIENCE, Some(&pod)).await;
    let pods: Api<Pod> = place.api();
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("public-1", &at_once).await.unwrap();
    // The API server itself remembers a good token for some seconds; each reviewer asks anew.
    let refused = async {
        loop {
            match place.reviewer().identify(&token).await {
                Err(Refusal::Unauthenticated(_)) => return,
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(DEADLINE, refused).await.unwrap();
}

#[tokio::test]
async fn the_authority_is_made_once_and_its_bundle_is_where_it_is_needed() {
    let place = Place::new().await;
    let (say_ending, ending) = watch::channel(false);
    let replica = |holder: Holder| {
        let (_, holder) = watch::channel(holder);
        let options = ca::Options {
            client: place.client.clone(),
            namespace: place.namespace.clone(),
            names: Vec::new(),
            snapshots: Snapshots::default(),
            holder,
            metrics: Arc::new(Metrics::new().unwrap()),
        };
        let certificates = Arc::new(Certificates::default());
        let run = ca::run(options, Arc::clone(&certificates), ending.clone());
        (certificates, tokio::spawn(run))
    };
    let follower = replica(Holder::Nobody);
    let leader = replica(Holder::Me);
    let map: ConfigMap = place.until("tollgate-ca", |_| true).await;
    let published = map.data.unwrap()["ca.crt"].clone();
    for (certificates, _) in [&leader, &follower] {
        let mut bundle = certificates.bundle();
        let known = timeout(DEADLINE, bundle.wait_for(Option::is_some)).await;
        assert_eq!(known.unwrap().unwrap().as_deref(), Some(&published[..]));
    }
    let secret: Secret = place.until("tollgate-ca", |_| true).await;
    let first = secret.metadata.uid;
    // Deleted, it is made anew, and all follow.
    let secrets: Api<Secret> = place.api();
    let delete = DeleteParams::default();
    secrets.delete("tollgate-ca", &delete).await.unwrap();
    let made: Secret = place
        .until("tollgate-ca", |secret: &Secret| {
            secret.metadata.uid != first
        })
        .await;
    let certificate = &made.data.unwrap()["ca.crt"].0;
    let certificate = String::from_utf8(certificate.clone()).unwrap();
    assert_ne!(certificate, published);
    for (certificates, _) in [&leader, &follower] {
        let mut bundle = certificates.bundle();
        let follows = bundle.wait_for(|bundle| bundle.as_deref() == Some(&certificate[..]));
        timeout(DEADLINE, follows).await.unwrap().unwrap();
        assert!(certificates.is_ready());
    }
    say_ending.send_replace(true);
    for (_, run) in [leader, follower] {
        run.await.unwrap();
    }
}

/// Installs the CRDs, and waits until they are served.
async fn install(place: &Place) {
    let cluster = Cluster::shared().unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    let mut apply = cluster.kubectl();
    let applied = apply.args(["apply", "--server-side", "-f", crds]).output();
    let applied = applied.unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let gateways: Api<ApiGateway> = place.api();
    let served = async {
        while gateways.list_metadata(&Default::default()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, served).await.unwrap();
}

#[tokio::test]
async fn a_bootstrap_copy_is_there_sealed_and_goes_with_its_gateway() {
    let place = Place::new().await;
    install(&place).await;
    let gateway: ApiGateway = place
        .create(json!({
            "apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiGateway",
            "metadata": {"name": "public"},
            "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
        }))
        .await;
    let snapshots = Snapshots::default();
    let name = ObjectName::new(&place.namespace, "public");
    let unit = Unit::new(name.clone(), Payload::Gateway(Gateway::default())).unwrap();
    let mut publisher = Publisher::new(snapshots.clone());
    publisher.apply(vec![UnitChange::Put(unit)]);
    publisher.publish(42);
    let (say_ending, ending) = watch::channel(false);
    let (_, holder) = watch::channel(Holder::Me);
    let bootstrap = Bootstrap {
        snapshots,
        holder,
        metrics: Arc::new(Metrics::new().unwrap()),
    };
    let run = tokio::spawn(bootstrap::run(place.client.clone(), bootstrap, ending));
    let part: Secret = place.until("tollgate-public-bootstrap-0", |_| true).await;
    let seal: Secret = place.until("tollgate-public-seal", |_| true).await;
    let (part, seal) = (part.clone().data.unwrap(), seal.data.unwrap());
    assert_eq!(part["parts"].0, b"1");
    let key = saved::SealKey::new(&seal["key"].0).unwrap();
    let copy = saved::read(&part["part"].0, Some(&key)).unwrap();
    assert_eq!((copy.gateway, copy.resource_version), (name, 42));
    say_ending.send_replace(true);
    run.await.unwrap();

    let gateways: Api<ApiGateway> = place.api();
    let name = gateway.metadata.name.unwrap();
    gateways
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    let secrets: Api<Secret> = place.api();
    let gone = async {
        for name in ["tollgate-public-bootstrap-0", "tollgate-public-seal"] {
            while secrets.get_opt(name).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(DEADLINE, gone).await.unwrap();
}
