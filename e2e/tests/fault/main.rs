//! What the operator, the proxies, their disks and the API server may do to each other while
//! traffic goes on: no answer is wrong, and none is lost unless a test says so.
//!
//! The programs are the real ones, as processes. `docs/operations.md` names the tests.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod api_server;
mod disk;
mod operator;
mod proxy;
mod watch;

use std::time::Duration;

use tollgate_e2e::{
    harness::{Pod, Proxy, Site, route},
    load::Load,
};

/// Routes of a scene: `shop.example`, … answer their names.
const ROUTES: [&str; 5] = ["shop", "cart", "stock", "price", "help"];

/// What most tests begin with: an operator, routes, a proxy that serves them, and traffic.
struct Scene<'a> {
    site: &'a Site<'a>,
    pod: Pod,
    proxy: Proxy,
    load: Load,
}

impl<'a> Scene<'a> {
    /// `operator` must run.
    fn new(site: &'a Site<'a>) -> Self {
        let routes = ROUTES.map(|name| route(&site.shop, name, name));
        site.apply_all(&routes);
        let pod = site.pod("proxy-1");
        let proxy = pod.start(site).ready();
        for name in ROUTES {
            site.until_condition(&format!("apiroutes/{name}"), "Ready", ("True", "Ready"));
        }
        let load = Load::start(&[pod.front.address()], &hosts());
        Self {
            site,
            pod,
            proxy,
            load,
        }
    }

    /// Edits a route under traffic, and waits until it is served and reported.
    fn edit(&mut self, name: &str, body: &str) {
        let host = format!("{name}.example");
        let (_, before) = self.proxy.answer(&host, "/x");
        self.load.expect(&host, &[(200, &before), (200, body)]);
        self.site.apply(&route(&self.site.shop, name, body));
        self.proxy.until_answer(&host, (200, body));
        self.load.expect(&host, &[(200, body)]);
        let name = format!("apiroutes/{name}");
        self.site
            .until_condition(&name, "Programmed", ("True", "Programmed"));
    }
}

fn hosts() -> Vec<(&'static str, &'static str)> {
    let hosts = [
        "shop.example",
        "cart.example",
        "stock.example",
        "price.example",
        "help.example",
    ];
    hosts.into_iter().zip(ROUTES).collect()
}

/// Ten times what a failover of streams takes.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn every_test_of_a_fault_is_named_for_operators() {
    let page = include_str!("../../../docs/operations.md");
    let sources = [
        include_str!("api_server.rs"),
        include_str!("disk.rs"),
        include_str!("operator.rs"),
        include_str!("proxy.rs"),
        include_str!("watch.rs"),
    ];
    let tests = sources
        .iter()
        .flat_map(|source| source.split("#[test]\nfn ").skip(1));
    let names: Vec<_> = tests.filter_map(|test| test.split('(').next()).collect();
    assert!(names.len() >= 16, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
