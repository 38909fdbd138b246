//! Which host's table decides.

use super::{active, any_host, ask, gateway, route};

#[test]
fn an_exact_host_goes_before_the_longest_wildcard_and_that_before_any() {
    let yaml = any_host()
        + &route("name: any", "", &["x: /a"])
        + &route("name: wide", "hostnames: [\"*.com\"], ", &["x: /a"])
        + &route("name: wild", "hostnames: [\"*.example.com\"], ", &["x: /a"])
        + &route("name: exact", "hostnames: [a.example.com], ", &["x: /a"]);
    ask(
        &active(&yaml),
        &[
            ("exact", "GET a.example.com/a", "exact/x"),
            ("wildcard", "GET b.example.com/a", "wild/x"),
            ("two labels", "GET c.b.example.com/a", "wild/x"),
            ("below an exact host", "GET b.a.example.com/a", "wild/x"),
            ("the star is a label", "GET example.com/a", "wide/x"),
            ("whole labels", "GET xexample.com/a", "wide/x"),
            ("any", "GET example.org/a", "any/x"),
            ("suffix alone", "GET com/a", "any/x"),
            ("address", "GET 127.0.0.1/a", "any/x"),
            ("no host", "GET /a", "any/x"),
        ],
    );
}

#[test]
fn an_exact_host_never_falls_back() {
    let yaml = any_host()
        + &route("name: any", "", &["x: /any"])
        + &route("name: wide", "hostnames: [\"*.com\"], ", &["x: /wide"])
        + &route(
            "name: wild",
            "hostnames: [\"*.example.com\"], ",
            &["x: /wild"],
        )
        + &route(
            "name: exact",
            "hostnames: [a.example.com], ",
            &["x: GET /exact"],
        );
    ask(
        &active(&yaml),
        &[
            ("exact to wildcard", "GET a.example.com/wild", "404"),
            ("exact to any", "GET a.example.com/any", "404"),
            ("wildcard to wider", "GET b.example.com/wide", "404"),
            ("wildcard to any", "GET b.example.com/any", "404"),
            (
                "methods of its own",
                "POST a.example.com/exact",
                "405 GET, HEAD",
            ),
            ("own", "GET b.example.com/wild", "wild/x"),
        ],
    );
}

#[test]
fn the_routes_of_one_host_form_one_table() {
    let yaml = any_host()
        + &route(
            "name: one",
            "hostnames: [a.example.com], ",
            &["x: GET /{id}"],
        )
        + &route(
            "name: two",
            "hostnames: [a.example.com, b.example.com], ",
            &["x: GET /a"],
        );
    ask(
        &active(&yaml),
        &[
            ("one", "GET a.example.com/b", "one/x"),
            ("two", "GET a.example.com/a", "two/x"),
            ("two alone", "GET b.example.com/b", "404"),
            ("allowed of both", "PUT a.example.com/a", "405 GET, HEAD"),
        ],
    );
}

#[test]
fn a_listener_serves_what_it_and_the_route_have_in_common() {
    let listener = gateway("[{name: http, port: 80, protocol: HTTP, hostname: \"*.example.com\"}]");
    let yaml = listener
        + &route("name: any", "", &["x: /any"])
        + &route("name: wide", "hostnames: [\"*.com\"], ", &["x: /wide"])
        + &route(
            "name: narrow",
            "hostnames: [\"*.a.example.com\"], ",
            &["x: /narrow"],
        )
        + &route(
            "name: exact",
            "hostnames: [b.example.com, b.example.org], ",
            &["x: /exact"],
        );
    ask(
        &active(&yaml),
        &[
            (
                "any host is the listener's",
                "GET c.example.com/any",
                "any/x",
            ),
            ("a wider wildcard, too", "GET c.example.com/wide", "wide/x"),
            (
                "a narrower one is itself",
                "GET x.a.example.com/narrow",
                "narrow/x",
            ),
            ("exact", "GET b.example.com/exact", "exact/x"),
            ("not the listener's", "GET b.example.org/exact", "404"),
            ("not the listener's either", "GET example.com/any", "404"),
            ("no host", "GET /any", "404"),
        ],
    );
}
