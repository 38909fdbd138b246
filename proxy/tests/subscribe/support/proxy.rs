//! The binary, fed by a controller.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{DEADLINE, ca::Ca};

/// The files that a proxy is given.
pub(crate) struct Place {
    folder: TempDir,
    url: String,
}

/// A proxy that runs. It is killed when the test lets go of it.
pub(crate) struct Proxy {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Place {
    /// A place with a token and a CA's certificate.
    pub(crate) fn new(url: String, ca: &Ca) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder, url };
        fs::write(place.ca(), ca.pem()).unwrap();
        fs::write(place.token(), "secret-token-1\n").unwrap();
        fs::write(place.key(), [7; 32]).unwrap();
        place
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    pub(crate) fn token(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub(crate) fn bootstrap(&self) -> PathBuf {
        self.folder.path().join("bootstrap")
    }

    /// The kept snapshots, the oldest first.
    pub(crate) fn generations(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.cache()) else {
            return Vec::new();
        };
        let mut files: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name()?.to_str()?.strip_prefix("snapshot-")?;
                Some((name.parse().ok()?, path))
            })
            .collect();
        files.sort();
        files.into_iter().map(|(_, path)| path).collect()
    }

    /// The arguments of a proxy here.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let files = [
            ("--ca", self.ca()),
            ("--token", self.token()),
            ("--cache", self.cache()),
            ("--seal-key", self.key()),
            ("--bootstrap", self.bootstrap()),
        ];
        let files = files
            .into_iter()
            .flat_map(|(flag, path)| [flag.to_owned(), text(path)]);
        let rest = "--gateway shop/public --any-port --cores 1 --admin 127.0.0.1:0 --health \
                    127.0.0.1:0 --controller";
        let rest = rest.split(' ').map(str::to_owned);
        let serve = std::iter::once("serve".to_owned());
        serve
            .chain(files)
            .chain(rest)
            .chain([self.url.clone()])
            .collect()
    }

    /// Starts a proxy here.
    pub(crate) fn start(&self) -> Proxy {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-proxy"));
        command.args(self.arguments());
        Proxy::start(command)
    }

    /// Runs something on the files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Proxy {
    pub(crate) fn start(mut command: Command) -> Self {
        command
            .env("RUST_LOG", "trace")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            lines: lines(child.stderr.take().unwrap()),
            child,
            said: Vec::new(),
        }
    }

    /// Waits for a line on standard error that has a text, now or before.
    pub(crate) fn says(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line has {text:?}: {:#?}", self.said)
            };
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Where its listener is.
    pub(crate) fn listens(&mut self) -> SocketAddr {
        let line = self.says("listening gateway=shop/public listener=http address=0.0.0.0:");
        let port = line.rsplit(':').next().unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn operators(&mut self, which: &str) -> SocketAddr {
        let line = self.says(&format!("{which} address="));
        line.rsplit('=').next().unwrap().parse().unwrap()
    }

    /// Status and body of an answer to GET.
    pub(crate) fn get(&mut self, path: &str) -> (u16, String) {
        get(self.listens(), path)
    }

    /// What `/config` shows of the source of the units.
    pub(crate) fn source(&mut self) -> Value {
        self.config()["source"].clone()
    }

    /// What `/config` shows.
    pub(crate) fn config(&mut self) -> Value {
        let (status, text) = get(self.operators("admin"), "/config");
        assert_eq!(status, 200);
        serde_json::from_str(&text).unwrap()
    }

    /// Whether it wants requests.
    pub(crate) fn is_ready(&mut self) -> bool {
        get(self.operators("health"), "/readyz").0 == 200
    }

    /// A scrape.
    pub(crate) fn metrics(&mut self) -> String {
        get(self.operators("health"), "/metrics").1
    }

    /// Waits until something holds of what `/config` shows of the source.
    pub(crate) fn source_until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let source = self.source();
            if holds(&source) {
                return source;
            }
            assert!(Instant::now() < deadline, "{source:#}");
        }
    }

    /// Ends it as Kubernetes does, and gives all that it said.
    pub(crate) fn stop(mut self) -> String {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.said.push(line);
        }
        assert_eq!(
            self.child.wait().unwrap().code(),
            Some(0),
            "{:#?}",
            self.said
        );
        self.said.join("\n")
    }

    /// Ends it as a bug of ours would.
    pub(crate) fn crash(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads on, so that the proxy never waits for us.
fn lines(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
