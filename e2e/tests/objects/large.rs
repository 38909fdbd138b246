//! Objects as large as they may be, as many as one may have, and one that is too large.

use std::time::Instant;

use serde_json::{Value, json};
use tollgate_e2e::harness::{gateway, route};

use crate::Scene;

#[test]
fn objects_of_a_mebibyte_and_ten_thousand_rules_are_served() {
    let mut scene = Scene::new();
    let shop = scene.site.shop.clone();
    // As many rules as an object may have, each with a long answer: 1 MiB.
    let mut large = route(&shop, "large", "");
    large["spec"]["rules"] = rules(0, &"x".repeat(16_000));
    assert!(large.to_string().len() > 1_000_000);
    // A user's tool would copy it into an annotation, which may have 256 KiB.
    let apply = ["apply", "--server-side", "-f", "-"];
    scene.site.try_kubectl(&apply, &large.to_string()).unwrap();
    scene
        .site
        .until_condition("apiroutes/large", "Ready", ("True", "Ready"));
    let (status, body) = scene.proxy.answer("large.example", "/r63");
    assert_eq!((status, body.len()), (200, 16_000));

    let many: Vec<Value> = (0..157)
        .map(|number| {
            let mut one = route(&shop, &format!("many-{number}"), "");
            one["spec"]["hostnames"] = json!(["many.example"]);
            one["spec"]["rules"] = rules(64 * number, "of many");
            one
        })
        .collect();
    let began = Instant::now();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": many}).to_string();
    scene.site.try_kubectl(&apply, &list).unwrap();
    for number in 0..157 {
        let name = format!("apiroutes/many-{number}");
        scene
            .site
            .until_condition(&name, "Programmed", ("True", "Programmed"));
    }
    println!("157 routes of 64 rules: {:?}", began.elapsed());
    for rule in [0, 5_000, 10_047] {
        let answer = scene.proxy.answer("many.example", &format!("/r{rule}"));
        assert_eq!(answer, (200, "of many".to_owned()), "rule {rule}");
    }
    scene.until_in_step();
    scene.ends();
}

/// 64 rules, with names and paths from a number on.
fn rules(from: usize, body: &str) -> Value {
    let rule = |number: usize| {
        json!({"name": format!("r{number}"), "match": [{"path": format!("/r{number}")}],
               "respond": {"status": 200, "body": body}})
    };
    (from..from + 64).map(rule).collect()
}

#[test]
fn an_object_that_compiles_to_more_than_can_be_sent_is_refused_and_nothing_else() {
    let mut scene = Scene::new();
    let shop = scene.site.shop.clone();
    let gateways: Vec<Value> = (0..8)
        .map(|number| {
            let listener = |number: usize| {
                json!({"name": format!("l{number}"), "port": 8000 + number, "protocol": "HTTP"})
            };
            let mut one = gateway(&shop, &format!("g{number}"));
            one["spec"]["listeners"] = (0..64).map(listener).collect();
            one
        })
        .collect();
    scene.site.apply_all(&gateways);
    let mut wide = route(&shop, "wide", "1");
    scene.site.apply(&wide);
    scene.serves("wide.example", (200, "1"));

    let label = "a".repeat(60);
    let host = |number: usize| format!("{number}.{label}.{label}.{label}.example");
    let hosts: Vec<String> = (0..63)
        .map(host)
        .chain(["wide.example".to_owned()])
        .collect();
    let named = (0..8).map(|number| json!({"name": format!("g{number}")}));
    wide["spec"]["hostnames"] = json!(hosts);
    wide["spec"]["gateways"] = named.chain([json!({"name": "public"})]).collect();
    scene.site.apply(&wide);
    let said = scene
        .site
        .until_condition("apiroutes/wide", "Accepted", ("False", "Invalid"));
    assert!(said.contains("can be sent; divide it"), "{said}");
    // What else is edited reaches the proxy as ever, and the last good version goes on.
    scene.site.apply(&route(&shop, "other", "other"));
    scene.serves("other.example", (200, "other"));
    scene.until_in_step();
    scene.ends();
}
