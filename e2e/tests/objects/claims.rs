//! Two who claim the same.

use serde_json::{Value, json};
use tollgate_e2e::{
    Cluster,
    harness::{Site, gateway, route_at, until},
};

use crate::{NOTHING, Scene};

/// When an object was created.
fn created(object: &Value) -> String {
    let created = object["metadata"]["creationTimestamp"].as_str();
    created.unwrap().to_owned()
}

/// Creates a route that is younger than another: time is in whole seconds.
fn create_younger(site: &Site<'_>, route: &Value, older: &str) {
    let name = format!("apiroutes/{}", route["metadata"]["name"].as_str().unwrap());
    let older = created(&site.ours(older).unwrap());
    until("a route is younger", || {
        site.apply(route);
        let is_younger = created(&site.ours(&name).unwrap()) > older;
        if !is_younger {
            site.kubectl(&["delete", &name.replacen("apiroutes", "apiroute", 1)]);
        }
        is_younger.then_some(())
    });
}

#[test]
fn of_two_routes_that_claim_one_path_the_older_wins_also_after_ten_restarts() {
    let mut scene = Scene::new();
    let (shop, host) = (scene.site.shop.clone(), "claimed.example");
    // By name they would be the other way round.
    let older = route_at(&shop, "z-older", host, "older");
    let younger = route_at(&shop, "a-younger", host, "younger");
    scene.site.apply(&older);
    scene.proxy.until_answer(host, (200, "older"));
    create_younger(&scene.site, &younger, "apiroutes/z-older");
    let shadowed = |scene: &Scene<'_>| {
        let site = &scene.site;
        let said = site.until_condition("apiroutes/a-younger", "Accepted", ("True", "Accepted"));
        assert!(said.contains("z-older"), "{said}");
    };
    until("the younger one is said to be shadowed", || {
        let object = scene.site.ours("apiroutes/a-younger")?;
        let conditions = object["status"]["conditions"].as_array()?;
        conditions
            .iter()
            .any(|one| one.to_string().contains("z-older"))
            .then_some(())
    });
    scene.serves(host, (200, "older"));
    for number in 0..10 {
        scene.restart(&format!("op-again-{number}"));
        scene.until_in_step();
    }
    shadowed(&scene);

    scene.turns(&[(host, (200, "older"), (200, "younger"))], |site| {
        site.kubectl(&["delete", "apiroute", "z-older"]);
    });
    // What comes again is the younger one now.
    create_younger(&scene.site, &older, "apiroutes/a-younger");
    let late = "apiroutes/z-older";
    until("the late one is said to be shadowed", || {
        let conditions = scene.site.ours(late)?["status"]["conditions"].clone();
        conditions.to_string().contains("a-younger").then_some(())
    });
    scene.until_in_step();
    scene.ends();
}

#[test]
fn a_hostname_that_another_namespace_was_given_is_not_served_for_anybody_else() {
    let mut site = Site::new(Cluster::shared().unwrap());
    let other = site.add_namespace("other");
    let shop = site.shop.clone();
    let mut public = gateway(&shop, "public");
    let theirs = json!({"matchLabels": {"kubernetes.io/metadata.name": other}});
    public["spec"]["allow"] = json!([
        {"namespaces": "Same", "hostnames": ["calm.example", "own.example"]},
        {"namespaces": "Selector", "selector": theirs, "hostnames": ["theirs.example"]},
    ]);
    site.apply(&public);
    let mut scene = Scene::at(site);
    // The thief is the older one, so that nothing but the rule keeps it away.
    let mut thief = route_at(&shop, "thief", "theirs.example", "stolen");
    thief["spec"]["hostnames"] = json!(["theirs.example", "own.example"]);
    scene.site.apply(&thief);
    scene.serves("own.example", (200, "stolen"));
    let refused = ("False", "HostnameNotAllowed");
    let said = scene
        .site
        .until_condition("apiroutes/thief", "Accepted", refused);
    assert!(said.contains("theirs.example"), "{said}");
    scene.proxy.until_answer("theirs.example", NOTHING);

    let mut owner = route_at(&other, "owner", "theirs.example", "theirs");
    owner["spec"]["gateways"] = json!([{"name": "public", "namespace": shop}]);
    scene.site.apply(&owner);
    scene.serves("theirs.example", (200, "theirs"));
    // And wider than what was given is not given.
    let mut wide = route_at(&other, "wide", "*.example", "stolen");
    wide["spec"]["gateways"] = json!([{"name": "public", "namespace": shop}]);
    scene.site.apply(&wide);
    scene
        .site
        .until_condition_in(&other, "apiroutes/wide", "Accepted", refused);
    scene.until_in_step();
    scene.ends();
}
