//! The proxy in this process: manifests in, real sockets out.
//!
//! It runs as the binary does, on one core, with free ports and a folder of its own. What it logs
//! can be read, and its manifests can be edited while it serves.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
};
use tollgate_proxy::{
    access_log::Format,
    serve::{self, Ended, LogTo, Options, Origin, Reach},
};

use crate::{
    client::{self, Reply},
    upstream::Upstream,
    write,
};

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A proxy that serves.
pub struct Gateway {
    folder: TempDir,
    reach: Reach,
    log: Arc<Mutex<Vec<u8>>>,
    stop: mpsc::UnboundedSender<()>,
    thread: JoinHandle<anyhow::Result<Ended>>,
}

/// Takes what the proxy logs.
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Gateway {
    /// Serves some manifests, in the file `manifests.yaml`.
    pub fn serving(manifests: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("manifests.yaml"), manifests).unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = oneshot::channel();
        let (stop, stopped) = mpsc::unbounded_channel();
        let options = Options {
            origin: Origin::Folder(folder.path().to_owned()),
            cores: 1,
            any_port: true,
            admin: free(),
            health: free(),
            hint: None,
            drain: DEADLINE,
        };
        let to = LogTo {
            format: Format::Json,
            out: Box::new(Kept(Arc::clone(&log))),
        };
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve::run(options, to, ready, stopped))
        });
        let reach = is_ready.blocking_recv().expect("the proxy is ready");
        Self {
            folder,
            reach,
            log,
            stop,
            thread,
        }
    }

    /// Serves a gateway that forwards everything to an upstream.
    pub fn in_front_of(upstream: &Upstream) -> Self {
        Self::serving(&write::forwarding_to(upstream.address))
    }

    /// Where the first port is.
    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Where the ports are.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.reach
            .ports
            .iter()
            .map(|port| port.address.clone().unwrap())
            .collect()
    }

    /// Where the health listener is.
    pub fn health(&self) -> SocketAddr {
        self.reach.health
    }

    /// The folder of the manifests.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces a file of the folder in one step.
    pub fn write(&self, file: &str, manifests: &str) {
        let hidden = self.folder.path().join(format!(".{file}"));
        fs::write(&hidden, manifests).unwrap();
        fs::rename(hidden, self.folder.path().join(file)).unwrap();
    }

    /// What `/config` shows.
    pub fn config(&self) -> Value {
        serde_json::from_str(&client::get(self.reach.admin, "/config").body).unwrap()
    }

    /// Asks for a path of the host `a.example`.
    pub fn get(&self, path: &str) -> Reply {
        client::get(self.address(), path)
    }

    /// Sends bytes as they are and reads until the proxy closes or rests.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        client::raw(self.address(), bytes.as_ref())
    }

    /// The lines of the access log, once there are at least `count`.
    pub fn lines(&self, count: usize) -> Vec<Value> {
        eventually(|| {
            let lines = parse(&self.log);
            (lines.len() >= count).then_some(lines)
        })
    }

    /// Ends it, and gives all that it logged.
    pub fn stop_and_log(self) -> Vec<Value> {
        let log = Arc::clone(&self.log);
        self.stop();
        parse(&log)
    }

    /// Asks the proxy to end; a second time, at once.
    pub fn ask_to_stop(&self) {
        self.stop.send(()).unwrap();
    }

    /// Waits for its end.
    pub fn ended(self) -> Ended {
        self.thread.join().unwrap().unwrap()
    }

    /// Ends it, and waits.
    pub fn stop(self) -> Ended {
        self.ask_to_stop();
        self.ended()
    }
}

fn parse(log: &Mutex<Vec<u8>>) -> Vec<Value> {
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Looks until there is something to see, or fails when the deadline has passed.
pub fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < DEADLINE, "not seen within {DEADLINE:?}");
        thread::yield_now();
    }
}
