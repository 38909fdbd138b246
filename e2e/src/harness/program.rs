//! A program that is started, read, signalled and killed.
//!
//! In: a command line. Out: a process with its standard error in a file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::LazyLock,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{beside, until};

/// One of our programs, built as the running test is.
pub fn binary(name: &str) -> PathBuf {
    // With --workspace the features are those of the outer build, so nothing is built twice.
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let programs = ["--bin", "tollgate-proxy", "--bin", "tollgate-controller"];
        tollgate_stub::build(&[&["--workspace"], &programs[..]].concat())
    });
    FOLDER.join(name)
}

/// The proxy with failpoints: it panics and ends where routes of certain names tell it to.
pub fn failing_proxy() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        // After the others, so that what they share is built once.
        binary("");
        let name = "tollgate-proxy-failpoints";
        let feature = "tollgate-proxy/failpoints";
        let what = ["--workspace", "--bin", name, "--features", feature];
        tollgate_stub::build(&what).join(name)
    });
    &PROGRAM
}

/// A process. It is killed when the test lets go of it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it; `log` is where its standard error goes.
    pub fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
        log: PathBuf,
    ) -> Self {
        let file = File::create(&log).unwrap();
        let _beside = beside().enter();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, log }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for something in its log.
    pub fn says<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        until(what, || {
            let log = self.log();
            let found = log.lines().find_map(&mut find);
            let ended = self.child.try_wait().unwrap();
            if let (None, Some(status)) = (&found, ended) {
                panic!("{what}: it ended with {status}:\n{log}");
            }
            found
        })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended by itself.
    pub fn end(&mut self) -> ExitStatus {
        until("it ends", || self.child.try_wait().unwrap())
    }

    /// kill -9, and waits for its end.
    pub fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.end();
    }

    /// Asks it to end, as Kubernetes does.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.id();
        kill_process(id, signal).unwrap();
    }

    /// Its process id.
    pub fn id(&self) -> Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).unwrap()
    }
}
