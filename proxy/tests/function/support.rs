//! One function, and ways to wait for what becomes of it.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::{OpenOptions, Receiver},
    runtime::Handle,
    task::JoinHandle,
};
use tollgate_proxy::function::{
    CallError, FunctionProcess, FunctionSpec, FunctionState, Functions,
};
use tollgate_snapshot::ObjectName;

/// Far longer than anything here takes, on whatever machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for what is sure to come.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.expect("it takes far too long")
}

/// Waits until `holds`.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    soon(async {
        while !holds() {
            looks.tick().await;
        }
    })
    .await;
}

/// The function `shop/products`.
pub(crate) struct Scene {
    pub(crate) functions: Functions,
    pub(crate) name: ObjectName,
    /// Where it runs, beside three pipes: `said` and `go`, and `never`, which nobody writes to.
    pub(crate) folder: TempDir,
    /// What it says into the pipe `said`.
    said: Receiver,
}

/// A function that is not set yet.
pub(crate) fn scene() -> Scene {
    let folder = TempDir::new().unwrap();
    for pipe in ["said", "go", "never"] {
        let pipe = folder.path().join(pipe);
        mkfifoat(CWD, pipe, Mode::RUSR | Mode::WUSR).unwrap();
    }
    Scene {
        functions: Functions::new(Handle::current()),
        name: ObjectName::new("shop", "products"),
        // Open for writing too, so that it never ends.
        said: OpenOptions::new()
            .read_write(true)
            .open_receiver(folder.path().join("said"))
            .unwrap(),
        folder,
    }
}

impl Scene {
    /// A spec with defaults; the command runs in the scene's folder.
    pub(crate) fn spec(&self, command: &[&str]) -> FunctionSpec {
        FunctionSpec {
            timeout: DEADLINE,
            memory_mb: 128,
            process: FunctionProcess {
                command: command.iter().map(ToString::to_string).collect(),
                working_dir: self.folder.path().to_owned(),
                env: Vec::new(),
            },
        }
    }

    pub(crate) fn set(&self, spec: FunctionSpec) {
        self.functions.set(&self.name, Some(spec));
    }

    /// Calls it, in a task of its own.
    pub(crate) fn call(&self, event: &str) -> JoinHandle<Result<Bytes, CallError>> {
        let (functions, name) = (self.functions.clone(), self.name.clone());
        let event = Bytes::copy_from_slice(event.as_bytes());
        tokio::spawn(async move { functions.call(&name, event).await })
    }

    /// Calls it and waits for the answer.
    pub(crate) async fn answer(&self, event: &str) -> Result<Bytes, CallError> {
        soon(self.call(event)).await.unwrap()
    }

    pub(crate) fn state(&self) -> FunctionState {
        self.functions.states().remove(0)
    }

    /// The next line that the function says into its pipe.
    pub(crate) async fn said(&mut self) -> String {
        let mut line = String::new();
        loop {
            match char::from(soon(self.said.read_u8()).await.unwrap()) {
                '\n' => return line,
                other => line.push(other),
            }
        }
    }
}
