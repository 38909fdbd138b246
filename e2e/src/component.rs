//! One process of the control plane: started, asked for its state, given signals, ended.
//!
//! In: its command line. Out: a process of that name, its log. It ends when this process does: its
//! standard input is a pipe that only this process holds (`cluster/owner.go`).

use std::{
    fs::{self, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How often something is asked whether it has come to pass.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// How long a component may take to end when it is asked to; then it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// How many lines of a log an error tells.
const LAST_LINES: usize = 15;

/// A part of the control plane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// etcd, which keeps the objects.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    Controllers,
}

impl Part {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::Controllers => "kube-controller-manager",
        }
    }
}

/// A process, or what is needed to start it again.
#[derive(Debug)]
pub(crate) struct Component {
    part: Part,
    binary: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    child: Mutex<Option<Child>>,
}

impl Component {
    /// Nothing is started yet.
    pub(crate) fn new(part: Part, binary: &Path, folder: &Path, arguments: Vec<String>) -> Self {
        Self {
            part,
            binary: binary.into(),
            folder: folder.into(),
            arguments,
            child: Mutex::new(None),
        }
    }

    /// Where its log is; it goes on there when it is started again.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.part.name()))
    }

    /// Starts it. It isn't ready then.
    pub(crate) fn launch(&self) -> anyhow::Result<()> {
        let mut child = self.child();
        if let Some(running) = child.as_mut() {
            let ended = running.try_wait()?;
            ensure!(ended.is_some(), "{} runs already", self.part.name());
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log());
        let log = log.with_context(|| format!("open {}", self.log().display()))?;
        let started = Command::new(&self.binary)
            .arg(self.part.name())
            .args(&self.arguments)
            .env("TOLLGATE_OWNED_FOLDER", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Its own group: Ctrl-C is for us, and it ends after us. A frozen one does too: the
            // kernel wakes a stopped group when the parent that is outside of it ends.
            .process_group(0)
            .spawn();
        *child = Some(started.with_context(|| format!("start {}", self.part.name()))?);
        Ok(())
    }

    /// Fails when it has ended by itself, with the end of its log.
    pub(crate) fn has_not_ended(&self) -> anyhow::Result<()> {
        let ended = match self.child().as_mut() {
            Some(child) => child.try_wait()?,
            None => None,
        };
        if let Some(status) = ended {
            bail!(
                "{} has ended with {status}; {}",
                self.part.name(),
                self.last_words()
            );
        }
        Ok(())
    }

    /// The process id.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        if let Some(child) = self.child().as_mut()
            && child.try_wait()?.is_none()
        {
            return Ok(child.id());
        }
        bail!("{} does not run", self.part.name())
    }

    /// Sends a signal and returns at once.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // The child is not waited for in between, so that its id can't be another's.
        kill_process(self.id()?, signal).with_context(|| format!("signal {}", self.part.name()))
    }

    /// Freezes it, and waits until the last of its threads stands still. One that is frozen only
    /// in part would outlive its owner.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        let is_frozen = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let started = Instant::now();
        while waitid(WaitId::Pid(self.id()?), is_frozen)?.is_none() {
            ensure!(
                started.elapsed() < GRACE,
                "{} does not freeze",
                self.part.name()
            );
            thread::sleep(INTERVAL);
        }
        Ok(())
    }

    fn id(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(i32::try_from(self.pid()?)?).context("process id 0")
    }

    /// Kills it, if it runs, and waits for its end.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child().take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end and waits for that; one that doesn't is killed.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let started = Instant::now();
        while self.pid().is_ok() && started.elapsed() < GRACE {
            thread::sleep(INTERVAL);
        }
        // What has ended is only collected.
        self.kill()
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log();
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        format!("{} ends with:\n{last}", log.display())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // A thread that panicked has left a child, or none: both are whole.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that runs `script` in place of etcd.
    fn component(folder: &Path, script: &str) -> Component {
        fs::write(folder.join("etcd"), script).unwrap();
        Component::new(Part::Etcd, Path::new("/bin/sh"), folder, Vec::new())
    }

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < GRACE, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_part_that_ends_by_itself_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let etcd = component(folder.path(), "echo no such disk; exit 3");
        etcd.has_not_ended().unwrap();
        etcd.launch().unwrap();
        until("it ends", || etcd.has_not_ended().is_err());
        let error = etcd.has_not_ended().unwrap_err().to_string();
        for part in [
            "etcd has ended with exit status: 3",
            "etcd.log",
            "no such disk",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert!(
            etcd.terminate().is_err(),
            "what does not run can't be asked"
        );
    }

    #[test]
    fn a_part_that_was_ended_can_be_launched_again() {
        let folder = tempfile::tempdir().unwrap();
        let etcd = component(folder.path(), "echo up; read line");
        for end in [Component::kill, Component::terminate] {
            etcd.launch().unwrap();
            let twice = etcd.launch().unwrap_err().to_string();
            assert!(twice.contains("runs already"), "{twice}");
            end(&etcd).unwrap();
            etcd.has_not_ended().unwrap();
            assert!(etcd.pid().is_err());
        }
    }

    #[test]
    fn a_frozen_part_stands_still_until_it_is_thawed_or_killed() {
        let folder = tempfile::tempdir().unwrap();
        let etcd = component(
            folder.path(),
            "trap 'echo asked; exit' TERM; echo up; read line",
        );
        etcd.launch().unwrap();
        until("it is up", || etcd.last_words().ends_with("\nup"));
        etcd.freeze().unwrap();
        etcd.freeze().unwrap();
        etcd.signal(Signal::TERM).unwrap();
        assert!(etcd.last_words().ends_with("\nup"));
        etcd.signal(Signal::CONT).unwrap();
        until("it goes on", || etcd.last_words().ends_with("\nasked"));
        etcd.kill().unwrap();
        etcd.launch().unwrap();
        etcd.freeze().unwrap();
        etcd.kill().unwrap();
        assert!(etcd.freeze().is_err());
    }

    #[test]
    fn a_part_knows_its_folder_and_loses_its_input_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let etcd = component(
            folder.path(),
            "echo $TOLLGATE_OWNED_FOLDER; read line; echo over",
        );
        etcd.launch().unwrap();
        let path = folder.path().display().to_string();
        until("it says its folder", || etcd.last_words().contains(&path));
        let mut child = etcd.child().take().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(etcd.last_words().ends_with("\nover"));
    }
}
