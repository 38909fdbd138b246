//! A cluster for a person: started once, there until it is stopped.
//!
//! In: `make cluster-up` and `make cluster-down`. Out: a process that holds a cluster, and in
//! `${XDG_STATE_HOME:-~/.local/state}/tollgate/cluster` its `kubeconfig`, its `log` and its `pid`.
//! The holder keeps `pid` locked while it lives, so that neither a crash nor a number that the
//! kernel has given to another process misleads anybody.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::{binary, cluster::Cluster, component::INTERVAL};

/// How long a holder may take to stop its cluster.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often a lock is tried that is taken; to look takes microseconds.
const GLANCES: usize = 10;

/// The files of the cluster in the background.
#[derive(Debug)]
pub struct Background {
    folder: PathBuf,
}

impl Background {
    /// That of this user.
    ///
    /// # Errors
    /// The state folder can't be found or made.
    pub fn of_this_user() -> anyhow::Result<Self> {
        let folder = binary::base("XDG_STATE_HOME", ".local/state")?.join("tollgate/cluster");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Starts it unless it runs, and returns its kubeconfig.
    ///
    /// # Errors
    /// It doesn't start; with the end of its log.
    pub fn up(&self) -> anyhow::Result<PathBuf> {
        let kubeconfig = self.file("kubeconfig");
        if self.lock()?.is_some() {
            // What is there is of one that has crashed.
            remove(&kubeconfig)?;
            // A build takes minutes, and is seen here only.
            binary::find()?;
            let log = File::create(self.file("log"))?;
            let mut holder = Command::new(std::env::current_exe()?)
                .arg("hold")
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                // It outlives the terminal's Ctrl-C.
                .process_group(0)
                .spawn()?;
            while holder.try_wait()?.is_none() {
                if kubeconfig.exists() {
                    return Ok(kubeconfig);
                }
                thread::sleep(INTERVAL);
            }
        }
        // Somebody else is starting it, or has, or it has failed.
        while !kubeconfig.exists() {
            if self.lock()?.is_some() {
                let log = fs::read_to_string(self.file("log"))?;
                bail!("the cluster does not start:\n{log}");
            }
            thread::sleep(INTERVAL);
        }
        Ok(kubeconfig)
    }

    /// Stops it; whether there was one.
    ///
    /// # Errors
    /// The process that holds it can't be asked, or doesn't end.
    pub fn down(&self) -> anyhow::Result<bool> {
        let started = Instant::now();
        let mut asked = false;
        while self.lock()?.is_none() {
            if started.elapsed() > DEADLINE {
                bail!(
                    "{} names a process that does not end",
                    self.file("pid").display()
                );
            }
            // Right after its start it has not written its id yet.
            if !asked && let Some(pid) = self.holder()? {
                kill_process(pid, Signal::TERM)?;
                asked = true;
            }
            thread::sleep(INTERVAL);
        }
        remove(&self.file("kubeconfig"))?;
        Ok(asked)
    }

    /// Holds a cluster until SIGTERM or SIGINT. When another process does so already, that is fine.
    ///
    /// # Errors
    /// The cluster doesn't start or stop.
    pub async fn hold(&self) -> anyhow::Result<()> {
        let Some(mut pid) = self.lock_past_glances()? else {
            return Ok(());
        };
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        writeln!(pid, "{}", std::process::id())?;
        let cluster = Cluster::own()?;
        // Whole or not at all: it says that the cluster is ready.
        let fresh = self.file("kubeconfig.new");
        fs::copy(cluster.kubeconfig(), &fresh)?;
        fs::rename(&fresh, self.file("kubeconfig"))?;
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        cluster.stop()?;
        pid.set_len(0)?;
        remove(&self.file("kubeconfig"))
    }

    /// The file of the holder's id, empty and locked; none: a holder has it.
    fn lock(&self) -> anyhow::Result<Option<File>> {
        let path = self.file("pid");
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("lock {}", path.display()))
            }
        }
    }

    /// As [`Self::lock`], but not misled by an `up` or `down` that looks just now.
    fn lock_past_glances(&self) -> anyhow::Result<Option<File>> {
        for _ in 0..GLANCES {
            if let Some(file) = self.lock()? {
                return Ok(Some(file));
            }
            thread::sleep(INTERVAL);
        }
        Ok(None)
    }

    /// The id that a holder has written.
    fn holder(&self) -> anyhow::Result<Option<Pid>> {
        let text = fs::read_to_string(self.file("pid"))?;
        let number = text.strip_suffix('\n').map(str::parse).transpose()?;
        Ok(number.and_then(Pid::from_raw))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
