//! Starts the real binaries, for what only a process of its own can show: signals, restarts, the
//! command line.
//!
//! In: a folder of manifests. Out: a [`Gateway`] that is ready, with the addresses that it names on
//! its standard error as `key=value` words. The binaries are built when they are first asked for.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

/// Ten times what a start or a stop takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// The path of one of our binaries, such as `tollgate-proxy`, built.
pub fn binary(name: &str) -> PathBuf {
    // With --workspace the features are those of the outer build, so nothing is built twice.
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let binaries = ["--bin", "tollgate-proxy", "--bin", "products"];
        tollgate_stub::build(&[&["--workspace"], &binaries[..]].concat())
    });
    FOLDER.join(name)
}

/// How a gateway is started: `tollgate-proxy serve`, with free ports everywhere.
#[derive(Debug)]
pub struct Serve {
    args: Vec<OsString>,
    listeners: usize,
}

impl Serve {
    /// Serves the manifests below `dir`, which have one listener.
    pub fn manifests(dir: &Path) -> Self {
        let any = [
            "--any-port",
            "--admin",
            "127.0.0.1:0",
            "--health",
            "127.0.0.1:0",
        ];
        let mut args = vec!["serve".into(), "--manifests".into(), dir.into()];
        args.extend(any.map(Into::into));
        Self { args, listeners: 1 }
    }

    /// Expects as many listeners.
    pub fn listeners(mut self, count: usize) -> Self {
        self.listeners = count;
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts it, and waits until it has named all its addresses.
    ///
    /// # Panics
    /// With what it wrote on standard error, if it ends or is silent instead.
    pub async fn start(self) -> Gateway {
        let mut child = Command::new(binary("tollgate-proxy"))
            .args(&self.args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut gateway = Gateway {
            child,
            addresses: BTreeMap::new(),
            log: Arc::default(),
        };
        let named = timeout(
            DEADLINE,
            gateway.read_addresses(&mut lines, self.listeners + 2),
        )
        .await;
        assert!(named == Ok(true), "not ready:\n{}", gateway.log());
        tokio::spawn(keep(lines, gateway.log.clone()));
        gateway
    }
}

/// A gateway that runs. It is killed when the test lets go of it.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
    log: Arc<Mutex<String>>,
}

impl Gateway {
    /// The address of its listener `name`.
    ///
    /// # Panics
    /// If it has named none.
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.address(&format!("listening {name}"))
    }

    /// The address of `--admin`.
    ///
    /// # Panics
    /// If it has named none.
    pub fn admin(&self) -> SocketAddr {
        self.address("admin")
    }

    /// The address of `--health`.
    ///
    /// # Panics
    /// If it has named none.
    pub fn health(&self) -> SocketAddr {
        self.address("health")
    }

    fn address(&self, name: &str) -> SocketAddr {
        let address = self.addresses.get(name).copied();
        address.unwrap_or_else(|| panic!("no address of {name}:\n{}", self.log()))
    }

    /// What it has written on standard error so far.
    ///
    /// # Panics
    /// Never: nothing panics with the log locked.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Panics
    /// With its log, if it does not end.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
        let ended = timeout(DEADLINE, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("it does not end:\n{}", self.log()))
            .unwrap()
    }

    /// Whether it named `count` addresses before it ended.
    async fn read_addresses(
        &mut self,
        lines: &mut Lines<BufReader<ChildStderr>>,
        count: usize,
    ) -> bool {
        while self.addresses.len() < count {
            let Ok(Some(line)) = lines.next_line().await else {
                return false;
            };
            self.addresses.extend(address(&line));
            note(&self.log, &line);
        }
        true
    }
}

/// Reads on, so that the gateway never waits for us.
async fn keep(mut lines: Lines<BufReader<ChildStderr>>, log: Arc<Mutex<String>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        note(&log, &line);
    }
}

fn note(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().unwrap();
    log.push_str(line);
    log.push('\n');
}

/// What a line names: `listening … listener=NAME address=ADDRESS`, `admin address=ADDRESS` or
/// `health address=ADDRESS`, whatever stands around the words.
fn address(line: &str) -> Option<(String, SocketAddr)> {
    let words = || line.split_whitespace();
    let value = |key| words().find_map(|word| word.split_once('=').filter(|pair| pair.0 == key));
    let (_, address) = value("address")?;
    let name = match words().find(|word| matches!(*word, "listening" | "admin" | "health"))? {
        "listening" => format!("listening {}", value("listener")?.1),
        other => other.to_owned(),
    };
    Some((name, address.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_among_other_words() {
        let rows = [
            (
                "a listener",
                "listening gateway=default/public listener=http address=127.0.0.1:80",
                Some(("listening http", "127.0.0.1:80")),
            ),
            (
                "a log line",
                "12:00:01 INFO admin address=127.0.0.1:81",
                Some(("admin", "127.0.0.1:81")),
            ),
            ("no address", "listening listener=http", None),
            ("no listener", "listening address=127.0.0.1:80", None),
            ("no such word", "upstream address=127.0.0.1:80", None),
        ];
        for (name, line, expected) in rows {
            let expected =
                expected.map(|(name, address)| (name.to_owned(), address.parse().unwrap()));
            assert_eq!(address(line), expected, "{name}");
        }
    }
}
