//! Slips in an ApiGateway.

use super::Row;

pub(super) fn spec(written: &str) -> (&'static str, String) {
    ("ApiGateway", written.to_owned())
}

pub(super) fn beside_listeners(written: &str) -> (&'static str, String) {
    let listeners = "listeners: [{name: a, port: 80, protocol: HTTP}]";
    ("ApiGateway", format!("{listeners}, {written}"))
}

pub(super) const SPECS: &[Row] = &[
    ("no listeners", "", "spec.listeners", "Required"),
    (
        "empty listeners",
        "listeners: []",
        "spec.listeners",
        "at least 1 items",
    ),
    (
        "listener twice",
        "listeners: [{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}]",
        "spec.listeners[1]",
        "Duplicate value",
    ),
    (
        "place twice",
        "listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}]",
        "spec.listeners",
        "two listeners have the same address, port and hostname",
    ),
    (
        "place with a host twice",
        "listeners: [{name: a, port: 80, protocol: HTTP, hostname: a.b}, {name: b, port: 80, protocol: HTTP, hostname: a.b}]",
        "spec.listeners",
        "two listeners have the same address, port and hostname",
    ),
    (
        "listener without a name",
        "listeners: [{port: 80, protocol: HTTP}]",
        "spec.listeners[0].name",
        "Required",
    ),
    (
        "listener in capitals",
        "listeners: [{name: HTTP, port: 80, protocol: HTTP}]",
        "spec.listeners[0].name",
        "should match",
    ),
    (
        "port zero",
        "listeners: [{name: a, port: 0, protocol: HTTP}]",
        "spec.listeners[0].port",
        "greater than or equal to 1",
    ),
    (
        "port too large",
        "listeners: [{name: a, port: 65536, protocol: HTTP}]",
        "spec.listeners[0].port",
        "less than or equal to 65535",
    ),
    (
        "port as text",
        "listeners: [{name: a, port: '80', protocol: HTTP}]",
        "spec.listeners[0].port",
        "must be of type integer",
    ),
    (
        "unknown protocol",
        "listeners: [{name: a, port: 80, protocol: UDP}]",
        "spec.listeners[0].protocol",
        "supported values: \"HTTP\"",
    ),
    (
        "listener with a bad host",
        "listeners: [{name: a, port: 80, protocol: HTTP, hostname: 'a:80'}]",
        "spec.listeners[0].hostname",
        "should match",
    ),
    (
        "listener with a long label",
        "listeners: [{name: a, port: 80, protocol: HTTP, hostname: a234567890123456789012345678901234567890123456789012345678901234.b}]",
        "spec.listeners[0].hostname",
        "at most 63 bytes between its dots",
    ),
    (
        "address with a name",
        "listeners: [{name: a, port: 80, protocol: HTTP, address: localhost}]",
        "spec.listeners[0].address",
        "not an IP address",
    ),
    (
        "unknown field of a listener",
        "listeners: [{name: a, port: 80, protocol: HTTP, tls: {}}]",
        "",
        "unknown field \"spec.listeners[0].tls\"",
    ),
    (
        "null among listeners",
        "listeners: [null]",
        "spec.listeners[0]",
        "must be of type object",
    ),
];

pub(super) const REST: &[Row] = &[
    (
        "unknown field of a gateway",
        "workload: {}",
        "",
        "unknown field \"spec.workload\"",
    ),
    (
        "unknown choice of namespaces",
        "allow: [{namespaces: None}]",
        "spec.allow[0].namespaces",
        "supported values: \"Same\", \"All\", \"Selector\"",
    ),
    (
        "entry without namespaces",
        "allow: [{hostnames: [a.b]}]",
        "spec.allow[0].namespaces",
        "Required",
    ),
    (
        "selector of the design's first form",
        "allow: [{namespaces: {selector: {matchLabels: {a: b}}}}]",
        "",
        "unknown field \"spec.allow[0].namespaces.selector\"",
    ),
    (
        "no selector",
        "allow: [{namespaces: Selector}]",
        "spec.allow[0]",
        "selector goes with namespaces: Selector, and only with it",
    ),
    (
        "selector for all",
        "allow: [{namespaces: All, selector: {matchLabels: {a: b}}}]",
        "spec.allow[0]",
        "selector goes with namespaces: Selector, and only with it",
    ),
    (
        "empty selector",
        "allow: [{namespaces: Selector, selector: {}}]",
        "spec.allow[0].selector",
        "at least one of matchLabels and matchExpressions",
    ),
    (
        "selector of nothing",
        "allow: [{namespaces: Selector, selector: {matchLabels: {}, matchExpressions: []}}]",
        "spec.allow[0].selector",
        "at least one of matchLabels and matchExpressions",
    ),
    (
        "unknown operator",
        "allow: [{namespaces: Selector, selector: {matchExpressions: [{key: a, operator: Equals}]}}]",
        "spec.allow[0].selector.matchExpressions[0].operator",
        "supported values",
    ),
    (
        "in without values",
        "allow: [{namespaces: Selector, selector: {matchExpressions: [{key: a, operator: In}]}}]",
        "spec.allow[0].selector.matchExpressions[0]",
        "values go with In and NotIn, and only with them",
    ),
    (
        "exists with values",
        "allow: [{namespaces: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]",
        "spec.allow[0].selector.matchExpressions[0]",
        "values go with In and NotIn, and only with them",
    ),
    (
        "bad key of a label",
        "allow: [{namespaces: Selector, selector: {matchExpressions: [{key: 'a b', operator: Exists}]}}]",
        "spec.allow[0].selector.matchExpressions[0].key",
        "not the key of a label",
    ),
    (
        "no hosts to claim",
        "allow: [{namespaces: All, hostnames: []}]",
        "spec.allow[0].hostnames",
        "at least 1 items",
    ),
    (
        "bad host to claim",
        "allow: [{namespaces: All, hostnames: ['*']}]",
        "spec.allow[0].hostnames[0]",
        "should match",
    ),
    (
        "address that is no network",
        "clientIp: {trustedCidrs: [10.0.0.1]}",
        "spec.clientIp.trustedCidrs",
        "each is a network such as 10.0.0.0/8",
    ),
    (
        "unknown unit of a size",
        "limits: {body: 10Q}",
        "spec.limits.body",
        "should match",
    ),
    (
        "negative size",
        "limits: {body: -1}",
        "spec.limits.body",
        "greater than or equal to 0",
    ),
    (
        "head too small",
        "limits: {headers: 4Ki}",
        "spec.limits.headers",
        "must be 8Ki to 1Mi",
    ),
    (
        "head too large",
        "limits: {headers: 2097152}",
        "spec.limits.headers",
        "must be 8Ki to 1Mi",
    ),
    (
        "no header fields at all",
        "limits: {headerCount: 0}",
        "spec.limits.headerCount",
        "greater than or equal to 1",
    ),
    (
        "time of zero",
        "limits: {headerTimeout: 0s}",
        "spec.limits.headerTimeout",
        "must be above zero",
    ),
    (
        "time without a unit",
        "limits: {idleTimeout: '10'}",
        "spec.limits.idleTimeout",
        "should match",
    ),
    (
        "request of an hour",
        "limits: {requestTimeout: 1h}",
        "spec.limits.requestTimeout",
        "must be above zero, at most 15m",
    ),
    (
        "log that is text",
        "accessLog: {enabled: 'true'}",
        "spec.accessLog.enabled",
        "must be of type boolean",
    ),
];
