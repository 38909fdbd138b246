//! Prints problems with the file and line where they stand.
//!
//! In: a problem of an object or a file. Out: one line of text, `file:line Kind namespace/name
//! field: reason`. The file is read once more for the line; when it has changed since, the line of
//! the document is good enough. An object that its file keeps and no longer shows has no line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tollgate_compile::{Problem, Severity};

use super::{
    document::Place,
    folder::{FileProblem, Folder, Reading, hash_of},
    lines::Lines,
    walk,
};

/// Knows where objects stand. Short-lived: it remembers each file that it reads.
pub struct Locations<'a> {
    root: &'a Path,
    folder: &'a Folder,
    lines: BTreeMap<Arc<Path>, (u64, Lines)>,
}

/// In front of what is served as it asks, and still its author should know.
const WARNING: &str = "warning: ";

/// Where something stands; sorts as people read.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Spot {
    /// The file, as the user named its folder.
    path: Option<PathBuf>,
    line: Option<usize>,
}

impl<'a> Locations<'a> {
    pub(super) fn new(root: &'a Path, folder: &'a Folder) -> Self {
        Self {
            root,
            folder,
            lines: BTreeMap::new(),
        }
    }

    /// A problem of an object, on one line without its end.
    pub fn print(&mut self, problem: &Problem) -> String {
        let spot = self.of_object(problem);
        line(&spot, mark(problem), &object_text(problem))
    }

    /// A problem of a file, on one line without its end.
    pub fn print_file(&mut self, problem: &FileProblem) -> String {
        let spot = self.of_file(problem);
        line(&spot, "", &file_text(problem))
    }

    /// All problems, each on a line without its end, by file and line.
    pub fn print_sorted(&mut self, files: &[FileProblem], objects: &[Problem]) -> Vec<String> {
        let mut lines = Vec::new();
        for problem in files {
            lines.push((self.of_file(problem), "", file_text(problem)));
        }
        for problem in objects {
            lines.push((self.of_object(problem), mark(problem), object_text(problem)));
        }
        lines.sort();
        lines.dedup();
        let lines = lines.iter();
        lines
            .map(|(spot, mark, text)| line(spot, mark, text))
            .collect()
    }
}

impl Locations<'_> {
    fn of_object(&mut self, problem: &Problem) -> Spot {
        let Some(site) = self.folder.site(&problem.object) else {
            return Spot::default();
        };
        // An object that is kept from a text before has no line in the one that is there now.
        let line = site
            .text
            .map(|text| self.find(site.path, Some(text), site.place, &problem.field));
        Spot {
            path: Some(self.root.join(site.path)),
            line,
        }
    }

    fn of_file(&mut self, problem: &FileProblem) -> Spot {
        let line = match &problem.place {
            // The line of a text that is no YAML is no document's.
            Some(place) if place.within.is_empty() => Some(place.line),
            Some(place) => Some(self.find(&problem.path, None, place, "")),
            None => None,
        };
        let path = match problem.path.as_os_str().is_empty() {
            true => self.root.to_owned(),
            false => self.root.join(&problem.path),
        };
        Spot {
            path: Some(path),
            line,
        }
    }

    fn find(&mut self, path: &Arc<Path>, text: Option<u64>, place: &Place, field: &str) -> usize {
        if !self.lines.contains_key(path)
            && let Reading::Text(now) = walk::read(&self.root.join(path))
        {
            let lines = (hash_of(&now), Lines::read(&now));
            self.lines.insert(path.clone(), lines);
        }
        match self.lines.get(path) {
            Some((now, lines)) if text.is_none_or(|then| then == *now) => lines.find(place, field),
            Some(_) | None => place.line,
        }
    }
}

fn mark(problem: &Problem) -> &'static str {
    match problem.reason.severity() {
        Severity::Problem => "",
        Severity::Warning => WARNING,
    }
}

fn line(spot: &Spot, mark: &str, text: &str) -> String {
    let mut line = mark.to_owned();
    if let Some(path) = &spot.path {
        line.push_str(&path.to_string_lossy());
        if let Some(number) = spot.line {
            line.push_str(&format!(":{number}"));
        }
    }
    line.push_str(if spot.path.is_some() {
        text
    } else {
        text.trim_start()
    });
    // Names and messages are of the user's making; a line stays a line.
    line.replace(char::is_control, "\u{fffd}")
}

/// What follows the place, with what parts them.
fn object_text(problem: &Problem) -> String {
    let Problem {
        object,
        field,
        message,
        ..
    } = problem;
    if field.is_empty() {
        format!(" {object}: {message}")
    } else {
        format!(" {object} {field}: {message}")
    }
}

fn file_text(problem: &FileProblem) -> String {
    match &problem.object {
        Some(object) => format!(" {object}: {}", problem.message),
        None => format!(": {}", problem.message),
    }
}
