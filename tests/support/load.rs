//! Clients that ask without a pause, each on a connection that it keeps, while something is
//! edited or ended under them.
//!
//! In: an address and the path to ask for. Out: which answers came how often, and every request
//! that got none.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

use crate::{gateway::eventually, session::Session};

/// Clients that run.
pub struct Load {
    clients: Vec<JoinHandle<Outcome>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Asks the clients to end.
    stop: AtomicBool,
    /// From now on new connections may be refused.
    ending: AtomicBool,
    answered: AtomicUsize,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often each answer came: status and body.
    pub answers: BTreeMap<(u16, String), usize>,
    /// Requests without an answer.
    pub lost: Vec<String>,
    /// Connections that were refused once they could be.
    pub refused: usize,
}

impl Load {
    /// Starts clients that ask for `path` of the host `a.example`.
    pub fn on(address: SocketAddr, clients: usize, path: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let clients = (0..clients).map(|_| {
            let (shared, path) = (Arc::clone(&shared), path.to_owned());
            thread::spawn(move || ask(address, &path, &shared))
        });
        let load = Self {
            clients: clients.collect(),
            shared,
        };
        load.goes_on();
        load
    }

    /// Waits until every client, as far as one can tell, has had some more answers.
    pub fn goes_on(&self) {
        let wanted = self.shared.answered.load(SeqCst) + 20 * self.clients.len();
        eventually(|| (self.shared.answered.load(SeqCst) >= wanted).then_some(()));
    }

    /// From now on a client may find no connection; then it ends.
    pub fn may_be_refused(&self) {
        self.shared.ending.store(true, SeqCst);
    }

    /// Ends the clients after their next answers.
    pub fn stop(self) -> Outcome {
        self.shared.stop.store(true, SeqCst);
        self.ended()
    }

    /// Waits for clients that end because they are refused.
    pub fn ended(self) -> Outcome {
        let mut all = Outcome::default();
        for client in self.clients {
            let one = client.join().unwrap();
            for (answer, count) in one.answers {
                *all.answers.entry(answer).or_default() += count;
            }
            all.lost.extend(one.lost);
            all.refused += one.refused;
        }
        all
    }
}

fn ask(address: SocketAddr, path: &str, shared: &Shared) -> Outcome {
    let mut outcome = Outcome::default();
    while !shared.stop.load(SeqCst) {
        let mut session = match Session::try_open(address) {
            Ok(session) => session,
            Err(_) if shared.ending.load(SeqCst) => {
                outcome.refused += 1;
                return outcome;
            }
            Err(error) => {
                outcome.lost.push(format!("no connection: {error}"));
                return outcome;
            }
        };
        let mut served = 0;
        while !shared.stop.load(SeqCst) {
            let reply = match session.get(path) {
                Ok(reply) => reply,
                // The kernel took the connection in the moment in which the port was closed.
                Err(_) if served == 0 && shared.ending.load(SeqCst) => {
                    outcome.refused += 1;
                    return outcome;
                }
                Err(error) => {
                    outcome
                        .lost
                        .push(format!("after {served} answers: {error}"));
                    break;
                }
            };
            served += 1;
            shared.answered.fetch_add(1, SeqCst);
            let leaves = reply.header("connection") == Some("close");
            *outcome
                .answers
                .entry((reply.status, reply.body))
                .or_default() += 1;
            if leaves {
                break;
            }
        }
    }
    outcome
}
