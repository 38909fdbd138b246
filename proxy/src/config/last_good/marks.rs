//! Marks on disk by which the next start knows that this one crashed, and of which snapshot.
//!
//! In: attempts, and that they went well. Out: how often this program ended within a minute of
//! adopting a snapshot, without having been told to. No clock is compared between two runs: a mark
//! is taken away when its minute is over, so that one which is still there means a crash. Nothing
//! is flushed to the disk: a crash of the program does not lose what was written, and a crash of
//! the machine may.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tollgate_snapshot::Hash;

/// How long a snapshot has to run until a crash is not blamed on it.
pub const PROBATION: Duration = Duration::from_secs(60);

/// Crashes after which a snapshot is rolled back.
const CRASHES_MAX: u32 = 2;

/// Snapshots of which crashes are remembered.
const REMEMBERED: usize = 8;

/// The file's name.
const FILE: &str = "marks";

/// What is known of attempts.
#[derive(Debug, Default)]
pub struct Marks {
    /// None: nothing is written, or nothing any more.
    dir: Option<PathBuf>,
    /// The snapshot that is on probation.
    attempt: Option<Hash>,
    crashed: Vec<(Hash, u32)>,
    rolled_back: Vec<Hash>,
    /// Whether it was said already that the file can't be written.
    is_failing: bool,
}

impl Marks {
    /// Reads the marks in a folder, and counts a crash if the last one who wrote them did. Without
    /// a folder there are none.
    pub fn open(dir: Option<&Path>) -> Self {
        let mut marks = Self {
            dir: dir.map(Path::to_owned),
            ..Self::default()
        };
        if let Some(text) = dir.and_then(|dir| fs::read_to_string(dir.join(FILE)).ok()) {
            text.lines().for_each(|line| marks.read(line));
        }
        if let Some(root) = marks.attempt.take() {
            marks.count(root);
        }
        marks
    }

    fn read(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (word, root) = (words.next(), words.next().and_then(hash));
        match (word, root, words.next().map(str::parse)) {
            (Some("attempt"), Some(root), None) => self.attempt = Some(root),
            (Some("crashed"), Some(root), Some(Ok(times))) => self.crashed.push((root, times)),
            (Some("rolled-back"), Some(root), None) => self.rolled_back.push(root),
            // Torn by a crash of the machine, or of another version.
            _ => {}
        }
    }

    fn count(&mut self, root: Hash) {
        let before = self.crashed.iter().position(|(known, _)| *known == root);
        let times = before.map_or(0, |at| self.crashed.remove(at).1);
        self.crashed.push((root, times.saturating_add(1)));
        let surplus = self.crashed.len().saturating_sub(REMEMBERED);
        self.crashed.drain(..surplus);
    }

    /// The snapshots that are not to be run, if there is another.
    pub fn suspects(&self) -> Vec<Hash> {
        let crashed = self
            .crashed
            .iter()
            .filter(|(_, times)| *times >= CRASHES_MAX);
        let mut suspects = self.rolled_back.clone();
        suspects.extend(crashed.map(|(root, _)| *root));
        suspects.sort_unstable();
        suspects.dedup();
        suspects
    }

    /// Says which snapshots are rolled back.
    pub fn roll_back(&mut self, roots: Vec<Hash>) {
        self.crashed
            .retain(|(root, times)| *times < CRASHES_MAX && !roots.contains(root));
        self.rolled_back = roots;
    }

    /// Those that are rolled back.
    pub fn rolled_back(&self) -> &[Hash] {
        &self.rolled_back
    }

    /// Puts a snapshot on probation; to be called before it is run.
    pub fn attempt(&mut self, root: Hash) {
        self.attempt = Some(root);
        self.write();
    }

    /// Says that the probation is over: whatever happens later is not this snapshot's fault.
    pub fn settle(&mut self) {
        if let Some(root) = self.attempt.take() {
            self.crashed.retain(|(crashed, _)| *crashed != root);
            self.write();
        }
    }

    /// Says that the controller wants another snapshot than those that are rolled back: they may be
    /// tried again if it ever wants them again.
    pub fn forgive(&mut self) {
        if !self.rolled_back.is_empty() {
            self.rolled_back.clear();
            self.write();
        }
    }

    /// Says that the program ends because it was told to: whatever happens later is no crash.
    pub fn stop(&mut self) {
        if self.attempt.take().is_some() {
            self.write();
        }
        self.dir = None;
    }

