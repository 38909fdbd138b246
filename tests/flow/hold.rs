//! A broken edit costs nothing but itself: what was good before goes on, and `/config` says why.

use serde_json::Value;
use tollgate_tests::{
    client,
    gateway::{Gateway, eventually},
    load::Load,
    write,
};

fn saying(route: &str, host: &str, text: &str) -> String {
    let rule =
        format!("  - {{name: say, match: [{{path: /}}], respond: {{status: 200, body: {text}}}}}");
    write::route(route, &format!("  hostnames: [{host}]\n"), &rule)
}

/// A route with a rule that is refused: it says both what answers and where to send the client.
fn broken(route: &str, host: &str) -> String {
    let rule = "  - {name: say, match: [{path: /}], respond: {status: 200}, redirect: {status: 308, \
                path: /x}}";
    write::route(route, &format!("  hostnames: [{host}]\n"), rule)
}

fn ask(gateway: &Gateway, host: &str) -> (u16, String) {
    let reply = client::request(gateway.address(), "GET", "/", &[("host", host)], "");
    (reply.status, reply.body)
}

fn says(gateway: &Gateway, host: &str, expected: (u16, &str)) {
    eventually(|| {
        let (status, body) = ask(gateway, host);
        ((status, body.as_str()) == expected).then_some(())
    });
}

/// How a unit stands, by `/config`.
fn verdict(config: &Value, id: &str) -> Option<String> {
    let rows = ["units", "absent"].into_iter();
    let mut rows = rows.flat_map(|key| config[key].as_array().unwrap());
    let row = rows.find(|row| row["id"] == id)?;
    Some(row["verdict"].as_str().unwrap().to_owned())
}

fn stands(gateway: &Gateway, id: &str, expected: &str) -> Vec<String> {
    eventually(|| {
        let config = gateway.config();
        let problems = config["problems"].as_array().unwrap().iter();
        let problems = problems.map(|problem| problem.as_str().unwrap().to_owned());
        (verdict(&config, id).as_deref() == Some(expected)).then(|| problems.collect())
    })
}

const CLOSED: &str = r#"{"message":"Service Unavailable"}"#;

#[test]
fn a_broken_edit_keeps_the_last_good_version_of_that_object_alone() {
    let gateway = Gateway::serving(&write::gateway("{}"));
    gateway.write("one.yaml", &saying("one", "one.example", "one"));
    gateway.write("two.yaml", &saying("two", "two.example", "two"));
    says(&gateway, "one.example", (200, "one"));
    says(&gateway, "two.example", (200, "two"));
    let load = {
        gateway.write("load.yaml", &saying("load", "a.example", "load"));
        says(&gateway, "a.example", (200, "load"));
        Load::on(gateway.address(), 2, "/")
    };

    gateway.write("one.yaml", &broken("one", "one.example"));
    gateway.write("two.yaml", &saying("two", "two.example", "two-again"));
    let problems = stands(&gateway, "route/default/one", "HeldAtLastGood");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("one.yaml:"), "{problems:?}");
    assert!(problems[0].contains("ApiRoute default/one"), "{problems:?}");
    says(&gateway, "two.example", (200, "two-again"));
    assert_eq!(ask(&gateway, "one.example"), (200, "one".into()));
    assert_eq!(
        verdict(&gateway.config(), "route/default/two").unwrap(),
        "Active"
    );

    gateway.write("one.yaml", &saying("one", "one.example", "healed"));
    says(&gateway, "one.example", (200, "healed"));
    assert!(stands(&gateway, "route/default/one", "Active").is_empty());
    let outcome = load.stop();
    assert!(outcome.lost.is_empty(), "{:?}", outcome.lost);
    let answers: Vec<_> = outcome.answers.keys().collect();
    assert_eq!(answers, [&(200, "load".to_owned())]);
    gateway.stop();
}

