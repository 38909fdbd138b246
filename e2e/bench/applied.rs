//! From the apply call to the first served answer.
//!
//! In: a proxy, and routes that nobody serves yet. Out: for each trial how long it took until the
//! proxy served the route, and until the API server answered the apply. The proxy is asked every
//! millisecond; until the route is served it must answer 404 and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    fleet::Proxy,
    line::Line,
    routes::{HOST, Routes, path},
    statuses::Statuses,
};

/// How often the proxy is asked.
const POLL: Duration = Duration::from_millis(1);

/// How long a route may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Rest before and after the route is deleted, so that one trial never measures the end of another.
/// It is longer than a status waits for more to say.
const REST: Duration = Duration::from_millis(80);

/// One trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    /// Until the first 200.
    pub(crate) served: Duration,
    /// Until the API server answered.
    pub(crate) answered: Duration,
    /// Answers other than 404 before it.
    pub(crate) others: u32,
    /// Writes of the route's status.
    pub(crate) writes: u32,
}

/// Makes `count` trials, of the proxies in turn.
///
/// # Errors
/// A route isn't served, or something doesn't answer.
pub(crate) async fn measure(
    routes: &Routes,
    statuses: &Statuses,
    proxies: &[Proxy],
    count: usize,
) -> anyhow::Result<Vec<Trial>> {
    let mut trials = Vec::with_capacity(count);
    for number in 0..count {
        let proxy = &proxies[number % proxies.len()];
        trials.push(one(routes, statuses, proxy, &format!("trial-{number}")).await?);
    }
    Ok(trials)
}

async fn one(
    routes: &Routes,
    statuses: &Statuses,
    proxy: &Proxy,
    name: &str,
) -> anyhow::Result<Trial> {
    let (mut line, path) = (proxy.line().await?, path(name));
    let (status, _) = line.get(HOST, &path).await?;
    ensure!(
        status == 404,
        "{name} answers {status} before it is applied"
    );
    let began = Instant::now();
    let applying = tokio::spawn({
        let (routes, name) = (routes.clone(), name.to_owned());
        async move { routes.apply(&name, "trial").await }
    });
    let (served, others) = until(&mut line, &path, 200, 404, began).await?;
    let applied = applying.await??;
    statuses.programmed(name, applied.generation).await?;
    sleep(REST).await;
    let writes = statuses.writes_of(name);
    routes.delete(name).await?;
    until(&mut line, &path, 404, 200, Instant::now()).await?;
    sleep(REST).await;
    Ok(Trial {
        served,
        answered: applied.took,
        others,
        writes,
    })
}

/// Asks until the answer is `expected`; how long that took, and how many answers were neither that
/// nor `before`.
async fn until(
    line: &mut Line,
    path: &str,
    expected: u16,
    before: u16,
    began: Instant,
) -> anyhow::Result<(Duration, u32)> {
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut others = 0;
    loop {
        poll.tick().await;
        let (status, _) = line.get(HOST, path).await.context("a proxy that serves")?;
        if status == expected {
            return Ok((began.elapsed(), others));
        }
        others += u32::from(status != before);
        let waited = began.elapsed();
        ensure!(waited < DEADLINE, "{path} still answers {status}");
    }
}
