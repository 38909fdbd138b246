//! The files of saved snapshots in a folder: `snapshot-<n>`, the higher the newer.
//!
//! In: bytes. Out: a file that is there whole or not at all, whatever happens to the machine; and
//! the numbers of those that are there. What is in a file is not known here.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use super::PROBATION;

/// Generations that are kept.
const KEPT: usize = 3;

/// Largest file that is read, in bytes.
const FILE_BYTES: u64 = 512 << 20;

const PREFIX: &str = "snapshot-";
const UNFINISHED: &str = ".tmp";

/// The file of a generation.
pub(super) fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{generation}"))
}

/// The generations in a folder, the oldest first. A folder that isn't there has none.
///
/// # Errors
/// When the folder can't be listed.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a file of at most half a GiB.
///
/// # Errors
/// What the system says, or that it is larger.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    if file.take(FILE_BYTES + 1).read_to_end(&mut bytes)? as u64 > FILE_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    Ok(bytes)
}

/// Writes a generation: all of it is on the disk before it has its name.
///
/// # Errors
/// What the system says.
pub(super) fn write(dir: &Path, generation: u64, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let finished = path(dir, generation);
    let unfinished = dir.join(format!("{PREFIX}{generation}{UNFINISHED}"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = write_new(&unfinished, bytes);
    let written = written.and_then(|()| fs::rename(&unfinished, finished));
    if written.is_err() {
        // What there is of it only takes room. If it can't be removed, either, nobody reads it.
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    File::open(dir)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes generations. One that can't be removed is tried again the next time.
pub(super) fn remove(dir: &Path, generations: &[u64]) {
    for generation in generations {
        if let Err(error) = fs::remove_file(path(dir, *generation)) {
            tracing::debug!(generation, %error, "an old snapshot can't be removed");
        }
    }
}

/// Which generations are not needed any more. Kept are the newest; the newest that has proved
/// itself, so that a fault that hides in several edits can't take away everything good; and the
/// oldest that is about to. `since`: when those of this run were first run.
pub(super) fn surplus(there: &[u64], since: &BTreeMap<u64, Instant>, now: Instant) -> Vec<u64> {
    let is_proven = |generation: &&u64| {
        let since = since.get(*generation);
        since.is_none_or(|since| now.duration_since(*since) >= PROBATION)
    };
    let mut kept: Vec<u64> = Vec::new();
    kept.extend(there.iter().max());
    kept.extend(there.iter().filter(is_proven).max());
    kept.extend(there.iter().filter(|g| !is_proven(g)).min());
    kept.sort_unstable();
    kept.dedup();
    let mut newest_first: Vec<u64> = there.to_vec();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    for generation in newest_first {
        if kept.len() < KEPT && !kept.contains(&generation) {
            kept.push(generation);
        }
    }
    let there = there.iter().copied();
    there
        .filter(|generation| !kept.contains(generation))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    #[test]
    fn a_generation_is_read_as_it_was_written_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("new");
        assert!(list(&dir).unwrap().is_empty());
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("snapshot-10.tmp"), "of a crash").unwrap();
        fs::write(dir.join("snapshot-x"), "of somebody else").unwrap();
        for generation in [9, 10] {
            write(&dir, generation, &[generation as u8]).unwrap();
        }
        assert_eq!(list(&dir).unwrap(), [9, 10]);
        assert_eq!(read(&path(&dir, 10)).unwrap(), [10]);
        let mode = fs::metadata(path(&dir, 9)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!dir.join("snapshot-10.tmp").exists());
        remove(&dir, &[9]);
        assert_eq!(list(&dir).unwrap(), [10]);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("snapshot-1")).unwrap();
        fs::write(folder.path().join("snapshot-1/x"), "").unwrap();
        assert!(write(folder.path(), 1, b"x").is_err());
        assert!(!folder.path().join("snapshot-1.tmp").exists());
    }

    #[test]
    fn the_newest_and_the_newest_that_proved_itself_are_kept() {
        let start = Instant::now();
        let now = start + Duration::from_secs(100);
        let at = |seconds| start + Duration::from_secs(seconds);
        type Row<'a> = (&'a str, &'a [u64], Vec<(u64, Instant)>, &'a [u64]);
        let rows: [Row<'_>; 6] = [
            ("few", &[1, 2, 3], vec![], &[]),
            ("of earlier runs", &[1, 2, 3, 4], vec![], &[1]),
            (
                "slow edits",
                &[1, 2, 3, 4],
                vec![(3, at(0)), (4, at(30))],
                &[1],
            ),
            (
                "an edit a second",
                &[1, 2, 97, 98, 99],
                vec![(2, at(50)), (97, at(97)), (98, at(98)), (99, at(99))],
                &[97, 98],
            ),
            (
                "one that has just proved itself",
                &[1, 2, 98, 99],
                vec![(2, at(40)), (98, at(98)), (99, at(99))],
                &[1],
            ),
            ("none", &[], vec![], &[]),
        ];
        for (name, there, since, expected) in rows {
            let since = since.into_iter().collect();
            assert_eq!(surplus(there, &since, now), expected, "{name}");
        }
    }
}
