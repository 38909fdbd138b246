//! The control bench: what ten thousand routes on one host cost to compile, edit, match and hold.
//!
//! In: nothing. Out: one JSON object on standard output, each figure measured several times where
//! it can vary; a figure's name ends with its unit. A figure is only printed when what was
//! measured did its work.

mod compiling;
mod finding;
mod holding;
mod objects;

use std::{collections::BTreeMap, time::Duration};

use cap::Cap;
use mimalloc::MiMalloc;

use compiling::Table;
use finding::Side;

/// The allocator of the proxy, with a count of the bytes that are asked of it.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// Routes, all on one host, of one rule each.
const ROUTES: usize = 10_000;

/// Routes of the table that the large one is compared with.
const FEW: usize = 10;

/// How often the whole is compiled.
const COMPILES: usize = 7;

/// How many edits are measured one by one.
const EDITS: usize = 200;

/// How often the two tables are asked in turn.
const ROUNDS: usize = 15;

/// Each figure, as often as it was measured.
type Figures = BTreeMap<&'static str, Vec<f64>>;

fn main() -> anyhow::Result<()> {
    let objects = compiling::parsed(ROUTES)?;
    let mut figures = Figures::new();
    for _ in 0..COMPILES {
        let compiled = Table::compile(objects.clone())?;
        note(&mut figures, "compileMs", millis(compiled.took));
    }
    let mut table = Table::compile(objects)?;
    find(&table, &mut figures)?;
    for n in 0..EDITS {
        // Spread over the table, so that no part of it is always the one in the cache.
        let [in_units, in_all] = table.edit(n * (ROUTES / EDITS))?;
        note(&mut figures, "editCompileUs", millis(in_units) * 1e3);
        note(&mut figures, "editUs", millis(in_all) * 1e3);
    }
    let kib = holding::kib_per_route(&table.units(), FEW, || ALLOCATOR.allocated())?;
    note(&mut figures, "activeKibPerRoute", kib);
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// In turn, because a machine's speed drifts.
fn find(many: &Table, figures: &mut Figures) -> anyhow::Result<()> {
    let few = Table::compile(compiling::parsed(FEW)?)?.active();
    let many = many.active();
    let (few, many) = (Side::of(&few, FEW)?, Side::of(&many, ROUTES)?);
    for _ in 0..ROUNDS {
        let (few, many) = (few.round(), many.round());
        note(figures, "findAmong10Ns", few);
        note(figures, "findAmong10000Ns", many);
        note(figures, "findMoreNs", many - few);
    }
    Ok(())
}

fn note(figures: &mut Figures, name: &'static str, figure: f64) {
    figures.entry(name).or_default().push(figure);
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
