//! The control bench as the driver sees it: the program `routes`, run alone on core 0.
//!
//! In: the site. Out: what the program found, by name, as it printed it.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, ensure};

use crate::{
    site::{PINNED, Site},
    spread::Spread,
};

/// Figures by name; the name ends with the unit.
pub(crate) type Figures = BTreeMap<String, Spread>;

/// Runs the program.
pub(crate) fn run(site: &Site) -> anyhow::Result<Figures> {
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(PINNED)
        .arg(site.programs.join("routes"))
        .output()
        .context("start routes")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "routes has ended with {}: {error}",
        output.status
    );
    read(&output.stdout)
}

/// Reads an object of arrays of numbers.
fn read(text: &[u8]) -> anyhow::Result<Figures> {
    let measured: BTreeMap<String, Vec<f64>> =
        serde_json::from_slice(text).context("routes does not print what it found")?;
    measured
        .into_iter()
        .map(|(name, figures)| {
            let spread = Spread::of(figures).with_context(|| format!("no figures for {name}"))?;
            Ok((name, spread))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_their_names() {
        let figures = read(br#"{"compileMs": [3, 1, 2]}"#).unwrap();
        assert!((figures["compileMs"].median - 2.0).abs() < f64::EPSILON);
        assert!(read(br#"{"compileMs": []}"#).is_err());
        assert!(read(b"panicked").is_err());
    }
}
