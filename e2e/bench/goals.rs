//! What the control plane is meant to reach, and whether it does.
//!
//! In: the findings. Out: a line for each goal.

use crate::{
    findings::{Findings, Size},
    goal::{Bound, Goal},
    spread::Spread,
};

/// The goals.
pub(crate) fn of(findings: &Findings) -> Vec<Goal> {
    let mut goals: Vec<Goal> = findings.sizes.iter().flat_map(of_size).collect();
    let p50s = findings.sizes.iter().filter_map(Size::served);
    let p50s: Vec<f64> = p50s.map(|served| served.p50).collect();
    let most = p50s.iter().copied().fold(f64::NAN, f64::max);
    let least = p50s.iter().copied().fold(f64::NAN, f64::min);
    let starts = &findings.starts;
    let footprint = &findings.footprint;
    let writes = findings.writes.iter().copied().map(f64::from);
    let rows = [
        (
            "apply to served, p50 with the most routes over that with the fewest",
            1.5,
            most / least,
        ),
        (
            "s until the operator is ready, all routes present",
            10.0,
            middle(&starts.operator),
        ),
        (
            "s until a new proxy serves them, from the operator",
            5.0,
            middle(&starts.proxy),
        ),
        (
            "s until a proxy serves them, from disk with the operator down",
            1.0,
            middle(&starts.proxy_from_disk),
        ),
        (
            "bytes on the wire for an edit of one route",
            2048.0,
            median(&findings.wire),
        ),
        ("MiB resident, operator", 250.0, footprint.memory),
        ("% of a core, operator, idle", 2.0, footprint.idle),
        (
            "% of a core, operator, an edit a second",
            5.0,
            footprint.editing,
        ),
        (
            "writes of the status of a created route, the most",
            2.0,
            writes.fold(f64::NAN, f64::max),
        ),
        (
            "answers that a status spoke wrongly of",
            0.0,
            count(findings.promise.wrong),
        ),
    ];
    let rows = rows.map(|(what, most, measured)| at_most(what, most, measured));
    goals.extend(rows);
    goals
}

fn of_size(size: &Size) -> Vec<Goal> {
    let Some(served) = size.served() else {
        return Vec::new();
    };
    let routes = size.routes;
    vec![
        at_most(
            &format!("ms from apply to served, p50, {routes} routes"),
            10.0,
            served.p50,
        ),
        at_most(
            &format!("ms from apply to served, p99, {routes} routes"),
            30.0,
            served.p99,
        ),
        at_most(
            &format!("answers between 404 and 200, {routes} routes"),
            0.0,
            f64::from(size.others()),
        ),
    ]
}

fn at_most(what: &str, most: f64, measured: f64) -> Goal {
    Goal {
        what: what.to_owned(),
        bound: Bound::AtMost(most),
        measured,
    }
}

fn middle(figures: &[f64]) -> f64 {
    Spread::of(figures.iter().copied()).map_or(f64::NAN, |spread| spread.p50)
}

fn median(figures: &[u64]) -> f64 {
    let figures: Vec<f64> = figures.iter().map(|figure| count(*figure)).collect();
    middle(&figures)
}

/// As a figure; none of them is anywhere near 2^53.
fn count(number: impl TryInto<u32>) -> f64 {
    number.try_into().map_or(f64::NAN, f64::from)
}
