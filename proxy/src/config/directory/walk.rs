//! Lists the manifests below a folder and reads them.
//!
//! In: a folder of the disk. Out: its manifests and subfolders, or the text of one manifest. Names
//! that start with a dot are skipped and links are followed: a mounted ConfigMap has each file as a
//! link into `..data`, itself a link that is swapped. What the texts mean is not known here.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::folder::Reading;

/// Larger files are no manifests.
const BYTES_MAX: u64 = 64 << 20;

/// What a folder holds.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Listing {
    /// Its manifests, relative to it.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders that can't be listed, relative to it, and why.
    pub(super) closed: Vec<(PathBuf, String)>,
    /// Real folders of manifests that are links and point out of the listed folders.
    pub(super) targets: BTreeSet<PathBuf>,
}

/// Whether a file of this name is read.
pub(super) fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) && !is_hidden(path)
}

/// Whether its name starts with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(|name| name.starts_with(b"."))
}

/// Lists all below `root`; `enter` hears of each folder before it is listed.
pub(super) fn list(root: &Path, enter: impl FnMut(&Path) -> Result<(), String>) -> Listing {
    let mut walk = Walk {
        root,
        enter,
        seen: BTreeSet::new(),
        listing: Listing::default(),
    };
    walk.folder(Path::new(""));
    let seen = walk.seen;
    walk.listing
        .targets
        .retain(|target| fs::metadata(target).is_ok_and(|meta| !seen.contains(&identity(&meta))));
    walk.listing
}

/// Reads one manifest.
pub(super) fn read(path: &Path) -> Reading {
    match try_read(path) {
        Ok(reading) => reading,
        Err(error) => {
            let kind = error.kind();
            if kind == io::ErrorKind::NotFound && path.is_symlink() {
                Reading::Unreadable("a link to nothing".into())
            } else if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                Reading::Gone
            } else {
                Reading::Unreadable(kind.to_string())
            }
        }
    }
}

fn try_read(path: &Path) -> io::Result<Reading> {
    let meta = fs::metadata(path)?;
    let unreadable = |reason: &str| Ok(Reading::Unreadable(reason.to_owned()));
    if meta.is_dir() {
        return unreadable("a folder, not a file");
    }
    // To open a pipe would wait for its writer.
    if !meta.is_file() {
        return unreadable("not a regular file");
    }
    if meta.len() > BYTES_MAX {
        return unreadable("larger than 64 MiB");
    }
    match String::from_utf8(fs::read(path)?) {
        Ok(text) => Ok(Reading::Text(text)),
        Err(error) => {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            Ok(Reading::Unreadable(format!(
                "not UTF-8 in line {}",
                line + 1
            )))
        }
    }
}

/// Device and number: a folder is listed once, however many links lead to it.
fn identity(meta: &fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

struct Walk<'a, F> {
    root: &'a Path,
    enter: F,
    seen: BTreeSet<(u64, u64)>,
    listing: Listing,
}

impl<F: FnMut(&Path) -> Result<(), String>> Walk<'_, F> {
    fn folder(&mut self, below: &Path) {
        if let Err(reason) = self.try_folder(below) {
            self.listing.closed.push((below.to_owned(), reason));
        }
    }

    fn try_folder(&mut self, below: &Path) -> Result<(), String> {
        let text = |error: io::Error| error.kind().to_string();
        let path = self.root.join(below);
        let meta = fs::metadata(&path).map_err(text)?;
        if !self.seen.insert(identity(&meta)) {
            return Ok(());
        }
        let entered = (self.enter)(&path);
        for entry in fs::read_dir(&path).map_err(text)? {
            self.entry(&below.join(entry.map_err(text)?.file_name()));
        }
        entered
    }

    fn entry(&mut self, below: &Path) {
        let path = self.root.join(below);
        if is_hidden(below) {
            return;
        }
        if !is_manifest(below) {
            if path.is_dir() {
                self.folder(below);
            }
            return;
        }
        if path.is_symlink()
            && let Ok(real) = path.canonicalize()
            && let Some(target) = real.parent()
        {
            self.listing.targets.insert(target.to_owned());
        }
        self.listing.files.insert(below.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn files(listing: &Listing) -> Vec<&str> {
        listing
            .files
            .iter()
            .filter_map(|file| file.to_str())
            .collect()
    }

    #[test]
    fn manifests_are_listed_and_dot_names_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["sub/deep", ".git", "x.yaml"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "a.yaml",
            "b.yml",
            "sub/c.json",
            "sub/deep/d.yaml",
            ".e.yaml",
            ".git/f.yaml",
            "g.txt",
            "yaml",
        ] {
            fs::write(root.join(file), "").unwrap();
        }
        let mut entered = Vec::new();
        let listing = list(root, |folder| {
            entered.push(folder.strip_prefix(root).unwrap().to_owned());
            Ok(())
        });
        assert_eq!(
            files(&listing),
            ["a.yaml", "b.yml", "sub/c.json", "sub/deep/d.yaml", "x.yaml"]
        );
        entered.sort();
        assert_eq!(
            entered,
            [Path::new(""), Path::new("sub"), Path::new("sub/deep")]
        );
        assert_eq!(listing.closed, []);
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("..1")).unwrap();
        fs::write(root.join("..1/a.yaml"), "").unwrap();
        fs::write(other.path().join("b.yaml"), "").unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
        symlink(other.path(), root.join("other")).unwrap();
        symlink(root, root.join("loop")).unwrap();
        symlink("nothing", root.join("dangling.yaml")).unwrap();
        let listing = list(root, |_| Ok(()));
        assert_eq!(files(&listing), ["a.yaml", "dangling.yaml", "other/b.yaml"]);
        let target = root.join("..1").canonicalize().unwrap();
        assert_eq!(listing.targets, BTreeSet::from([target]));
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let listing = list(&dir.path().join("none"), |_| Ok(()));
        assert_eq!(
            listing.closed,
            [(PathBuf::new(), "entity not found".to_owned())]
        );
    }

    #[test]
    fn a_file_is_read_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("text"), "a: é").unwrap();
        fs::write(at("bytes"), b"a:\n\xff").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("nothing", at("dangling")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        fs::File::create(at("large"))
            .unwrap()
            .set_len(BYTES_MAX + 1)
            .unwrap();
        let unreadable = |reason: &str| Reading::Unreadable(reason.into());
        let rows = [
            ("text", Reading::Text("a: é".into())),
            ("bytes", unreadable("not UTF-8 in line 2")),
            ("folder", unreadable("a folder, not a file")),
            ("dangling", unreadable("a link to nothing")),
            ("socket", unreadable("not a regular file")),
            ("large", unreadable("larger than 64 MiB")),
            ("none", Reading::Gone),
            ("text/below", Reading::Gone),
        ];
        for (name, expected) in rows {
            assert_eq!(read(&at(name)), expected, "{name}");
        }
    }
}
