//! Those who dial the operator and are not what they say, speak nonsense, or hardly read: they get
//! nothing that is not theirs, and nobody else notices them.

mod dial;
mod forged;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use tollgate_e2e::{
    Cluster,
    harness::{DEADLINE, Site, gateway, route, until},
};
use tollgate_snapshot::wire::{EntryHash, MESSAGE_BYTES, PROTOCOL};
use tonic::Code;

use self::dial::{Dialler, hello};
use crate::Scene;

/// A token of an account for the operator.
fn token(site: &Site<'_>, account: &str, audience: &str, bound: Option<&Value>) -> String {
    site.token(&site.shop, account, &json!([audience]), bound)
}

#[test]
fn strangers_get_nothing_and_keep_nobody_from_anything() {
    let cluster = Cluster::own().unwrap();
    let mut scene = Scene::at(Site::new(&cluster));
    let (shop, site) = (scene.site.shop.clone(), &scene.site);
    let account = |name: &str| {
        site.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
                           "metadata": {"namespace": shop, "name": name}}));
        site.make_pod(&shop, name, &format!("{name}-1"))
    };
    let (own, stranger) = (
        site.make_pod(&shop, "tollgate-public", "p-2"),
        account("stranger"),
    );
    let good = token(site, "tollgate-public", "tollgate", Some(&own));
    let expired = forged::expired(&cluster, &good);
    assert_ne!(forged::same(&cluster, &good), good);
    let unsigned = format!("{}.c2ln", good.rsplit_once('.').unwrap().0);
    let unbound = token(site, "tollgate-public", "tollgate", None);
    let elsewhere = token(site, "tollgate-public", "vault", Some(&own));
    let nobodys = token(site, "stranger", "tollgate", Some(&stranger));
    let rows: [(&str, Option<&str>, Code); 7] = [
        ("none", None, Code::Unauthenticated),
        ("nonsense", Some("a.b.c"), Code::Unauthenticated),
        (
            "of another audience",
            Some(&elsewhere),
            Code::Unauthenticated,
        ),
        (
            "with another signature",
            Some(&unsigned),
            Code::Unauthenticated,
        ),
        ("expired", Some(&expired), Code::Unauthenticated),
        ("without a pod", Some(&unbound), Code::PermissionDenied),
        ("of no proxy", Some(&nobodys), Code::PermissionDenied),
    ];
    let dialler = Dialler::new(&scene.site, scene.operator.push);
    for (name, token, expected) in rows {
        let refused = dialler
            .units(token, hello(PROTOCOL))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(refused.code(), expected, "{name}: {refused}");
    }
    // A forged one that is in time is good: it was the time that was wrong.
    dialler
        .units(Some(&forged::same(&cluster, &good)), hello(PROTOCOL))
        .unwrap();

    // Whatever it says, a proxy gets its own gateway's units.
    scene.site.apply(&gateway(&shop, "private"));
    let private = account("tollgate-private");
    let private = token(&scene.site, "tollgate-private", "tollgate", Some(&private));
    let mut claims = hello(PROTOCOL);
    claims.have = vec![entry_hash(&format!("route/{shop}/calm"))];
    until("the private gateway is known", || {
        let units = dialler.units(Some(&private), claims.clone()).unwrap();
        (units == [format!("gateway/{shop}/private")]).then_some(())
    });

    for protocol in [0, PROTOCOL + 1] {
        let refused = dialler.units(Some(&good), hello(protocol)).unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(
            refused.message().contains(&format!("protocol {protocol}")),
            "{refused}"
        );
    }
    let mut oversized = hello(PROTOCOL);
    oversized.have = vec![entry_hash(&"x".repeat(1 << 20)); (MESSAGE_BYTES >> 20) + 1];
    let refused = dialler.units(Some(&good), oversized).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let mut nonsense = hello(PROTOCOL);
    nonsense.have = vec![entry_hash("no id")];
    let _ = dialler.units(Some(&good), nonsense);
    garbage(&scene);
    slow(&mut scene, &good);
    scene.ends();
    cluster.stop().unwrap();
}

fn entry_hash(id: &str) -> EntryHash {
    EntryHash {
        id: id.to_owned(),
        hash: vec![0; 32],
    }
}

/// Bytes that are no TLS, or no HTTP.
fn garbage(scene: &Scene<'_>) {
    let frame = [&[0x16, 0x03, 0x01, 0xff, 0xff][..], &[0xff; 1 << 16]].concat();
    let rows: [(&str, &[u8]); 3] = [
        ("HTTP in clear", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("zeros", &[0; 4096]),
        ("a handshake of nonsense", &frame),
    ];
    for (name, bytes) in rows {
        let mut stream = TcpStream::connect(scene.operator.push).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may be closed before all is written.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let waited = end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!waited, "{name}: still open");
    }
}

/// One who reads 1 KiB a second of some MiB: others are fed as ever, and it costs a few chunks.
fn slow(scene: &mut Scene<'_>, good: &str) {
    let shop = scene.site.shop.clone();
    let routes: Vec<Value> = (0..8)
        .map(|number| {
            let mut one = route(&shop, &format!("big-{number}"), "");
            let rule = |number: usize| {
                json!({"name": format!("r{number}"), "match": [{"path": format!("/r{number}")}],
                       "respond": {"status": 200, "body": "x".repeat(16_000)}})
            };
            one["spec"]["rules"] = (0..63).map(rule).collect();
            one
        })
        .collect();
    for route in &routes {
        let apply = ["apply", "--server-side", "-f", "-"];
        scene.site.try_kubectl(&apply, &route.to_string()).unwrap();
    }
    scene
        .site
        .until_condition("apiroutes/big-7", "Accepted", ("True", "Accepted"));
    scene.until_in_step();
    let sent = || {
        scene
            .operator
            .metric("tollgate_controller_sent_bytes_total")
    };
    let before = sent();
    let throttled = dial::throttled(scene.operator.push, 128, Duration::from_millis(125));
    let reading = Dialler::at(&scene.site, throttled).keep(good, hello(PROTOCOL));
    until("the slow one is being served", || {
        (sent() > before).then_some(())
    });
    for number in 0..10 {
        let body = number.to_string();
        scene.site.apply(&route(&shop, "edited", &body));
        scene.proxy.until_answer("edited.example", (200, &body));
    }
    let costs = scene
        .operator
        .metric("tollgate_controller_sent_bytes_total")
        - before;
    // Each chunk is one of these routes; a few of them are on their way.
    assert!(costs < f64::from(6 << 20), "{costs} bytes, of 8 MiB");
    drop(reading);
}
