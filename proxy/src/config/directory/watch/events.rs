//! Events of the file system to the names of what must be read again.
//!
//! In: events, on the thread of the watcher. Out: a bounded set of paths, taken by the reader when
//! it wants. Events that can't matter wake nobody.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use notify::{
    Event, EventHandler, EventKind,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind},
};
use tokio::sync::Notify;

use super::super::walk;

/// More files than this at once are a rescan.
const FILES_MAX: usize = 1024;

/// The name by which a mounted ConfigMap is swapped.
const DATA: &str = "..data";

/// What must be looked at again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Dirty {
    /// These files, relative to the folder of manifests.
    Files(BTreeSet<PathBuf>),
    /// Everything.
    All,
}

impl Default for Dirty {
    fn default() -> Self {
        Self::Files(BTreeSet::new())
    }
}

/// What the watcher's thread and the reader share.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    dirty: Dirty,
    /// The folders that are listed, absolute.
    folders: BTreeSet<PathBuf>,
    /// Real folders of manifests that are links.
    targets: BTreeSet<PathBuf>,
}

impl Inbox {
    /// Waits for an event.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether nothing must be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.state().dirty == Dirty::default()
    }

    /// Whether some file that must be looked at is like that.
    pub(super) fn any_file(&self, is: impl Fn(&Path) -> bool) -> bool {
        match &self.state().dirty {
            Dirty::Files(files) => files.iter().any(|path| is(path)),
            Dirty::All => false,
        }
    }

    /// Takes out what must be looked at.
    pub(super) fn take(&self) -> Dirty {
        std::mem::take(&mut self.state().dirty)
    }

    /// Says what is watched: the listed folders, and those of links' targets.
    pub(super) fn watch(&self, folders: BTreeSet<PathBuf>, targets: BTreeSet<PathBuf>) {
        let mut state = self.state();
        state.folders = folders;
        state.targets = targets;
    }

    /// Everything must be looked at.
    pub(super) fn add_all(&self) {
        self.state().dirty = Dirty::All;
        self.wake.notify_one();
    }

    fn add_file(&self, path: PathBuf) {
        let mut state = self.state();
        if let Dirty::Files(files) = &mut state.dirty {
            files.insert(path);
            if files.len() > FILES_MAX {
                state.dirty = Dirty::All;
            }
        }
        self.wake.notify_one();
    }

    /// A set of paths is whole at any time: a panic elsewhere leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watcher's end.
pub(super) struct Events {
    /// Absolute path of the folder of manifests.
    root: PathBuf,
    inbox: Arc<Inbox>,
}

impl Events {
    pub(super) fn new(root: PathBuf, inbox: Arc<Inbox>) -> Self {
        Self { root, inbox }
    }

    fn take(&self, kind: &EventKind, path: &Path) {
        let Some(change) = Change::of(kind) else {
            return;
        };
        let Ok(below) = path.strip_prefix(&self.root) else {
            return self.take_target(&change, path);
        };
        if below.as_os_str().is_empty() || below.ends_with(DATA) {
            if change != Change::Writing {
                self.inbox.add_all();
            }
        } else if below.ancestors().any(walk::is_hidden) {
            self.take_target(&change, path);
        } else if walk::is_manifest(below) {
            self.take_manifest(&change, path, below);
        } else if change != Change::Writing && self.may_be_folder(path) {
            self.inbox.add_all();
        }
    }

    fn take_manifest(&self, change: &Change, path: &Path, below: &Path) {
        match change {
            // Only so that the reader waits for the end of it.
            Change::Writing => self.inbox.wake.notify_one(),
            // A link's target may have to be watched.
            Change::Created | Change::Renamed if path.is_symlink() => self.inbox.add_all(),
            // The writer will close it.
            Change::Created if !is_complete(path) => self.inbox.wake.notify_one(),
            Change::Created | Change::Renamed | Change::Removed | Change::Written => {
                self.inbox.add_file(below.to_owned());
            }
        }
    }

    /// Something outside of the listed folders: all that counts there are files behind links.
    fn take_target(&self, change: &Change, path: &Path) {
        let is_target = path
            .parent()
            .is_some_and(|folder| self.inbox.state().targets.contains(folder));
        if is_target && *change != Change::Writing && *change != Change::Created {
            self.inbox.add_all();
        }
    }

    /// It is a folder, or was one when last listed.
    fn may_be_folder(&self, path: &Path) -> bool {
        path.is_dir() || self.inbox.state().folders.contains(path)
    }
}

impl EventHandler for Events {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.inbox.add_all(),
            Ok(event) => {
                for path in &event.paths {
                    self.take(&event.kind, path);
                }
            }
            // Events were lost, whatever the reason.
            Err(_) => self.inbox.add_all(),
        }
    }
}

/// What happened to a name or to what is behind it.
#[derive(Debug, Eq, PartialEq)]
enum Change {
    Created,
    /// From here or to here.
    Renamed,
    Removed,
    /// Its writer has closed it, or its permissions are others.
    Written,
    /// Its writer is at it.
    Writing,
}

impl Change {
    fn of(kind: &EventKind) -> Option<Self> {
        match kind {
            EventKind::Create(
                CreateKind::Any | CreateKind::File | CreateKind::Folder | CreateKind::Other,
            ) => Some(Self::Created),
            EventKind::Modify(ModifyKind::Name(_)) => Some(Self::Renamed),
            EventKind::Remove(_) => Some(Self::Removed),
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Metadata(_)) => Some(Self::Written),
            EventKind::Modify(ModifyKind::Any | ModifyKind::Data(_) | ModifyKind::Other) => {
                Some(Self::Writing)
            }
            EventKind::Access(_) | EventKind::Any | EventKind::Other => None,
        }
    }
}

/// A new name of what is already written: a hard link or a folder.
fn is_complete(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_dir() || meta.nlink() > 1)
}
