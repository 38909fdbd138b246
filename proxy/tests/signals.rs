//! The binary as an operator meets it: its arguments, its signals, its exit codes.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the functions that tests share fail them too"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-proxy"));
    command.env_remove("RUST_LOG");
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = binary().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_version_and_the_help_are_told() {
    let (code, version, _) = run(&["--version"]);
    let expected = format!("tollgate-proxy {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((code, version), (Some(0), expected));
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["serve", "check"] {
        assert!(help.contains(word), "{help}");
    }
    let (code, help, _) = run(&["serve", "--help"]);
    assert_eq!(code, Some(0));
    for flag in [
        "--manifests",
        "--admin",
        "--health",
        "--any-port",
        "--cores",
        "--drain",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}

#[test]
fn arguments_that_make_no_sense_end_with_2() {
    let rows: [(&str, &[&str], &str); 7] = [
        ("none", &[], "Usage"),
        ("unknown command", &["fly"], "fly"),
        (
            "unknown flag",
            &["serve", "--manifests", ".", "--fast"],
            "--fast",
        ),
        ("no folder", &["serve"], "--manifests"),
        (
            "no cores",
            &["serve", "--manifests", ".", "--cores", "0"],
            "--cores",
        ),
        (
            "bad address",
            &["serve", "--manifests", ".", "--admin", "x"],
            "--admin",
        ),
        (
            "admin elsewhere",
            &["serve", "--manifests", ".", "--admin", "0.0.0.0:0"],
            "not a loopback address",
        ),
    ];
    for (name, arguments, word) in rows {
        let (code, _, errors) = run(arguments);
        assert_eq!(code, Some(2), "{name}: {errors}");
        assert!(errors.contains(word), "{name}: {errors}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let free = ["--admin", "127.0.0.1:0", "--health", "127.0.0.1:0"];
    let arguments = [
        &["serve", "--manifests", missing.to_str().unwrap()][..],
        &free,
    ]
    .concat();
    let (code, _, errors) = run(&arguments);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.starts_with("error: "), "{errors}");
    assert!(errors.contains("missing"), "{errors}");
}

#[test]
fn an_address_of_ours_that_is_taken_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for (flag, other) in [("--admin", "--health"), ("--health", "--admin")] {
        let arguments = [flag, &taken, other, "127.0.0.1:0"];
        let (code, _, errors) = run(&[&["serve", "--manifests", folder], &arguments[..]].concat());
        assert_eq!(code, Some(2), "{errors}");
        assert!(
            errors.contains(&format!("{flag} {taken}: cannot listen")),
            "{errors}"
        );
    }
}

#[test]
fn a_core_that_cannot_start_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        // Enough files for what comes before, and not for so many cores.
        .args(["-c", "ulimit -n 48; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_tollgate-proxy"))
        .args(["serve", "--cores", "64", "--manifests"])
        .arg(folder.path())
        .args(["--admin", "127.0.0.1:0", "--health", "127.0.0.1:0"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("a core can't be started"), "{errors}");
}

/// A gateway that runs. It is killed when the test lets go of it.
struct Gateway {
    child: Child,
    lines: mpsc::Receiver<String>,
    _folder: TempDir,
}

impl Gateway {
    /// Starts one whose one rule forwards to `upstream`, on a port, or on a free one.
    fn start(upstream: SocketAddr, port: Option<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifests = format!(
            "apiVersion: tollgate.dev/v1alpha1\nkind: ApiGateway\nmetadata: {{name: g}}\nspec: \
             {{listeners: [{{name: http, port: {}, protocol: HTTP}}]}}\n---\napiVersion: \
             tollgate.dev/v1alpha1\nkind: ApiRoute\nmetadata: {{name: r}}\nspec: {{gateways: \
             [{{name: g}}], rules: [{{name: all, match: [{{path: /}}], backends: [{{url: \
             \"http://{upstream}\"}}]}}]}}\n",
            port.unwrap_or(80)
        );
        fs::write(folder.path().join("all.yaml"), manifests).unwrap();
        let mut command = binary();
        command.arg("serve").arg("--manifests").arg(folder.path());
        command.args([
            "--cores",
            "2",
            "--admin",
            "127.0.0.1:0",
            "--health",
            "127.0.0.1:0",
        ]);
        if port.is_none() {
            command.arg("--any-port");
        }
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(child.stderr.take().unwrap());
        Self {
            child,
            lines,
            _folder: folder,
        }
    }

    /// Waits for a line on standard error that has a text.
    fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line has {text:?}: {error}"),
            }
        }
    }

    /// Where it listens.
    fn listens(&self) -> SocketAddr {
        let line = self.says("listening gateway=default/g listener=http address=");
        line.rsplit('=').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for its end, and gives its exit code.
    fn code(&mut self) -> Option<i32> {
        // What it says last closes with it.
        while self.lines.recv_timeout(DEADLINE).is_ok() {}
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads on, so that the gateway never waits for us.
fn lines(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// An upstream for one request: says that it came, and answers when told to.
fn told() -> (SocketAddr, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ((got, asked), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).unwrap();
        got.send(()).unwrap();
        if gone.recv().is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
        }
    });
    (address, asked, go)
}

fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n")
        .unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn the_first_signal_drains_and_ends_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let (upstream, asked, go) = told();
        let mut gateway = Gateway::start(upstream, None);
        let stream = ask(gateway.listens());
        asked.recv_timeout(DEADLINE).unwrap();
        gateway.signal(signal);
        gateway.says("draining");
        go.send(()).unwrap();
        let answer = answer(stream);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{signal:?}: {answer}"
        );
        assert!(answer.ends_with("\r\n\r\nlate"), "{signal:?}: {answer}");
        assert_eq!(gateway.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn a_second_signal_ends_at_once_with_failure() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let (upstream, asked, go) = told();
        let mut gateway = Gateway::start(upstream, None);
        let stream = ask(gateway.listens());
        asked.recv_timeout(DEADLINE).unwrap();
        gateway.signal(first);
        gateway.says("draining");
        gateway.signal(second);
        assert_eq!(gateway.code(), Some(1), "{first:?} {second:?}");
        assert_eq!(answer(stream), "");
        drop(go);
    }
}

#[test]
fn a_second_instance_on_one_port_says_so_and_gets_it_when_it_is_free() {
    let (upstream, _, _) = told();
    let mut first = Gateway::start(upstream, None);
    let port = first.listens().port();
    let (upstream, asked, go) = told();
    let mut second = Gateway::start(upstream, Some(port));
    let problem = second.says("problem: ApiGateway default/g: listener http: ");
    assert!(
        problem.contains(&format!("127.0.0.1:{port}: ")),
        "{problem}"
    );
    first.signal(Signal::TERM);
    assert_eq!(first.code(), Some(0));
    assert_eq!(second.listens().port(), port);
    // Only now: whoever waits for it must not reach the other instance.
    second.says("ready");
    go.send(()).unwrap();
    let answer = {
        let stream = ask(SocketAddr::from(([127, 0, 0, 1], port)));
        asked.recv_timeout(DEADLINE).unwrap();
        second.signal(Signal::TERM);
        answer(stream)
    };
    assert!(answer.ends_with("\r\n\r\nlate"), "{answer}");
    assert_eq!(second.code(), Some(0));
}