#[test]
fn a_broken_first_version_answers_503_on_its_hosts() {
    let gateway = Gateway::serving(&write::gateway("{}"));
    gateway.write("one.yaml", &broken("one", "one.example"));
    stands(&gateway, "route/default/one", "HeldWithoutLastGood");
    says(&gateway, "one.example", (503, CLOSED));
    assert_eq!(ask(&gateway, "two.example").0, 404);
    assert_eq!(gateway.lines(2)[0]["gateway"], "default/g");
    gateway.write("one.yaml", &broken("one", "two.example"));
    says(&gateway, "two.example", (503, CLOSED));
    says(&gateway, "one.example", (404, r#"{"message":"Not Found"}"#));
    gateway.write("one.yaml", &saying("one", "one.example", "healed"));
    says(&gateway, "one.example", (200, "healed"));
    assert_eq!(ask(&gateway, "two.example").0, 404);
    std::fs::remove_file(gateway.folder().join("one.yaml")).unwrap();
    says(&gateway, "one.example", (404, r#"{"message":"Not Found"}"#));
    gateway.stop();
}

#[test]
fn a_broken_gateway_keeps_its_ports() {
    let rule = "  - {name: say, match: [{path: /}], respond: {status: 200, body: hello}}";
    let good = write::gateway_with(rule);
    let gateway = Gateway::serving(&good);
    let bad = good.replacen("limits: {}", "limits: {headerCount: 0}", 1);
    gateway.write("manifests.yaml", &bad);
    stands(&gateway, "gateway/default/g", "HeldAtLastGood");
    assert_eq!(gateway.get("/").body, "hello");
    // Routes of a gateway that is held are edited on.
    gateway.write("manifests.yaml", &bad.replace("hello", "again"));
    eventually(|| (gateway.get("/").body == "again").then_some(()));
    gateway.write("manifests.yaml", &good);
    eventually(|| (gateway.get("/").body == "hello").then_some(()));
    stands(&gateway, "gateway/default/g", "Active");
    gateway.stop();
}

#[test]
fn a_file_that_is_no_yaml_keeps_all_its_objects() {
    let manifests = write::gateway("{}") + "---\n" + &saying("one", "one.example", "one");
    let gateway = Gateway::serving(&manifests);
    gateway.write("manifests.yaml", "kind: [");
    let problem = eventually(|| {
        let config = gateway.config();
        let problems = config["problems"].as_array().unwrap();
        problems
            .first()
            .map(|problem| problem.as_str().unwrap().to_owned())
    });
    assert!(problem.contains("manifests.yaml"), "{problem}");
    assert_eq!(ask(&gateway, "one.example"), (200, "one".into()));
    gateway.write(
        "manifests.yaml",
        &manifests.replace("body: one", "body: two"),
    );
    says(&gateway, "one.example", (200, "two"));
    gateway.stop();
}

#[test]
fn a_rule_whose_service_is_missing_is_closed_alone() {
    let rules = "  - {name: up, match: [{path: /up}], backends: [{service: {name: up, port: 80}}]}\n\
                 \x20 - {name: ok, match: [{path: /}], respond: {status: 200, body: ok}}";
    let gateway = Gateway::serving(&write::gateway_with(rules));
    let closed = gateway.get("/up");
    assert_eq!((closed.status, closed.body.as_str()), (503, CLOSED));
    assert_eq!(gateway.get("/").body, "ok");
    assert_eq!(gateway.lines(1)[0]["reason"], "RuleClosed");
    let upstream = tollgate_tests::upstream::Upstream::echo();
    gateway.write("up.yaml", &write::service("up", &[upstream.address]));
    eventually(|| (gateway.get("/up").body == "hello").then_some(()));
    gateway.write("up.yaml", &write::service("up", &[]));
    eventually(|| (gateway.get("/up").status == 503).then_some(()));
    let reasons: Vec<_> = gateway
        .lines(3)
        .iter()
        .map(|line| line["reason"].clone())
        .collect();
    eventually(|| {
        gateway
            .lines(3)
            .iter()
            .any(|line| line["reason"] == "NoEndpoint")
            .then_some(())
    });
    assert!(!reasons.is_empty());
    gateway.stop();
}
