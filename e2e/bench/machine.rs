//! What the figures were measured on and with.

use serde_json::Value;

use crate::facts;

/// The machine and the programs on it, by name.
pub(crate) fn describe() -> anyhow::Result<Value> {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    let command = match flags.is_empty() {
        true => "make bench-control".to_owned(),
        false => format!("make bench-control BENCH_FLAGS=\"{}\"", flags.join(" ")),
    };
    facts::gather(&crate::checkout(), &command)
}
