//! All that a run of the bench found.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    contender::Contender, control::Figures, measure::Sample, rounds::Round, spread::Spread,
};

/// All that a run of the bench found.
pub(crate) struct Findings {
    /// What it was measured on and with.
    pub(crate) machine: Value,
    /// Length of one measurement in seconds.
    pub(crate) seconds: u32,
    /// The plain proxying bench.
    pub(crate) rounds: Vec<Round>,
    /// User instructions a request.
    pub(crate) instructions: BTreeMap<Contender, f64>,
    /// Findings about Tollgate alone, if it was measured.
    pub(crate) ours: Option<Ours>,
}

/// Findings about Tollgate alone.
pub(crate) struct Ours {
    /// Resident memory in KiB, idle with the example adopted.
    pub(crate) idle_kib: f64,
    /// Resident memory in KiB that one more route adds.
    pub(crate) route_kib: f64,
    /// The control bench.
    pub(crate) control: Figures,
}

impl Findings {
    /// A figure of a contender over all rounds.
    pub(crate) fn figure(
        &self,
        contender: Contender,
        figure: fn(&Sample) -> f64,
    ) -> Option<Spread> {
        let samples = self.rounds.iter().filter_map(|round| round.get(&contender));
        Spread::of(samples.map(figure))
    }

    /// What `combine` makes of a figure of two contenders in each round. Both were measured within
    /// seconds of one another, so that this varies less than the figures do.
    pub(crate) fn pair(
        &self,
        [one, other]: [Contender; 2],
        figure: fn(&Sample) -> f64,
        combine: fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|round| {
            let (one, other) = (round.get(&one)?, round.get(&other)?);
            Some(combine(figure(one), figure(other)))
        }))
    }

    /// A figure of a contender over the same figure of another, round by round.
    pub(crate) fn ratio(&self, pair: [Contender; 2], figure: fn(&Sample) -> f64) -> Option<Spread> {
        self.pair(pair, figure, |one, other| one / other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(nginx: f64, tollgate: f64) -> Round {
        let sample = |rate| Sample {
            rate,
            user_us: 1.0,
            kernel_us: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            rss_kib: 1.0,
            requests: 1,
        };
        Round::from([
            (Contender::Nginx, sample(nginx)),
            (Contender::Tollgate, sample(tollgate)),
        ])
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let findings = Findings {
            machine: Value::Null,
            seconds: 1,
            // The machine halves its speed in the second round; both are equally fast throughout.
            rounds: vec![round(100.0, 100.0), round(50.0, 50.0)],
            instructions: BTreeMap::new(),
            ours: None,
        };
        let pair = [Contender::Tollgate, Contender::Nginx];
        let ratio = findings.ratio(pair, |sample| sample.rate);
        assert_eq!(ratio, Spread::of([1.0, 1.0]));
        let absent = [Contender::Tollgate, Contender::Envoy];
        assert_eq!(findings.ratio(absent, |sample| sample.rate), None);
    }
}
