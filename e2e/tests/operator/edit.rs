//! An object from its first line to its end.

use serde_json::json;

use crate::{
    apply, cluster, gateway, kubectl,
    operator::{Operator, install},
    proxy::Pod,
    route, until_condition,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_edited_and_deleted_reaches_the_proxy_and_is_reported() {
    let cluster = cluster();
    let home = install(cluster);
    let shop = cluster.fresh_namespace("shop").unwrap();
    let operator = Operator::start(cluster, &home, "op-1", &shop).await;
    apply(cluster, &gateway(&shop, "public"));
    let pod = Pod::make(cluster, &shop, "public");
    let mut proxy = pod.dial(cluster, &home, operator.push).await;
    let id = format!("route/{shop}/products");

    apply(cluster, &route(&shop, "products", "one"));
    proxy
        .until("the route is served", |running| running.contains_key(&id))
        .await;
    let path = format!("{shop}/apiroutes/products");
    until_condition(cluster, &path, "Programmed", ("True", "Programmed")).await;
    until_condition(cluster, &path, "Ready", ("True", "Ready")).await;

    apply(cluster, &route(&shop, "products", "two"));
    let body = |body: &'static str| {
        let id = id.clone();
        move |running: &crate::proxy::Running| {
            running
                .get(&id)
                .is_some_and(|unit| unit.to_string().contains(body))
        }
    };
    proxy.until("the edit is served", body("two")).await;
    until_condition(cluster, &path, "Programmed", ("True", "Programmed")).await;

    // The schema can't see that two parameters have one name.
    let mut bad: serde_json::Value =
        serde_json::from_str(&route(&shop, "products", "three")).unwrap();
    bad["spec"]["rules"][0]["match"] = json!([{"path": "/{x}/{x}"}]);
    apply(cluster, &bad.to_string());
    until_condition(cluster, &path, "Accepted", ("False", "Invalid")).await;
    assert!(body("two")(&proxy.now()), "the version before goes on");
    apply(cluster, &route(&shop, "products", "four"));
    proxy
        .until("the good version is served", body("four"))
        .await;
    until_condition(cluster, &path, "Ready", ("True", "Ready")).await;

    kubectl(cluster, &["delete", "apiroute", "--all", "-n", &shop], "");
    proxy
        .until("the route is gone", |running| !running.contains_key(&id))
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_gets_its_own_gateway_alone() {
    let cluster = cluster();
    let home = install(cluster);
    let (shop, other) = (
        cluster.fresh_namespace("shop").unwrap(),
        cluster.fresh_namespace("other").unwrap(),
    );
    let both = format!("{shop} {other}");
    let operator = Operator::start(cluster, &home, "op-1", &both).await;
    for namespace in [&shop, &other] {
        apply(cluster, &gateway(namespace, "public"));
        apply(cluster, &route(namespace, "products", "own"));
    }
    let pod = Pod::make(cluster, &shop, "public");
    let mut proxy = pod.dial(cluster, &home, operator.push).await;
    let own = format!("route/{shop}/products");
    proxy
        .until("its route is served", |running| running.contains_key(&own))
        .await;
    assert!(
        proxy.now().keys().all(|id| id.contains(&shop)),
        "{:?}",
        proxy.now()
    );
    operator.stop().await;
}
