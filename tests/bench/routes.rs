//! The control bench: what ten thousand routes on one host cost to compile and to edit.
//!
//! In: nothing. Out: one JSON object on standard output, each figure measured several times; a
//! figure's name ends with its unit. A figure is only printed when what was measured did its work.

mod compiling;
mod objects;

use std::collections::BTreeMap;

use compiling::Table;

/// The allocator of the proxy.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Routes, all on one host, of one rule each.
const ROUTES: usize = 10_000;

/// How often the whole is compiled.
const COMPILES: usize = 7;

/// How many edits are measured one by one.
const EDITS: usize = 200;

fn main() -> anyhow::Result<()> {
    let objects = compiling::parsed(ROUTES)?;
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..COMPILES {
        let compiled = Table::compile(objects.clone())?;
        let millis = compiled.took.as_secs_f64() * 1e3;
        figures.entry("compileMs").or_default().push(millis);
    }
    let mut table = Table::compile(objects)?;
    for n in 0..EDITS {
        // Spread over the table, so that no part of it is always the one in the cache.
        let took = table.edit(n * (ROUTES / EDITS))?;
        let micros = took.as_secs_f64() * 1e6;
        figures.entry("editCompileUs").or_default().push(micros);
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
