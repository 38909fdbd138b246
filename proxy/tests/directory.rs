//! Manifests below a real folder, live: every way in which files change is noticed, and no broken
//! state of a file is taken for a deletion.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may fail anywhere"
)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tollgate_compile::Change;
use tollgate_proxy::config::directory::{Directory, Scan};

/// Ten times what a change takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(10);

/// A folder of manifests, its watch, and what it said first.
struct Fixture {
    dir: TempDir,
    directory: Directory,
    first: Scan,
}

impl Fixture {
    fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("m")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join("m").join(name), text).unwrap();
        }
        Self::open(dir)
    }

    fn open(dir: TempDir) -> Self {
        let (directory, first) = Directory::open(&dir.path().join("m")).unwrap();
        Self {
            dir,
            directory,
            first,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("m").join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.at(name), text).unwrap();
    }

    /// Writes beside the folder and moves the file into it, as careful writers do.
    fn replace(&self, name: &str, text: &str) {
        let beside = self.dir.path().join("beside");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.at(name)).unwrap();
    }

    async fn scan(&mut self) -> Scan {
        let changed = tokio::time::timeout(DEADLINE, self.directory.changed());
        changed.await.expect("nothing happened")
    }

    async fn changes(&mut self) -> Vec<String> {
        said(&self.scan().await)
    }

    /// That nothing came of what was done before: a marker written now is the first thing said.
    async fn assert_nothing_but_a_marker(&mut self) {
        self.replace("marker.yaml", &service("marker", 9));
        assert_eq!(self.changes().await, ["put marker"]);
        fs::remove_file(self.at("marker.yaml")).unwrap();
        assert_eq!(self.changes().await, ["remove marker"]);
    }

    fn problems(&self) -> Vec<String> {
        let root = format!("{}/", self.dir.path().display());
        let manifests = self.directory.manifests();
        let mut locations = manifests.locations();
        let lines = manifests.problems();
        let lines = lines.iter().map(|problem| locations.print_file(problem));
        lines.map(|line| line.replace(&root, "")).collect()
    }
}

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    )
}

fn said(scan: &Scan) -> Vec<String> {
    let said = scan.changes.iter().map(|change| match change {
        Change::Put(object) => format!("put {}", object.reference().name.name),
        Change::Refuse { object, .. } => format!("refuse {}", object.name.name),
        Change::Remove(object) => format!("remove {}", object.name.name),
    });
    said.collect()
}

#[tokio::test]
async fn what_is_there_is_read_first() {
    let fixture = Fixture::with(&[
        ("b.yaml", &service("b", 1)),
        (
            "a.json",
            "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"}}",
        ),
        ("c.txt", &service("c", 1)),
        (".d.yaml", &service("d", 1)),
    ]);
    assert_eq!(said(&fixture.first), ["put a", "put b"]);
}

#[tokio::test]
async fn edits_in_place_and_by_rename_are_noticed() {
    let mut fixture = Fixture::with(&[("a.yaml", &service("a", 1))]);
    fixture.write("a.yaml", service("a", 2));
    assert_eq!(fixture.changes().await, ["put a"]);
    fixture.replace("a.yaml", &service("a", 3));
    assert_eq!(fixture.changes().await, ["put a"]);
    fixture.write("b.yml", service("b", 1));
    assert_eq!(fixture.changes().await, ["put b"]);
    fs::remove_file(fixture.at("a.yaml")).unwrap();
    assert_eq!(fixture.changes().await, ["remove a"]);
}

#[tokio::test]
async fn a_file_that_is_renamed_gives_what_it_gave() {
    let mut fixture = Fixture::with(&[("a.yaml", &service("a", 1))]);
    fs::rename(fixture.at("a.yaml"), fixture.at("z.yaml")).unwrap();
    fixture.assert_nothing_but_a_marker().await;
    fs::rename(fixture.at("z.yaml"), fixture.at("z.txt")).unwrap();
    assert_eq!(fixture.changes().await, ["remove a"]);
    fs::hard_link(fixture.at("z.txt"), fixture.at("y.yaml")).unwrap();
    assert_eq!(fixture.changes().await, ["put a"]);
}

#[tokio::test]
async fn a_file_that_is_removed_and_written_anew_was_never_gone() {
    let mut fixture = Fixture::with(&[("a.yaml", &service("a", 1))]);
    fs::rename(fixture.at("a.yaml"), fixture.at("a.yaml~")).unwrap();
    fixture.write("a.yaml", service("a", 2));
    assert_eq!(fixture.changes().await, ["put a"]);
}

