//! The manifests below a folder, live.
//!
//! In: events of the file system. Out: a [`Scan`] for everything that happened at about the same
//! time. A file is read when its writer has closed it or moved it into place, never while it is
//! written. Events only name what to look at again: what is true is what is then read.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::time::{Instant, sleep, timeout};

use super::{Manifests, Scan, UnusableFolder};

mod events;

use events::{Dirty, Events, Inbox};

/// What happens within this time after an event is taken in with it.
const QUIET: Duration = Duration::from_millis(5);

/// A file that is written all the time must not put off the others for longer.
const QUIET_MAX: Duration = Duration::from_millis(100);

/// A writer that removes a file before it writes it anew has this long.
const REPLACE: Duration = Duration::from_millis(25);

/// How often a folder that is not there is looked for.
const MISSING: Duration = Duration::from_millis(500);

/// The manifests below a folder, and the watch on it.
#[derive(Debug)]
pub struct Directory {
    /// Shared with whoever asks about them; never locked while waiting.
    manifests: Arc<Mutex<Manifests>>,
    /// The folder, whatever the working directory becomes.
    absolute: PathBuf,
    watcher: RecommendedWatcher,
    inbox: Arc<Inbox>,
    /// All that is watched.
    watched: BTreeSet<PathBuf>,
    /// The folder itself can't be listed now.
    missing: bool,
}

impl Directory {
    /// Watches `dir` and reads all manifests below it. Paths may be links; a relative `dir` is
    /// taken from the working directory of now.
    ///
    /// # Errors
    /// [`UnusableFolder`] when `dir` can't be listed or no watch can be made.
    pub fn open(dir: &Path) -> Result<(Self, Scan), UnusableFolder> {
        let manifests = Manifests::unread(dir)?;
        let inbox = Arc::new(Inbox::default());
        let events = Events::new(manifests.absolute.clone(), inbox.clone());
        let watcher = notify::recommended_watcher(events).map_err(|error| UnusableFolder {
            path: dir.to_owned(),
            reason: format!("can't be watched: {error}"),
        })?;
        let mut directory = Self {
            absolute: manifests.absolute.clone(),
            manifests: Arc::new(Mutex::new(manifests)),
            watcher,
            inbox,
            watched: BTreeSet::new(),
            missing: false,
        };
        let scan = directory.rescan();
        Ok((directory, scan))
    }

    /// Waits until something is different and says what. It may be dropped at any time and called
    /// again; nothing is lost.
    pub async fn changed(&mut self) -> Scan {
        loop {
            self.wait().await;
            let dirty = self.inbox.take();
            let scan = match dirty {
                Dirty::Files(files) => self.manifests().read(files),
                Dirty::All => self.rescan(),
            };
            if !scan.is_empty() {
                return scan;
            }
        }
    }

    /// What is below the folder, as it was when last looked at.
    pub fn manifests(&self) -> MutexGuard<'_, Manifests> {
        lock(&self.manifests)
    }

    /// The same, for whoever asks later.
    pub fn shared(&self) -> Arc<Mutex<Manifests>> {
        Arc::clone(&self.manifests)
    }

    /// Waits for events, and then until they pause.
    async fn wait(&mut self) {
        while self.inbox.is_empty() {
            if self.missing {
                // What is not there can't be watched. Elapsed or not, it is looked for.
                let _ = timeout(MISSING, self.inbox.woken()).await;
                self.inbox.add_all();
            } else {
                self.inbox.woken().await;
            }
        }
        let last = Instant::now() + QUIET_MAX;
        while timeout(QUIET, self.inbox.woken()).await.is_ok() && Instant::now() < last {}
        if self.inbox.any_file(|path| self.is_lost(path)) {
            sleep(REPLACE).await;
        }
    }

    fn is_lost(&self, path: &Path) -> bool {
        self.manifests().folder.knows(path) && !self.absolute.join(path).exists()
    }

    /// Looks at everything, and watches what is there now.
    fn rescan(&mut self) -> Scan {
        let mut folders = BTreeSet::new();
        let watcher = &mut self.watcher;
        let (scan, targets) = lock(&self.manifests).scan(|folder| {
            folders.insert(folder.to_owned());
            watch(watcher, folder).map_err(|reason| format!("edits are not noticed: {reason}"))
        });
        self.missing = !self.absolute.is_dir();
        self.inbox.watch(folders.clone(), targets.clone());
        let mut watched = folders;
        watched.extend(targets.iter().cloned());
        for target in targets {
            // At worst an edit through a link is seen late.
            let _ = watch(&mut self.watcher, &target);
        }
        if self.absolute.is_symlink()
            && let Some(parent) = self.absolute.parent()
        {
            // The folder is a link that may be swapped for another.
            let _ = watch(&mut self.watcher, parent);
            watched.insert(parent.to_owned());
        }
        for old in self.watched.difference(&watched) {
            // Most often it is gone, and its watch with it.
            let _ = self.watcher.unwatch(old);
        }
        self.watched = watched;
        scan
    }
}

/// What a panic left half done is read anew with the next change of its file.
fn lock(manifests: &Mutex<Manifests>) -> MutexGuard<'_, Manifests> {
    manifests.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(watcher: &mut RecommendedWatcher, folder: &Path) -> Result<(), String> {
    let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
    watched.map_err(|error| error.to_string().to_lowercase())
}
