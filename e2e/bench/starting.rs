//! How long the programs take to start when all routes are there already.
//!
//! In: a fleet that has been stopped. Out: seconds until the operator is ready, and until a proxy
//! serves: from the operator, and from disk with the operator down.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::time::sleep;

use crate::{
    fleet::{Proxy, Setting, forget},
    program::Program,
    routes::{HOST, path},
};

/// How long a snapshot may take to get to disk.
const KEPT: Duration = Duration::from_secs(30);

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Seconds from the start of a process until it is ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    pub(crate) operator: Vec<f64>,
    pub(crate) proxy: Vec<f64>,
    pub(crate) proxy_from_disk: Vec<f64>,
}

/// Starts everything `times` times; nothing runs before it and after it. `last`: a route that must
/// be served.
///
/// # Errors
/// Something doesn't start, or a ready proxy doesn't serve.
pub(crate) async fn measure(setting: &Setting, last: &str, times: u32) -> anyhow::Result<Starts> {
    let mut starts = Starts::default();
    for _ in 0..times {
        let mut operator = setting.start_operator()?;
        starts.operator.push(operator.ready().await?.as_secs_f64());
        forget(&setting.cache(0))?;
        let (proxy, took) = serving(setting, last).await?;
        starts.proxy.push(took.as_secs_f64());
        kept(setting).await?;
        proxy.program.stop().await?;
        operator.stop().await?;
        let (proxy, took) = serving(setting, last).await?;
        starts.proxy_from_disk.push(took.as_secs_f64());
        proxy.program.stop().await?;
    }
    Ok(starts)
}

/// A proxy that says it is ready, and serves.
async fn serving(setting: &Setting, last: &str) -> anyhow::Result<(Proxy, Duration)> {
    let mut program: Program = setting.start_proxy(0, setting.push_port())?;
    let took = program.ready().await?;
    let proxy = setting.serving(program)?;
    let (status, _) = proxy.line().await?.get(HOST, &path(last)).await?;
    ensure!(status == 200, "a proxy is ready and answers {status}");
    Ok((proxy, took))
}

/// Waits until a snapshot is kept.
async fn kept(setting: &Setting) -> anyhow::Result<()> {
    let (folder, began) = (setting.cache(0), Instant::now());
    loop {
        let mut files = fs::read_dir(&folder).into_iter().flatten().flatten();
        if files.any(|file| is_snapshot(&file.file_name().to_string_lossy())) {
            return Ok(());
        }
        ensure!(
            began.elapsed() < KEPT,
            "nothing is kept in {}",
            folder.display()
        );
        sleep(LOOK).await;
    }
}

/// Whether a file is a finished snapshot: `snapshot-1`.
fn is_snapshot(name: &str) -> bool {
    let generation = name.strip_prefix("snapshot-");
    generation.is_some_and(|generation| generation.parse::<u64>().is_ok())
}
