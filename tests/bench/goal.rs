//! A goal, the figure that speaks of it, and whether it is met. The control bench's too.

use serde_json::{Value, json};

/// A bound on a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// The figure is at least this.
    AtLeast(f64),
    /// The figure is at most this.
    AtMost(f64),
}

/// A goal and the figure that speaks of it.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// What the figure is, with its unit.
    pub(crate) what: String,
    /// What it should be.
    pub(crate) bound: Bound,
    /// What it is: a median where it was measured more than once.
    pub(crate) measured: f64,
}

impl Goal {
    /// Whether the goal is reached.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.measured >= least,
            Bound::AtMost(most) => self.measured <= most,
        }
    }

    fn row(&self) -> String {
        let bound = match self.bound {
            Bound::AtLeast(least) => format!("≥ {least}"),
            Bound::AtMost(most) => format!("≤ {most}"),
        };
        let met = if self.is_met() { "yes" } else { "**no**" };
        format!("| {} | {bound} | {:.2} | {met} |", self.what, self.measured)
    }

    fn json(&self) -> Value {
        let (least, most) = match self.bound {
            Bound::AtLeast(least) => (Some(least), None),
            Bound::AtMost(most) => (None, Some(most)),
        };
        json!({
            "what": self.what,
            "atLeast": least,
            "atMost": most,
            "measured": self.measured,
            "met": self.is_met(),
        })
    }
}

/// Goals as a section of Markdown.
pub(crate) fn markdown(goals: &[Goal]) -> String {
    let head = "## Goals\n\n| | goal | measured | met |\n|---|---|---|---|".to_owned();
    let rows = goals.iter().map(Goal::row);
    let lines: Vec<String> = std::iter::once(head).chain(rows).collect();
    lines.join("\n")
}

/// Goals as JSON.
pub(crate) fn json(goals: &[Goal]) -> Value {
    goals.iter().map(Goal::json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_its_own_value() {
        let rows = [
            ("at least, equal", Bound::AtLeast(1.0), 1.0, true),
            ("at least, less", Bound::AtLeast(1.0), 0.9, false),
            ("at most, equal", Bound::AtMost(1.0), 1.0, true),
            ("at most, more", Bound::AtMost(1.0), 1.1, false),
            ("no number", Bound::AtMost(1.0), f64::NAN, false),
        ];
        for (name, bound, measured, met) in rows {
            let goal = Goal {
                what: name.to_owned(),
                bound,
                measured,
            };
            assert_eq!(goal.is_met(), met, "{name}");
        }
    }
}
