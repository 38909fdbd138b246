//! The bootstrap copy: a saved snapshot that the operator wrote into Secrets, which are mounted.
//!
//! In: a folder with a folder for each Secret, `0/part`, `1/part` …, each with `parts` (how many
//! there are) and `sum` (SHA-256 of the whole, in hex). Out: the file that they are slices of, or
//! why they are none: the Secrets are mounted one by one, so that they may be of different
//! snapshots.

use std::{fs, io, path::Path};

use sha2::{Digest, Sha256};

use super::generations;

/// Most parts: 900 KiB each.
const PARTS_MAX: usize = 512;

/// Puts the parts together; none if there is no copy.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn read(dir: &Path) -> Result<Option<Vec<u8>>, String> {
    let text = |file: &str| match fs::read_to_string(dir.join(file)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{file}: {error}")),
    };
    let (Some(parts), Some(sum)) = (text("0/parts")?, text("0/sum")?) else {
        return Ok(None);
    };
    let parts = parts
        .parse()
        .ok()
        .filter(|parts| (1..=PARTS_MAX).contains(parts));
    let parts = parts.ok_or_else(|| format!("0/parts: not a number from 1 to {PARTS_MAX}"))?;
    let mut whole = Vec::new();
    for part in 0..parts {
        let part = format!("{part}/part");
        let slice = generations::read(&dir.join(&part));
        whole.append(&mut slice.map_err(|error| format!("{part}: {error}"))?);
    }
    let found: String = Sha256::digest(&whole)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    match found.eq_ignore_ascii_case(&sum) {
        true => Ok(Some(whole)),
        false => {
            Err("the parts are damaged or of different snapshots: their sum does not fit".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `whole` in `parts` parts.
    fn write(dir: &Path, whole: &[u8], parts: usize) {
        let sum: String = Sha256::digest(whole)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        for (n, part) in whole.chunks(whole.len().div_ceil(parts)).enumerate() {
            let secret = dir.join(n.to_string());
            fs::create_dir_all(&secret).unwrap();
            fs::write(secret.join("part"), part).unwrap();
            fs::write(secret.join("parts"), parts.to_string()).unwrap();
            fs::write(secret.join("sum"), &sum).unwrap();
        }
    }

    #[test]
    fn parts_are_put_together() {
        for parts in [1, 2, 3] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), b"a snapshot", parts);
            let whole = read(folder.path()).unwrap();
            assert_eq!(whole.as_deref(), Some(&b"a snapshot"[..]), "{parts}");
        }
    }

    #[test]
    fn a_copy_that_is_not_whole_is_refused() {
        type Spoil = fn(&Path);
        let rows: [(&str, Spoil, &str); 6] = [
            (
                "a part of another snapshot",
                |dir| fs::write(dir.join("1/part"), "x").unwrap(),
                "sum",
            ),
            (
                "a part missing",
                |dir| fs::remove_file(dir.join("1/part")).unwrap(),
                "1/part: ",
            ),
            (
                "more parts than said",
                |dir| fs::write(dir.join("0/parts"), "1").unwrap(),
                "sum",
            ),
            (
                "no number",
                |dir| fs::write(dir.join("0/parts"), "many").unwrap(),
                "0/parts: ",
            ),
            (
                "no parts",
                |dir| fs::write(dir.join("0/parts"), "0").unwrap(),
                "0/parts: ",
            ),
            (
                "too many",
                |dir| fs::write(dir.join("0/parts"), "100000").unwrap(),
                "0/parts: ",
            ),
        ];
        for (name, spoil, expected) in rows {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), b"a snapshot", 2);
            spoil(folder.path());
            let error = read(folder.path()).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn no_copy_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Ok(None));
        assert_eq!(read(&folder.path().join("missing")), Ok(None));
    }
}
