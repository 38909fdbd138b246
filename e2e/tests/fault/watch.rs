//! Watches that lose their place or fall silent.

use std::time::Duration;

use tollgate_e2e::{
    Cluster,
    fault_proxy::{Fault, FaultProxy},
    harness::{Site, route, until, until_within},
};

use crate::Scene;

/// A watch lasts half a minute; one that is silent is given up five seconds later, and begun anew.
const STALE: Duration = Duration::from_secs(45);

#[test]
fn a_watch_whose_place_is_forgotten_lists_again() {
    let cluster = Cluster::shared().unwrap();
    let site = Site::new(cluster);
    let api_server = FaultProxy::start(cluster.admin());
    let _operator = site.operator_through("op-1", &api_server).ready();
    let mut scene = Scene::new(&site);
    api_server.take_asked();
    api_server.set(Fault::Forgotten);
    let path = format!(
        "GET /apis/tollgate.dev/v1alpha1/namespaces/{}/apiroutes",
        site.shop
    );
    let mut asked = 0;
    until("it lists again", || {
        asked += api_server
            .take_asked()
            .get(&path)
            .copied()
            .unwrap_or_default();
        (asked >= 1).then_some(())
    });
    api_server.set(Fault::None);
    scene.edit("shop", "listed");
    scene.load.stop().assert_whole();
}

#[test]
fn a_watch_that_is_silent_is_begun_anew_within_its_time() {
    let cluster = Cluster::shared().unwrap();
    let site = Site::new(cluster);
    let api_server = FaultProxy::start(cluster.admin());
    let _operator = site.operator_through("op-1", &api_server).ready();
    let mut scene = Scene::new(&site);
    let host = "shop.example";
    scene
        .load
        .expect(host, &[(200, "shop"), (200, "seen late")]);
    api_server.silence();
    site.apply(&route(&site.shop, "shop", "seen late"));
    until_within(STALE, "the edit is seen", || {
        (scene.proxy.answer(host, "/x").1 == "seen late").then_some(())
    });
    site.until_condition("apiroutes/shop", "Programmed", ("True", "Programmed"));
    scene.load.stop().assert_whole();
}
