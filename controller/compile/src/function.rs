//! Functions: how they are called.
//!
//! In: a Function. Out: its unit. Where it runs is not in the unit: the process and the template
//! are checked here, and used by whoever starts them.

use std::collections::BTreeSet;

use tollgate_crds::{
    Function,
    function::{Contract, FunctionSpec, Process, Scaling},
    value::Size,
};
use tollgate_snapshot::{Payload, function};

use crate::{
    Reason,
    compiler::Outcome,
    findings::{Field, Findings},
    value,
};

const SPEC: Field<'_> = Field::Root("spec");
const MIB: u64 = 1 << 20;

/// The unit of a function.
pub(crate) fn compile(function: &Function, findings: &mut Findings<'_>) -> Outcome {
    let spec = &function.spec;
    contract(spec, findings);
    source(spec, findings);
    concurrency(spec.concurrency, findings);
    if let Some(scaling) = &spec.scaling {
        check_scaling(scaling, findings);
    }
    let mut unit = function::Function::default();
    if let Some(timeout) = &spec.timeout {
        let millis = findings.parsed(SPEC.key("timeout"), value::timeout(timeout));
        unit.timeout_ms = millis.unwrap_or_default();
    }
    if let Some(memory) = &spec.memory {
        let mib = findings.parsed(SPEC.key("memory"), memory_mib(memory));
        unit.memory_mb = mib.unwrap_or_default();
    }
    if findings.hold() {
        return Outcome::Held(None);
    }
    Outcome::Unit(Payload::Function(unit))
}

fn contract(spec: &FunctionSpec, findings: &mut Findings<'_>) {
    match spec.contract {
        Contract::Lambda => {}
        Contract::Http => {
            let message = "the http contract is not supported yet, only lambda is";
            findings.add(Reason::Unsupported, SPEC.key("contract"), message);
        }
    }
}

fn source(spec: &FunctionSpec, findings: &mut Findings<'_>) {
    if spec.process.is_none() && spec.template.is_none() {
        findings.invalid(SPEC, "at least one of process and template");
    }
    if spec
        .template
        .as_ref()
        .is_some_and(|template| !template.is_object())
    {
        findings.invalid(SPEC.key("template"), "not a pod template");
    }
    if let Some(process) = &spec.process {
        check_process(process, findings);
    }
}

/// A NUL byte ends a string of the operating system, so nothing that is handed to it may have one.
fn check_process(process: &Process, findings: &mut Findings<'_>) {
    let field = SPEC.key("process");
    let command = field.key("command");
    if process.command.first().is_none_or(String::is_empty) {
        findings.invalid(command, "must name a program");
    }
    for (i, argument) in process.command.iter().enumerate() {
        if argument.contains('\0') {
            findings.invalid(command.index(i), "must have no NUL byte");
        }
    }
    let folder = process.working_dir.as_deref();
    if folder.is_some_and(|folder| folder.is_empty() || folder.contains('\0')) {
        findings.invalid(field.key("workingDir"), "not a folder");
    }
    check_env(process, findings);
}

fn check_env(process: &Process, findings: &mut Findings<'_>) {
    let field = SPEC.key("process");
    let field = field.key("env");
    let mut names = BTreeSet::new();
    for (i, variable) in process.env.iter().enumerate() {
        let field = field.index(i);
        if !is_env_name(&variable.name) {
            let message = "a letter or _ first, then letters, digits and _";
            findings.invalid(field.key("name"), message);
        }
        if !names.insert(&variable.name) {
            let message = format!("another variable is named {:?}", variable.name);
            findings.add(Reason::Duplicate, field.key("name"), message);
        }
        if variable.value.contains('\0') {
            findings.invalid(field.key("value"), "must have no NUL byte");
        }
    }
}

fn is_env_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letter)
        && name
            .bytes()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}

fn concurrency(written: Option<i32>, findings: &mut Findings<'_>) {
    let field = SPEC.key("concurrency");
    match written {
        None | Some(1) => {}
        Some(2..=1000) => {
            let message = "has no effect yet: an instance serves one call at a time";
            findings.add(Reason::Ignored, field, message);
        }
        Some(_) => findings.invalid(field, "must be 1 to 1000"),
    }
}

fn check_scaling(scaling: &Scaling, findings: &mut Findings<'_>) {
    let field = SPEC.key("scaling");
    let bounds = [
        ("min", scaling.min, 0, 1000),
        ("max", scaling.max, 1, 1000),
        ("targetUtilization", scaling.target_utilization, 1, 100),
    ];
    for (name, written, low, high) in bounds {
        if written.is_some_and(|number| number < low || number > high) {
            findings.invalid(field.key(name), format!("must be {low} to {high}"));
        }
    }
    if let (Some(min), Some(max)) = (scaling.min, scaling.max)
        && min > max
    {
        findings.invalid(field, "min is at most max");
    }
    if let Some(idle) = &scaling.idle_timeout {
        findings.parsed(field.key("idleTimeout"), idle.parse());
    }
}

fn memory_mib(size: &Size) -> Result<u64, String> {
    let bytes = size.bytes().map_err(|invalid| invalid.to_string())?;
    if bytes < MIB {
        return Err("must be at least 1Mi".to_owned());
    }
    Ok(bytes / MIB)
}
