//! What each gateway gets.

use tollgate_compile::{Change, Compiler, Kind, Object, ObjectRef};
use tollgate_snapshot::{Entry, ObjectName};

use super::{Publisher, Snapshots};

struct Case {
    compiler: Compiler,
    publisher: Publisher,
    snapshots: Snapshots,
}

impl Case {
    fn new(manifests: &[serde_json::Value]) -> Self {
        let snapshots = Snapshots::default();
        let mut case = Self {
            compiler: Compiler::default(),
            publisher: Publisher::new(snapshots.clone()),
            snapshots,
        };
        for manifest in manifests {
            case.put(manifest.clone());
        }
        case
    }

    fn put(&mut self, manifest: serde_json::Value) {
        let kind = manifest["kind"].as_str().unwrap();
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == kind).unwrap();
        self.change(Change::Put(Object::decode(kind, manifest).unwrap()));
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        self.change(Change::Remove(ObjectRef::new(kind, "shop", name)));
    }

    fn change(&mut self, change: Change) {
        let mut delta = self.compiler.apply(change);
        self.publisher.apply(delta.take_changes());
        self.publisher.publish(0);
    }

    fn ids(&self, gateway: &str) -> Vec<String> {
        let set = self.snapshots.newest(&ObjectName::new("shop", gateway));
        let set = set.unwrap();
        let shown = set.entries().iter().map(|(id, entry)| match entry {
            Entry::Unit(_) => id.to_string(),
            Entry::Held { .. } => format!("held {id}"),
        });
        shown.collect()
    }
}

fn gateway(name: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiGateway",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    })
}

fn route(name: &str, gateway: &str, service: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "gateways": [{"name": gateway}], "hostnames": [format!("{name}.example")],
            "rules": [{"name": "all", "match": [{"path": "/{rest+}"}],
                       "backends": [{"service": {"name": service, "port": 80}}]}],
        },
    })
}

fn bad_route(name: &str, gateway: &str) -> serde_json::Value {
    let mut route = route(name, gateway, "unused");
    route["spec"]["rules"][0]["match"][0]["path"] = "no-slash".into();
    route
}

fn service(name: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": name},
        "spec": {"ports": [{"port": 80}]},
    })
}

#[test]
fn a_gateway_gets_its_own_routes_and_what_they_call() {
    let case = Case::new(&[
        gateway("public"),
        gateway("private"),
        service("products"),
        service("orders"),
        route("one", "public", "products"),
        route("two", "private", "orders"),
    ]);
    assert_eq!(
        case.ids("public"),
        [
            "gateway/shop/public",
            "route/shop/one",
            "endpoints/shop/products"
        ]
    );
    assert_eq!(
        case.ids("private"),
        [
            "gateway/shop/private",
            "route/shop/two",
            "endpoints/shop/orders"
        ]
    );
}

#[test]
fn a_backend_stays_as_long_as_one_route_calls_it() {
    let mut case = Case::new(&[
        gateway("public"),
        service("products"),
        route("one", "public", "products"),
        route("two", "public", "products"),
    ]);
    case.remove(Kind::ApiRoute, "one");
    assert!(
        case.ids("public")
            .contains(&"endpoints/shop/products".to_owned())
    );
    case.remove(Kind::ApiRoute, "two");
    assert_eq!(case.ids("public"), ["gateway/shop/public"]);
}

#[test]
fn a_route_that_moves_leaves_its_gateway() {
    let mut case = Case::new(&[
        gateway("public"),
        gateway("private"),
        service("products"),
        route("one", "public", "products"),
    ]);
    case.put(route("one", "private", "products"));
    assert_eq!(case.ids("public"), ["gateway/shop/public"]);
    assert_eq!(case.ids("private").len(), 3);
}

#[test]
fn a_refused_route_stays_where_its_version_before_is() {
    let mut case = Case::new(&[
        gateway("public"),
        service("products"),
        route("one", "public", "products"),
    ]);
    case.put(bad_route("one", "nowhere"));
    assert_eq!(
        case.ids("public"),
        [
            "gateway/shop/public",
            "held route/shop/one",
            "endpoints/shop/products"
        ]
    );
    case.put(route("one", "public", "products"));
    assert!(case.ids("public").contains(&"route/shop/one".to_owned()));
}

#[test]
fn a_refused_route_that_was_never_seen_good_is_held_at_every_gateway() {
    let mut case = Case::new(&[gateway("public"), bad_route("one", "nowhere")]);
    assert!(
        case.ids("public")
            .contains(&"held route/shop/one".to_owned())
    );
    case.put(gateway("private"));
    assert!(
        case.ids("private")
            .contains(&"held route/shop/one".to_owned())
    );
}

#[test]
fn nothing_is_said_of_a_gateway_that_was_never_seen() {
    let snapshots = Snapshots::default();
    let follow = snapshots.follow(&ObjectName::new("shop", "ghost"));
    Publisher::new(snapshots.clone()).publish(0);
    assert!(snapshots.is_listed());
    assert!(follow.borrow().is_none());
}

#[test]
fn a_gateway_that_is_deleted_has_an_empty_set() {
    let mut case = Case::new(&[gateway("public")]);
    case.remove(Kind::ApiGateway, "public");
    assert!(case.ids("public").is_empty());
}

#[test]
fn a_set_is_found_by_its_root_while_it_is_remembered() {
    let mut case = Case::new(&[gateway("public"), service("products")]);
    let name = ObjectName::new("shop", "public");
    let before = case.snapshots.newest(&name).unwrap();
    case.put(route("one", "public", "products"));
    let after = case.snapshots.newest(&name).unwrap();
    assert_ne!(before.root(), after.root());
    let found = case.snapshots.find(&name, &before.root()).unwrap();
    assert_eq!(found.entries().len(), before.entries().len());
}
