//! Which rule takes a request, as a client sees it.

use tollgate_tests::{
    client::{self, Reply},
    gateway::Gateway,
    upstream::Upstream,
    write,
};

/// Rules that answer with their own names.
fn naming(rules: &[(&str, &str)]) -> String {
    let rules = rules.iter().map(|(name, matched)| {
        format!(
            "  - {{name: {name}, match: [{{{matched}}}], respond: {{status: 200, body: {name}}}}}"
        )
    });
    rules.collect::<Vec<_>>().join("\n")
}

fn ask(gateway: &Gateway, method: &str, host: &str, path: &str) -> Reply {
    client::request(gateway.address(), method, path, &[("host", host)], "")
}

#[test]
fn port_and_case_of_the_host_are_ignored() {
    let manifests = write::gateway("{}")
        + "---\n"
        + &write::route("any", "", &naming(&[("any", "path: /")]))
        + "---\n"
        + &write::route(
            "exact",
            "  hostnames: [a.example]\n",
            &naming(&[("exact", "path: /")]),
        );
    let gateway = Gateway::serving(&manifests);
    let rows = [
        ("plain", "a.example", "exact"),
        ("port", "a.example:8080", "exact"),
        ("case", "A.eXample", "exact"),
        ("both", "A.EXAMPLE:80", "exact"),
        ("dot at the end", "a.example.", "exact"),
        ("another", "b.example", "any"),
        ("address", "127.0.0.1", "any"),
        ("ipv6 address", "[::1]:80", "any"),
    ];
    for (name, host, expected) in rows {
        assert_eq!(ask(&gateway, "GET", host, "/").body, expected, "{name}");
    }
    gateway.stop();
}

#[test]
fn an_exact_host_never_falls_back_to_a_wildcard() {
    let manifests = write::gateway("{}")
        + "---\n"
        + &write::route(
            "wild",
            "  hostnames: [\"*.example\"]\n",
            &naming(&[("wild", "path: \"/{rest+}\"")]),
        )
        + "---\n"
        + &write::route(
            "exact",
            "  hostnames: [a.example]\n",
            &naming(&[("exact", "path: /a")]),
        );
    let gateway = Gateway::serving(&manifests);
    assert_eq!(ask(&gateway, "GET", "a.example", "/a").body, "exact");
    let missed = ask(&gateway, "GET", "a.example", "/b");
    assert_eq!((missed.status, missed.body.as_str()), (404, NOT_FOUND));
    assert_eq!(ask(&gateway, "GET", "x.a.example", "/b").body, "wild");
    assert_eq!(ask(&gateway, "GET", "example", "/b").status, 404);
    gateway.stop();
}

const NOT_FOUND: &str = r#"{"message":"Not Found"}"#;

#[test]
fn listeners_of_one_port_each_have_their_hosts() {
    let manifests = "apiVersion: tollgate.dev/v1alpha1\nkind: ApiGateway\nmetadata: {name: g}\n\
                     spec:\n  listeners:\n  - {name: one, port: 80, protocol: HTTP, hostname: \
                     \"*.one.example\"}\n  - {name: two, port: 80, protocol: HTTP, hostname: \
                     \"*.two.example\"}\n---\n"
        .to_owned()
        + &write::route("all", "", &naming(&[("all", "path: \"/{rest+}\"")]))
        + "---\n"
        + &write::route(
            "two",
            "  hostnames: [a.two.example, a.one.example]\n",
            &naming(&[("two", "path: /a")]),
        )
        .replace("{name: g}", "{name: g, listener: two}");
    let gateway = Gateway::serving(&manifests);
    let rows = [
        ("one", "a.one.example", "/a", 200, "all", "one"),
        ("two", "a.two.example", "/a", 200, "two", "two"),
        (
            "two's exact host",
            "a.two.example",
            "/b",
            404,
            NOT_FOUND,
            "two",
        ),
        ("two's wildcard", "b.two.example", "/b", 200, "all", "two"),
    ];
    for (index, (name, host, path, status, body, listener)) in rows.into_iter().enumerate() {
        let reply = ask(&gateway, "GET", host, path);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (status, body),
            "{name}"
        );
        let line = &gateway.lines(index + 1)[index];
        assert_eq!(line["listener"], listener, "{name}");
    }
    assert_eq!(ask(&gateway, "GET", "three.example", "/a").status, 404);
    assert_eq!(gateway.addresses().len(), 1);
    gateway.stop();
}

