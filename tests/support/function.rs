//! Functions as tests need them: the stub, or any other command.
//!
//! Out: the manifest of a Function. What the stub does is said in `stub/function.rs`.

use tollgate_stub::function;

/// A Function with this timeout, whose process is the stub with these arguments.
pub fn stub(name: &str, timeout: &str, arguments: &[&str]) -> String {
    let program = function().to_str().unwrap();
    running(name, timeout, &[&[program], arguments].concat())
}

/// A Function with this timeout, whose process is this command.
pub fn running(name: &str, timeout: &str, command: &[&str]) -> String {
    let command = serde_json::to_string(command).unwrap();
    format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\n\
         spec: {{contract: lambda, timeout: {timeout}, process: {{command: {command}}}}}\n"
    )
}
