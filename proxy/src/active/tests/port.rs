//! Which ports there are, who listens there, and what an edit of a gateway leaves as it was.

use std::net::SocketAddr;

use tollgate_snapshot::{ObjectName, UnitChange};

use super::{Active, active, any_host, changes, gateway, object, route, taker_at};

const TWO: &str = "[{name: one, port: 80, protocol: HTTP, hostname: \"*.example.com\"}, \
                   {name: two, port: 80, protocol: HTTP, hostname: a.example.com}, \
                   {name: three, port: 81, protocol: HTTP}]";

fn ports(active: &Active) -> Vec<(usize, u16, Vec<String>)> {
    let each = |(slot, port): (usize, &std::sync::Arc<super::super::port::Port>)| {
        let names = port.listeners().map(|name| name.to_string());
        (slot, port.key.port, names.collect())
    };
    active.ports().map(each).collect()
}

#[test]
fn listeners_of_one_port_share_it() {
    let active = active(&gateway(TWO));
    let expected = [
        (0, 80, vec!["one".to_owned(), "two".to_owned()]),
        (1, 81, vec!["three".to_owned()]),
    ];
    assert_eq!(ports(&active), expected);
    let rows = [
        ("the wildcard's", "b.example.com", Some("one")),
        ("the longer hostname's", "a.example.com", Some("two")),
        ("nobody's", "example.org", None),
    ];
    let (_, port) = active.ports().next().unwrap();
    for (name, host, expected) in rows {
        let found = port.listener_for(host).map(|name| &**name);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_route_is_served_at_its_listeners_port_only() {
    let at = "gateways: [{name: g, listener: three}], ";
    let yaml = gateway(TWO)
        + &route("name: all", "", &["x: /all"])
        + &route("name: three", at, &["x: /three"])
        + &route(
            "name: two",
            "gateways: [{name: g, listener: two}], ",
            &["x: /two"],
        );
    let active = active(&yaml);
    let rows = [
        ("all, first", 0, "GET b.example.com/all", "all/x"),
        ("all, second", 1, "GET b.example.com/all", "all/x"),
        ("three, first", 0, "GET b.example.com/three", "404"),
        ("three, second", 1, "GET b.example.com/three", "three/x"),
        ("two, its host", 0, "GET a.example.com/two", "two/x"),
        (
            "two, the port's other host",
            0,
            "GET b.example.com/two",
            "404",
        ),
        ("two, second", 1, "GET a.example.com/two", "404"),
    ];
    for (name, slot, request, expected) in rows {
        assert_eq!(taker_at(&active, slot, request), expected, "{name}");
    }
}

#[test]
fn a_port_keeps_its_slot_while_it_lives_and_its_routes() {
    let one = "[{name: one, port: 80, protocol: HTTP}]";
    let other = "[{name: new, port: 82, protocol: HTTP}, {name: one, port: 80, protocol: HTTP}]";
    let served = route("name: r", "", &["x: /a"]);
    let mut active = active(&(gateway(one) + &served));
    assert_eq!(ports(&active), [(0, 80, vec!["one".to_owned()])]);
    let edited = changes(&(gateway(other) + &served));
    assert_eq!(active.apply(&edited), []);
    let expected = [
        (0, 80, vec!["one".to_owned()]),
        (1, 82, vec!["new".to_owned()]),
    ];
    assert_eq!(ports(&active), expected);
    for slot in [0, 1] {
        assert_eq!(taker_at(&active, slot, "GET h/a"), "r/x");
    }
    let gone: Vec<_> = edited
        .iter()
        .filter(|change| change.id().to_string().starts_with("gateway"))
        .map(|change| UnitChange::Remove(change.id().clone()))
        .collect();
    assert_eq!(active.apply(&gone), []);
    assert!(ports(&active).is_empty());
    assert_eq!(active.apply(&edited), []);
    let slots: Vec<_> = active.ports().map(|(slot, _)| slot).collect();
    assert_eq!(
        slots,
        [2, 3],
        "connections of the old ones must not end up at the new ones"
    );
}

#[test]
fn addresses_are_those_of_the_services_port() {
    let up = "---\napiVersion: v1\nkind: Service\nmetadata: {name: up}\nspec: {ports: [{name: a, \
              port: 80}, {name: b, port: 81}]}\n---\napiVersion: discovery.k8s.io/v1\nkind: \
              EndpointSlice\nmetadata: {name: up, labels: {kubernetes.io/service-name: up}}\n\
              addressType: IPv4\nports: [{name: a, port: 8080}]\nendpoints: [{addresses: \
              [10.0.0.1]}, {addresses: [10.0.0.2]}]\n";
    let to = object(
        "ApiRoute",
        "name: r",
        "gateways: [{name: g}], rules: [{name: x, match: [{path: /}], backends: [{service: {name: \
         up, port: 80}}]}]",
    );
    let active = active(&(any_host() + &to + up));
    let both: [SocketAddr; 2] = ["10.0.0.1:8080", "10.0.0.2:8080"].map(|at| at.parse().unwrap());
    let of = |name: &str, port| active.addresses(&ObjectName::new("default", name), port);
    assert_eq!(of("up", 80), both);
    assert_eq!(of("up", 81), []);
    assert_eq!(of("up", 8080), []);
    assert_eq!(of("down", 80), []);
}

#[test]
fn of_gateways_that_want_a_port_the_older_has_it_and_the_younger_gets_it_next() {
    let listeners = "listeners: [{name: http, port: 80, protocol: HTTP}]";
    let old = object(
        "ApiGateway",
        "name: z, creationTimestamp: \"2026-01-01T00:00:00Z\"",
        listeners,
    );
    let young = object("ApiGateway", "name: g", listeners);
    let all = changes(&(young + &old + &route("name: r", "", &["x: /a"])));
    let of = |name: &str| {
        let id = format!("gateway/default/{name}");
        let change = all.iter().find(|change| change.id().to_string() == id);
        change.unwrap().clone()
    };
    let whose = |active: &Active| {
        let names = active.ports().map(|(_, port)| port.shown.to_string());
        names.collect::<Vec<_>>()
    };
    for (name, order) in [("young first", ["g", "z"]), ("old first", ["z", "g"])] {
        let mut active = Active::default();
        for gateway in order {
            assert_eq!(active.apply(&[of(gateway)]), []);
        }
        assert_eq!(active.apply(&all), []);
        assert_eq!(whose(&active), ["default/z"], "{name}");
        let taken = active.taken();
        assert_eq!(taken.len(), 1, "{name}");
        assert_eq!(&*taken[0].gateway, "default/g");
        assert_eq!(taken[0].listeners, ["http".into()]);
        assert_eq!(
            taken[0].why,
            "127.0.0.1:80 is taken by ApiGateway default/z"
        );
        assert_eq!(
            active.apply(&[UnitChange::Remove(of("z").id().clone())]),
            []
        );
        assert_eq!(whose(&active), ["default/g"], "{name}");
        let (slot, _) = active.ports().next().unwrap();
        assert_eq!(taker_at(&active, slot, "GET h/a"), "r/x", "{name}");
    }
}
