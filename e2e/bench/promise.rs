//! Whether `Programmed` is true when it says so.
//!
//! In: proxies, routes. Out: how many trials there were, and in how many a proxy answered otherwise
//! than the generation that the status spoke of. A trial creates a route or edits it, waits for its
//! `Programmed`, and asks every proxy at once.

use crate::{
    fleet::Proxy,
    line::Line,
    routes::{HOST, Routes, path},
    statuses::Statuses,
};

/// How the trials ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Promise {
    /// Trials.
    pub(crate) trials: usize,
    /// Answers that were not those of the generation.
    pub(crate) wrong: usize,
}

/// Makes `count` trials: each route is created by one, edited by the next, and deleted.
///
/// # Errors
/// Something isn't taken or doesn't answer; a wrong answer is no error.
pub(crate) async fn measure(
    routes: &Routes,
    statuses: &Statuses,
    proxies: &[Proxy],
    count: usize,
) -> anyhow::Result<Promise> {
    let mut lines = Vec::new();
    for proxy in proxies {
        lines.push(proxy.line().await?);
    }
    let mut promise = Promise::default();
    for number in 0..count {
        let name = format!("promise-{}", number / 2);
        let body = format!("trial {number}");
        let applied = routes.apply(&name, &body).await?;
        statuses.programmed(&name, applied.generation).await?;
        promise.trials += 1;
        for line in &mut lines {
            promise.wrong += usize::from(!answers(line, &name, &body).await?);
        }
        if number % 2 == 1 {
            routes.delete(&name).await?;
        }
    }
    Ok(promise)
}

async fn answers(line: &mut Line, name: &str, expected: &str) -> anyhow::Result<bool> {
    let (status, body) = line.get(HOST, &path(name)).await?;
    let is_right = (status, body.as_str()) == (200, expected);
    if !is_right {
        eprintln!("{name}: {expected:?} is programmed, and the answer is {status} {body:?}");
    }
    Ok(is_right)
}
