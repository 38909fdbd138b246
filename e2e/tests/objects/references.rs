//! What routes name: it is missing, forbidden, goes, comes again, or leads back to where it began.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tollgate_e2e::{
    Cluster,
    harness::{Site, get, route, until},
};

use crate::{CLOSED, Scene, upstream};

/// The kind that says which namespaces may refer to another: its names and its schema as far as it
/// matters here.
fn install_grants(site: &Site<'_>) {
    let fields = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1beta1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": fields}}}});
    let approved = "https://github.com/kubernetes-sigs/gateway-api/pull/1538";
    site.apply(
        &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "referencegrants.gateway.networking.k8s.io",
                     "annotations": {"api-approved.kubernetes.io": approved}},
        "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced",
                 "names": {"kind": "ReferenceGrant", "plural": "referencegrants",
                           "singular": "referencegrant", "listKind": "ReferenceGrantList"},
                 "versions": [version]}}),
    );
}

/// A Service `stock` with one port, and where it leads.
fn stock(namespace: &str, endpoint: SocketAddr) -> [Value; 2] {
    [
        json!({"apiVersion": "v1", "kind": "Service",
               "metadata": {"namespace": namespace, "name": "stock"},
               "spec": {"clusterIP": "None", "ports": [{"name": "web", "port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
               "metadata": {"namespace": namespace, "name": "stock-1",
                            "labels": {"kubernetes.io/service-name": "stock"}},
               "addressType": "IPv4", "ports": [{"name": "web", "port": endpoint.port()}],
               "endpoints": [{"addresses": [endpoint.ip()], "conditions": {"ready": true}}]}),
    ]
}

fn grant(from: &str, to: &str) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
           "metadata": {"namespace": to, "name": "routes"},
           "spec": {"from": [{"group": "tollgate.dev", "kind": "ApiRoute", "namespace": from}],
                    "to": [{"group": "", "kind": "Service"}]}})
}

/// A route with one backend.
fn to(namespace: &str, name: &str, backend: Value) -> Value {
    let mut route = route(namespace, name, "");
    let rule = &mut route["spec"]["rules"][0];
    rule.as_object_mut().unwrap().remove("respond");
    rule["backends"] = json!([backend]);
    route
}

#[test]
fn a_service_or_a_grant_that_is_deleted_closes_its_rules_until_it_is_there_again() {
    let mut site = Site::new(Cluster::shared().unwrap());
    let depot = site.add_namespace("depot");
    let mut scene = Scene::at(site);
    let shop = scene.site.shop.clone();
    let (near, far) = (upstream::start("near"), upstream::start("far"));
    scene.site.apply_all(&stock(&shop, near));
    scene.site.apply_all(&stock(&depot, far));
    let service = json!({"service": {"name": "stock", "port": "web"}});
    scene.site.apply(&to(&shop, "near", service));
    scene.serves("near.example", (200, "near"));

    // The kind of the grant comes while the operator runs.
    let far = json!({"service": {"name": "stock", "namespace": depot, "port": 80}});
    scene.site.apply(&to(&shop, "far", far));
    scene.serves("far.example", CLOSED);
    let resolved = |scene: &Scene<'_>, route: &str, expected| {
        scene
            .site
            .until_condition(&format!("apiroutes/{route}"), "ResolvedRefs", expected)
    };
    resolved(&scene, "far", ("False", "RefNotPermitted"));
    let (near_host, far_host) = ("near.example", "far.example");
    scene.turns(&[(far_host, CLOSED, (200, "far"))], |site| {
        install_grants(site);
        site.apply(&grant(&shop, &depot));
    });
    for _ in 0..3 {
        let go = [
            (near_host, (200, "near"), CLOSED),
            (far_host, (200, "far"), CLOSED),
        ];
        scene.turns(&go, |site| {
            site.kubectl(&["delete", "service", "stock"]);
            let delete = ["-n", &depot, "delete", "referencegrant", "routes"];
            site.try_kubectl(&delete, "").unwrap();
        });
        resolved(&scene, "near", ("False", "BackendNotFound"));
        resolved(&scene, "far", ("False", "RefNotPermitted"));
        scene.turns(
            &go.map(|(host, before, after)| (host, after, before)),
            |site| {
                site.apply_all(&stock(&shop, near));
                site.apply(&grant(&shop, &depot));
            },
        );
        resolved(&scene, "near", ("True", "ResolvedRefs"));
        resolved(&scene, "far", ("True", "ResolvedRefs"));
    }
    scene.ends();
}

