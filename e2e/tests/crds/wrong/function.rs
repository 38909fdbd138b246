//! Slips in a Function.

use super::Row;

pub(super) fn spec(written: &str) -> (&'static str, String) {
    let mut parts = vec![written];
    if !written.contains("contract:") {
        parts.push("contract: lambda");
    }
    let runs = ["process:", "template:", "nothing: to run"];
    if !runs.iter().any(|part| written.contains(part)) {
        parts.push("template: {}");
    }
    (
        "Function",
        parts.join(", ").replace("nothing: to run, ", ""),
    )
}

pub(super) const SPECS: &[Row] = &[
    (
        "nothing to run",
        "nothing: to run, timeout: 1s",
        "spec",
        "at least one of process and template",
    ),
    (
        "unknown contract",
        "contract: grpc",
        "spec.contract",
        "supported values: \"lambda\", \"http\"",
    ),
    (
        "contract of later",
        "contract: http",
        "spec.contract",
        "the http contract is not supported yet, only lambda is",
    ),
    (
        "template that is text",
        "template: x",
        "spec.template",
        "must be of type object",
    ),
    (
        "no command",
        "process: {workingDir: a}",
        "spec.process.command",
        "Required",
    ),
    (
        "empty command",
        "process: {command: []}",
        "spec.process.command",
        "at least 1 items",
    ),
    (
        "program without a name",
        "process: {command: ['', a]}",
        "spec.process.command",
        "must name a program",
    ),
    (
        "variable with a hyphen",
        "process: {command: [a], env: [{name: A-B}]}",
        "spec.process.env[0].name",
        "should match",
    ),
    (
        "variable twice",
        "process: {command: [a], env: [{name: A}, {name: A}]}",
        "spec.process.env[1]",
        "Duplicate value",
    ),
    (
        "function timeout of zero",
        "timeout: 0s",
        "spec.timeout",
        "must be above zero, at most 15m",
    ),
    (
        "concurrency of zero",
        "concurrency: 0",
        "spec.concurrency",
        "greater than or equal to 1",
    ),
    (
        "memory of a byte",
        "memory: 1",
        "spec.memory",
        "must be at least 1Mi",
    ),
    (
        "memory in capitals",
        "memory: 256MB",
        "spec.memory",
        "should match",
    ),
    (
        "more at least than at most",
        "scaling: {min: 5, max: 2}",
        "spec.scaling",
        "min is at most max",
    ),
    (
        "nobody at most",
        "scaling: {max: 0}",
        "spec.scaling.max",
        "greater than or equal to 1",
    ),
    (
        "target above everything",
        "scaling: {targetUtilization: 101}",
        "spec.scaling.targetUtilization",
        "less than or equal to 100",
    ),
    (
        "unknown field of a function",
        "handler: app.handler",
        "",
        "unknown field \"spec.handler\"",
    ),
];
