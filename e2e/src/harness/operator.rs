//! An operator as a process.

use std::net::SocketAddr;

use serde_json::Value;

use super::{
    Front, get,
    program::{Program, binary},
    site::Site,
    until,
};

/// An operator that runs.
#[derive(Debug)]
pub struct Operator {
    pub program: Program,
    /// Where proxies dial it.
    pub push: SocketAddr,
    /// Where it tells how it fares.
    pub admin: SocketAddr,
}

impl Operator {
    /// Starts one with the files of `site`.
    pub(super) fn start(site: &Site<'_>, pod: &str, kubeconfig: String) -> Self {
        let token = site.operator_token(pod);
        let relay = Front::new();
        let arguments = [
            ("--namespace", site.home.clone()),
            ("--pod", pod.to_owned()),
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--admin", "127.0.0.1:0".to_owned()),
            ("--relay-address", relay.address().to_string()),
            ("--token", token),
            ("--server-name", "127.0.0.1".to_owned()),
        ];
        let watched = [&site.shop].into_iter().chain(&site.others);
        let watched = watched.map(|namespace| ("--watch-namespace", namespace.clone()));
        let arguments = arguments
            .into_iter()
            .chain(watched)
            .flat_map(|(flag, value)| [flag.to_owned(), value]);
        let arguments: Vec<String> = std::iter::once("run".to_owned()).chain(arguments).collect();
        let log = site.fresh_file("operator.log");
        let environment = [("KUBECONFIG", kubeconfig), ("RUST_LOG", "info".to_owned())];
        let program = binary("tollgate-controller");
        let mut program = Program::start(&program, &arguments, &environment, log);
        let (push, admin) = program.says("the operator runs", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let address = |name: &str| line[name].as_str()?.parse().ok();
            Some((address("push")?, address("admin")?))
        });
        relay.lead_to(&[push]);
        Self {
            program,
            push,
            admin,
        }
    }

    /// Waits until it has listed everything and can be dialled.
    pub fn ready(mut self) -> Self {
        until("the operator is ready", || {
            if let Some(status) = self.program.ended() {
                panic!("it ended with {status}:\n{}", self.program.log());
            }
            (get(self.admin, "operator", "/readyz").ok()?.0 == 200).then_some(())
        });
        self
    }

    /// What `/proxies` shows.
    pub fn proxies(&self) -> Value {
        let (status, text) = get(self.admin, "operator", "/proxies").unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What `/metrics` says of a counter or gauge without labels.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = get(self.admin, "operator", "/metrics").unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name}:\n{text}"))
    }

    /// Whether it holds the Lease.
    pub fn leads(&self) -> bool {
        self.metric("tollgate_controller_leader") > 0.0
    }
}
