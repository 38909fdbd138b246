//! `make bench-control`: from `kubectl apply` to a served route, against a real API server.
//!
//! In: flags. Out: `control.json` and `control.md`. Everything is on this machine and on loopback;
//! every process that is started is ended by its id.
//!
//! ```text
//! build ──> fleet ──> applied (10, 1,000, 5,000 routes) ──> footprint ──> wire
//!             ├──> starting                                                  │
//!             └──> promise ──> report <───────────────────────────────────────┘
//! ```

mod flags;

mod fleet;
mod line;
mod program;
mod relay;
mod routes;
mod statuses;

mod applied;
mod footprint;
mod promise;
mod starting;
mod wire;

#[path = "../../tests/bench/facts.rs"]
mod facts;
mod findings;
#[path = "../../tests/bench/goal.rs"]
#[allow(dead_code, reason = "the other bench has more kinds of goals")]
mod goal;
mod goals;
mod machine;
#[path = "../../tests/bench/ports.rs"]
mod ports;
#[path = "../../tests/bench/release.rs"]
mod release;
mod report;
mod spread;

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::{
    findings::{Findings, Size},
    flags::Flags,
    fleet::{PROXIES, Proxy, Setting},
    program::Program,
    relay::Relay,
    routes::Routes,
    statuses::Statuses,
};

/// Edits of which the bytes are counted.
const EDITS: usize = 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let programs = flags.programs.clone().map_or_else(build, Ok)?;
    let setting = Setting::new(programs).await?;
    let findings = measure(&setting, &flags).await?;
    report::publish(&findings, flags.folder().as_deref())?;
    setting.cluster.stop()
}

/// Folder of this checkout.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds the release programs.
fn build() -> anyhow::Result<PathBuf> {
    release::build(&checkout(), "tollgate-controller", &["tollgate-controller"])?;
    release::build(&checkout(), "tollgate-proxy", &["tollgate-proxy"])
}

/// The programs that run, and what follows them.
struct Running {
    operator: Program,
    proxies: Vec<Proxy>,
    statuses: Statuses,
    relay: Relay,
}

async fn measure(setting: &Setting, flags: &Flags) -> anyhow::Result<Findings> {
    let routes = Routes::new(&setting.client, &setting.shop);
    let mut running = start(setting, &routes).await?;
    let (mut sizes, mut present) = (Vec::new(), 0);
    for &count in &flags.routes {
        eprintln!("{count} routes …");
        present = grow(&routes, &running.statuses, present, count).await?;
        let Running {
            statuses, proxies, ..
        } = &running;
        let trials = applied::measure(&routes, statuses, proxies, flags.trials).await?;
        let size = Size {
            routes: count,
            trials,
        };
        eprintln!("{}", size.text());
        sizes.push(size);
    }
    let mut writes = running.statuses.writes("present-");
    let trials = sizes.iter().flat_map(|size| &size.trials);
    writes.extend(trials.map(|trial| trial.writes));
    let last = routes::present(present - 1);
    let footprint = footprint::measure(&running.operator, &routes, &last, flags.seconds).await?;
    eprintln!("{footprint:.1?}");
    running.through_relay(setting).await?;
    let wire = wire::measure(&running.relay, &routes, &running.statuses, &last, EDITS).await?;
    eprintln!("bytes for an edit: {wire:?}");
    running.stop().await?;
    let starts = starting::measure(setting, &last, flags.starts).await?;
    eprintln!("{starts:.2?}");
    // The last, because it does not mind what else the machine does.
    let running = start(setting, &routes).await?;
    let Running {
        statuses, proxies, ..
    } = &running;
    let promise = promise::measure(&routes, statuses, proxies, flags.promises).await?;
    eprintln!("{promise:?}");
    running.stop().await?;
    Ok(Findings {
        machine: machine::describe()?,
        sizes,
        footprint,
        writes,
        promise,
        wire,
        starts,
    })
}

async fn start(setting: &Setting, routes: &Routes) -> anyhow::Result<Running> {
    let mut operator = setting.start_operator()?;
    operator.ready().await?;
    setting.mount().await?;
    let mut proxies = Vec::new();
    for number in 0..PROXIES {
        let mut program = setting.start_proxy(number, setting.push_port())?;
        program.ready().await?;
        proxies.push(setting.serving(program)?);
    }
    Ok(Running {
        operator,
        proxies,
        statuses: Statuses::follow(routes.api.clone()).await?,
        relay: Relay::start(setting.push_port()).await?,
    })
}

impl Running {
    async fn stop(self) -> anyhow::Result<()> {
        for proxy in self.proxies {
            proxy.program.stop().await?;
        }
        self.operator.stop().await
    }

    /// Starts the first proxy again, so that it dials through the relay.
    async fn through_relay(&mut self, setting: &Setting) -> anyhow::Result<()> {
        let first = self.proxies.remove(0);
        first.program.stop().await?;
        let mut program = setting.start_proxy(0, self.relay.port)?;
        program.ready().await?;
        self.proxies.insert(0, setting.serving(program)?);
        Ok(())
    }
}

/// Makes the routes that are to be there, and waits until they are programmed.
async fn grow(
    routes: &Routes,
    statuses: &Statuses,
    present: usize,
    count: usize,
) -> anyhow::Result<usize> {
    routes.apply_many(present..count).await?;
    for number in present..count {
        statuses.programmed(&routes::present(number), 1).await?;
    }
    Ok(count.max(present))
}
