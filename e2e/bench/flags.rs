//! The driver's command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures the way from `kubectl apply` to a served route on this machine: an API server of its
/// own, the operator, two proxies.
///
/// Builds the release programs and the API server, and writes control.json and control.md.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-control")]
pub(crate) struct Flags {
    /// Numbers of routes to measure at, rising, separated by commas. Other numbers than the default
    /// are printed, and written only where --out says.
    #[arg(long, value_delimiter = ',', default_values_t = ROUTES)]
    pub(crate) routes: Vec<usize>,
    /// Trials from apply to served at each number of routes.
    #[arg(long, default_value_t = 200)]
    pub(crate) trials: usize,
    /// Trials of what is answered once a route is programmed.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) promises: usize,
    /// Seconds for which CPU is measured, idle and at an edit a second.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// How often everything is started.
    #[arg(long, default_value_t = 3)]
    pub(crate) starts: u32,
    /// Folder of release programs that are built already. Default: they are built.
    #[arg(long)]
    pub(crate) programs: Option<PathBuf>,
    /// Folder for the results. Default: docs/bench of this checkout.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

/// The numbers of routes that the goals speak of.
const ROUTES: [usize; 3] = [10, 1_000, 5_000];

impl Flags {
    /// Where the results go, if they are to be kept.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let is_whole = self.routes == ROUTES;
        let usual = || is_whole.then(|| crate::checkout().join("docs/bench"));
        self.out.clone().or_else(usual)
    }
}
