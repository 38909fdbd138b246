//! What each file of a folder gave, and what therefore happens to an object when a file changes.
//!
//! In: what became of some files, as one batch. Out: changes to objects, puts before removals, and
//! the problems of those files. No disk is read here. The rules:
//!
//! * A file that can't be read keeps its objects. So does one with a document of which it can't be
//!   said which object it is, as far as its objects are missing from it.
//! * An object that is in several places is taken from the first file, by path; when that one goes,
//!   from the next. The others are problems.
//! * An object whose content did not change is not put again, wherever it moved.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use tollgate_compile::{Change, Kind, Object, ObjectRef};
use tollgate_snapshot::ObjectName;

use crate::function::FunctionProcess;

use super::document::{self, Document, Documents, Place, Stray};

/// What became of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// Its text.
    Text(String),
    /// It is there and can't be read, for this reason.
    Unreadable(String),
    /// It is not there any more.
    Gone,
}

/// Something wrong with a file, or with a document in it, that is no problem of an object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FileProblem {
    /// The file, relative to the folder of manifests.
    pub path: Arc<Path>,
    /// Where in it, if that can be said.
    pub place: Option<Place>,
    /// The object that it is about, if any.
    pub object: Option<ObjectRef>,
    /// What is wrong, in words: lower case, no full stop.
    pub message: String,
}

/// What a batch of files made different.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Changes to objects, to be adopted at once: puts and refusals first, then removals.
    pub changes: Vec<Change>,
    /// What is wrong with the files that changed.
    pub problems: Vec<FileProblem>,
    /// Functions whose process is new, another or (`None`) gone.
    pub processes: BTreeMap<ObjectName, Option<FunctionProcess>>,
    /// Something that was wrong with a file no longer is.
    pub fixed: bool,
}

impl Scan {
    /// Whether nothing happened that anyone need know.
    pub fn is_empty(&self) -> bool {
        let Self {
            changes,
            problems,
            processes,
            fixed,
        } = self;
        changes.is_empty() && problems.is_empty() && processes.is_empty() && !fixed
    }
}

/// Where an object stands: its file and which document of it.
type Position = (Arc<Path>, usize);

/// The memory of all files and objects.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Absolute path of the folder, for processes.
    base: PathBuf,
    files: BTreeMap<Arc<Path>, File>,
    objects: BTreeMap<ObjectRef, Claims>,
    processes: BTreeMap<ObjectName, FunctionProcess>,
}

#[derive(Debug, Default)]
struct File {
    /// Hash of the text that was read last.
    text: Option<u64>,
    objects: BTreeSet<ObjectRef>,
    problems: Vec<FileProblem>,
}

/// The places where one object stands.
#[derive(Debug, Default)]
struct Claims {
    by_position: BTreeMap<Position, Claim>,
    /// Hash of the content that was given out last.
    given: Option<u64>,
}

#[derive(Debug)]
struct Claim {
    place: Place,
    /// Hash of the content.
    content: u64,
    /// Its file no longer shows it and still keeps it.
    kept: bool,
}

/// Where a problem of an object is to be shown.
pub(super) struct Site<'a> {
    pub(super) path: &'a Arc<Path>,
    pub(super) place: &'a Place,
    /// Hash of the text to which the place belongs; none, if that text is no more.
    pub(super) text: Option<u64>,
}

impl Folder {
    pub(super) fn new(base: PathBuf) -> Self {
        Self {
            base,
            ..Self::default()
        }
    }

