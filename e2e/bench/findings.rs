//! Everything that was measured.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    applied::Trial, footprint::Footprint, promise::Promise, spread::Spread, starting::Starts,
};

/// What was found.
pub(crate) struct Findings {
    /// The machine and what was run on it.
    pub(crate) machine: Value,
    pub(crate) sizes: Vec<Size>,
    pub(crate) footprint: Footprint,
    /// Writes of the status of each route that was created and left alone, or edited.
    pub(crate) writes: Vec<u32>,
    pub(crate) promise: Promise,
    /// Bytes for each edit.
    pub(crate) wire: Vec<u64>,
    pub(crate) starts: Starts,
}

impl Findings {
    /// How many routes' statuses were written how often.
    pub(crate) fn writes_by_count(&self) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for writes in &self.writes {
            *counts.entry(*writes).or_default() += 1;
        }
        counts
    }
}

/// From apply to served with a number of routes present.
pub(crate) struct Size {
    pub(crate) routes: usize,
    pub(crate) trials: Vec<Trial>,
}

impl Size {
    /// Milliseconds to the first served answer.
    pub(crate) fn served(&self) -> Option<Spread> {
        Spread::of(
            self.trials
                .iter()
                .map(|trial| trial.served.as_secs_f64() * 1e3),
        )
    }

    /// Milliseconds to the API server's answer.
    pub(crate) fn answered(&self) -> Option<Spread> {
        Spread::of(
            self.trials
                .iter()
                .map(|trial| trial.answered.as_secs_f64() * 1e3),
        )
    }

    /// Milliseconds from the API server's answer to the first served one; below zero where the
    /// watch was faster than the answer.
    pub(crate) fn ours(&self) -> Option<Spread> {
        let ours =
            |trial: &Trial| (trial.served.as_secs_f64() - trial.answered.as_secs_f64()) * 1e3;
        Spread::of(self.trials.iter().map(ours))
    }

    /// Answers that were neither 404 nor 200.
    pub(crate) fn others(&self) -> u32 {
        self.trials.iter().map(|trial| trial.others).sum()
    }

    /// For a person who waits.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} routes: served {:.1?}\n  answered {:.1?}\n  ours {:.1?}, others {}",
            self.routes,
            self.served(),
            self.answered(),
            self.ours(),
            self.others()
        )
    }
}
