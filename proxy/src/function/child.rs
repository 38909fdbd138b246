//! The process of a function: how it is started, with which environment, and how it ends.
//!
//! It leads a process group of its own, so that whatever it started ends with it.

use std::{
    env,
    ffi::OsString,
    io,
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{process::Command, task::JoinSet, time::timeout};

use super::{environment::Environment, output};

/// How long a process has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How long its last lines may take to be read once it is gone.
const LAST_LINES_MAX: Duration = Duration::from_millis(200);

/// A process that was started.
#[derive(Debug)]
pub(super) struct Child {
    child: tokio::process::Child,
    group: Option<Pid>,
    output: JoinSet<()>,
}

impl Child {
    /// Starts the command of a function whose Runtime API is at `runtime_api`.
    pub(super) fn start(environment: &Environment, runtime_api: SocketAddr) -> io::Result<Self> {
        let process = &environment.spec.process;
        let (program, arguments) = process
            .command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&process.working_dir)
            .env_clear()
            .envs(inherited())
            .envs(process.env.iter().map(|(name, value)| (name, value)))
            .envs(reserved(environment, runtime_api))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;

        let mut output = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            output.spawn(output::log(stdout, environment.name.clone(), "stdout"));
        }
        if let Some(stderr) = child.stderr.take() {
            output.spawn(output::log(stderr, environment.name.clone(), "stderr"));
        }
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self {
            child,
            group,
            output,
        })
    }

    /// Its process group.
    pub(super) fn group(&self) -> Option<Pid> {
        self.group
    }

    /// Waits for its end. Dropping this loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end, and kills it if it does not.
    pub(super) async fn stop(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        match timeout(GRACE, self.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Kills it.
    pub(super) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// Kills what the process left behind, and waits for the last lines of its output. A pipe that
    /// someone else still holds is not waited for.
    pub(super) async fn clear(&mut self) {
        self.signal(Signal::KILL);
        let _ = timeout(LAST_LINES_MAX, async {
            while self.output.join_next().await.is_some() {}
        })
        .await;
        self.output.abort_all();
    }

    /// A group that is gone is no error: it may have ended by itself just now.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// What a function gets of our own environment.
fn inherited() -> Vec<(&'static str, OsString)> {
    let own = |name| env::var_os(name).map(|value| (name, value));
    let mut all: Vec<_> = ["PATH", "HOME", "LANG"]
        .into_iter()
        .filter_map(own)
        .collect();
    all.push(own("TZ").unwrap_or_else(|| ("TZ", ":UTC".into())));
    all
}

/// The names that the contract reserves (AWS: "Defined runtime environment variables"). Region and
/// credentials are not among them: they are the user's to give, never ours to invent. Nor is
/// `AWS_LAMBDA_MAX_CONCURRENCY`, whose mere presence makes some runtimes poll more than once.
fn reserved(environment: &Environment, runtime_api: SocketAddr) -> [(&'static str, OsString); 9] {
    let spec = &environment.spec;
    let name = &environment.name.name;
    let handler = spec.process.command.last().cloned().unwrap_or_default();
    let working_dir: &Path = &spec.process.working_dir;
    [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string().into()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.to_string().into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            spec.memory_mb.to_string().into(),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        (
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{name}").into(),
        ),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream().into()),
        ("_HANDLER", handler.into()),
        ("LAMBDA_TASK_ROOT", working_dir.into()),
    ]
}

/// A name for this process's log, of AWS's form: `2026/11/22/[$LATEST]` and 32 hex digits.
fn log_stream() -> String {
    let day = jiff::Timestamp::now().strftime("%Y/%m/%d");
    format!("{day}/[$LATEST]{:032x}", fastrand::u128(..))
}
