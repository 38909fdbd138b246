//! A metric in prometheus' terms: name, help, labels, and the numbers of one scrape.
//!
//! In: numbers that are kept elsewhere. Out: what the text encoder takes. It knows no metric of
//! ours.

use std::collections::HashMap;

use prometheus::{
    core::Desc,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use crate::metrics::histogram::Sum;

/// Name, help and labels of a metric.
pub(super) struct Named {
    /// Full name.
    pub(super) name: &'static str,
    /// One sentence; `docs/metrics.md` says the same.
    pub(super) help: &'static str,
    /// Names of the labels.
    pub(super) labels: &'static [&'static str],
}

impl Named {
    /// The descriptor under which the metric is registered.
    pub(super) fn desc(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|label| (*label).into()).collect();
        Desc::new(self.name.into(), self.help.into(), labels, HashMap::new())
    }

    /// A counter: rows of label values and a number.
    pub(super) fn counter<const N: usize>(
        &self,
        rows: impl IntoIterator<Item = ([String; N], f64)>,
    ) -> MetricFamily {
        let metrics = rows.into_iter().map(|(values, number)| {
            let mut counter = Counter::default();
            counter.set_value(number);
            let mut metric = Metric::from_label(self.pairs(values));
            metric.set_counter(counter);
            metric
        });
        self.family(MetricType::COUNTER, metrics.collect())
    }

    /// A gauge without labels; a number that is not known makes no metric.
    pub(super) fn gauge(&self, number: Option<f64>) -> MetricFamily {
        let metrics = number.into_iter().map(|number| {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            Metric::from_gauge(gauge)
        });
        self.family(MetricType::GAUGE, metrics.collect())
    }

    /// A gauge that is always 1 and says something with its labels; `None` makes no metric.
    pub(super) fn info<const N: usize>(&self, values: Option<[String; N]>) -> MetricFamily {
        let metrics = values.into_iter().map(|values| {
            let mut gauge = Gauge::default();
            gauge.set_value(1.0);
            let mut metric = Metric::from_label(self.pairs(values));
            metric.set_gauge(gauge);
            metric
        });
        self.family(MetricType::GAUGE, metrics.collect())
    }

    /// A histogram without labels.
    pub(super) fn histogram(&self, sum: &Sum) -> MetricFamily {
        let buckets = sum.cumulative().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(sum.count());
        histogram.set_sample_sum(sum.sum());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.family(MetricType::HISTOGRAM, vec![metric])
    }

    fn family(&self, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.into());
        family.set_help(self.help.into());
        family.set_field_type(kind);
        family.set_metric(metrics);
        family
    }

    fn pairs<const N: usize>(&self, values: [String; N]) -> Vec<LabelPair> {
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).into());
            pair.set_value(value);
            pair
        });
        pairs.collect()
    }
}
