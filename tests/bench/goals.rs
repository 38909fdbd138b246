//! What Tollgate is meant to reach, and whether it does.
//!
//! In: the findings. Out: one line for each goal whose figure was measured.

use crate::{
    contender::Contender::{Envoy, Nginx, Tollgate, TollgateLogged, Yardstick},
    findings::Findings,
    goal::{Bound, Goal},
};

/// The goals whose figures were measured.
pub(crate) fn of(findings: &Findings) -> Vec<Goal> {
    [speed(findings), size(findings)]
        .concat()
        .into_iter()
        .filter_map(|(what, bound, measured)| {
            Some(Goal {
                what: what.to_owned(),
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