#[tokio::test]
async fn other_files_wake_nobody() {
    let mut fixture = Fixture::with(&[]);
    fixture.write("log.txt", "a: [");
    fixture.write(".a.yaml", "a: [");
    fixture.write("a.yaml~", "a: [");
    fixture.assert_nothing_but_a_marker().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_keeps_its_objects() {
    let mut fixture = Fixture::with(&[("a.yaml", &service("a", 1))]);
    fixture.write("a.yaml", "kind: Service\nspec: [");
    assert_eq!(fixture.changes().await, [""; 0]);
    assert_eq!(fixture.problems(), ["m/a.yaml:2: unclosed bracket '['"]);

    fixture.write("a.yaml", b"a:\n\xff");
    assert_eq!(fixture.changes().await, [""; 0]);
    assert_eq!(fixture.problems(), ["m/a.yaml: not UTF-8 in line 2"]);

    fs::remove_file(fixture.at("a.yaml")).unwrap();
    fs::create_dir(fixture.at("a.yaml")).unwrap();
    assert_eq!(fixture.changes().await, [""; 0]);
    assert_eq!(fixture.problems(), ["m/a.yaml: a folder, not a file"]);

    fs::remove_dir(fixture.at("a.yaml")).unwrap();
    symlink("nothing", fixture.at("a.yaml")).unwrap();
    assert_eq!(fixture.changes().await, [""; 0]);
    assert_eq!(fixture.problems(), ["m/a.yaml: a link to nothing"]);

    fixture.replace("a.yaml", &service("a", 1));
    assert!(fixture.scan().await.fixed);
    assert_eq!(fixture.problems(), [""; 0]);
}

#[tokio::test]
async fn a_mounted_config_map_is_swapped_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("m");
    let version = |name: &str, files: &[(&str, String)]| {
        fs::create_dir_all(root.join(name)).unwrap();
        for (file, text) in files {
            fs::write(root.join(name).join(file), text).unwrap();
        }
    };
    version(
        "..1",
        &[("a.yaml", service("a", 1)), ("b.yaml", service("b", 1))],
    );
    symlink("..1", root.join("..data")).unwrap();
    for file in ["a.yaml", "b.yaml"] {
        symlink(Path::new("..data").join(file), root.join(file)).unwrap();
    }
    let root = root.clone();
    let mut fixture = Fixture::open(dir);
    assert_eq!(said(&fixture.first), ["put a", "put b"]);

    // The steps of a kubelet, in its order.
    fs::create_dir(root.join("..2")).unwrap();
    fs::write(root.join("..2/a.yaml"), service("a", 2)).unwrap();
    fs::write(root.join("..2/b.yaml"), service("b", 2)).unwrap();
    symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    fs::remove_dir_all(root.join("..1")).unwrap();
    assert_eq!(fixture.changes().await, ["put a", "put b"]);
}

#[tokio::test]
async fn subfolders_come_and_go() {
    let mut fixture = Fixture::with(&[]);
    fs::create_dir_all(fixture.at("sub/deep")).unwrap();
    fixture.write("sub/deep/a.yaml", service("a", 1));
    assert_eq!(fixture.changes().await, ["put a"]);
    fixture.write("sub/deep/a.yaml", service("a", 2));
    assert_eq!(fixture.changes().await, ["put a"]);

    fs::rename(fixture.at("sub"), fixture.dir.path().join("away")).unwrap();
    assert_eq!(fixture.changes().await, ["remove a"]);
    fs::rename(fixture.dir.path().join("away"), fixture.at("back")).unwrap();
    assert_eq!(fixture.changes().await, ["put a"]);
    fixture.write("back/deep/a.yaml", service("a", 3));
    assert_eq!(fixture.changes().await, ["put a"]);
    fs::remove_dir_all(fixture.at("back")).unwrap();
    assert_eq!(fixture.changes().await, ["remove a"]);
}

#[tokio::test]
async fn a_file_behind_a_link_is_noticed() {
    let mut fixture = Fixture::with(&[]);
    let target = fixture.dir.path().join("target.yaml");
    fs::write(&target, service("a", 1)).unwrap();
    symlink(&target, fixture.at("a.yaml")).unwrap();
    assert_eq!(fixture.changes().await, ["put a"]);
    fs::write(&target, service("a", 2)).unwrap();
    assert_eq!(fixture.changes().await, ["put a"]);
}

#[tokio::test]
async fn a_folder_that_vanishes_keeps_its_objects_and_may_return() {
    let mut fixture = Fixture::with(&[("a.yaml", &service("a", 1))]);
    let away = fixture.dir.path().join("away");
    fs::rename(fixture.at(""), &away).unwrap();
    assert_eq!(fixture.changes().await, [""; 0]);
    assert_eq!(fixture.problems(), ["m: entity not found"]);
    fs::write(away.join("a.yaml"), service("a", 2)).unwrap();
    fs::rename(&away, fixture.at("")).unwrap();
    assert_eq!(fixture.changes().await, ["put a"]);
    assert_eq!(fixture.problems(), [""; 0]);
    fixture.write("a.yaml", service("a", 3));
    assert_eq!(fixture.changes().await, ["put a"]);
}

#[tokio::test]
async fn a_folder_that_is_a_link_may_be_swapped() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, port) in [("1", 1), ("2", 2)] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("a.yaml"), service("a", port)).unwrap();
    }
    symlink("1", dir.path().join("m")).unwrap();
    let mut fixture = Fixture::open(dir);
    symlink("2", fixture.dir.path().join("next")).unwrap();
    fs::rename(
        fixture.dir.path().join("next"),
        fixture.dir.path().join("m"),
    )
    .unwrap();
    assert_eq!(fixture.changes().await, ["put a"]);
    fixture.write("a.yaml", service("a", 3));
    assert_eq!(fixture.changes().await, ["put a"]);
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    let mut fixture = Fixture::with(&[]);
    fixture.write("a.yaml", service("a", 1));
    for _ in 0..3 {
        // Ready at once or not, it is dropped wherever it waits.
        tokio::select! {
            biased;
            scan = fixture.directory.changed() => {
                assert_eq!(said(&scan), ["put a"]);
                return;
            }
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(fixture.changes().await, ["put a"]);
}

#[tokio::test]
async fn the_first_file_has_an_object_that_two_have() {
    let mut fixture = Fixture::with(&[("a.yaml", &service("x", 1)), ("b.yaml", &service("x", 2))]);
    assert_eq!(
        fixture.problems(),
        ["m/b.yaml:1 Service default/x: is in a.yaml already, which is used"]
    );
    fs::remove_file(fixture.at("a.yaml")).unwrap();
    assert_eq!(fixture.changes().await, ["put x"]);
    assert_eq!(fixture.problems(), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let error = Directory::open(&dir.path().join("none")).unwrap_err();
    assert!(
        error.to_string().ends_with("/none: entity not found"),
        "{error}"
    );
}
