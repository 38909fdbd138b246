//! The push port through sockets: TLS, tokens, streams; and those who mean no good.

mod hostile;
pub(crate) mod port;

use tollgate_snapshot::{
    Hash,
    wire::{self, Hello, ProxyReport},
};
use tonic::{Code, Request};

use self::port::{Port, account, unit};
use crate::{
    fake::token,
    holder::Holder,
    metrics::{Sent, Took},
};

#[tokio::test]
async fn a_proxy_gets_its_units_and_says_what_it_runs() {
    let port = Port::open().await;
    let root = port.publish("public", &[unit("a", "1"), unit("b", "1")]);
    let mut proxy = port.dial("public", "public-1").await;
    proxy
        .say(Hello {
            protocol: 1,
            ..Hello::default()
        })
        .await;
    let first = proxy.transaction().await;
    assert!(first.full);
    assert_eq!(
        first.entries,
        ["gateway/shop/a", "gateway/shop/b", "gateway/shop/public"]
    );
    proxy.adopt(first.seq, root).await;
    port.until(|table| table.values().any(|proxy| proxy.root == Some(root)))
        .await;

    let root = port.publish("public", &[unit("a", "2")]);
    let second = proxy.transaction().await;
    assert!(!second.full);
    assert_eq!(second.entries, ["gateway/shop/a"]);
    proxy.adopt(second.seq, root).await;
    port.until(|table| table.values().any(|proxy| proxy.root == Some(root)))
        .await;
    let table = port.proxies.now();
    let (uid, known) = table.iter().next().unwrap();
    assert_eq!(
        (uid.as_ref(), known.pod.as_str()),
        ("uid-of-public-1", "public-1")
    );
    assert!(known.local && known.exceptions.is_empty() && known.refused.is_none());

    drop(proxy);
    port.until(|table| table.is_empty()).await;
    let metrics = &port.metrics.stream;
    assert_eq!(metrics.sent.count(Sent::Full), 1);
    assert_eq!(metrics.sent.count(Sent::Delta), 1);
    assert_eq!(metrics.verdicts.count(Took::All), 2);
    assert_eq!(metrics.push_seconds.get_sample_count(), 1);
}

#[tokio::test]
async fn a_proxy_gets_the_units_of_the_gateway_in_its_token_whatever_it_says() {
    let port = Port::open().await;
    let public = port.publish("public", &[]);
    let private = port.publish("private", &[unit("secret", "1")]);
    let mut proxy = port.dial("public", "public-1").await;
    let hello = Hello {
        protocol: 1,
        // It claims to have the other gateway's units.
        root: private.as_bytes().to_vec(),
        ..Hello::default()
    };
    proxy.say(hello).await;
    let sent = proxy.transaction().await;
    assert_eq!(sent.root, public.as_bytes());
    assert_eq!(sent.entries, ["gateway/shop/public"]);
}

#[tokio::test]
async fn who_has_no_good_token_gets_nothing_but_a_reason() {
    let port = Port::open().await;
    let replica = token("replica", 600);
    port.api.allow(&replica, port::OPERATOR, "controller-2");
    let rows = [
        ("no token", None, Code::Unauthenticated, "missing"),
        (
            "rubbish",
            Some("opensesame".to_owned()),
            Code::Unauthenticated,
            "not a JSON web",
        ),
        (
            "wrong",
            Some(token("wrong", 600)),
            Code::Unauthenticated,
            "unknown token",
        ),
        (
            "expired",
            Some(token("old", -1)),
            Code::Unauthenticated,
            "it has expired",
        ),
        (
            "a replica",
            Some(replica),
            Code::PermissionDenied,
            "units are for proxies",
        ),
    ];
    for (name, token, code, why) in rows {
        let refused = port.units(token.as_deref()).await.map(drop).unwrap_err();
        assert_eq!(refused.code(), code, "{name}: {refused}");
        assert!(refused.message().contains(why), "{name}: {refused}");
    }
    port.api
        .state
        .down
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let refused = port
        .units(Some(&token("unseen", 600)))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(port.proxies.now().is_empty());
}

#[tokio::test]
async fn only_a_replica_relays_and_only_to_the_holder() {
    let port = Port::open().await;
    let (replica, proxy) = (token("replica", 600), token("proxy", 600));
    port.api.allow(&replica, port::OPERATOR, "controller-2");
    port.api.allow(&proxy, &account("public"), "public-1");
    let relay = async |token: &str| {
        let reports = tokio_stream::pending::<ProxyReport>();
        let request = port.request(Request::new(reports), Some(token));
        port.client().await.relay(request).await.unwrap_err()
    };
    assert_eq!(relay(&proxy).await.code(), Code::PermissionDenied);
    port.holder.send_replace(Holder::Nobody);
    assert_eq!(relay(&replica).await.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn an_old_protocol_is_refused_with_both_names() {
    let port = Port::open().await;
    port.publish("public", &[]);
    let mut proxy = port.dial("public", "public-1").await;
    proxy
        .say(Hello {
            protocol: 9,
            ..Hello::default()
        })
        .await;
    let ended = proxy.ended().await.unwrap_err();
    assert_eq!(ended.code(), Code::FailedPrecondition);
    assert_eq!(
        ended.message(),
        "hello: protocol 9: this controller speaks 1 only"
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_right_ends_the_stream() {
    let port = Port::open().await;
    port.publish("public", &[]);
    let mut proxy = port.dial("public", "public-1").await;
    proxy.adopt(7, Hash::from_bytes([0; 32])).await;
    let ended = proxy.ended().await.unwrap_err();
    assert_eq!(ended.code(), Code::InvalidArgument);
    assert!(ended.message().contains("no transaction 7"), "{ended}");
}

#[tokio::test]
async fn at_the_end_the_port_closes_and_streams_end_well() {
    let port = Port::open().await;
    let root = port.publish("public", &[]);
    let mut proxy = port.dial("public", "public-1").await;
    proxy
        .say(Hello {
            protocol: 1,
            ..Hello::default()
        })
        .await;
    let first = proxy.transaction().await;
    proxy.adopt(first.seq, root).await;
    port.ending.send_replace(true);
    assert!(proxy.ended().await.is_ok());
    port.server.await.unwrap().unwrap();
    assert!(port.proxies.now().is_empty());
    let refused = tokio::net::TcpStream::connect(port.address).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_newer_stream_of_a_pod_is_the_one_that_counts() {
    let port = Port::open().await;
    let root = port.publish("public", &[]);
    let mut old = port.dial("public", "public-1").await;
    old.say(Hello {
        protocol: 1,
        ..Hello::default()
    })
    .await;
    let first = old.transaction().await;
    let mut new = port.dial("public", "public-1").await;
    new.say(Hello {
        protocol: 1,
        ..Hello::default()
    })
    .await;
    let second = new.transaction().await;
    new.adopt(second.seq, root).await;
    port.until(|table| table.values().any(|proxy| proxy.root == Some(root)))
        .await;
    old.say_verdicts(wire::Verdicts {
        seq: first.seq,
        refused: "old".to_owned(),
        ..Default::default()
    })
    .await;
    drop(old);
    // The end of the old stream is seen by its gauge.
    while port.metrics.stream.proxies.get() > 1 {
        tokio::task::yield_now().await;
    }
    let table = port.proxies.now();
    assert_eq!(table.values().next().unwrap().root, Some(root));
}
