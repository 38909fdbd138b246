//! Edits that `compile` refuses though the schema takes them, and back.

use serde_json::{Value, json};
use tollgate_e2e::harness::route;

use crate::{CALM, CLOSED, NOTHING, Scene};

/// A name, what is spoilt in the only rule, the reason, and a part of the message.
type Row = (&'static str, fn(&mut Value), &'static str, &'static str);

const ROWS: [Row; 9] = [
    (
        "one parameter twice",
        |rule| rule["match"][0]["path"] = json!("/{x}/{x}"),
        "Invalid",
        r#"parameter "x" appears twice"#,
    ),
    (
        "many segments",
        |rule| rule["match"][0]["path"] = json!("/a".repeat(65)),
        "Invalid",
        "more than 64 segments",
    ),
    (
        "a bad escape",
        |rule| rule["match"][0]["path"] = json!("/a%zz"),
        "Invalid",
        "spec.rules[0].match[0].path: a % without two hex digits behind it",
    ),
    (
        "an escaped slash",
        |rule| rule["match"][0]["path"] = json!("/a%2fb"),
        "Invalid",
        "an escaped slash, backslash or control byte",
    ),
    (
        "a header in two cases",
        |rule| {
            rule["match"][0]["headers"] =
                json!([{"name": "x-a", "value": "1"}, {"name": "X-A", "value": "2"}]);
        },
        "Duplicate",
        r#"header "x-a" is named twice"#,
    ),
    (
        "a header of one connection",
        |rule| rule["match"][0]["headers"] = json!([{"name": "connection", "value": "close"}]),
        "Invalid",
        "speaks of one connection and is the gateway's own",
    ),
    (
        "the length of an answer",
        |rule| rule["respond"]["headers"] = json!({"Content-Length": "5"}),
        "Invalid",
        "follows from the body",
    ),
    (
        "an answer's header in two cases",
        |rule| rule["respond"]["headers"] = json!({"x-a": "1", "X-A": "2"}),
        "Duplicate",
        "x-a",
    ),
    (
        "a port that none can have",
        |rule| {
            rule.as_object_mut().unwrap().remove("respond");
            rule["backends"] = json!([{"url": "http://shop.example:99999"}]);
        },
        "Invalid",
        "port",
    ),
];

#[test]
fn a_good_route_goes_on_while_it_is_edited_into_a_bad_one_and_back() {
    let mut scene = Scene::new();
    let host = "edited.example";
    let shop = scene.site.shop.clone();
    scene.site.apply(&route(&shop, "edited", "0"));
    scene.serves(host, (200, "0"));
    for (number, (name, spoil, reason, said)) in ROWS.iter().enumerate() {
        let mut bad = route(&shop, "edited", "bad");
        spoil(&mut bad["spec"]["rules"][0]);
        scene.site.apply(&bad);
        let object = "apiroutes/edited";
        let condition = |type_, expected| scene.site.until_condition(object, type_, expected);
        let message = condition("Accepted", ("False", reason));
        assert!(message.contains(said), "{name}: {message}");
        condition("Programmed", ("False", "HeldAtLastGood"));
        condition("Stalled", ("True", reason));

        let (before, after) = (number.to_string(), (number + 1).to_string());
        scene.turns(&[(host, (200, &before), (200, &after))], |site| {
            site.apply(&route(&shop, "edited", &after));
        });
        scene
            .site
            .until_condition(object, "Ready", ("True", "Ready"));
    }
    scene.ends();
}

#[test]
fn a_route_that_was_never_good_closes_its_place_and_no_other() {
    let mut scene = Scene::new();
    let mut bad = route(&scene.site.shop, "never", "bad");
    bad["spec"]["rules"][0]["match"] = json!([{"path": "/{x}/{x}"}]);
    scene.site.apply(&bad);
    scene.serves("never.example", CLOSED);
    let never = "apiroutes/never";
    scene
        .site
        .until_condition(never, "Programmed", ("False", "HeldWithoutLastGood"));
    scene.turns(&[("never.example", CLOSED, (200, "good"))], |site| {
        site.apply(&route(&site.shop, "never", "good"));
    });
    scene.ends();
}

#[test]
fn all_routes_that_are_deleted_are_gone_at_once_and_come_again() {
    let mut scene = Scene::new();
    let shop = scene.site.shop.clone();
    let names: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    let hosts: Vec<String> = names.iter().map(|name| format!("{name}.example")).collect();
    let routes: Vec<Value> = names.iter().map(|name| route(&shop, name, name)).collect();
    scene.site.apply_all(&routes);
    let served = |number: usize| (200, names[number].as_str());
    for (number, host) in hosts.iter().enumerate() {
        scene.serves(host, served(number));
    }
    let each = hosts.iter().enumerate();
    let mut go: Vec<_> = each
        .map(|(number, host)| (&**host, served(number), NOTHING))
        .collect();
    go.push((CALM, (200, "calm"), NOTHING));
    scene.turns(&go, |site| {
        site.kubectl(&["delete", "apiroute", "--all"]);
    });
    let public = scene.site.ours("apigateways/public").unwrap();
    assert!(!public.to_string().contains("ListHeld"), "{public:#}");

    // An operator that starts now finds none, and believes it.
    scene.restart("op-2");
    scene.until_in_step();
    let each = hosts.iter().enumerate();
    let come: Vec<_> = each
        .map(|(number, host)| (&**host, NOTHING, served(number)))
        .collect();
    scene.turns(&come, |site| site.apply_all(&routes));
    scene.ends();
}