#[test]
fn what_a_rule_names_in_vain_closes_that_rule_alone() {
    let mut scene = Scene::new();
    let shop = scene.site.shop.clone();
    scene.site.apply_all(&stock(&shop, upstream::start("near")));
    let elsewhere = json!({"service": {"name": "stock", "namespace": "kube-system", "port": 80}});
    let rows = [
        (
            "service",
            json!({"service": {"name": "none", "port": 80}}),
            "BackendNotFound",
        ),
        (
            "port",
            json!({"service": {"name": "stock", "port": 81}}),
            "BackendNotFound",
        ),
        (
            "port-name",
            json!({"service": {"name": "stock", "port": "none"}}),
            "BackendNotFound",
        ),
        (
            "function",
            json!({"function": {"name": "none"}}),
            "BackendNotFound",
        ),
        ("namespace", elsewhere, "RefNotPermitted"),
        (
            "metadata",
            json!({"url": "http://169.254.169.254/latest"}),
            "BackendUnusable",
        ),
    ];
    for (name, backend, reason) in rows {
        let mut route = to(&shop, name, backend);
        let open = json!({"name": "open", "match": [{"path": "/x"}],
                          "respond": {"status": 200, "body": name}});
        route["spec"]["rules"].as_array_mut().unwrap().push(open);
        scene.site.apply(&route);
        let host = format!("{name}.example");
        scene.serves(&host, (200, name));
        assert_eq!(scene.proxy.answer(&host, "/closed").0, 503, "{name}");
        let object = format!("apiroutes/{name}");
        let said = scene
            .site
            .until_condition(&object, "ResolvedRefs", ("False", reason));
        assert!(said.contains("spec.rules[0].backends[0]"), "{name}: {said}");
    }
    let mut lost = route(&shop, "lost", "lost");
    lost["spec"]["gateways"] = json!([{"name": "none"}]);
    scene.site.apply(&lost);
    let missing = ("False", "GatewayNotFound");
    scene
        .site
        .until_condition("apiroutes/lost", "ResolvedRefs", missing);
    scene.ends();
}

#[test]
fn a_route_that_leads_to_its_own_gateway_takes_nobody_along() {
    let mut scene = Scene::new();
    let shop = scene.site.shop.clone();
    let own = SocketAddr::new(upstream::own_address(), scene.proxy.listens().port());
    scene.site.apply_all(&stock(&shop, own));
    let service = json!({"service": {"name": "stock", "port": 80}});
    let mut circle = to(&shop, "circle", service);
    circle["spec"]["defaults"] = json!({"timeout": "2s"});
    scene.site.apply(&circle);
    scene
        .site
        .until_condition("apiroutes/circle", "Ready", ("True", "Ready"));
    for _ in 0..3 {
        let (status, _) = get(scene.proxy.listens(), "circle.example", "/x").unwrap();
        assert!(status >= 500 || status == 431, "{status}");
    }
    scene.ends();
}

#[test]
fn the_addresses_of_a_gateways_service_are_in_its_status() {
    let site = Site::new(Cluster::shared().unwrap());
    let _operator = site.operator("op-1").ready();
    for address in ["192.0.2.7", "192.0.2.8"] {
        let patch = json!({"spec": {"externalIPs": [address]}}).to_string();
        site.kubectl(&["patch", "service", "tollgate-public", "-p", &patch]);
        until("the address is in the status", || {
            let public = site.ours("apigateways/public")?;
            (public["status"]["addresses"] == json!([address])).then_some(())
        });
    }
}
