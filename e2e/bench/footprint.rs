//! What the operator takes up: memory, and CPU while nothing happens and at an edit a second.
//!
//! In: an operator with all routes. Out: MiB, and percent of a core.

use std::time::{Duration, Instant};

use tokio::time::{interval, sleep};

use crate::{program::Program, routes::Routes};

/// What it takes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// Resident memory in MiB.
    pub(crate) memory: f64,
    /// The most that it was, in MiB.
    pub(crate) memory_most: f64,
    /// Percent of a core while nothing happens.
    pub(crate) idle: f64,
    /// Percent of a core at an edit a second.
    pub(crate) editing: f64,
}

/// Looks for twice `seconds` seconds.
///
/// # Errors
/// The operator is gone, or an edit isn't taken.
pub(crate) async fn measure(
    operator: &Program,
    routes: &Routes,
    name: &str,
    seconds: u64,
) -> anyhow::Result<Footprint> {
    let length = Duration::from_secs(seconds);
    // What was done before has to end first.
    sleep(Duration::from_secs(2)).await;
    let (before, began) = (operator.cpu()?, Instant::now());
    sleep(length).await;
    let idle = 100.0 * (operator.cpu()? - before) / began.elapsed().as_secs_f64();
    let (before, began) = (operator.cpu()?, Instant::now());
    let mut second = interval(Duration::from_secs(1));
    for number in 0..seconds {
        second.tick().await;
        routes.apply(name, &format!("second {number}")).await?;
    }
    second.tick().await;
    let editing = 100.0 * (operator.cpu()? - before) / began.elapsed().as_secs_f64();
    let (memory, memory_most) = operator.memory()?;
    Ok(Footprint {
        memory,
        memory_most,
        idle,
        editing,
    })
}
