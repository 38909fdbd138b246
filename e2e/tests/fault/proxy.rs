//! Proxies that die, are new, or meet a bug of ours.

use std::{fs, time::Duration};

use tollgate_e2e::{
    Cluster,
    harness::{Site, failing_proxy, route, until},
};
use tollgate_snapshot::{
    UnitKind,
    saved::{self, Saved, SealKey},
};

use crate::{ROUTES, Scene, hosts};

#[test]
fn a_proxy_that_is_killed_without_an_operator_serves_from_its_disk() {
    let site = Site::new(Cluster::shared().unwrap());
    let operator = site.operator("op-1").ready();
    let mut scene = Scene::new(&site);
    scene
        .proxy
        .until_source("it is kept", |source| source["kept"].is_string());
    operator.program.kill();
    scene.proxy.program.kill();
    let mut proxy = scene.pod.start(&site).ready();
    assert_eq!(proxy.source()["from"], "disk");
    scene.load.goes_on();
    let tally = scene.load.tally();
    tally.assert_right();
    assert!(tally.longest_gap < Duration::from_secs(10), "{tally:?}");

    scene.proxy = proxy;
    let _operator = site.operator("op-2").ready();
    scene.edit("shop", "again");
    scene.load.stop().assert_right();
}

#[test]
fn a_new_proxy_without_an_operator_serves_from_the_bootstrap_copy() {
    let site = Site::new(Cluster::shared().unwrap());
    let operator = site.operator("op-1").ready();
    let scene = Scene::new(&site);
    let new = site.pod("proxy-2");
    // It is written at most every half a minute.
    until("the copy has all routes", || {
        let copy = bootstrap_copy(&site)?;
        let routes = copy
            .entries
            .iter()
            .filter(|entry| entry.id.kind == UnitKind::Route);
        (routes.count() == ROUTES.len()).then_some(())
    });
    operator.program.kill();
    let mut proxy = new.start(&site).ready();
    let source = proxy.source();
    assert_eq!(source["from"], "bootstrap", "{source:#}");
    for (host, body) in hosts() {
        assert_eq!(proxy.answer(host, "/x"), (200, body.to_owned()), "{host}");
    }
    scene.load.goes_on();
    scene.load.stop().assert_whole();
}

/// The copy as it is now; it is mounted then.
fn bootstrap_copy(site: &Site<'_>) -> Option<Saved> {
    if !site.mount_bootstrap() {
        return None;
    }
    // So few routes are in one part.
    let file = fs::read(site.mounted().join("bootstrap/0/part")).unwrap();
    let key = fs::read(site.mounted().join("seal")).unwrap();
    let key = SealKey::new(&key).unwrap();
    Some(saved::read(&file, Some(&key)).unwrap())
}

#[test]
fn a_unit_that_makes_arming_panic_costs_itself_alone() {
    let site = Site::new(Cluster::shared().unwrap());
    let _operator = site.operator("op-1").ready();
    let pod = site.pod("proxy-2");
    let mut proxy = pod.start_program(&site, failing_proxy()).ready();
    let mut scene = Scene::new(&site);
    let load = tollgate_e2e::load::Load::start(&[pod.front.address()], &hosts());
    let name = "panic-when-armed";
    site.apply(&route(&site.shop, name, "never there"));
    let path = format!("apiroutes/{name}");
    let why = site.until_condition(&path, "Programmed", ("False", "Rejected"));
    assert!(why.contains("arming it panicked"), "{why}");
    let answer = proxy.answer("panic-when-armed.example", "/x");
    assert_eq!(answer.0, 404, "{answer:?}");
    load.expect("shop.example", &[(200, "shop"), (200, "edited")]);
    scene.edit("shop", "edited");
    proxy.until_answer("shop.example", (200, "edited"));
    site.kubectl(&["delete", "apiroute", name]);
    for route in ROUTES {
        site.until_condition(&format!("apiroutes/{route}"), "Ready", ("True", "Ready"));
    }
    load.stop().assert_whole();
    scene.load.stop().assert_whole();
}

#[test]
fn a_snapshot_after_which_a_proxy_crashed_twice_is_rolled_back() {
    let site = Site::new(Cluster::shared().unwrap());
    let _operator = site.operator("op-1").ready();
    let pod = site.pod("proxy-2");
    let mut proxy = pod.start_program(&site, failing_proxy()).ready();
    let mut scene = Scene::new(&site);
    for (host, body) in hosts() {
        proxy.until_answer(host, (200, body));
    }
    let good = proxy.source()["root"].clone();
    until("the good one is kept", || {
        let kept = proxy.source()["kept"].is_string() && !pod.generations().is_empty();
        kept.then_some(())
    });
    let name = "abort-soon-after";
    site.apply(&route(&site.shop, name, "deadly"));
    assert!(!proxy.program.end().success());
    let mut again = pod.start_program(&site, failing_proxy());
    assert!(!again.program.end().success());
    let mut third = pod.start_program(&site, failing_proxy()).ready();
    let source = third.until_source("the set is refused", |source| {
        source["refused"]
            .as_str()
            .is_some_and(|why| why.starts_with("rolled back"))
    });
    assert_eq!(
        source["rolledBack"].as_array().unwrap().len(),
        1,
        "{source:#}"
    );
    assert_eq!(source["root"], good);
    for (host, body) in hosts() {
        assert_eq!(third.answer(host, "/x"), (200, body.to_owned()));
    }
    let path = format!("apiroutes/{name}");
    let why = site.until_condition(&path, "Programmed", ("False", "Refused"));
    assert!(why.contains("rolled back"), "{why}");

    site.kubectl(&["delete", "apiroute", name]);
    scene.edit("shop", "edited");
    third.until_answer("shop.example", (200, "edited"));
    scene.load.stop().assert_whole();
}
