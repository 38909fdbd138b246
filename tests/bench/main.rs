//! `make bench`: Tollgate beside nginx, Envoy and a bare hyper proxy, on this machine, in one run.
//!
//! In: flags. Out: `results.json` and `results.md`. All traffic is on loopback, every process that
//! is started is stopped by its id, and nothing is measured without a check that the contender
//! answers rightly.
//!
//! ```text
//! install ──> site (build, upstream) ──> rounds (contender, load, measure, witness)
//!                                   └──> callgrind, footprint, control ──> findings ──> report
//! ```

mod flags;

mod install;
mod ports;
mod site;

mod contender;
mod objects;
mod probe;
mod release;
mod running;

mod load;
mod measure;
mod rounds;
mod witness;

mod callgrind;
mod control;
mod footprint;

mod facts;
mod findings;
mod goal;
mod goals;
mod machine;
mod report;
mod spread;

use std::collections::BTreeMap;

use clap::Parser;

use crate::{
    contender::Contender,
    findings::{Findings, Ours},
    flags::Flags,
    site::Site,
};

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let contenders = flags.contenders();
    site::check_cores()?;
    let tools = install::tools(&contenders)?;
    let programs = site::build(&contenders)?;
    let [upstream] = ports::free_ports()?;
    let site = Site {
        scratch: site::scratch()?,
        tools,
        programs,
        upstream,
    };
    let findings = site.with_upstream(|| measure_all(&site, &contenders, &flags))?;
    let everything = flags.only.is_empty();
    let folder = flags
        .out
        .or_else(|| everything.then(|| site::checkout().join("docs/bench")));
    report::publish(&findings, folder.as_deref())
}

fn measure_all(site: &Site, contenders: &[Contender], flags: &Flags) -> anyhow::Result<Findings> {
    let rounds = rounds::run(site, contenders, flags.rounds, flags.seconds)?;
    let mut instructions = BTreeMap::new();
    for &contender in contenders {
        if contender.is_counted() {
            let count = callgrind::count(site, contender)?;
            eprintln!(
                "{}: {count:.0} user instructions a request",
                contender.as_str()
            );
            instructions.insert(contender, count);
        }
    }
    let ours = contenders.contains(&Contender::Tollgate);
    Ok(Findings {
        machine: machine::describe(site, contenders)?,
        seconds: flags.seconds,
        rounds,
        instructions,
        ours: ours.then(|| measure_ours(site)).transpose()?,
    })
}

fn measure_ours(site: &Site) -> anyhow::Result<Ours> {
    Ok(Ours {
        idle_kib: footprint::idle(site)?,
        route_kib: footprint::per_route(site)?,
        control: control::run(site)?,
    })
}
