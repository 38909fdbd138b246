//! One of our programs as a process: started, asked how it fares, ended by its own id.
//!
//! In: a command line. Out: a process, its log in a file, what the kernel accounts to it. The
//! kernel ends it when the driver is killed (`setpriv --pdeathsig`).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::line::Line;

/// How long a program may take to be ready, and to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often it is asked whether it is ready: an answer takes less than a millisecond.
const LOOK: Duration = Duration::from_millis(2);

/// A process that was started here.
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    /// Port of `/readyz` and `/metrics`.
    site: u16,
    began: Instant,
}

impl Program {
    /// Starts `command`, which has `/readyz` at port `site` of loopback. Its log is in `folder`.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start(
        name: &str,
        folder: &Path,
        site: u16,
        command: &mut Command,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        // setpriv replaces itself by the program: the child's id is the program's.
        let mut owned = Command::new("setpriv");
        owned.args(["--pdeathsig", "KILL"]);
        owned.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            owned.env(name, value.unwrap_or_default());
        }
        let began = Instant::now();
        let child = owned
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            site,
            began,
        })
    }

    /// Waits until it says that it is ready; how long that took from the start of the process.
    ///
    /// # Errors
    /// It ends, or isn't ready in time; with the end of its log.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<Duration> {
        loop {
            if self.site("/readyz").await.is_ok() {
                return Ok(self.began.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} has ended with {status}: {}",
                    self.name,
                    self.last_words()
                );
            }
            let waited = self.began.elapsed();
            ensure!(
                waited < DEADLINE,
                "{} is not ready: {}",
                self.name,
                self.last_words()
            );
            sleep(LOOK).await;
        }
    }

    /// What its site answers, if that is a 200.
    ///
    /// # Errors
    /// It doesn't answer, or otherwise.
    pub(crate) async fn site(&self, path: &str) -> anyhow::Result<String> {
        let mut line = Line::connect(self.site).await?;
        let (status, body) = line.get("127.0.0.1", path).await?;
        ensure!(
            status == 200,
            "{}: {path} answers {status}: {body}",
            self.name
        );
        Ok(body)
    }

    /// What it has said so far.
    ///
    /// # Errors
    /// The log can't be read.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("read {}", self.log.display()))
    }

    /// Resident memory in MiB: now, and the most so far.
    ///
    /// # Errors
    /// The process is gone.
    pub(crate) fn memory(&self) -> anyhow::Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kib = line.and_then(|line| line.split_whitespace().next());
            let kib = kib.with_context(|| format!("{}: no {field}", self.name))?;
            anyhow::Ok(kib.parse::<f64>()? / 1024.0)
        };
        Ok((mib("VmRSS:")?, mib("VmHWM:")?))
    }

    /// CPU time so far in seconds, the kernel's for it included.
    ///
    /// # Errors
    /// The process is gone.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in brackets may hold spaces; utime and stime are the fields 14 and 15.
        let (_, fields) = stat.rsplit_once(')').context("no stat")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || anyhow::Ok(fields.next().context("no stat")?.parse::<f64>()?);
        let ticks = ticks()? + ticks()?;
        #[allow(clippy::cast_precision_loss, reason = "it is 100")]
        let a_second = rustix::param::clock_ticks_per_second() as f64;
        Ok(ticks / a_second)
    }

    /// Ends it as Kubernetes does.
    ///
    /// # Errors
    /// It has ended by itself, or does not end; with the end of its log.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} has ended by itself with {status}: {}",
                self.name,
                self.last_words()
            );
        }
        let id = i32::try_from(self.child.id())?;
        kill_process(Pid::from_raw(id).context("process 0")?, Signal::TERM)?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > DEADLINE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} does not end: {}", self.name, self.last_words());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}