#[test]
fn the_better_template_answers_unless_it_does_not_fit() {
    let rules = naming(&[
        ("rest", "path: \"/a/{rest+}\""),
        ("param", "path: \"/a/{id}\""),
        ("post", "method: POST, path: /a/b"),
        (
            "beta",
            "path: /a/c, headers: [{name: x-beta, value: \"1\"}]",
        ),
        ("query", "path: /a/d, query: [{name: v, value: \"2 3\"}]"),
    ]);
    let gateway = Gateway::serving(&write::gateway_with(&rules));
    let rows = [
        ("literal", "POST", "/a/b", "post"),
        ("its method does not fit", "GET", "/a/b", "param"),
        ("parameter", "GET", "/a/x", "param"),
        ("rest", "GET", "/a/x/y", "rest"),
        ("query", "GET", "/a/d?u&v=2+3", "query"),
        ("escaped query", "GET", "/a/d?v=2%203", "query"),
        ("its query does not fit", "GET", "/a/d", "param"),
        ("slash at the end", "GET", "/a/x/", "param"),
        ("canonical", "GET", "/x/..//a/./%62", "param"),
    ];
    for (name, method, path, expected) in rows {
        let reply = ask(&gateway, method, "a.example", path);
        assert_eq!(reply.body, expected, "{name}");
    }
    for (value, expected) in [("1", "beta"), ("2", "param")] {
        let header = [("x-beta", value)];
        let reply = client::request(gateway.address(), "GET", "/a/c", &header, "");
        assert_eq!(reply.body, expected);
    }
    gateway.stop();
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let rules = naming(&[
        ("get", "method: GET, path: /a"),
        ("put", "method: PUT, path: \"/{id}\""),
    ]);
    let gateway = Gateway::serving(&write::gateway_with(&rules));
    let refused = ask(&gateway, "POST", "a.example", "/a");
    assert_eq!(refused.status, 405);
    assert_eq!(refused.body, r#"{"message":"Method Not Allowed"}"#);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT"));
    let unknown = ask(&gateway, "POST", "a.example", "/a/b");
    assert_eq!((unknown.status, unknown.header("allow")), (404, None));
    let head = ask(&gateway, "HEAD", "a.example", "/a");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some("3"));
    let lines = gateway.lines(3);
    assert_eq!(lines[0]["reason"], "MethodNotAllowed");
    assert_eq!(lines[1]["reason"], "NotFound");
    assert_eq!(lines[2]["rule"], "get");
    gateway.stop();
}

#[test]
fn what_is_matched_is_what_is_forwarded() {
    let upstream = Upstream::echo();
    let gateway = Gateway::in_front_of(&upstream);
    let rows = [
        ("plain", "/a/b?c=d", "/a/b?c=d"),
        ("slash at the end", "/a/", "/a/"),
        ("slashes", "//a///b", "/a/b"),
        ("dots", "/a/./b/../c", "/a/c"),
        ("unreserved", "/%61%7E", "/a~"),
        ("others stay escaped", "/a%20b%3f", "/a%20b%3F"),
        ("query as it came", "/a?x=%61&&y=+", "/a?x=%61&&y=+"),
        ("empty query", "/a?", "/a?"),
    ];
    for (index, (name, path, expected)) in rows.into_iter().enumerate() {
        assert_eq!(gateway.get(path).status, 200, "{name}");
        let seen = &upstream.seen(index + 1)[index];
        let line = format!("GET {expected} HTTP/1.1\r\n");
        assert!(seen.starts_with(&line), "{name}: {seen}");
    }
    gateway.stop();
}

#[test]
fn the_base_path_is_matched_and_forwarded() {
    let upstream = Upstream::echo();
    let rules = "  - {name: x, match: [{path: \"/x/{id}\"}, {path: /}], backends: [{service: \
                 {name: up, port: 80}}]}";
    let manifests = write::gateway("{}")
        + "---\n"
        + &write::route("r", "  basePath: /v1\n", rules)
        + &write::service("up", &[upstream.address]);
    let gateway = Gateway::serving(&manifests);
    for (index, path) in ["/v1/x/1", "/v1", "/v1/"].into_iter().enumerate() {
        assert_eq!(gateway.get(path).status, 200, "{path}");
        let seen = &upstream.seen(index + 1)[index];
        assert!(
            seen.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{seen}"
        );
    }
    assert_eq!(gateway.get("/x/1").status, 404);
    assert_eq!(gateway.get("/v1x").status, 404);
    gateway.stop();
}
