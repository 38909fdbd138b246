//! Counters that differ in one label of which all values are known.

use prometheus::{Error, IntCounter, IntCounterVec, Opts, Registry};

use super::registered;

/// One counter for each value of a label, all there from the start: how fast a number grows can
/// only be told of one that was there before.
#[derive(Debug)]
pub struct Counters<T>(Vec<(T, IntCounter)>);

impl<T: Copy + PartialEq> Counters<T> {
    /// Registers them.
    pub(super) fn new(
        registry: &Registry,
        (name, help, label): (&str, &str, &str),
        values: &[(T, &str)],
    ) -> Result<Self, Error> {
        let family = IntCounterVec::new(Opts::new(name, help), &[label])?;
        let family = registered(registry, family)?;
        let counter = |(key, value): &(T, &str)| {
            let counter = family.get_metric_with_label_values(&[*value])?;
            Ok((*key, counter))
        };
        values
            .iter()
            .map(counter)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Counts one.
    pub fn inc(&self, which: T) {
        if let Some((_, counter)) = self.0.iter().find(|(key, _)| *key == which) {
            counter.inc();
        }
    }

    /// How many there are.
    pub fn count(&self, which: T) -> u64 {
        let found = self.0.iter().find(|(key, _)| *key == which);
        found.map_or(0, |(_, counter)| counter.get())
    }
}
