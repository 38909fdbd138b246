//! A histogram of durations with fixed buckets and one writer.
//!
//! In: a duration. Out: the count of each bucket and the sum. Bounds are whole nanoseconds, so that
//! finding the bucket needs no floating point.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::metrics::cells::add;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Upper bounds of the buckets in nanoseconds, each included in its bucket; one more bucket is
/// open.
const BOUNDS: [u64; 15] = [
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2_500 * MILLISECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
];

/// The cells of one core.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts a duration. Only the core that owns the cells may call it.
    pub(super) fn observe(&self, duration: Duration) {
        let ns = nanoseconds(duration);
        add(&self.buckets[bucket(ns)], 1);
        add(&self.sum_ns, ns);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(SECOND);
    whole.saturating_add(u64::from(duration.subsec_nanos()))
}

/// How many bounds lie below. Comparing with all of them costs less than a branch guessed wrong.
fn bucket(ns: u64) -> usize {
    BOUNDS.iter().map(|bound| usize::from(ns > *bound)).sum()
}

/// The histograms of all cores, summed.
#[derive(Debug, Default)]
pub(super) struct Sum {
    buckets: [u64; BOUNDS.len() + 1],
    sum_ns: u64,
}

impl Sum {
    /// Takes in the cells of one core.
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, cell) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += cell.load(Relaxed);
        }
        self.sum_ns = self.sum_ns.wrapping_add(histogram.sum_ns.load(Relaxed));
    }

    /// Each bound in seconds with the count of durations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.buckets.iter().scan(0, |below, count| {
            *below += count;
            Some(*below)
        });
        BOUNDS.iter().map(|bound| seconds(*bound)).zip(counts)
    }

    /// The count of all durations.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all durations in seconds.
    pub(super) fn sum(&self) -> f64 {
        seconds(self.sum_ns)
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / SECOND as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let rows = [
            ("nothing", Duration::ZERO, 0),
            ("on the first bound", Duration::from_micros(500), 0),
            ("above it", Duration::from_nanos(500_001), 1),
            ("in the middle", Duration::from_millis(30), 6),
            ("on the last bound", Duration::from_secs(30), 14),
            ("above all", Duration::from_secs(31), 15),
            ("longest", Duration::MAX, 15),
        ];
        for (name, duration, expected) in rows {
            assert_eq!(bucket(nanoseconds(duration)), expected, "{name}");
        }
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_sum_covers_every_core() {
        let cores = [Histogram::default(), Histogram::default()];
        cores[0].observe(Duration::from_millis(1));
        cores[1].observe(Duration::from_secs(40));
        let mut sum = Sum::default();
        cores.iter().for_each(|core| sum.add(core));
        assert_eq!(sum.count(), 2);
        assert_eq!(sum.sum(), 40.001);
        assert_eq!(sum.cumulative().next(), Some((0.0005, 0)));
        assert_eq!(sum.cumulative().nth(1), Some((0.001, 1)));
        assert_eq!(sum.cumulative().last(), Some((30.0, 1)));
    }
}
