//! Slips in an ApiRoute.

use super::Row;

pub(super) fn spec(written: &str) -> (&'static str, String) {
    let rules = "rules: [{name: a, match: [{path: /}], respond: {status: 200}}]";
    let gateways = "gateways: [{name: a}]";
    let mut parts = vec![written];
    if !written.contains("rules:") {
        parts.push(rules);
    }
    if !written.contains("gateways:") {
        parts.push(gateways);
    }
    ("ApiRoute", parts.join(", "))
}

pub(super) fn rule(written: &str) -> (&'static str, String) {
    let matches = match written.contains("match:") {
        true => "",
        false => "match: [{path: /}], ",
    };
    let spec = format!("gateways: [{{name: a}}], rules: [{{name: a, {matches}{written}}}]");
    ("ApiRoute", spec)
}

pub(super) const SPECS: &[Row] = &[
    (
        "no gateway",
        "gateways: []",
        "spec.gateways",
        "at least 1 items",
    ),
    (
        "gateway without a name",
        "gateways: [{listener: a}]",
        "spec.gateways[0].name",
        "Required",
    ),
    (
        "gateway in capitals",
        "gateways: [{name: Public}]",
        "spec.gateways[0].name",
        "should match",
    ),
    (
        "namespace with a dot",
        "gateways: [{name: a, namespace: a.b}]",
        "spec.gateways[0].namespace",
        "should match",
    ),
    (
        "host with a port",
        "hostnames: ['a.example.com:80']",
        "spec.hostnames[0]",
        "should match",
    ),
    (
        "host with a long label",
        "hostnames: [a234567890123456789012345678901234567890123456789012345678901234.b]",
        "spec.hostnames",
        "at most 63 bytes between its dots",
    ),
    (
        "base path without a slash",
        "basePath: v1",
        "spec.basePath",
        "should match '^/'",
    ),
    (
        "base path with a parameter",
        "basePath: '/{tenant}'",
        "spec.basePath",
        "without parameters",
    ),
    (
        "base path with an empty segment",
        "basePath: //v1",
        "spec.basePath",
        "none empty",
    ),
    (
        "base path with dots",
        "basePath: /v1/..",
        "spec.basePath",
        "a . or .. segment",
    ),
    (
        "default of zero",
        "defaults: {timeout: 0s}",
        "spec.defaults.timeout",
        "must be above zero, at most 15m",
    ),
    (
        "unknown default",
        "defaults: {retries: 1}",
        "",
        "unknown field \"spec.defaults.retries\"",
    ),
    ("no rules", "rules: []", "spec.rules", "at least 1 items"),
    (
        "rule twice",
        "rules: [{name: a, match: [{path: /}], respond: {status: 200}}, {name: a, match: [{path: /b}], respond: {status: 200}}]",
        "spec.rules[1]",
        "Duplicate value",
    ),
    (
        "rule without a name",
        "rules: [{match: [{path: /}], respond: {status: 200}}]",
        "spec.rules[0].name",
        "Required",
    ),
];

