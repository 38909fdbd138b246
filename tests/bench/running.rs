//! A process of the bench: started, waited for, stopped by its own id.
//!
//! In: a command. Out: a process that answers, with its id. [`during`] stops it whatever happens in
//! between, and the kernel stops it when the driver itself is killed (`setpriv --pdeathsig`).

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to start or to stop. Under valgrind all takes fifty times as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a process may take to stop before it is asked again.
const REPEAT: Duration = Duration::from_secs(5);

/// How often a process is asked whether it has started or stopped.
const INTERVAL: Duration = Duration::from_millis(10);

/// A process that was started here.
pub(crate) struct Running {
    name: String,
    child: Child,
    stdout: File,
    stderr: File,
}

/// Runs `body` beside a process and stops the process, also when `body` fails.
///
/// The files for its output have no name, so that nothing is left of them, whatever happens.
pub(crate) fn during<T>(
    scratch: &Path,
    name: &str,
    command: &[String],
    body: impl FnOnce(&mut Running) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut running = start(scratch, name, command)?;
    let outcome = body(&mut running).map_err(|error| running.explain(error));
    let stopped = running.stop();
    let value = outcome?;
    stopped?;
    Ok(value)
}

fn start(scratch: &Path, name: &str, command: &[String]) -> anyhow::Result<Running> {
    let stdout = tempfile::tempfile_in(scratch)?;
    let stderr = tempfile::tempfile_in(scratch)?;
    // Every word up to the program itself replaces itself by the next: the child's id is the
    // program's.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()
        .with_context(|| format!("start {name}"))?;
    Ok(Running {
        name: name.to_owned(),
        child,
        stdout,
        stderr,
    })
}

impl Running {
    /// Process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// The process has ended, or the deadline has passed; then with what `ready` said last.
    pub(crate) fn wait_until(
        &mut self,
        mut ready: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if self.child.try_wait()?.is_some() {
                bail!("{} does not run", self.name);
            }
            match ready() {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > DEADLINE => {
                    return Err(error.context(format!("{} does not get ready", self.name)));
                }
                Err(_) => thread::sleep(INTERVAL),
            }
        }
    }

    /// What it writes to standard output; at the end of what it has written so far, reading gives
    /// nothing, and later more.
    pub(crate) fn stdout(&self) -> impl Read {
        Aside {
            file: &self.stdout,
            position: 0,
        }
    }

    /// SIGTERM, and after the deadline SIGKILL. A process that needs that, or none, has a fault.
    fn stop(mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(id).context("process id 0")?;
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended by itself with {status}", self.name);
        }
        if !self.terminate(pid)? {
            self.child.kill()?;
            self.child.wait()?;
            bail!("{} does not stop on SIGTERM", self.name);
        }
        Ok(())
    }

    /// Whether it ends on SIGTERM before the deadline.
    ///
    /// The signal is repeated: nginx notes it and then sleeps on when it comes just before nginx
    /// waits for events, and under valgrind that happens in one run of ten.
    fn terminate(&mut self, pid: Pid) -> anyhow::Result<bool> {
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            kill_process(pid, Signal::TERM)?;
            let sent = Instant::now();
            while sent.elapsed() < REPEAT {
                if self.child.try_wait()?.is_some() {
                    return Ok(true);
                }
                thread::sleep(INTERVAL);
            }
        }
        Ok(false)
    }

    /// Adds to a failure what the process has to do with it: its end, its last words.
    fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let mut text = String::new();
        let mut stderr = Aside {
            file: &self.stderr,
            position: 0,
        };
        let error = match stderr.read_to_string(&mut text) {
            Ok(_) if text.trim().is_empty() => error,
            Ok(_) => {
                let lines: Vec<&str> = text.lines().collect();
                let last = lines[lines.len().saturating_sub(20)..].join("\n");
                error.context(format!("{} says: {last}", self.name))
            }
            Err(unread) => error.context(format!("{}: unreadable output: {unread}", self.name)),
        };
        match self.child.try_wait() {
            Ok(Some(status)) => error.context(format!("{} has ended with {status}", self.name)),
            Ok(None) => error,
            Err(unknown) => error.context(format!("{}: unknown state: {unknown}", self.name)),
        }
    }
}

/// Reads a file without moving its position, which is also the position where the process writes.
struct Aside<'a> {
    file: &'a File,
    position: u64,
}

impl Read for Aside<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_failure_stops_the_process() {
        let scratch = tempfile::tempdir().unwrap();
        let mut id = 0;
        let outcome = during(
            scratch.path(),
            "sleeper",
            &shell("exec sleep 600"),
            |running| {
                id = running.id();
                bail!("the measurement has failed")
            },
        );
        let error: anyhow::Result<()> = outcome;
        assert!(format!("{:#}", error.unwrap_err()).contains("the measurement has failed"));
        assert!(id != 0 && !Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_process_that_ends_is_reported_with_its_last_words() {
        let scratch = tempfile::tempdir().unwrap();
        let command = shell("echo no such port >&2; exit 3");
        let outcome = during(scratch.path(), "contender", &command, |running| {
            running.wait_until(|| bail!("no answer"))
        });
        let error = format!("{:#}", outcome.unwrap_err());
        assert!(error.contains("no such port"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_process_that_ends_too_early_is_a_failure() {
        let scratch = tempfile::tempdir().unwrap();
        let outcome = during(scratch.path(), "contender", &shell("exit 0"), |running| {
            let started = Instant::now();
            while running.child.try_wait()?.is_none() {
                assert!(started.elapsed() < DEADLINE);
                thread::yield_now();
            }
            Ok(())
        });
        let error = format!("{:#}", outcome.unwrap_err());
        assert!(error.contains("has ended by itself"), "{error}");
    }

    #[test]
    fn output_is_read_beside_the_writer() {
        let scratch = tempfile::tempdir().unwrap();
        let command = shell("echo one; echo two; exec sleep 600");
        during(scratch.path(), "writer", &command, |running| {
            let read = |running: &Running| {
                let mut text = String::new();
                running.stdout().read_to_string(&mut text).map(|_| text)
            };
            let started = Instant::now();
            while read(running)? != "one\ntwo\n" {
                assert!(started.elapsed() < DEADLINE);
                thread::yield_now();
            }
            Ok(())
        })
        .unwrap();
    }
}
