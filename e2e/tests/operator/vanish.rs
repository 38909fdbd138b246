//! Kinds that come, go, and come again.

use std::sync::Arc;

use tollgate_e2e::Cluster;

use crate::{
    apply, gateway, install_crds, kubectl,
    operator::{Operator, Shared, install},
    proxy::Pod,
    route, until, until_condition,
};

#[tokio::test(flavor = "multi_thread")]
async fn kinds_may_come_later_and_take_nothing_along_when_they_vanish() {
    let cluster: Shared = Arc::new(Cluster::own().unwrap());
    let home = install(&cluster);
    let operator = Operator::start(&cluster, &home, "op-1", "").await;
    assert!(
        !operator.is_ready().await,
        "without its kinds it knows nothing"
    );
    install_crds(&cluster);
    until("the operator is ready", || async {
        operator.is_ready().await.then_some(())
    })
    .await;

    let shop = cluster.fresh_namespace("shop").unwrap();
    apply(&cluster, &gateway(&shop, "public"));
    let names = ["one", "two", "three"];
    for name in names {
        apply(&cluster, &route(&shop, name, "here"));
    }
    let pod = Pod::make(&cluster, &shop, "public");
    let mut proxy = pod.dial(&cluster, &home, operator.push).await;
    let ids = names.map(|name| format!("route/{shop}/{name}"));
    proxy
        .until("all is served", |running| {
            ids.iter().all(|id| running.contains_key(id))
        })
        .await;

    kubectl(&cluster, &["delete", "crd", "apiroutes.tollgate.dev"], "");
    let path = format!("{shop}/apigateways/public");
    until_condition(&cluster, &path, "Degraded", ("True", "ListHeld")).await;
    let running = proxy.now();
    assert!(ids.iter().all(|id| running.contains_key(id)), "{running:?}");

    install_crds(&cluster);
    for name in names {
        apply(&cluster, &route(&shop, name, "again"));
    }
    let again = |running: &crate::proxy::Running| {
        ids.iter().all(|id| {
            running
                .get(id)
                .is_some_and(|unit| unit.to_string().contains("again"))
        })
    };
    proxy.until("the new ones are served", again).await;
    for name in names {
        kubectl(&cluster, &["delete", "apiroute", name, "-n", &shop], "");
    }
    proxy
        .until("deletes count again", |running| {
            ids.iter().all(|id| !running.contains_key(id))
        })
        .await;
    operator.stop().await;
    Arc::into_inner(cluster).unwrap().stop().unwrap();
}
