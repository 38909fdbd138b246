//! Objects that come, go, are wrong, too large or in each other's way, under traffic: what is right
//! is served all the time, and what is wrong says so.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod claims;
mod edits;
mod large;
mod references;
mod strangers;
mod upstream;
mod vanish;

use rustix::process::Signal;
use tollgate_e2e::{
    Cluster,
    harness::{Operator, Pod, Proxy, Site, route, until},
    load::Load,
};

/// The host that must answer all the time, whatever happens to others.
const CALM: &str = "calm.example";

/// What the proxy answers where a rule is closed.
const CLOSED: (u16, &str) = (503, r#"{"message":"Service Unavailable"}"#);

/// A host, and what it answers before and after a change.
type Turn<'a> = (&'a str, (u16, &'a str), (u16, &'a str));

/// What the proxy answers where there is nothing.
const NOTHING: (u16, &str) = (404, r#"{"message":"Not Found"}"#);

/// An operator, a proxy that it feeds, and traffic to a route that nobody touches.
struct Scene<'a> {
    // What runs ends before its files go.
    load: Load,
    proxy: Proxy,
    operator: Operator,
    _pod: Pod,
    site: Site<'a>,
}

impl Scene<'static> {
    fn new() -> Self {
        Self::at(Site::new(Cluster::shared().unwrap()))
    }
}

impl<'a> Scene<'a> {
    fn at(site: Site<'a>) -> Self {
        let operator = site.operator("op-1").ready();
        let pod = site.pod("public-1");
        let mut proxy = pod.start(&site).ready();
        site.apply(&route(&site.shop, "calm", "calm"));
        proxy.until_answer(CALM, (200, "calm"));
        let load = Load::start(&[pod.front.address()], &[(CALM, "calm")]);
        Self {
            load,
            proxy,
            operator,
            _pod: pod,
            site,
        }
    }

    /// Changes something, and waits until hosts answer otherwise for it; the traffic insists on it
    /// from then on. Until then it may answer as before.
    fn turns(&mut self, turns: &[Turn<'_>], change: impl FnOnce(&Site<'_>)) {
        for (host, before, after) in turns {
            self.load.expect(host, &[*before, *after]);
        }
        change(&self.site);
        for (host, _, after) in turns {
            self.proxy.until_answer(host, *after);
            self.load.expect(host, &[*after]);
        }
    }

    /// Waits until a host answers so, and has the traffic insist on it from then on.
    fn serves(&mut self, host: &str, answer: (u16, &str)) {
        self.proxy.until_answer(host, answer);
        self.load.expect(host, &[answer]);
    }

    /// Kills the operator, and starts another.
    fn restart(&mut self, pod: &str) {
        self.operator.program.signal(Signal::KILL);
        self.operator.program.end();
        self.operator = self.site.operator(pod).ready();
    }

    /// Waits until the proxy runs the newest that the operator has, and no other.
    fn until_in_step(&self) {
        let gateway = format!("{}/public", self.site.shop);
        until("the proxy is in step", || {
            let shown = self.operator.proxies();
            let gateway = &shown["gateways"][&gateway];
            let proxies = gateway["proxies"].as_array()?;
            let newest = gateway["newest"]["root"].as_str()?;
            let runs = |proxy: &serde_json::Value| proxy["root"] == *newest;
            (!proxies.is_empty() && proxies.iter().all(runs)).then_some(())
        });
    }

    /// Ends all; every request was answered, and rightly.
    fn ends(self) {
        self.load.goes_on();
        self.load.stop().assert_whole();
    }
}
