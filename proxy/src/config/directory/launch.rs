//! How a Function is started on this machine: the one part of a manifest that no unit carries.
//!
//! In: a Function's `spec.process` and the folder of its manifest. Out: a command line with every
//! path resolved. A proxy that is fed by a controller never sees one, and so cannot start one.

use std::path::{Component, Path, PathBuf};

use tollgate_crds::{Function, function::Process};

use crate::function::FunctionProcess;

impl FunctionProcess {
    /// The process of a function whose manifest is in the absolute `folder`; none, if it has none.
    pub(super) fn of(function: &Function, folder: &Path) -> Option<Self> {
        let process = function.spec.process.as_ref()?;
        let working_dir = process.working_dir.as_deref().unwrap_or(".");
        let env = process.env.iter();
        Some(Self {
            command: command(process, folder),
            working_dir: resolve(folder, working_dir),
            env: env.map(|v| (v.name.clone(), v.value.clone())).collect(),
        })
    }
}

fn command(process: &Process, folder: &Path) -> Vec<String> {
    let mut command = process.command.clone();
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        // A folder whose name is not UTF-8 leaves the program as it was written.
        if let Ok(path) = resolve(folder, program).into_os_string().into_string() {
            *program = path;
        }
    }
    command
}

/// Joins, and drops each `.`; a `..` stays, since what it means may depend on a link.
fn resolve(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    let parts = joined.components();
    parts.filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(yaml: &str) -> Option<FunctionProcess> {
        let text = format!("metadata: {{name: a}}\nspec: {{contract: lambda, {yaml}}}");
        let function: Function = serde_saphyr::from_str(&text).unwrap();
        FunctionProcess::of(&function, Path::new("/m"))
    }

    #[test]
    fn paths_are_relative_to_the_manifest() {
        let rows = [
            ("from PATH", "[python3, ./a]", "", "python3", "/m"),
            ("relative", "[./bin/a]", "", "/m/bin/a", "/m"),
            ("above", "[../a]", "", "/m/../a", "/m"),
            ("absolute", "[/bin/a]", "", "/bin/a", "/m"),
            ("own folder", "[./a]", ", workingDir: ./fn", "/m/a", "/m/fn"),
            ("absolute folder", "[a]", ", workingDir: /tmp", "a", "/tmp"),
        ];
        for (name, command, more, program, folder) in rows {
            let found = process(&format!("process: {{command: {command}{more}}}")).unwrap();
            assert_eq!(found.command[0], program, "{name}");
            assert_eq!(found.working_dir, Path::new(folder), "{name}");
        }
    }

    #[test]
    fn arguments_and_environment_stay_as_written() {
        let text = "process: {command: [a, ./b], env: [{name: Z, value: '1'}, {name: A}]}";
        let found = process(text).unwrap();
        assert_eq!(found.command, ["a", "./b"]);
        assert_eq!(
            found.env,
            [("Z".into(), "1".into()), ("A".into(), String::new())]
        );
    }

    #[test]
    fn a_function_without_a_process_has_none() {
        assert_eq!(process("template: {}"), None);
    }
}
