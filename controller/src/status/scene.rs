//! A cluster of a few lines, for tests: objects that are compiled and published for real, and
//! proxies that say what the test tells them to.

use std::{sync::Arc, time::Instant};

use imbl::OrdMap;
use serde_json::{Value, json};
use tollgate_compile::{Change, Compiler, Kind, Object, ObjectRef};
use tollgate_snapshot::{Hash, ObjectName, UnitId, UnitKind};

use super::News;
use crate::{
    proxies::{PodUid, Proxies, Proxy, Running, Verdict},
    publish::{Publisher, Snapshots},
    watch::Seen,
};

/// The cluster.
pub(super) struct Scene {
    compiler: Compiler,
    publisher: Publisher,
    pub(super) snapshots: Snapshots,
    pub(super) proxies: Proxies,
    /// How many objects were written.
    versions: u32,
}

pub(super) fn object(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, "shop", name)
}

pub(super) fn unit(kind: UnitKind, name: &str) -> UnitId {
    let object = ObjectName::new("shop", name);
    UnitId { kind, object }
}

impl Scene {
    pub(super) fn new() -> Self {
        let snapshots = Snapshots::default();
        Self {
            compiler: Compiler::default(),
            publisher: Publisher::new(snapshots.clone()),
            snapshots,
            proxies: Proxies::default(),
            versions: 0,
        }
    }

    /// Writes an object of this generation, and publishes what follows. `status`: what it has.
    pub(super) fn put(&mut self, manifest: &Value, generation: i64, status: Value) -> News {
        let kind = kind(manifest);
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let named = manifest["spec"]["gateways"].as_array();
        let named = named.into_iter().flatten();
        let named = named.map(|at| ObjectName::new("shop", at["name"].as_str().unwrap()));
        self.versions += 1;
        let seen = Seen {
            uid: format!("uid-{name}"),
            resource_version: self.versions.to_string(),
            generation,
            status,
            gateways: named.collect(),
        };
        let put = Object::decode(kind, manifest.clone()).unwrap();
        self.change(Change::Put(put), vec![(object(kind, name), Some(seen))])
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) -> News {
        let gone = object(kind, name);
        self.change(Change::Remove(gone.clone()), vec![(gone, None)])
    }

    /// `seen`: what status is told of it.
    pub(super) fn change(&mut self, change: Change, seen: Vec<(ObjectRef, Option<Seen>)>) -> News {
        let mut delta = self.compiler.apply(change);
        self.publisher.apply(delta.take_changes());
        self.publisher.publish(0);
        News {
            seen,
            problems: delta.problems,
            ..News::default()
        }
    }

    /// Root of the newest set of a gateway.
    pub(super) fn root(&self, gateway: &str) -> Hash {
        let gateway = ObjectName::new("shop", gateway);
        self.snapshots.newest(&gateway).unwrap().root()
    }

    /// A proxy says that it runs the newest set of a gateway.
    pub(super) fn adopts(&self, pod: &str, gateway: &str) {
        self.says(pod, gateway, Some(self.root(gateway)), &[]);
    }

    /// A proxy says what it runs.
    pub(super) fn says(
        &self,
        pod: &str,
        gateway: &str,
        root: Option<Hash>,
        exceptions: &[(UnitId, Running, &str)],
    ) {
        let exceptions = exceptions.iter().map(|(id, running, reason)| {
            let reason = (*reason).to_owned();
            let verdict = Verdict {
                running: *running,
                reason,
            };
            (id.clone(), verdict)
        });
        let proxy = Proxy {
            gateway: ObjectName::new("shop", gateway),
            pod: format!("{gateway}-{pod}"),
            root,
            exceptions: exceptions.collect(),
            refused: None,
            since: Instant::now(),
            local: true,
            stream: 1,
        };
        self.proxies.set(&PodUid::from(pod), proxy);
    }

    /// A proxy says that it refuses the newest set, and goes on with what it ran.
    pub(super) fn refuses(&self, pod: &str, why: &str) {
        let pod = PodUid::from(pod);
        let mut proxy = Proxy::clone(&self.table()[&pod]);
        proxy.refused = Some(why.to_owned());
        self.proxies.set(&pod, proxy);
    }

    pub(super) fn hangs_up(&self, pod: &str) {
        self.proxies.remove(&PodUid::from(pod), 1);
    }

    pub(super) fn table(&self) -> OrdMap<PodUid, Arc<Proxy>> {
        self.proxies.now()
    }
}

fn kind(manifest: &Value) -> Kind {
    let kind = manifest["kind"].as_str().unwrap();
    let mut kinds = Kind::ALL.into_iter();
    kinds.find(|known| known.as_str() == kind).unwrap()
}

pub(super) fn gateway(name: &str) -> Value {
    json!({
        "apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiGateway",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    })
}

/// A route that answers with this status at some gateways.
pub(super) fn route(name: &str, gateways: &[&str], status: u16) -> Value {
    let gateways: Vec<Value> = gateways.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "gateways": gateways, "hostnames": [format!("{name}.example")],
            "rules": [{"name": "all", "match": [{"path": "/{rest+}"}],
                       "respond": {"status": status}}],
        },
    })
}

/// A route that compile refuses.
pub(super) fn bad_route(name: &str, gateways: &[&str]) -> Value {
    let mut route = route(name, gateways, 200);
    route["spec"]["rules"][0]["match"][0]["path"] = "no-slash".into();
    route
}

/// A route to a function.
pub(super) fn calling(name: &str, gateway: &str, function: &str) -> Value {
    let mut route = route(name, &[gateway], 200);
    let rule = &mut route["spec"]["rules"][0];
    rule["respond"] = Value::Null;
    rule["backends"] = json!([{"function": {"name": function}}]);
    route
}

/// A route to port 80 of a Service.
pub(super) fn forwarding(name: &str, gateway: &str, service: &str) -> Value {
    let mut route = route(name, &[gateway], 200);
    let rule = &mut route["spec"]["rules"][0];
    rule["respond"] = Value::Null;
    rule["backends"] = json!([{"service": {"name": service, "port": 80}}]);
    route
}

pub(super) fn service(name: &str) -> Change {
    let service = json!({
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"ports": [{"port": 80}]},
    });
    Change::Put(Object::decode(Kind::Service, service).unwrap())
}

pub(super) fn function(name: &str) -> Value {
    json!({
        "apiVersion": "tollgate.dev/v1alpha1", "kind": "Function",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"contract": "lambda", "process": {"command": ["app"]}},
    })
}

/// News that these pods of a gateway are ready, and those are not.
pub(super) fn endpoints(gateway: &str, ready: &[&str], unready: &[&str]) -> News {
    let endpoint = |pod: &&str, ready: bool| {
        json!({
            "addresses": ["10.0.0.1"], "conditions": {"ready": ready},
            "targetRef": {"kind": "Pod", "name": pod, "uid": pod},
        })
    };
    let ready = ready.iter().map(|pod| endpoint(pod, true));
    let unready = unready.iter().map(|pod| endpoint(pod, false));
    let service = format!("tollgate-{gateway}");
    let slice = json!({
        "metadata": {
            "namespace": "shop", "name": format!("{service}-1"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": ready.chain(unready).collect::<Vec<_>>(),
    });
    let slice = Object::decode(Kind::EndpointSlice, slice).unwrap();
    News {
        endpoints: vec![Change::Put(slice)],
        ..News::default()
    }
}
