//! What a person at the terminal is told: where it listens, what is served there, and a hint.
//!
//! In: open ports, the active configuration. Out: lines on stderr, `name key=value …`, which tests
//! and scripts may read. What is wrong with manifests is said by `source`.

use std::{collections::BTreeMap, fmt::Write, fs, net::SocketAddr, path::Path, sync::Arc};

use tollgate_snapshot::{
    Payload,
    integrate::{Action, Target},
    route::Rule,
};

use super::view::View;
use crate::{
    active::Active,
    admin::{Readiness, State},
    listen::{Listen, OpenPort},
};

/// The ports as they were shown last.
#[derive(Default)]
pub(super) struct Ports {
    shown: BTreeMap<(Arc<str>, Arc<str>), Result<SocketAddr, String>>,
}

impl Ports {
    /// Shows the ports that are not as they were.
    pub(super) fn show(&mut self, listen: &Listen, view: &View) {
        let mut now = BTreeMap::new();
        for OpenPort {
            gateway,
            listeners,
            address,
        } in listen.ports()
        {
            for listener in listeners {
                now.insert((Arc::clone(gateway), Arc::clone(listener)), address.clone());
            }
        }
        for ((gateway, listener), address) in &now {
            if self.shown.get(&(Arc::clone(gateway), Arc::clone(listener))) != Some(address) {
                match address {
                    Ok(address) => eprintln!(
                        "listening gateway={gateway} listener={listener} address={address}"
                    ),
                    Err(why) => {
                        eprintln!("problem: ApiGateway {gateway}: listener {listener}: {why}")
                    }
                }
            }
        }
        for (gateway, listener) in self.shown.keys().filter(|key| !now.contains_key(key)) {
            eprintln!("closed gateway={gateway} listener={listener}");
        }
        view.set_ports(listen.ports().cloned().collect());
        self.shown = now;
    }
}

/// Says where operators find it.
pub(super) fn operators(admin: SocketAddr, health: SocketAddr) {
    eprintln!("admin address={admin}");
    eprintln!("health address={health}");
}

/// Says once, when every listener is open, that everything is up and, to a person at a terminal,
/// what is served.
pub(super) fn once(readiness: &Readiness, served: Option<&Active>, hint: Option<&Path>) {
    if readiness.state() != State::Starting {
        return;
    }
    readiness.ready();
    eprint!("{}", served.map(routes).unwrap_or_default());
    eprintln!("ready");
    match hint.map(fs::read_to_string) {
        Some(Ok(text)) => eprintln!("\n{}", text.trim_end()),
        Some(Err(error)) => eprintln!("warning: the hint can't be read: {error}"),
        None => {}
    }
}

/// The table of routes: for each match of each rule, what answers.
fn routes(active: &Active) -> String {
    let mut rows = Vec::new();
    for unit in active.units() {
        let Payload::Route(route) = &*unit.payload else {
            continue;
        };
        let mut hosts: Vec<_> = route.attachments.iter().flat_map(|a| &a.hosts).collect();
        hosts.sort();
        hosts.dedup();
        for rule in &route.rules {
            for matched in &rule.matches {
                let method = matched.method.as_deref().unwrap_or("ANY");
                for host in &hosts {
                    let path = format!("{host}{}{}", route.base_path, matched.path);
                    rows.push([method.to_owned(), path, answers(rule)]);
                }
            }
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (methods, paths) = (width(0), width(1));
    let mut table = String::new();
    for [method, path, answer] in &rows {
        // Writing to a String does not fail.
        let _ = writeln!(table, "route {method:methods$}  {path:paths$}  {answer}");
    }
    table
}

fn answers(rule: &Rule) -> String {
    match &rule.action {
        Action::Closed => "closed (503)".into(),
        Action::Respond(respond) => format!("respond {}", respond.status),
        Action::Redirect(redirect) => format!("redirect {}", redirect.status),
        Action::Forward(forward) => {
            let targets = forward
                .backends
                .iter()
                .map(|backend| match &backend.target {
                    Target::Function { function, .. } => format!("function {function}"),
                    Target::Service { service, port } => format!("service {service}:{port}"),
                    Target::Url { host, port, path } => format!("http://{host}:{port}{path}"),
                });
            targets.collect::<Vec<_>>().join(", ")
        }
    }
}