    /// The files that were there when last looked at.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Arc<Path>> {
        self.files.keys()
    }

    /// Whether a file was there when last looked at.
    pub(super) fn knows(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// How the functions are started.
    pub(super) fn processes(&self) -> &BTreeMap<ObjectName, FunctionProcess> {
        &self.processes
    }

    /// All that is wrong with files now.
    pub(super) fn problems(&self) -> Vec<FileProblem> {
        let own = self.files.values().flat_map(|file| file.problems.clone());
        let copies = self.objects.iter().flat_map(|(o, claims)| claims.copies(o));
        let mut all: Vec<_> = own.chain(copies).collect();
        all.sort();
        all
    }

    /// Where the object stands that is used.
    pub(super) fn site(&self, object: &ObjectRef) -> Option<Site<'_>> {
        let ((path, _), claim) = self.objects.get(object)?.by_position.first_key_value()?;
        let text = self.files.get(path).and_then(|file| file.text);
        Some(Site {
            path,
            place: &claim.place,
            text: text.filter(|_| !claim.kept),
        })
    }

    /// Takes in what became of some files. The second result names files to be read and taken in
    /// once more: an object is now theirs whose content was not kept.
    pub(super) fn take(
        &mut self,
        batch: impl IntoIterator<Item = (Arc<Path>, Reading)>,
    ) -> (Scan, BTreeSet<Arc<Path>>) {
        let mut round = Round::default();
        for (path, reading) in batch {
            self.take_file(&mut round, path, reading);
        }
        for (object, path) in &round.fresh {
            if let Some(claims) = self.objects.get_mut(object) {
                // Kept for want of better, and here it is: the object has moved.
                claims
                    .by_position
                    .retain(|(at, _), claim| !claim.kept || at == path);
            }
        }
        for object in std::mem::take(&mut round.touched) {
            self.settle(&mut round, object);
        }
        let mut scan = round.scan;
        scan.changes.extend(round.removals);
        scan.problems.sort();
        (scan, round.again)
    }

    fn take_file(&mut self, round: &mut Round, path: Arc<Path>, reading: Reading) {
        let text = match reading {
            Reading::Text(text) => text,
            Reading::Unreadable(reason) => {
                return self.keep(round, &path, None, (None, reason));
            }
            Reading::Gone => return self.forget(round, &path),
        };
        let hash = Some(hash_of(&text));
        if self.files.get(&path).is_some_and(|file| file.text == hash) {
            return;
        }
        match document::read(&text) {
            Ok(documents) => self.replace(round, &path, hash, documents),
            Err(error) => {
                let place = error.line.map(Place::line);
                self.keep(round, &path, hash, (place, error.message));
            }
        }
    }

    /// A file that can't be read: its objects stay as they are.
    fn keep(
        &mut self,
        round: &mut Round,
        path: &Arc<Path>,
        text: Option<u64>,
        (place, message): (Option<Place>, String),
    ) {
        let file = self.files.entry(path.clone()).or_default();
        file.text = text;
        for object in &file.objects {
            if let Some(claims) = self.objects.get_mut(object) {
                claims.keep(path);
            }
        }
        let problem = FileProblem {
            path: path.clone(),
            place,
            object: None,
            message,
        };
        round.scan.fixed |= file.problems.iter().any(|known| *known != problem);
        // Said once, not with every rescan.
        if !file.problems.contains(&problem) {
            round.scan.problems.push(problem.clone());
        }
        file.problems = vec![problem];
    }

    fn forget(&mut self, round: &mut Round, path: &Arc<Path>) {
        let Some(file) = self.files.remove(path) else {
            return;
        };
        round.scan.fixed |= !file.problems.is_empty();
        for object in file.objects {
            if let Some(claims) = self.objects.get_mut(&object) {
                round.scan.fixed |= claims.drop(path);
            }
            round.touched.insert(object);
        }
    }

    /// A file that was read: what it says now replaces what it said before.
    fn replace(
        &mut self,
        round: &mut Round,
        path: &Arc<Path>,
        text: Option<u64>,
        documents: Documents,
    ) {
        let file = self.files.entry(path.clone()).or_default();
        let before = std::mem::take(&mut file.objects);
        let shown = documents.objects.iter().map(|d| d.object.clone());
        let mut now: BTreeSet<ObjectRef> = shown.collect();
        round.fresh.extend(
            now.difference(&before)
                .map(|object| (object.clone(), path.clone())),
        );
        for object in before {
            let Some(claims) = self.objects.get_mut(&object) else {
                continue;
            };
            if documents.strays.is_empty() || now.contains(&object) {
                round.scan.fixed |= claims.drop(path);
                round.touched.insert(object);
            } else {
                // It may be the one that can't be told.
                claims.keep(path);
                now.insert(object);
            }
        }
        let strays = documents.strays.into_iter();
        let problems: Vec<_> = strays.map(|stray| stray.problem(path)).collect();
        round.scan.problems.extend(problems.iter().cloned());
        round.scan.fixed |= file.problems.iter().any(|known| !problems.contains(known));
        *file = File {
            text,
            objects: now,
            problems,
        };
        for (position, document) in documents.objects.into_iter().enumerate() {
            self.claim(round, (path.clone(), position), document);
        }
    }

    fn claim(&mut self, round: &mut Round, position: Position, document: Document) {
        let mut hasher = DefaultHasher::new();
        document.manifest.hash(&mut hasher);
        if document.object.kind == Kind::Function {
            // Its process is relative to the folder.
            position.0.parent().hash(&mut hasher);
        }
        let claim = Claim {
            place: document.place.clone(),
            content: hasher.finish(),
            kept: false,
        };
        let claims = self.objects.entry(document.object.clone()).or_default();
        claims.by_position.insert(position.clone(), claim);
        round.touched.insert(document.object.clone());
        round.documents.insert(position, document);
    }

    /// Gives out what became of an object, if anything did.
    fn settle(&mut self, round: &mut Round, object: ObjectRef) {
        let Some(claims) = self.objects.get_mut(&object) else {
            return;
        };
        round.scan.problems.extend(claims.copies(&object));
        let Some((position, winner)) = claims.by_position.first_key_value() else {
            let given = claims.given;
            self.objects.remove(&object);
            if given.is_some() {
                self.remove(round, object);
            }
            return;
        };
        if winner.kept || Some(winner.content) == claims.given {
            return;
        }
        match round.documents.remove(position) {
            Some(document) => {
                claims.given = Some(winner.content);
                let folder = self.base.join(position.0.parent().unwrap_or(&position.0));
                self.give(round, &folder, document::change(document));
            }
            None => {
                let path = position.0.clone();
                if let Some(file) = self.files.get_mut(&path) {
                    file.text = None;
                }
                round.again.insert(path);
            }
        }
    }

    fn remove(&mut self, round: &mut Round, object: ObjectRef) {
        if object.kind == Kind::Function && self.processes.remove(&object.name).is_some() {
            round.scan.processes.insert(object.name.clone(), None);
        }
        round.removals.push(Change::Remove(object));
    }

    fn give(&mut self, round: &mut Round, folder: &Path, change: Change) {
        // A refused Function keeps the process that it had.
        if let Change::Put(put) = &change
            && let Object::Function(function) = put
        {
            let name = put.reference().name;
            let process = FunctionProcess::of(function, folder);
            if self.processes.get(&name) != process.as_ref() {
                match &process {
                    Some(process) => self.processes.insert(name.clone(), process.clone()),
                    None => self.processes.remove(&name),
                };
                round.scan.processes.insert(name, process);
            }
        }
        round.scan.changes.push(change);
    }
}

