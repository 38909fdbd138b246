//! What operators and probes are answered.

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use imbl::OrdMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_snapshot::{Hash, ObjectName, UnitSet};

use super::{answer::answer, *};
use crate::{
    ca::tests::certificates,
    proxies::{Proxy, Running, Verdict},
    publish::Publisher,
};

fn site(holder: Holder) -> Site {
    let (_, holder) = watch::channel(holder);
    Site {
        metrics: Arc::new(Metrics::new().unwrap()),
        proxies: Proxies::default(),
        snapshots: Snapshots::default(),
        certificates: Arc::default(),
        holder,
        missing: watch::channel(vec![
            "ApiRoute: the API server does not know the kind".to_owned(),
        ])
        .1,
    }
}

async fn get(site: &Site, path: &str) -> (StatusCode, String) {
    let answer = answer(site, &Method::GET, path);
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_replica_is_ready_once_all_is_listed_and_it_has_a_certificate() {
    let mut site = site(Holder::Nobody);
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let unlisted = "not listed yet: ApiRoute: the API server does not know the kind\n".to_owned();
    assert_eq!(get(&site, "/readyz").await, (unavailable, unlisted));
    Publisher::new(site.snapshots.clone()).publish(1);
    let bare = "there is no serving certificate yet\n".to_owned();
    assert_eq!(get(&site, "/readyz").await, (unavailable, bare));
    site.certificates = certificates();
    assert_eq!(
        get(&site, "/readyz").await,
        (StatusCode::OK, "ok\n".to_owned())
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let site = site(Holder::Nobody);
    assert_eq!(get(&site, "/healthz").await.0, StatusCode::OK);
    assert_eq!(get(&site, "/config").await.0, StatusCode::NOT_FOUND);
    let refused = answer(&site, &Method::POST, "/proxies");
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    let (status, text) = get(&site, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("tollgate_controller_streams 0\n"));
}

#[tokio::test]
async fn proxies_shows_who_runs_what() {
    let site = site(Holder::Other {
        identity: "controller-1_x".to_owned(),
        relay: "10.0.0.1:9443".to_owned(),
    });
    let name = ObjectName::new("shop", "public");
    let old = UnitSet::default();
    let entry = tollgate_snapshot::Entry::Held { stand_in: None };
    let id: tollgate_snapshot::UnitId = "route/shop/one".to_owned().try_into().unwrap();
    let new = UnitSet::new(OrdMap::unit(id.clone(), entry), 9);
    site.snapshots.put(&name, old.clone());
    site.snapshots.put(&name, new.clone());
    let verdict = Verdict {
        running: Running::HeldAtLastGood,
        reason: "rules[0].path: no slash".to_owned(),
    };
    let proxy = |pod: &str, root: Option<Hash>| Proxy {
        gateway: name.clone(),
        pod: pod.to_owned(),
        root,
        exceptions: OrdMap::new(),
        refused: None,
        since: std::time::Instant::now(),
        local: true,
        stream: 1,
    };
    site.proxies.set(
        &"1-new".into(),
        Proxy {
            exceptions: OrdMap::unit(id, verdict),
            ..proxy("public-1", Some(new.root()))
        },
    );
    site.proxies.set(
        &"2-old".into(),
        Proxy {
            refused: Some("older than mine".to_owned()),
            local: false,
            ..proxy("public-2", Some(old.root()))
        },
    );
    site.proxies.set(&"3-empty".into(), proxy("public-3", None));
    let (status, text) = get(&site, "/proxies").await;
    assert_eq!(status, StatusCode::OK);
    let shown: Value = serde_json::from_str(&text).unwrap();
    let leader = json!({"self": false, "identity": "controller-1_x", "relay": "10.0.0.1:9443"});
    assert_eq!(shown["leader"], leader);
    let gateway = &shown["gateways"]["shop/public"];
    let newest = json!({"root": new.root().to_string(), "resourceVersion": 9, "units": 1});
    assert_eq!(gateway["newest"], newest);
    let [first, second, third] = gateway["proxies"].as_array().unwrap().as_slice() else {
        panic!("{gateway}");
    };
    assert_eq!(
        (&first["pod"], &first["uid"]),
        (&json!("public-1"), &json!("1-new"))
    );
    assert_eq!(first["lagSeconds"], 0.0);
    let exceptions = json!({"route/shop/one": {
        "state": "HeldAtLastGood", "reason": "rules[0].path: no slash",
    }});
    assert_eq!(first["exceptions"], exceptions);
    assert!(second["lagSeconds"].as_f64().unwrap() > 0.0);
    assert_eq!(second["refused"], "older than mine");
    assert_eq!(
        (&first["relayed"], &second["relayed"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (&third["root"], &third["lagSeconds"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn the_listener_answers_until_it_is_told_to_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ending = watch::Sender::new(false);
    let task = tokio::spawn(serve(listener, site(Holder::Nobody), ending.subscribe()));
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    ending.send_replace(true);
    task.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
