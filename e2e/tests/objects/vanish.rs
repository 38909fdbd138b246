//! Objects that nobody can read, and a kind that vanishes.

use rustix::process::Signal;
use serde_json::{Value, json};
use tollgate_e2e::{
    Cluster,
    harness::{Site, route, until},
};

use crate::{CALM, NOTHING, Scene};

/// Objects as no schema would let them through, each with what is said of it.
fn unreadable(shop: &str) -> [(Value, &'static str); 3] {
    let of = |name: &str, spec: Value| {
        let mut object = route(shop, name, "");
        object["spec"] = spec;
        object
    };
    [
        (
            of("text", json!({"gateways": "public", "rules": []})),
            "spec.gateways: invalid type: string",
        ),
        (
            of(
                "number",
                json!({"gateways": [{"name": "public"}], "rules": [{"name": 5}]}),
            ),
            "spec.rules[0].name: invalid type: integer",
        ),
        (of("nothing", json!({})), "missing field `gateways`"),
    ]
}

/// Lets any object through as a route, or only those that the CRD describes.
fn loosen(site: &Site<'_>) {
    let fields = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let patch = json!([{"op": "replace", "path": path, "value": fields}]).to_string();
    site.kubectl(&[
        "patch",
        "crd",
        "apiroutes.tollgate.dev",
        "--type=json",
        "-p",
        &patch,
    ]);
}

fn install(site: &Site<'_>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", folder];
    site.kubectl(&apply);
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"];
    site.kubectl(&[&wait[..], &["crd/apiroutes.tollgate.dev"]].concat());
}

#[test]
fn what_cannot_be_read_and_a_kind_that_vanishes_take_nothing_away() {
    let cluster = Cluster::own().unwrap();
    let mut scene = Scene::at(Site::new(&cluster));
    let shop = scene.site.shop.clone();
    let host = "edited.example";
    scene.site.apply(&route(&shop, "edited", "good"));
    scene.serves(host, (200, "good"));

    // A schema changes a little after its CRD.
    loosen(&scene.site);
    let mut bad = route(&shop, "edited", "");
    bad["spec"]["rules"] = json!("none");
    until("anything goes", || {
        let replace = ["replace", "-f", "-"];
        scene.site.try_kubectl(&replace, &bad.to_string()).ok()
    });
    let refused = ("False", "Invalid");
    let said = scene
        .site
        .until_condition("apiroutes/edited", "Accepted", refused);
    assert!(
        said.starts_with("spec.rules: invalid type: string"),
        "{said}"
    );
    for (object, expected) in unreadable(&shop) {
        scene.site.apply(&object);
        let name = format!("apiroutes/{}", object["metadata"]["name"].as_str().unwrap());
        let said = scene.site.until_condition(&name, "Accepted", refused);
        assert!(said.contains(expected), "{name}: {said}");
    }
    // A list that they are in is a list like any other.
    scene.restart("op-2");
    scene.until_in_step();
    scene.site.apply(&route(&shop, "beside", "beside"));
    scene.serves("beside.example", (200, "beside"));
    scene.turns(&[(host, (200, "good"), (200, "better"))], |site| {
        site.apply(&route(&site.shop, "edited", "better"));
    });

    scene
        .site
        .kubectl(&["delete", "crd", "apiroutes.tollgate.dev"]);
    let held = ("True", "ListHeld");
    scene
        .site
        .until_condition("apigateways/public", "Degraded", held);
    scene.load.goes_on();
    // An operator that starts now tells nobody that there is nothing.
    scene.operator.program.signal(Signal::KILL);
    scene.operator.program.end();
    scene.operator = scene.site.operator("op-3");
    let misses = |line: &str| line.contains("not watched").then_some(());
    scene.operator.program.says("the kind is missed", misses);
    scene.load.goes_on();
    let Scene {
        load,
        operator,
        mut proxy,
        site,
        ..
    } = scene;
    load.stop().assert_whole();
    // The kind comes again, without its objects: with it they are gone, and can be made anew.
    install(&site);
    let _operator = operator.ready();
    site.apply(&route(&shop, "edited", "anew"));
    proxy.until_answer(host, (200, "anew"));
    proxy.until_answer(CALM, NOTHING);
    drop((proxy, _operator, site));
    cluster.stop().unwrap();
}
