//! A figure measured many times.

/// Percentiles of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// How many there were.
    pub(crate) count: usize,
    /// The middle one.
    pub(crate) p50: f64,
    /// Nine of ten are at most this.
    pub(crate) p90: f64,
    /// Ninety-nine of a hundred are at most this.
    pub(crate) p99: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of some figures; none of no figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let last = figures.len().checked_sub(1)?;
        // The nearest rank: a figure that was measured, never one between two.
        let at = |percent: usize| figures[(figures.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self {
            count: figures.len(),
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: figures[last],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_figure_that_was_measured() {
        assert_eq!(Spread::of([]), None);
        let one = Spread::of([3.0]).unwrap();
        assert_eq!([one.p50, one.p90, one.p99, one.max], [3.0; 4]);
        let many = Spread::of((1..=200).rev().map(f64::from)).unwrap();
        assert_eq!(
            [many.p50, many.p90, many.p99, many.max],
            [100.0, 180.0, 198.0, 200.0]
        );
    }
}
