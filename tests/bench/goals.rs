//! What Tollgate is meant to reach, and whether it does.
//!
//! In: the findings. Out: one line for each goal whose figure was measured.

use crate::{
    contender::Contender::{Envoy, Nginx, Tollgate, TollgateLogged, Yardstick},
    findings::Findings,
};

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
    pub(crate) what: &'static str,
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
}

/// The goals whose figures were measured.
pub(crate) fn of(findings: &Findings) -> Vec<Goal> {
    [speed(findings), size(findings)]
        .concat()
        .into_iter()
        .filter_map(|(what, bound, measured)| {
            Some(Goal {
                what,
                bound,
                measured: measured?,
            })
        })
        .collect()
}

type Row = (&'static str, Bound, Option<f64>);

fn speed(findings: &Findings) -> Vec<Row> {
    let rate = |pair| findings.ratio(pair, |s| s.rate).map(|ratio| ratio.median);
    let user = [Tollgate, Nginx];
    let user = findings
        .ratio(user, |s| s.user_us)
        .map(|ratio| ratio.median);
    let over = [Tollgate, Yardstick];
    let over = findings.pair(over, |s| s.user_us, |ours, bare| ours - bare);
    vec![
        (
            "requests/s, access log off, over nginx's",
            Bound::AtLeast(0.9),
            rate([Tollgate, Nginx]),
        ),
        (
            "requests/s, access log off, over Envoy's",
            Bound::AtLeast(2.3),
            rate([Tollgate, Envoy]),
        ),
        (
            "requests/s, access log on, over nginx's",
            Bound::AtLeast(0.85),
            rate([TollgateLogged, Nginx]),
        ),
        ("user CPU a request over nginx's", Bound::AtMost(1.3), user),
        (
            "user CPU µs a request more than bare hyper",
            Bound::AtMost(1.6),
            over.map(|more| more.median),
        ),
    ]
}

fn size(findings: &Findings) -> Vec<Row> {
    let ours = findings.ours.as_ref();
    let control = |name| ours.and_then(|ours| Some(ours.control.get(name)?.median));
    vec![
        (
            "MiB resident, idle with examples/products on two cores",
            Bound::AtMost(15.0),
            ours.map(|ours| ours.idle_kib / 1024.0),
        ),
        (
            "KiB of proxy memory a route: its unit, and what requests read",
            Bound::AtMost(8.0),
            control("activeKibPerRoute"),
        ),
        (
            "ms to compile 10,000 routes of one host",
            Bound::AtMost(300.0),
            control("compileMs"),
        ),
        (
            "µs for one edit among 10,000 routes of one host",
            Bound::AtMost(1000.0),
            control("editUs"),
        ),
        (
            "ns more to match among 10,000 routes than among 10",
            Bound::AtMost(300.0),
            control("findMoreNs"),
        ),
    ]
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
                what: name,
                bound,
                measured,
            };
            assert_eq!(goal.is_met(), met, "{name}");
        }
    }
}
