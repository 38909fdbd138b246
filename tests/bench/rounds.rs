//! The plain proxying bench: rounds in which every contender is measured once.
//!
//! In: the contenders. Out: a [`Sample`] of each for each round. Each is started afresh for its
//! turn and is alone on its core; the rounds are interleaved, so that a machine that slows down
//! slows down all of them. The order is turned by one each round, so that none always follows the
//! same.

use std::collections::BTreeMap;

use crate::{
    contender::Contender,
    load,
    measure::{self, Sample},
    site::{PINNED, Serving, Site},
    witness,
};

/// One measurement of every contender.
pub(crate) type Round = BTreeMap<Contender, Sample>;

/// Length of the warm-up in seconds.
const WARM_UP: u32 = 1;

/// Measures every contender `rounds` times for some seconds.
pub(crate) fn run(
    site: &Site,
    contenders: &[Contender],
    rounds: u32,
    seconds: u32,
) -> anyhow::Result<Vec<Round>> {
    let mut order = contenders.to_vec();
    let mut measured = Vec::new();
    for number in 1..=rounds {
        let mut round = Round::new();
        for &contender in &order {
            let sample = turn(site, contender, seconds)?;
            eprintln!(
                "round {number} of {rounds}: {}: {:.0} requests/s, {:.1} + {:.1} µs CPU",
                contender.as_str(),
                sample.rate,
                sample.user_us,
                sample.kernel_us,
            );
            round.insert(contender, sample);
        }
        measured.push(round);
        order.rotate_left(1);
    }
    Ok(measured)
}

fn turn(site: &Site, contender: Contender, seconds: u32) -> anyhow::Result<Sample> {
    site.with_contender(contender, &PINNED, |serving| {
        let Serving {
            running,
            port,
            admin,
        } = serving;
        let warm_up = load::run(site.scratch(), port, WARM_UP)?;
        let sample = measure::under_load(site.scratch(), running.id(), port, seconds)?;
        let served = warm_up.requests + sample.requests;
        if contender.is_ours() {
            witness::counted(admin, served)?;
        }
        if contender == Contender::TollgateLogged {
            witness::logged(running, served)?;
        }
        Ok(sample)
    })
}