pub(super) const RULES: &[Row] = &[
    (
        "nothing answers",
        "timeout: 1s",
        "spec.rules[0]",
        "exactly one of backends, respond and redirect",
    ),
    (
        "two answers",
        "respond: {status: 200}, redirect: {path: /a}",
        "spec.rules[0]",
        "exactly one of backends, respond and redirect",
    ),
    (
        "rewrite alone",
        "respond: {status: 200}, rewrite: {stripPrefix: /a}",
        "spec.rules[0]",
        "rewrite goes with backends",
    ),
    (
        "misspelt field of a rule",
        "respond: {status: 200}, timeOut: 1s",
        "",
        "unknown field \"spec.rules[0].timeOut\"",
    ),
    (
        "timeout too long",
        "respond: {status: 200}, timeout: 16m",
        "spec.rules[0].timeout",
        "must be above zero, at most 15m",
    ),
    (
        "timeout in words",
        "respond: {status: 200}, timeout: soon",
        "spec.rules[0].timeout",
        "should match",
    ),
    (
        "no match",
        "match: [], respond: {status: 200}",
        "spec.rules[0].match",
        "at least 1 items",
    ),
    (
        "match without a path",
        "match: [{method: GET}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "Required",
    ),
    (
        "method in small letters",
        "match: [{path: /, method: get}], respond: {status: 200}",
        "spec.rules[0].match[0].method",
        "should match",
    ),
    (
        "path without a slash",
        "match: [{path: a}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "should match '^/'",
    ),
    (
        "path with an empty segment",
        "match: [{path: /a//b}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "none empty",
    ),
    (
        "path with a query",
        "match: [{path: '/a?b=c'}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "without ?",
    ),
    (
        "path with dots",
        "match: [{path: /a/%2e%2e/b}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "a . or .. segment",
    ),
    (
        "half a parameter",
        "match: [{path: '/a-{b}'}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "a parameter is a whole segment, {name}, or the last one, {name+}",
    ),
    (
        "rest in the middle",
        "match: [{path: '/{a+}/b'}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "the last one, {name+}",
    ),
    (
        "parameter with a bad name",
        "match: [{path: '/{1a}'}], respond: {status: 200}",
        "spec.rules[0].match[0].path",
        "a parameter is a whole segment",
    ),
    (
        "header twice",
        "match: [{path: /, headers: [{name: x, value: a}, {name: x, value: b}]}], respond: {status: 200}",
        "spec.rules[0].match[0].headers[1]",
        "Duplicate value",
    ),
    (
        "header with a space",
        "match: [{path: /, headers: [{name: x beta, value: a}]}], respond: {status: 200}",
        "spec.rules[0].match[0].headers",
        "a header name is of letters, digits and - _ .",
    ),
    (
        "host as a header",
        "match: [{path: /, headers: [{name: Host, value: a}]}], respond: {status: 200}",
        "spec.rules[0].match[0].headers",
        "hosts are named in spec.hostnames",
    ),
    (
        "header without a value",
        "match: [{path: /, headers: [{name: x}]}], respond: {status: 200}",
        "spec.rules[0].match[0].headers[0].value",
        "Required",
    ),
    (
        "query twice",
        "match: [{path: /, query: [{name: x, value: a}, {name: x, value: b}]}], respond: {status: 200}",
        "spec.rules[0].match[0].query[1]",
        "Duplicate value",
    ),
    (
        "no backends",
        "backends: []",
        "spec.rules[0].backends",
        "at least 1 items",
    ),
    (
        "backend of nothing",
        "backends: [{weight: 1}]",
        "spec.rules[0].backends[0]",
        "exactly one of function, service and url",
    ),
    (
        "backend of two",
        "backends: [{url: 'http://a', function: {name: a}}]",
        "spec.rules[0].backends[0]",
        "exactly one of function, service and url",
    ),
    (
        "negative weight",
        "backends: [{url: 'http://a', weight: -1}]",
        "spec.rules[0].backends[0].weight",
        "greater than or equal to 0",
    ),
    (
        "no weight at all",
        "backends: [{url: 'http://a', weight: 0}, {url: 'http://b', weight: 0}]",
        "spec.rules[0].backends",
        "at least one backend needs a weight above 0",
    ),
    (
        "service without a port",
        "backends: [{service: {name: a}}]",
        "spec.rules[0].backends[0].service.port",
        "Required",
    ),
    (
        "service port of zero",
        "backends: [{service: {name: a, port: 0}}]",
        "spec.rules[0].backends[0].service.port",
        "must be 1 to 65535, or the name of a port",
    ),
    (
        "service port of nothing",
        "backends: [{service: {name: a, port: ''}}]",
        "spec.rules[0].backends[0].service.port",
        "must be 1 to 65535, or the name of a port",
    ),
    (
        "service with a dot",
        "backends: [{service: {name: a.b, port: 80}}]",
        "spec.rules[0].backends[0].service.name",
        "should match",
    ),
    (
        "function of an unknown event",
        "backends: [{function: {name: a, event: v3}}]",
        "spec.rules[0].backends[0].function.event",
        "supported values",
    ),
    (
        "function in a bad namespace",
        "backends: [{function: {name: a, namespace: A}}]",
        "spec.rules[0].backends[0].function.namespace",
        "should match",
    ),
    (
        "url of https",
        "backends: [{url: 'https://a.example.com'}]",
        "spec.rules[0].backends[0].url",
        "https is not supported yet, only http is",
    ),
    (
        "url of another scheme",
        "backends: [{url: 'ftp://a.example.com'}]",
        "spec.rules[0].backends[0].url",
        "must be of the form http://host[:port][/path]",
    ),
    (
        "url with a user",
        "backends: [{url: 'http://a:b@c.example.com'}]",
        "spec.rules[0].backends[0].url",
        "without user, query and fragment",
    ),
    (
        "url with a query",
        "backends: [{url: 'http://a.example.com/?b'}]",
        "spec.rules[0].backends[0].url",
        "without user, query and fragment",
    ),
    (
        "status of 99",
        "respond: {status: 99}",
        "spec.rules[0].respond.status",
        "greater than or equal to 200",
    ),
    (
        "status as text",
        "respond: {status: '200'}",
        "spec.rules[0].respond.status",
        "must be of type integer",
    ),
    (
        "answer header of a number",
        "respond: {status: 200, headers: {x-a: 1}}",
        "spec.rules[0].respond.headers.x-a",
        "must be of type string",
    ),
    (
        "redirect to nowhere",
        "redirect: {status: 308}",
        "spec.rules[0].redirect",
        "at least one of scheme, host, port and path",
    ),
    (
        "redirect that is none",
        "redirect: {status: 304, path: /}",
        "spec.rules[0].redirect.status",
        "must be 301, 302, 303, 307 or 308",
    ),
    (
        "redirect to any host",
        "redirect: {host: '*.example.com'}",
        "spec.rules[0].redirect.host",
        "must be one host, without * and without a port",
    ),
    (
        "redirect to a port of zero",
        "redirect: {port: 0}",
        "spec.rules[0].redirect.port",
        "greater than or equal to 1",
    ),
    (
        "redirect by another scheme",
        "redirect: {scheme: ftp}",
        "spec.rules[0].redirect.scheme",
        "supported values: \"http\", \"https\"",
    ),
    (
        "redirect to a template",
        "redirect: {path: '/{a}'}",
        "spec.rules[0].redirect.path",
        "without parameters",
    ),
    (
        "prefix with a parameter",
        "backends: [{url: 'http://a'}], rewrite: {stripPrefix: '/{a}'}",
        "spec.rules[0].rewrite.stripPrefix",
        "without parameters",
    ),
];
