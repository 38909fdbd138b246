//! A figure measured several times: its median and its range.

/// Median, least and greatest of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of some figures; none of no figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            f64::midpoint(figures[middle - 1], figures[middle])
        };
        Some(Self { median, min, max })
    }

    /// As `median (min–max)` with some digits after the point.
    pub(crate) fn text(&self, digits: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let rows: [(&str, &[f64], Option<f64>); 4] = [
            ("none", &[], None),
            ("one", &[3.0], Some(3.0)),
            ("odd", &[9.0, 1.0, 2.0], Some(2.0)),
            ("even", &[4.0, 1.0, 2.0, 9.0], Some(3.0)),
        ];
        for (name, figures, median) in rows {
            let spread = Spread::of(figures.iter().copied());
            assert_eq!(spread.map(|spread| spread.median), median, "{name}");
        }
    }

    #[test]
    fn a_spread_shows_its_range() {
        let spread = Spread::of([1.0, 2.0, 4.0]).unwrap();
        assert_eq!(spread.text(1), "2.0 (1.0–4.0)");
    }
}