/// What a batch has gathered so far.
#[derive(Default)]
struct Round {
    scan: Scan,
    removals: Vec<Change>,
    /// Objects whose places changed.
    touched: BTreeSet<ObjectRef>,
    /// Objects that a file shows and did not have before.
    fresh: Vec<(ObjectRef, Arc<Path>)>,
    documents: BTreeMap<Position, Document>,
    again: BTreeSet<Arc<Path>>,
}

impl Claims {
    /// Drops the places in a file, and says whether the object stood in others too.
    fn drop(&mut self, path: &Arc<Path>) -> bool {
        let copies = self.by_position.len() > 1;
        self.by_position.retain(|(at, _), _| at != path);
        copies
    }

    fn keep(&mut self, path: &Arc<Path>) {
        for ((at, _), claim) in &mut self.by_position {
            claim.kept |= at == path;
        }
    }

    /// The places that are not used.
    fn copies(&self, object: &ObjectRef) -> Vec<FileProblem> {
        let Some(((first, _), _)) = self.by_position.first_key_value() else {
            return Vec::new();
        };
        let message = format!("is in {} already, which is used", first.display());
        let others = self.by_position.iter().skip(1);
        others
            .filter(|(_, claim)| !claim.kept)
            .map(|((path, _), claim)| FileProblem {
                path: path.clone(),
                place: Some(claim.place.clone()),
                object: Some(object.clone()),
                message: message.clone(),
            })
            .collect()
    }
}

impl Stray {
    fn problem(self, path: &Arc<Path>) -> FileProblem {
        FileProblem {
            path: path.clone(),
            place: Some(self.place),
            object: None,
            message: self.message,
        }
    }
}

/// Tells texts and contents apart. Not kept, so its algorithm may change.
pub(super) fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
