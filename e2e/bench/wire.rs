//! What an edit of one route costs on the wire.
//!
//! In: a proxy that dials through the relay. Out: bytes for each edit, in both directions, TLS and
//! verdict included.

use std::time::Duration;

use tokio::time::sleep;

use crate::{relay::Relay, routes::Routes, statuses::Statuses};

/// How long after an edit its last bytes are awaited.
const REST: Duration = Duration::from_millis(200);

/// Edits one route `times` times, `name`.
///
/// # Errors
/// An edit isn't taken or programmed.
pub(crate) async fn measure(
    relay: &Relay,
    routes: &Routes,
    statuses: &Statuses,
    name: &str,
    times: usize,
) -> anyhow::Result<Vec<u64>> {
    // Once this is programmed, what the connection itself cost is over.
    let applied = routes.apply(name, "first").await?;
    statuses.programmed(name, applied.generation).await?;
    sleep(REST).await;
    let mut bytes = Vec::with_capacity(times);
    for number in 0..times {
        let before = relay.bytes();
        let applied = routes.apply(name, &format!("edit {number}")).await?;
        statuses.programmed(name, applied.generation).await?;
        sleep(REST).await;
        bytes.push(relay.bytes() - before);
    }
    Ok(bytes)
}
