//! Who the client is said to be: to upstreams, in the log, in the request's id.

use tollgate_tests::{client, gateway::Gateway, upstream::Upstream, write};

const CLAIMS: [(&str, &str); 8] = [
    ("x-forwarded-for", "192.0.2.1, 192.0.2.2"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-forwarded-port", "443"),
    ("x-real-ip", "192.0.2.1"),
    ("forwarded", "for=192.0.2.1"),
    ("x_forwarded_for", "192.0.2.1"),
    ("x-request-id", "their-id"),
];

/// What an upstream sees of a request with all claims, and what is answered.
fn seen_with(trusted: &str) -> (Vec<String>, client::Reply, serde_json::Value) {
    let upstream = Upstream::echo();
    let manifests = write::forwarding_to(upstream.address).replacen(
        "  limits: {}",
        &format!("  clientIp: {{trustedCidrs: [{trusted}]}}\n  limits: {{}}"),
        1,
    );
    let gateway = Gateway::serving(&manifests);
    let reply = client::request(gateway.address(), "GET", "/", &CLAIMS, "");
    let head = upstream.seen(1).remove(0);
    let lines = head.lines().map(str::to_owned).collect();
    let line = gateway.lines(1).remove(0);
    gateway.stop();
    (lines, reply, line)
}

fn values<'a>(lines: &'a [String], name: &str) -> Vec<&'a str> {
    let pairs = lines.iter().filter_map(|line| line.split_once(": "));
    pairs.filter(|(n, _)| *n == name).map(|(_, v)| v).collect()
}

#[test]
fn what_an_untrusted_peer_says_of_itself_is_replaced() {
    let (seen, reply, line) = seen_with("");
    assert_eq!(values(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&seen, "x-forwarded-host"), ["a.example"]);
    for name in [
        "x-forwarded-port",
        "x-real-ip",
        "forwarded",
        "x_forwarded_for",
    ] {
        assert!(values(&seen, name).is_empty(), "{name}: {seen:?}");
    }
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(values(&seen, "x-request-id"), [id]);
    // A UUID of version 7.
    assert_eq!((id.len(), &id[14..15]), (36, "7"));
    assert_eq!(line["request.id"], id);
    assert_eq!(line["clientIp"], "127.0.0.1");
}

#[test]
fn what_a_trusted_peer_says_is_believed() {
    let (seen, reply, line) = seen_with("127.0.0.0/8");
    let chain = "192.0.2.1, 192.0.2.2, 127.0.0.1";
    assert_eq!(values(&seen, "x-forwarded-for"), [chain]);
    assert_eq!(values(&seen, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&seen, "x-forwarded-host"), ["shop.example"]);
    assert_eq!(values(&seen, "x-request-id"), ["their-id"]);
    assert!(values(&seen, "x_forwarded_for").is_empty(), "{seen:?}");
    assert_eq!(reply.header("x-request-id"), Some("their-id"));
    assert_eq!(line["request.id"], "their-id");
    assert_eq!(line["clientIp"], "192.0.2.2");
}

#[test]
fn each_request_has_an_id_of_its_own_whoever_answers() {
    let rules = "  - {name: ok, match: [{path: /}], respond: {status: 200}}";
    let gateway = Gateway::serving(&write::gateway_with(rules));
    let paths = ["/", "/", "/none"];
    let ids = paths.map(|path| gateway.get(path).header("x-request-id").unwrap().to_owned());
    assert_ne!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
    gateway.stop();
}
