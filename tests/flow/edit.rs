//! Edits under load: nobody is told no, and every answer is of the version before or after.

use std::{collections::BTreeSet, fmt::Write, io::Write as _, net::SocketAddr};

use serde_json::Value;
use tollgate_tests::{
    gateway::{Gateway, eventually},
    load::{Load, Outcome},
    session::Session,
    upstream::{Upstream, read_request},
    write,
};

/// A route that answers `/` with a text.
fn saying(route: &str, text: &str) -> String {
    let rule =
        format!("  - {{name: say, match: [{{path: /}}], respond: {{status: 200, body: {text}}}}}");
    format!("---\n{}", write::route(route, "", &rule))
}

/// Asserts that nothing was lost, and that these were the answers, each at least once.
fn assert_answers(outcome: &Outcome, expected: &[(u16, &str)]) {
    assert!(outcome.lost.is_empty(), "{:?}", outcome.lost);
    let seen: BTreeSet<_> = outcome
        .answers
        .keys()
        .map(|(s, b)| (*s, b.as_str()))
        .collect();
    assert_eq!(
        seen,
        expected.iter().copied().collect(),
        "{:?}",
        outcome.answers
    );
}

fn says(gateway: &Gateway, path: &str, status: u16, body: &str) {
    eventually(|| {
        let reply = gateway.get(path);
        (reply.status == status && reply.body == body).then_some(())
    });
}

const NOT_FOUND: &str = r#"{"message":"Not Found"}"#;

#[test]
fn a_rule_that_changes_answers_as_before_or_after() {
    let manifests = |text: &str| write::gateway("{}") + &saying("r", text);
    let gateway = Gateway::serving(&manifests("v0"));
    let load = Load::on(gateway.address(), 4, "/");
    for version in 1..=10 {
        let text = format!("v{version}");
        gateway.write("manifests.yaml", &manifests(&text));
        says(&gateway, "/", 200, &text);
        load.goes_on();
    }
    let outcome = load.stop();
    let versions: Vec<_> = (0..=10).map(|version| format!("v{version}")).collect();
    let expected: Vec<_> = versions.iter().map(|text| (200, text.as_str())).collect();
    assert_answers(&outcome, &expected);
    gateway.stop();
}

#[test]
fn routes_come_and_go_beside_one_that_stays() {
    let mut stays = String::from(&write::gateway("{}"));
    stays += &saying("stays", "stays");
    let gateway = Gateway::serving(&stays);
    let load = Load::on(gateway.address(), 4, "/");
    let rule = "  - {name: other, match: [{path: /other}], respond: {status: 200, body: other}}";
    for _ in 0..5 {
        gateway.write("other.yaml", &write::route("other", "", rule));
        says(&gateway, "/other", 200, "other");
        std::fs::remove_file(gateway.folder().join("other.yaml")).unwrap();
        says(&gateway, "/other", 404, NOT_FOUND);
    }
    load.goes_on();
    assert_answers(&load.stop(), &[(200, "stays")]);
    gateway.stop();
}

fn naming(text: &'static str) -> Upstream {
    Upstream::with(move |stream, _| {
        while read_request(stream).is_some() {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes());
        }
    })
}

#[test]
fn endpoints_that_change_lose_no_request() {
    let (one, two) = (naming("one"), naming("two"));
    let gateway = Gateway::in_front_of(&one);
    let load = Load::on(gateway.address(), 4, "/");
    let says_only = |body: &str| says(&gateway, "/", 200, body);
    for _ in 0..5 {
        gateway.write("manifests.yaml", &write::forwarding_to(two.address));
        says_only("two");
        load.goes_on();
        gateway.write("manifests.yaml", &write::forwarding_to(one.address));
        says_only("one");
        load.goes_on();
    }
    assert_answers(&load.stop(), &[(200, "one"), (200, "two")]);
    gateway.stop();
}

/// A gateway with these listeners and a route at all of them.
fn listening(listeners: &[&str]) -> String {
    let mut text = String::from(
        "apiVersion: tollgate.dev/v1alpha1\nkind: ApiGateway\nmetadata: {name: g}\nspec:\n  listeners:\n",
    );
    for (index, name) in listeners.iter().enumerate() {
        let port = 80 + if *name == "http" { 0 } else { 1 + index };
        let _ = writeln!(text, "  - {{name: {name}, port: {port}, protocol: HTTP}}");
    }
    text + &saying("r", "hello")
}

/// Where a listener is, by `/config`; none: nowhere.
fn address(config: &Value, name: &str) -> Option<SocketAddr> {
    let rows = config["listeners"].as_array().unwrap();
    let is_it = |row: &&Value| row["gateway"] == "default/g" && row["listener"] == name;
    let row = rows.iter().find(is_it)?;
    row["address"].as_str()?.parse().ok()
}

