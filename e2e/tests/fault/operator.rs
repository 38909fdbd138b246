//! Operators that die, lag, or are away.

use std::time::Duration;

use tollgate_e2e::{
    Cluster,
    fault_proxy::{Fault, FaultProxy},
    harness::{Site, lasts, route, until},
};

use crate::Scene;

#[test]
fn the_only_operator_may_be_killed() {
    let site = Site::new(Cluster::shared().unwrap());
    let operator = site.operator("op-1").ready();
    let mut scene = Scene::new(&site);
    operator.program.kill();
    let host = "shop.example";
    scene.load.expect(host, &[(200, "shop")]);
    site.apply(&route(&site.shop, "shop", "while nobody looks"));
    scene.load.goes_on();
    assert_eq!(scene.proxy.answer(host, "/x"), (200, "shop".to_owned()));

    scene
        .load
        .expect(host, &[(200, "shop"), (200, "while nobody looks")]);
    let _operator = site.operator("op-2").ready();
    scene.proxy.until_answer(host, (200, "while nobody looks"));
    scene.edit("cart", "again");
    scene.load.stop().assert_whole();
}

#[test]
fn the_leader_of_two_may_be_killed() {
    let site = Site::new(Cluster::shared().unwrap());
    let leader = site.operator("op-1").ready();
    until("the first one leads", || leader.leads().then_some(()));
    let mut scene = Scene::new(&site);
    let other = site.operator("op-2").ready();
    // Whose proxy it is, makes no difference.
    scene.edit("shop", "of the leader");
    leader.program.kill();
    scene.edit("shop", "of the other");
    until("the other one leads", || other.leads().then_some(()));
    scene.edit("cart", "reported by the other");
    scene.load.stop().assert_whole();
}

#[test]
fn a_replica_that_lags_brings_nothing_back() {
    let cluster = Cluster::shared().unwrap();
    let site = Site::new(cluster);
    let api_server = FaultProxy::start(cluster.admin());
    let lagging = site.operator_through("op-1", &api_server).ready();
    // It has seen this proxy's token, so that it can go on without the API server.
    let mut scene = Scene::new(&site);
    let current = site.operator("op-2").ready();
    api_server.set(Fault::Silent);
    site.controllers.cut();
    let host = "shop.example";
    scene.load.expect(host, &[(200, "shop"), (200, "new")]);
    site.apply(&route(&site.shop, "shop", "new"));
    scene.proxy.until_answer(host, (200, "new"));
    site.kubectl(&["delete", "apiroute", "cart"]);
    scene
        .load
        .expect("cart.example", &[(200, "cart"), (404, NOT_FOUND)]);
    scene.proxy.until_answer("cart.example", (404, NOT_FOUND));
    // From now on nothing else may be seen.
    scene.load.expect(host, &[(200, "new")]);
    scene.load.expect("cart.example", &[(404, NOT_FOUND)]);

    current.program.kill();
    scene
        .proxy
        .until_source("the lagging one is refused", |source| {
            source["refused"]
                .as_str()
                .is_some_and(|why| why.contains("is older than"))
        });
    scene.load.goes_on();
    api_server.set(Fault::None);
    scene.proxy.until_source("it has caught up", |source| {
        source["refused"].is_null() && source["from"] == "controller"
    });
    scene.edit("shop", "newer");
    scene.load.stop().assert_whole();
    drop(lagging);
}

/// What a proxy says of a host that it does not know.
const NOT_FOUND: &str = r#"{"message":"Not Found"}"#;

#[test]
fn a_namespace_may_be_deleted_while_the_operator_is_gone() {
    let site = Site::new(Cluster::shared().unwrap());
    let operator = site.operator("op-1").ready();
    let scene = Scene::new(&site);
    operator.program.kill();
    let path = format!("/api/v1/namespaces/{}", site.shop);
    site.kubectl(&["delete", "namespace", &site.shop, "--wait=false"]);
    until("the namespace is gone", || {
        (site.cluster.admin().get(&path).unwrap().status == 404).then_some(())
    });
    scene.load.goes_on();
    let _operator = site.operator("op-2").ready();
    // Time for it to take something away.
    lasts(Duration::from_secs(2));
    scene.load.goes_on();
    scene.load.stop().assert_whole();
}
