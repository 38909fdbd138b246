//! Two operators: both serve, one writes, and either can go.

use crate::{
    apply, cluster, gateway,
    operator::{Operator, install},
    proxy::Pod,
    route, until_condition,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_of_the_other_replica_runs_is_reported_and_the_leader_can_go() {
    let cluster = cluster();
    let home = install(cluster);
    let shop = cluster.fresh_namespace("shop").unwrap();
    let leader = Operator::start(cluster, &home, "op-1", &shop).await;
    apply(cluster, &gateway(&shop, "public"));
    // Only the leader writes: once there is a status, it leads.
    let path = format!("{shop}/apigateways/public");
    until_condition(cluster, &path, "Programmed", ("False", "NoProxies")).await;

    let other = Operator::start(cluster, &home, "op-2", &shop).await;
    let pod = Pod::make(cluster, &shop, "public");
    let mut proxy = pod.dial(cluster, &home, other.push).await;
    apply(cluster, &route(&shop, "products", "one"));
    let id = format!("route/{shop}/products");
    proxy
        .until("the route is served", |running| running.contains_key(&id))
        .await;
    let path = format!("{shop}/apiroutes/products");
    until_condition(cluster, &path, "Programmed", ("True", "Programmed")).await;

    leader.stop().await;
    apply(cluster, &route(&shop, "products", "two"));
    proxy
        .until("the edit is served", |running| {
            running
                .get(&id)
                .is_some_and(|unit| unit.to_string().contains("two"))
        })
        .await;
    until_condition(cluster, &path, "Programmed", ("True", "Programmed")).await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_crashes_is_followed_by_another() {
    let cluster = cluster();
    let home = install(cluster);
    let shop = cluster.fresh_namespace("shop").unwrap();
    let first = Operator::start(cluster, &home, "op-1", &shop).await;
    apply(cluster, &gateway(&shop, "public"));
    apply(cluster, &route(&shop, "products", "one"));
    let path = format!("{shop}/apiroutes/products");
    until_condition(cluster, &path, "Programmed", ("False", "NoProxies")).await;
    first.crash().await;

    let second = Operator::start(cluster, &home, "op-2", &shop).await;
    let pod = Pod::make(cluster, &shop, "public");
    let mut proxy = pod.dial(cluster, &home, second.push).await;
    let id = format!("route/{shop}/products");
    proxy
        .until("the route is served", |running| running.contains_key(&id))
        .await;
    until_condition(cluster, &path, "Programmed", ("True", "Programmed")).await;
    second.stop().await;
}
