//! Manifests below a folder to changes of objects, live: the standalone source of configuration.
//!
//! In: a folder with YAML and JSON files as Kubernetes takes them. Out: [`Scan`]s: changes that
//! compile takes, the processes of functions, and what is wrong with files. Nothing is compiled or
//! adopted here. This and what is below it is all of the proxy that knows the kinds.
//!
//! ```text
//! walk (watch) ──> file ──> document ──> schema ──> change
//!                    └──────── folder: what each file gave before ──> Scan
//! ```

pub mod document;
mod folder;
mod launch;
mod lines;
mod locations;
mod lowering;
mod name;
mod schema;
mod walk;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use folder::{FileProblem, Scan};
pub use locations::Locations;
pub use lowering::Lowering;
use tollgate_compile::Change;
use tollgate_snapshot::ObjectName;
pub use watch::Directory;

use folder::{Folder, Reading};

use crate::function::FunctionProcess;

/// Why a folder of manifests can't be used at all.
#[derive(Debug)]
pub struct UnusableFolder {
    /// The folder, as it was named.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub reason: String,
}

impl fmt::Display for UnusableFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for UnusableFolder {}

/// The manifests below a folder, as they were when last looked at. [`Directory`] is these, live.
#[derive(Debug)]
pub struct Manifests {
    /// As the user named it.
    root: PathBuf,
    /// The same, whatever the working directory becomes.
    absolute: PathBuf,
    folder: Folder,
}

impl Manifests {
    /// Reads all manifests below `dir`.
    ///
    /// # Errors
    /// [`UnusableFolder`] when `dir` itself can't be listed. Whatever is wrong below it is a
    /// problem in the [`Scan`].
    pub fn open(dir: &Path) -> Result<(Self, Scan), UnusableFolder> {
        let mut manifests = Self::unread(dir)?;
        let scan = manifests.scan(|_| Ok(())).0;
        Ok((manifests, scan))
    }

    /// A folder of which nothing is read yet.
    fn unread(dir: &Path) -> Result<Self, UnusableFolder> {
        let unusable = |error: io::Error| UnusableFolder {
            path: dir.to_owned(),
            reason: error.kind().to_string(),
        };
        std::fs::read_dir(dir).map_err(unusable)?;
        let absolute = absolute(dir).map_err(unusable)?;
        Ok(Self {
            root: dir.to_owned(),
            folder: Folder::new(absolute.clone()),
            absolute,
        })
    }

    /// For printing problems with their file and line.
    pub fn locations(&self) -> Locations<'_> {
        Locations::new(&self.root, &self.folder)
    }

    /// How each function that has a process is started.
    pub fn processes(&self) -> &BTreeMap<ObjectName, FunctionProcess> {
        self.folder.processes()
    }

    /// All that is wrong with files now, sorted.
    pub fn problems(&self) -> Vec<FileProblem> {
        self.folder.problems()
    }

    /// Looks at everything. `enter` hears of each folder before it is listed; what it says is wrong
    /// becomes a problem of that folder. The second result is the links' targets outside.
    fn scan(
        &mut self,
        enter: impl FnMut(&Path) -> Result<(), String>,
    ) -> (Scan, BTreeSet<PathBuf>) {
        let listing = walk::list(&self.absolute, enter);
        let mut paths: BTreeSet<Arc<Path>> = self.folder.paths().cloned().collect();
        paths.extend(listing.files.iter().map(|path| Arc::from(path.as_path())));
        // What is below a folder that can't be listed stays as it is, unlooked at.
        paths.retain(|path| {
            let closed = listing.closed.iter();
            listing.files.contains(&**path) || !closed.clone().any(|(at, _)| path.starts_with(at))
        });
        let mut batch: BTreeMap<_, _> = paths
            .into_iter()
            .map(|path| {
                let reading = match listing.files.contains(&*path) {
                    true => self.read_one(&path),
                    false => Reading::Gone,
                };
                (path, reading)
            })
            .collect();
        for (path, reason) in listing.closed {
            batch.insert(path.into(), Reading::Unreadable(reason));
        }
        (self.take(batch), listing.targets)
    }

    /// Looks at some files, named relative to the folder.
    fn read(&mut self, paths: BTreeSet<PathBuf>) -> Scan {
        let paths = paths.into_iter().map(Arc::from);
        let batch = paths.map(|path: Arc<Path>| (path.clone(), self.read_one(&path)));
        let batch = batch.collect();
        self.take(batch)
    }

    fn take(&mut self, batch: BTreeMap<Arc<Path>, Reading>) -> Scan {
        let (mut scan, mut again) = self.folder.take(batch);
        // Each turn settles the objects for which a file was read again.
        while !again.is_empty() {
            let readings = again.into_iter().map(|path| {
                let reading = self.read_one(&path);
                (path, reading)
            });
            let readings: Vec<_> = readings.collect();
            let (more, rest) = self.folder.take(readings);
            scan.problems.extend(more.problems);
            scan.processes.extend(more.processes);
            scan.fixed |= more.fixed;
            scan.changes.extend(more.changes);
            again = rest;
        }
        // Removals stay last.
        let is_removal = |change: &Change| matches!(change, Change::Remove(_));
        scan.changes.sort_by_key(is_removal);
        scan
    }

    fn read_one(&self, path: &Path) -> Reading {
        walk::read(&self.absolute.join(path))
    }
}

/// An absolute path whose last part is a name: `..` is resolved, links are not.
fn absolute(dir: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(dir)?;
    match path.components().any(|part| part.as_os_str() == "..") {
        true => path.canonicalize(),
        false => Ok(path),
    }
}
