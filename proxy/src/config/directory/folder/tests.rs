//! What an edit of some files changes, and what it leaves as it was.

use super::*;

fn service(name: &str, port: u16) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    )
}

fn function(process: &str) -> String {
    format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: Function\nmetadata: {{name: f}}\nspec: {{contract: lambda, {process}}}\n"
    )
}

const STRAY: &str = "---\napiVersion: tollgate.dev/v1alpha1\nkind: ApiRout\nmetadata: {name: a}\n";

fn text(text: impl Into<String>) -> Reading {
    Reading::Text(text.into())
}

/// A folder that is told what became of its files; `files` is the disk.
struct Fixture {
    folder: Folder,
    files: BTreeMap<Arc<Path>, Reading>,
}

impl Fixture {
    fn with(files: &[(&str, Reading)]) -> Self {
        let mut fixture = Self {
            folder: Folder::new("/m".into()),
            files: BTreeMap::new(),
        };
        fixture.scan(files);
        fixture
    }

    fn scan(&mut self, files: &[(&str, Reading)]) -> Scan {
        let batch = files
            .iter()
            .map(|(path, reading)| (Arc::from(Path::new(path)), reading.clone()));
        let batch: Vec<_> = batch.collect();
        self.files.extend(batch.iter().cloned());
        let (mut scan, mut again) = self.folder.take(batch);
        for _ in 0..4 {
            let batch = again
                .into_iter()
                .map(|path| (path.clone(), self.files[&path].clone()));
            let (more, rest) = self.folder.take(batch.collect::<Vec<_>>());
            scan.changes.extend(more.changes);
            again = rest;
        }
        assert!(again.is_empty(), "{again:?}");
        scan
    }

    fn changes(&mut self, files: &[(&str, Reading)]) -> Vec<String> {
        self.scan(files).changes.iter().map(said).collect()
    }

    fn problems(&self) -> Vec<String> {
        let said = |p: FileProblem| {
            let line = p.place.map(|place| place.line).unwrap_or_default();
            format!("{}:{line}: {}", p.path.display(), p.message)
        };
        self.folder.problems().into_iter().map(said).collect()
    }
}

fn said(change: &Change) -> String {
    match change {
        Change::Put(Object::Service(service)) => {
            let ports = service
                .spec
                .as_ref()
                .and_then(|spec| spec.ports.as_ref())
                .unwrap();
            let name = service.metadata.name.as_deref().unwrap();
            format!("put {name} {}", ports[0].port)
        }
        Change::Put(object) => format!("put {}", object.reference()),
        Change::Refuse { object, .. } => format!("refuse {}", object.name.name),
        Change::Remove(object) => format!("remove {}", object.name.name),
    }
}