#[test]
fn listeners_come_and_go_beside_one_that_stays() {
    let gateway = Gateway::serving(&listening(&["http"]));
    let load = Load::on(gateway.address(), 2, "/");
    for _ in 0..3 {
        gateway.write("manifests.yaml", &listening(&["http", "more"]));
        let more = eventually(|| address(&gateway.config(), "more"));
        assert_eq!(tollgate_tests::client::get(more, "/").body, "hello");
        gateway.write("manifests.yaml", &listening(&["http"]));
        eventually(|| address(&gateway.config(), "more").is_none().then_some(()));
        eventually(|| Session::try_open(more).is_err().then_some(()));
    }
    load.goes_on();
    assert_answers(&load.stop(), &[(200, "hello")]);
    gateway.stop();
}

/// The listener is gone from the configuration before its connections are.
#[test]
fn a_listener_that_goes_answers_what_its_connections_bring() {
    let gateway = Gateway::serving(&listening(&["http", "more"]));
    let more = address(&gateway.config(), "more").unwrap();
    let load = Load::on(more, 4, "/");
    load.may_be_refused();
    gateway.write("manifests.yaml", &listening(&["http"]));
    assert_answers(&load.ended(), &[(200, "hello")]);
    assert_eq!(gateway.get("/").body, "hello");
    gateway.stop();
}

#[test]
fn limits_that_change_hold_for_the_next_request() {
    let manifests = |limits: &str| {
        let rule = "  - {name: say, match: [{path: /}], respond: {status: 200, body: hello}}";
        write::gateway_with(rule).replacen("limits: {}", limits, 1)
    };
    let gateway = Gateway::serving(&manifests("limits: {}"));
    let load = Load::on(gateway.address(), 4, "/");
    let post = |session: &mut Session| {
        let head = "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody";
        session.write(head).unwrap();
        session.reply().unwrap().status
    };
    let mut session = Session::open(gateway.address());
    assert_eq!(session.get("/").unwrap().status, 200);
    gateway.write("manifests.yaml", &manifests("limits: {body: \"3\"}"));
    eventually(|| (post(&mut Session::open(gateway.address())) == 413).then_some(()));
    assert_eq!(
        post(&mut session),
        413,
        "on a connection that was there before"
    );
    gateway.write("manifests.yaml", &manifests("limits: {body: \"4\"}"));
    eventually(|| (post(&mut Session::open(gateway.address())) == 200).then_some(()));
    load.goes_on();
    assert_answers(&load.stop(), &[(200, "hello")]);
    gateway.stop();
}

#[test]
fn an_answer_that_streams_is_not_cut_by_an_edit() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::with(move |stream, _| {
        read_request(stream);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head).unwrap();
        gone.lock().unwrap().recv().unwrap();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").unwrap();
    });
    let gateway = Gateway::in_front_of(&upstream);
    let mut session = Session::open(gateway.address());
    session.ask("/").unwrap();
    assert_eq!(session.head().unwrap().status, 200);
    assert_eq!(session.chunk().unwrap().unwrap(), b"first");
    gateway.write(
        "manifests.yaml",
        &(write::gateway("{}") + &saying("new", "new")),
    );
    let is_new = || {
        gateway.config()["units"]
            .to_string()
            .contains("route/default/new")
    };
    eventually(|| is_new().then_some(()));
    go.send(()).unwrap();
    assert_eq!(session.chunk().unwrap().unwrap(), b"last");
    assert_eq!(session.chunk().unwrap(), None);
    assert_eq!(
        session.get("/").unwrap().body,
        "new",
        "the connection goes on"
    );
    gateway.stop();
}

#[test]
fn the_older_of_two_gateways_has_the_port_until_it_goes() {
    let gateway = Gateway::serving(&(write::gateway("{}") + &saying("r", "hello")));
    let older = write::gateway("{}").replace("{name: g}", "{name: a}");
    gateway.write("older.yaml", &older);
    let problem = eventually(|| {
        let config = gateway.config();
        let rows = config["listeners"].as_array().unwrap().clone();
        rows.iter()
            .find_map(|row| row["problem"].as_str().map(str::to_owned))
    });
    assert_eq!(problem, "127.0.0.1:80 is taken by ApiGateway default/a");
    std::fs::remove_file(gateway.folder().join("older.yaml")).unwrap();
    let again = eventually(|| address(&gateway.config(), "http"));
    eventually(|| (tollgate_tests::client::get(again, "/").body == "hello").then_some(()));
    gateway.stop();
}
