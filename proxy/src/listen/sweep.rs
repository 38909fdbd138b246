//! The pulse of a core: at each beat, a look at every connection's deadlines.
//!
//! In: the core's connections. Out: those past a deadline are woken. One timer for all connections
//! costs less than one each, and deadlines of seconds need no more than a tenth of one.

use std::{rc::Rc, time::Duration};

use super::house::House;

/// Time between two beats: how late a deadline may be noticed.
const BEAT: Duration = Duration::from_millis(50);

/// Beats for as long as the core lives.
pub(super) async fn sweep(house: Rc<House>) {
    let core = &house.core;
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let now = core.clock.beat();
        for link in house.links.borrow().values() {
            link.vigil.check();
        }
        core.alarms.ring(now);
        house.remember_ports();
        core.pool.prune(now);
        core.flush_log();
    }
}