#[test]
fn a_file_gives_changes() {
    let mut fixture = Fixture::with(&[]);
    let both = format!("{}{}", service("a", 1), service("b", 1));
    let rows = [
        ("new", text(&both), vec!["put a 1", "put b 1"]),
        ("the same", text(&both), vec![]),
        ("a comment", text(format!("{both}# more\n")), vec![]),
        (
            "one edited",
            text(both.replace("name: b", "name: b, labels: {x: z}")),
            vec!["put b 1"],
        ),
        (
            "one refused",
            text(service("a", 1) + &service("b", 1).replace("port: 1", "port: x")),
            vec!["refuse b"],
        ),
        ("one left", text(service("a", 1)), vec!["remove b"]),
        ("empty", text(""), vec!["remove a"]),
        ("back", text(service("a", 1)), vec!["put a 1"]),
        ("gone", Reading::Gone, vec!["remove a"]),
        ("gone again", Reading::Gone, vec![]),
    ];
    for (name, reading, expected) in rows {
        assert_eq!(fixture.changes(&[("x.yaml", reading)]), expected, "{name}");
        assert_eq!(fixture.problems(), [""; 0], "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_objects() {
    let rows = [
        ("broken", text("a: ["), "x.yaml:1: "),
        (
            "unreadable",
            Reading::Unreadable("permission denied".into()),
            "x.yaml:0: permission denied",
        ),
    ];
    for (name, reading, problem) in rows {
        let mut fixture = Fixture::with(&[("x.yaml", text(service("a", 1)))]);
        let first = fixture.scan(&[("x.yaml", reading.clone())]);
        assert_eq!(
            (first.changes.len(), first.problems.len()),
            (0, 1),
            "{name}"
        );
        assert!(
            fixture.scan(&[("x.yaml", reading)]).is_empty(),
            "{name}: said once"
        );
        assert!(
            fixture.problems()[0].starts_with(problem),
            "{name}: {:?}",
            fixture.problems()
        );
        assert_eq!(
            fixture.changes(&[("x.yaml", text(service("a", 1)))]),
            [""; 0],
            "{name}"
        );
        assert_eq!(fixture.problems(), [""; 0], "{name}");
        assert_eq!(
            fixture.changes(&[("x.yaml", Reading::Gone)]),
            ["remove a"],
            "{name}"
        );
    }
}

#[test]
fn a_broken_file_can_go() {
    let mut fixture = Fixture::with(&[("x.yaml", text(service("a", 1)))]);
    fixture.scan(&[("x.yaml", text("a: ["))]);
    assert_eq!(fixture.changes(&[("x.yaml", Reading::Gone)]), ["remove a"]);
    assert_eq!(fixture.problems(), [""; 0]);
}

#[test]
fn a_document_that_cannot_be_told_keeps_what_is_missing() {
    let mut fixture = Fixture::with(&[("x.yaml", text(service("a", 1) + &service("b", 1)))]);
    let edited = service("a", 2) + STRAY;
    assert_eq!(fixture.changes(&[("x.yaml", text(edited))]), ["put a 2"]);
    assert_eq!(fixture.problems().len(), 1);
    assert_eq!(
        fixture.changes(&[("x.yaml", text(service("a", 2)))]),
        ["remove b"]
    );
}

#[test]
fn an_object_that_moves_is_not_removed() {
    let rows = [
        ("with an edit", service("a", 2), vec!["put a 2"]),
        ("as it was", service("a", 1), vec![]),
    ];
    for (name, moved, expected) in rows {
        for (from, to) in [("x.yaml", "y.yaml"), ("y.yaml", "x.yaml")] {
            let mut fixture = Fixture::with(&[(from, text(service("a", 1)))]);
            let found = fixture.changes(&[(from, Reading::Gone), (to, text(&moved))]);
            assert_eq!(found, expected, "{name}: {from} to {to}");
            assert_eq!(
                fixture.changes(&[(to, Reading::Gone)]),
                ["remove a"],
                "{name}"
            );
        }
    }
}

#[test]
fn an_object_moves_out_of_a_broken_file() {
    let mut fixture = Fixture::with(&[("x.yaml", text(service("a", 1)))]);
    let found = fixture.changes(&[("x.yaml", text("a: [")), ("y.yaml", text(service("a", 2)))]);
    assert_eq!(found, ["put a 2"]);
    assert_eq!(
        fixture.changes(&[("x.yaml", text("")), ("y.yaml", Reading::Gone)]),
        ["remove a"]
    );
}

#[test]
fn puts_come_before_removals() {
    let mut fixture = Fixture::with(&[("x.yaml", text(service("a", 1)))]);
    let found = fixture.changes(&[("x.yaml", Reading::Gone), ("y.yaml", text(service("b", 1)))]);
    assert_eq!(found, ["put b 1", "remove a"]);
}

#[test]
fn of_two_files_the_first_wins() {
    let mut fixture = Fixture::with(&[("b.yaml", text(service("a", 2)))]);
    assert_eq!(
        fixture.changes(&[("a.yaml", text(service("a", 1)))]),
        ["put a 1"]
    );
    assert_eq!(
        fixture.problems(),
        ["b.yaml:2: is in a.yaml already, which is used"]
    );
    assert_eq!(
        fixture.changes(&[("b.yaml", text(service("a", 3)))]),
        [""; 0]
    );
    assert_eq!(
        fixture.changes(&[("a.yaml", text("a: ["))]),
        [""; 0],
        "a broken winner stays"
    );
    assert_eq!(fixture.changes(&[("a.yaml", Reading::Gone)]), ["put a 3"]);
    assert_eq!(fixture.problems(), [""; 0]);
}

#[test]
fn a_broken_file_does_not_take_over_what_it_cannot_show() {
    let mut fixture = Fixture::with(&[
        ("a.yaml", text(service("a", 1))),
        ("b.yaml", text(service("a", 2))),
    ]);
    let found = fixture.changes(&[("a.yaml", Reading::Gone), ("b.yaml", text("a: ["))]);
    assert_eq!(found, [""; 0]);
    assert_eq!(
        fixture.changes(&[("b.yaml", text(service("a", 2)))]),
        ["put a 2"]
    );
}

#[test]
fn twice_in_one_file_the_first_wins() {
    let mut fixture = Fixture::with(&[]);
    let twice = service("a", 1) + &service("a", 2);
    assert_eq!(fixture.changes(&[("x.yaml", text(twice))]), ["put a 1"]);
    assert_eq!(
        fixture.problems(),
        ["x.yaml:7: is in x.yaml already, which is used"]
    );
    assert_eq!(
        fixture.changes(&[("x.yaml", text(service("a", 2)))]),
        ["put a 2"]
    );
}

#[test]
fn a_function_has_its_process() {
    let name = ObjectName::new("default", "f");
    let mut fixture = Fixture::with(&[("x/f.yaml", text(function("process: {command: [./a]}")))]);
    assert_eq!(fixture.folder.processes()[&name].command, ["/m/x/a"]);

    let refused = fixture.scan(&[("x/f.yaml", text(function("process: {comand: [b]}")))]);
    assert!(matches!(
        refused.changes.as_slice(),
        [Change::Refuse { .. }]
    ));
    assert_eq!(
        refused.processes,
        BTreeMap::new(),
        "it keeps the one it had"
    );
    assert_eq!(fixture.folder.processes()[&name].command, ["/m/x/a"]);

    let moved = [
        ("x/f.yaml", Reading::Gone),
        ("y/f.yaml", text(function("process: {command: [./a]}"))),
    ];
    let process = fixture.scan(&moved).processes.remove(&name).flatten();
    assert_eq!(
        process.unwrap().command,
        ["/m/y/a"],
        "relative to the new folder"
    );

    let without = fixture.scan(&[("y/f.yaml", text(function("template: {}")))]);
    assert_eq!(without.processes, BTreeMap::from([(name.clone(), None)]));
    fixture.scan(&[("y/f.yaml", text(function("process: {command: [b]}")))]);
    let gone = fixture.scan(&[("y/f.yaml", Reading::Gone)]);
    assert_eq!(gone.processes, BTreeMap::from([(name, None)]));
    assert!(fixture.folder.processes().is_empty());
}
