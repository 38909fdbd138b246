//! Backends that are not there, are closed, or may not be reached.

use tollgate_tests::{
    trial::{AFTER, BEHIND, Trial, check_refusal},
    upstream::Upstream,
    write,
};

const BAD: &str = "GET /bad HTTP/1.1\r\nhost: a.example\r\n\r\n";

/// A gateway whose rule for `/bad` has this backend, and whose rule for `/behind` an upstream.
fn trial(backend: &str, more: &str) -> Trial {
    let good = Upstream::echo();
    let rules = format!(
        "{AFTER}  - {{name: behind, match: [{{path: /behind}}], backends: [{{service: {{name: up, \
         port: 80}}}}]}}\n  - {{name: bad, match: [{{path: /bad}}], backends: [{{{backend}}}]}}"
    );
    let manifests = format!(
        "{}---\n{}{}{more}",
        write::gateway("{}"),
        write::route("r", "", &rules),
        write::service("up", &[good.address])
    );
    Trial::of(&manifests, good)
}

fn refused(name: &str, trial: Trial, status: u16, reason: &str) {
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    let answers = outcome.answers();
    check_refusal(name, &answers[0], status);
    assert_eq!(answers[1].status, 200, "{name}");
    outcome.check_lines(name, &[(status, Some(reason)), (200, None)]);
    assert_eq!(outcome.lines[0].get("upstream"), None, "{name}");
    assert_eq!(outcome.forwarded.len(), 1, "{name}: {outcome:#?}");
    trial.gateway.stop();
}

#[test]
fn a_service_without_endpoints_is_unavailable() {
    let trial = trial(
        "service: {name: none, port: 80}",
        &write::service("none", &[]),
    );
    let outcome = trial.send(format!("{BAD}{BEHIND}"));
    assert_eq!(outcome.answers()[0].header("retry-after"), Some("1"));
    refused("no endpoint", trial, 503, "NoEndpoint");
}

#[test]
fn a_closed_rule_is_unavailable() {
    let rows = [
        ("no service", "service: {name: missing, port: 80}"),
        ("no port", "service: {name: up, port: 81}"),
        ("no function", "function: {name: missing}"),
        (
            "a link-local address",
            "url: \"http://169.254.169.254/latest\"",
        ),
        (
            "a mapped one",
            "url: \"http://[::ffff:169.254.169.254]/latest\"",
        ),
        ("no address", "url: \"http://0.0.0.0/\""),
    ];
    for (name, backend) in rows {
        refused(name, trial(backend, ""), 503, "RuleClosed");
    }
}

#[test]
fn an_address_that_may_not_be_reached_is_denied() {
    let rows = [
        ("a metadata service", "http://100.100.100.200/latest"),
        ("another one", "http://192.0.0.192/latest"),
        ("one by ipv6", "http://[fd00:ec2::254]/latest"),
        ("one behind nat64", "http://[64:ff9b::a9fe:a9fe]/latest"),
        ("everyone", "http://255.255.255.255/"),
    ];
    for (name, url) in rows {
        let trial = trial(&format!("url: \"{url}\""), "");
        refused(name, trial, 502, "EgressDenied");
    }
}

/// Names that the system's resolver makes an address of, without asking anybody.
#[test]
fn a_name_of_an_address_that_may_not_be_reached_is_denied() {
    let rows = [
        ("hexadecimal", "http://0xa9fea9fe/latest"),
        ("decimal", "http://2852039166/latest"),
        ("octal", "http://0251.0376.0251.0376/latest"),
        ("short", "http://169.16689662/latest"),
    ];
    for (name, url) in rows {
        let trial = trial(&format!("url: \"{url}\""), "");
        refused(name, trial, 502, "EgressDenied");
    }
}

#[test]
fn no_connection_is_made_to_a_denied_address() {
    // The unspecified address reaches this machine, and so would be seen by the recorder.
    let recorder = Upstream::echo();
    let url = format!("url: \"http://0x0:{}/\"", recorder.address.port());
    refused("zero", trial(&url, ""), 502, "EgressDenied");
    assert_eq!(recorder.count(), 0);
}

#[test]
fn a_name_without_an_address_is_a_bad_gateway() {
    let url = "url: \"http://gateway-test.invalid/\"";
    refused("invalid", trial(url, ""), 502, "UpstreamUnresolved");
}