    fn write(&mut self) {
        let Some(dir) = &self.dir else { return };
        let failed = write(dir, &self.text()).err();
        if let Some(error) = failed.as_ref().filter(|_| !self.is_failing) {
            tracing::warn!(dir = %dir.display(), %error, "marks of attempts can't be written");
        }
        self.is_failing = failed.is_some();
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        if let Some(root) = &self.attempt {
            let _ = writeln!(text, "attempt {root}");
        }
        for (root, times) in &self.crashed {
            let _ = writeln!(text, "crashed {root} {times}");
        }
        for root in &self.rolled_back {
            let _ = writeln!(text, "rolled-back {root}");
        }
        text
    }
}

/// In one step, so that a crash leaves the marks before or these.
fn write(dir: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let new = dir.join(format!("{FILE}.tmp"));
    fs::write(&new, text)?;
    fs::rename(new, dir.join(FILE))
}

fn hash(hex: &str) -> Option<Hash> {
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Hash::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Hash = Hash::from_bytes([0xa; 32]);
    const B: Hash = Hash::from_bytes([0xb; 32]);

    /// What the next start sees after each of these runs.
    fn after(runs: &[fn(&mut Marks)]) -> Marks {
        let folder = tempfile::tempdir().unwrap();
        for run in runs {
            run(&mut Marks::open(Some(folder.path())));
        }
        Marks::open(Some(folder.path()))
    }

    #[test]
    fn two_crashes_within_the_probation_of_a_snapshot_make_it_suspect() {
        let crash: fn(&mut Marks) = |marks| marks.attempt(A);
        let of_another: fn(&mut Marks) = |marks| marks.attempt(B);
        let settled: fn(&mut Marks) = |marks| {
            marks.attempt(A);
            marks.settle();
        };
        let stopped: fn(&mut Marks) = |marks| {
            marks.attempt(A);
            marks.stop();
        };
        type Row<'a> = (&'a str, Vec<fn(&mut Marks)>, &'a [Hash]);
        let rows: [Row<'_>; 8] = [
            ("never run", vec![], &[]),
            ("one crash", vec![crash], &[]),
            ("two crashes", vec![crash, crash], &[A]),
            ("another between", vec![crash, of_another, crash], &[A]),
            ("both", vec![crash, of_another, crash, of_another], &[A, B]),
            ("settled between", vec![crash, settled, crash], &[]),
            ("stopped between", vec![crash, stopped, crash], &[A]),
            ("only stopped", vec![stopped, stopped], &[]),
        ];
        for (name, runs, expected) in rows {
            assert_eq!(after(&runs).suspects(), expected, "{name}");
        }
    }

    #[test]
    fn a_snapshot_stays_rolled_back_until_it_is_forgiven() {
        let crash: fn(&mut Marks) = |marks| marks.attempt(A);
        let roll_back: fn(&mut Marks) = |marks| {
            let suspects = marks.suspects();
            marks.roll_back(suspects);
            marks.attempt(B);
            marks.stop();
        };
        let settle: fn(&mut Marks) = |marks| {
            marks.attempt(B);
            marks.settle();
        };
        let forgive: fn(&mut Marks) = |marks| {
            marks.forgive();
            marks.attempt(B);
        };
        let marks = after(&[crash, crash, roll_back, settle]);
        assert_eq!(marks.rolled_back(), [A]);
        assert_eq!(marks.suspects(), [A]);
        let marks = after(&[crash, crash, roll_back, forgive]);
        assert!(marks.suspects().is_empty());
    }

    #[test]
    fn torn_marks_are_no_marks() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            ("empty", String::new()),
            ("zeros", "\0".repeat(200)),
            ("cut", "attempt 0a0a".to_owned()),
            ("no hex", format!("attempt {}", "é".repeat(32))),
            ("no number", format!("crashed {A} many")),
        ];
        for (name, text) in rows {
            fs::write(folder.path().join(FILE), text).unwrap();
            let marks = Marks::open(Some(folder.path()));
            assert!(marks.crashed.is_empty(), "{name}");
        }
    }

    #[test]
    fn only_so_many_crashes_are_remembered() {
        let mut marks = Marks::default();
        for byte in 0..20 {
            marks.count(Hash::from_bytes([byte; 32]));
        }
        assert_eq!(marks.crashed.len(), REMEMBERED);
        assert_eq!(marks.crashed[0].0, Hash::from_bytes([12; 32]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mut marks = Marks::open(Some(&file));
        marks.attempt(A);
        marks.settle();
        assert!(marks.is_failing);
    }
}
