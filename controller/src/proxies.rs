//! The proxies: who is connected, here or at another replica, and what each runs.
//!
//! In: what the streams and the relay say. Out: a table that others read or follow. Whether that is
//! what a proxy should run is judged elsewhere.

use std::{sync::Arc, time::Instant};

use imbl::OrdMap;
use tokio::sync::watch;
use tollgate_snapshot::{Hash, ObjectName, UnitId};

/// UID of a proxy's pod.
pub type PodUid = Arc<str>;

/// What a proxy runs of an entry that it does not simply run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Running {
    /// Its version before: the object is refused.
    HeldAtLastGood,
    /// Nothing, or the stand-in: the object is refused and there is no version before.
    HeldWithoutLastGood,
    /// Its version before or nothing: the proxy cannot run it.
    Rejected,
}

/// What became of an entry that is not simply run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// What is run instead.
    pub running: Running,
    /// Why, in words; may be empty.
    pub reason: String,
}

/// A proxy that is connected.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its gateway.
    pub gateway: ObjectName,
    /// Name of its pod.
    pub pod: String,
    /// Root hash of the entries that it has adopted; none: nothing yet.
    pub root: Option<Hash>,
    /// The entries that it does not simply run.
    pub exceptions: OrdMap<UnitId, Verdict>,
    /// Why it refused the newest set as a whole, if it did.
    pub refused: Option<String>,
    /// Since when it has that root.
    pub since: Instant,
    /// Whether it dialled this replica; else another one has relayed it.
    pub local: bool,
    /// Number of its stream in this process: a late end of an old one must not undo a new one.
    pub stream: u64,
}

/// The table.
#[derive(Clone, Debug)]
pub struct Proxies(watch::Sender<OrdMap<PodUid, Arc<Proxy>>>);

impl Default for Proxies {
    fn default() -> Self {
        Self(watch::Sender::new(OrdMap::new()))
    }
}

impl Proxies {
    /// Follows the table.
    pub fn follow(&self) -> watch::Receiver<OrdMap<PodUid, Arc<Proxy>>> {
        self.0.subscribe()
    }

    /// The table as it is now; cheap.
    pub fn now(&self) -> OrdMap<PodUid, Arc<Proxy>> {
        self.0.borrow().clone()
    }

    /// Notes what a proxy runs. A newer stream of the same pod replaces an older one, and an older
    /// one says nothing any more.
    pub fn set(&self, pod: &PodUid, proxy: Proxy) {
        self.0.send_if_modified(|table| {
            let newer = table.get(pod).is_none_or(|old| old.stream <= proxy.stream);
            if newer {
                table.insert(Arc::clone(pod), Arc::new(proxy));
            }
            newer
        });
    }

    /// Notes that a stream has ended.
    pub fn remove(&self, pod: &PodUid, stream: u64) {
        self.0.send_if_modified(|table| {
            let same = table.get(pod).is_some_and(|proxy| proxy.stream == stream);
            if same {
                table.remove(pod);
            }
            same
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(stream: u64) -> Proxy {
        Proxy {
            gateway: ObjectName::new("shop", "public"),
            pod: "public-1".to_owned(),
            root: None,
            exceptions: OrdMap::new(),
            refused: None,
            since: Instant::now(),
            local: true,
            stream,
        }
    }

    #[test]
    fn an_old_stream_undoes_nothing_of_a_new_one() {
        let (proxies, pod) = (Proxies::default(), PodUid::from("uid"));
        proxies.set(&pod, proxy(2));
        proxies.set(&pod, proxy(1));
        proxies.remove(&pod, 1);
        assert_eq!(proxies.now().get(&pod).map(|proxy| proxy.stream), Some(2));
        proxies.remove(&pod, 2);
        assert!(proxies.now().is_empty());
    }
}
