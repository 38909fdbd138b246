//! An API server that is gone, slow, or wrong.

use std::time::{Duration, Instant};

use tollgate_e2e::{
    Cluster, Part,
    fault_proxy::{Fault, FaultProxy},
    harness::{Site, lasts, route, until},
};

use crate::Scene;

/// How long it is gone.
const OUTAGE: Duration = Duration::from_secs(20);

/// How long each kind of error lasts.
const ERRORS: Duration = Duration::from_secs(6);

/// Most requests a second for one thing while they fail.
const FAILING_RATE: f64 = 5.0;

#[test]
fn the_api_server_may_be_gone_and_etcd_restart() {
    let cluster = Cluster::own().unwrap();
    let site = Site::new(&cluster);
    let mut operator = site.operator("op-1").ready();
    let mut scene = Scene::new(&site);
    cluster.kill(Part::ApiServer).unwrap();
    lasts(OUTAGE);
    assert!(
        operator.program.ended().is_none(),
        "{}",
        operator.program.log()
    );
    cluster.launch(Part::ApiServer).unwrap();
    scene.edit("shop", "after the API server");

    cluster.kill(Part::Etcd).unwrap();
    scene.load.goes_on();
    cluster.launch(Part::Etcd).unwrap();
    scene.edit("cart", "after etcd");
    scene.load.stop().assert_whole();
    drop(operator);
    drop(site);
    cluster.stop().unwrap();
}

#[test]
fn an_api_server_that_answers_errors_is_waited_for_with_patience() {
    let cluster = Cluster::shared().unwrap();
    let site = Site::new(cluster);
    let api_server = FaultProxy::start(cluster.admin());
    let operator = site.operator_through("op-1", &api_server).ready();
    let mut scene = Scene::new(&site);
    for (status, retry_after) in [(500, None), (429, Some(1)), (403, None)] {
        api_server.set(Fault::Answer(status, retry_after));
        api_server.take_asked();
        lasts(ERRORS);
        let most = (ERRORS.as_secs_f64() * FAILING_RATE) as usize;
        for (what, times) in api_server.take_asked() {
            assert!(times <= most, "{status}: {times} times {what}");
        }
        api_server.set(Fault::None);
        scene.edit("shop", &format!("after {status}"));
    }
    scene.load.stop().assert_whole();
    drop(operator);
}

#[test]
fn conflicts_make_a_status_late_and_a_slow_api_server_everything() {
    let cluster = Cluster::shared().unwrap();
    let site = Site::new(cluster);
    let api_server = FaultProxy::start(cluster.admin());
    let _operator = site.operator_through("op-1", &api_server).ready();
    let mut scene = Scene::new(&site);
    let host = "shop.example";
    api_server.set(Fault::Writes(409));
    scene
        .load
        .expect(host, &[(200, "shop"), (200, "in conflict")]);
    site.apply(&route(&site.shop, "shop", "in conflict"));
    scene.proxy.until_answer(host, (200, "in conflict"));
    api_server.take_asked();
    lasts(ERRORS);
    let most = (ERRORS.as_secs_f64() * FAILING_RATE) as usize;
    for (what, times) in api_server.take_asked() {
        assert!(times <= most, "{times} times {what}");
    }
    api_server.set(Fault::None);
    let status = "apiroutes/shop";
    site.until_condition(status, "Programmed", ("True", "Programmed"));

    api_server.set(Fault::Late(Duration::from_secs(2)));
    scene.edit("shop", "slowly");

    // So slow that nobody can renew the Lease in time: what is served does not need that.
    api_server.set(Fault::Late(Duration::from_secs(5)));
    scene
        .load
        .expect(host, &[(200, "slowly"), (200, "unreported")]);
    site.apply(&route(&site.shop, "shop", "unreported"));
    scene.proxy.until_answer(host, (200, "unreported"));
    lasts(OUTAGE);
    api_server.set(Fault::None);
    site.until_condition(status, "Programmed", ("True", "Programmed"));
    scene.edit("shop", "at once");
    scene.load.stop().assert_whole();
}

#[test]
fn an_empty_list_is_not_believed() {
    let cluster = Cluster::shared().unwrap();
    let site = Site::new(cluster);
    let api_server = FaultProxy::start(cluster.admin());
    let _operator = site.operator_through("op-1", &api_server).ready();
    let mut scene = Scene::new(&site);
    api_server.set(Fault::EmptyLists);
    site.until_condition("apigateways/public", "Degraded", ("True", "ListHeld"));
    scene.load.goes_on();
    api_server.set(Fault::None);
    until("it is believed again", || {
        let gateway = site.ours("apigateways/public")?;
        let conditions = gateway["status"]["conditions"].as_array()?;
        (!conditions.iter().any(|c| c["type"] == "Degraded")).then_some(())
    });
    let began = Instant::now();
    scene.edit("shop", "listed again");
    assert!(began.elapsed() < crate::SOON);
    scene.load.stop().assert_whole();
}
