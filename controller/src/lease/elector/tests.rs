//! Whole elections, second by second, without a clock.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};

use super::*;

const TIMING: Timing = Timing {
    lease: Duration::from_secs(15),
    renew: Duration::from_secs(10),
    retry: Duration::from_secs(2),
};

/// What `holder` wrote when its wall clock said `clock`; `write` tells two writes apart.
fn record(holder: &str, clock: i64, write: u32) -> Record {
    Record {
        holder: holder.to_owned(),
        relay: format!("{holder}:9443"),
        duration: TIMING.lease,
        renewed: Timestamp::from_second(clock).ok().map(MicroTime),
        resource_version: Some(write.to_string()),
    }
}

fn other(identity: &str) -> Holder {
    Holder::Other {
        identity: identity.to_owned(),
        relay: format!("{identity}:9443"),
    }
}

struct Story {
    start: Instant,
    elector: Elector,
}

impl Story {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            elector: Elector::new("me".to_owned(), TIMING),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn sees(&mut self, seconds: u64, record: Option<Record>) -> (Action, Holder) {
        let now = self.at(seconds);
        self.elector.observe(record, now);
        (self.elector.next(now), self.elector.holder(now))
    }
}

#[test]
fn a_lease_that_is_not_there_or_free_is_taken() {
    let rows = [
        ("no lease", None, Action::Create),
        ("given back", Some(record("", 0, 1)), Action::Hold),
        ("never held", Some(record("", 99, 1)), Action::Hold),
        ("held", Some(record("you", 0, 1)), Action::Wait),
    ];
    for (name, lease, action) in rows {
        let holds = action == Action::Wait;
        let holder = if holds { other("you") } else { Holder::Nobody };
        assert_eq!(Story::new().sees(0, lease), (action, holder), "{name}");
    }
}

#[test]
fn a_hold_is_over_when_it_stood_unchanged_for_as_long_as_it_lasts() {
    let mut story = Story::new();
    let still = record("you", 0, 1);
    for second in [0, 2, 8, 14] {
        let seen = story.sees(second, Some(still.clone()));
        assert_eq!(seen, (Action::Wait, other("you")), "second {second}");
    }
    let seen = story.sees(15, Some(still));
    assert_eq!(seen, (Action::Hold, Holder::Nobody));
}

#[test]
fn any_change_that_is_seen_starts_the_time_anew() {
    let rows = [
        ("renewed", record("you", 1, 2)),
        ("renewed by a clock that went back", record("you", -3600, 2)),
        ("written without a renewal", record("you", 0, 2)),
        ("taken by another one", record("them", 0, 2)),
    ];
    for (name, changed) in rows {
        let mut story = Story::new();
        story.sees(0, Some(record("you", 0, 1)));
        story.sees(14, Some(changed.clone()));
        let (action, holder) = story.sees(28, Some(changed.clone()));
        assert_eq!(action, Action::Wait, "{name}");
        assert_eq!(holder, other(&changed.holder), "{name}");
        assert_eq!(story.sees(29, Some(changed)).0, Action::Hold, "{name}");
    }
}

#[test]
fn wall_clocks_that_jump_decide_nothing() {
    for clock in [-1_000_000_000, 0, 4_000_000_000] {
        let mut story = Story::new();
        let (action, _) = story.sees(0, Some(record("you", clock, 1)));
        assert_eq!(action, Action::Wait, "clock {clock}");
        let (action, _) = story.sees(15, Some(record("you", clock, 1)));
        assert_eq!(action, Action::Hold, "clock {clock}");
    }
}

#[test]
fn a_holder_of_another_version_may_ask_for_more_time() {
    let mut story = Story::new();
    let mut long = record("you", 0, 1);
    long.duration = Duration::from_secs(60);
    story.sees(0, Some(long.clone()));
    assert_eq!(story.sees(59, Some(long.clone())).0, Action::Wait);
    assert_eq!(story.sees(60, Some(long)).0, Action::Hold);
}

#[test]
fn who_cannot_renew_steps_down_before_another_can_take_over() {
    let mut holder = Story::new();
    let mine = record("me", 0, 7);
    holder.elector.wrote(mine.clone(), holder.at(3));
    assert_eq!(holder.elector.mine_until(), Some(holder.at(13)));
    for (second, expected) in [(12, Holder::Me), (13, Holder::Nobody)] {
        let now = holder.at(second);
        assert_eq!(holder.elector.holder(now), expected, "second {second}");
    }
    // Another one can't have seen the write before it was sent, so it waits until second 18.
    let mut rival = Elector::new("rival".to_owned(), TIMING);
    rival.observe(Some(mine), holder.at(3));
    assert_eq!(rival.next(holder.at(17)), Action::Wait);
    assert_eq!(rival.next(holder.at(18)), Action::Hold);
}

#[test]
fn each_renewal_counts_from_when_it_was_sent() {
    let mut story = Story::new();
    story.elector.wrote(record("me", 0, 1), story.at(0));
    story.elector.wrote(record("me", 2, 2), story.at(2));
    assert_eq!(story.elector.holder(story.at(11)), Holder::Me);
    assert_eq!(story.elector.holder(story.at(12)), Holder::Nobody);
}

#[test]
fn a_lease_that_names_another_one_ends_our_hold_at_once() {
    let rows = [
        ("taken", Some(record("you", 0, 2)), other("you")),
        (
            "given back by somebody",
            Some(record("", 0, 2)),
            Holder::Nobody,
        ),
        ("deleted", None, Holder::Nobody),
    ];
    for (name, lease, expected) in rows {
        let mut story = Story::new();
        story.elector.wrote(record("me", 0, 1), story.at(0));
        assert_eq!(story.sees(1, lease).1, expected, "{name}");
    }
}

#[test]
fn reading_our_own_name_renews_nothing() {
    let mut story = Story::new();
    story.elector.wrote(record("me", 0, 1), story.at(0));
    // A write whose answer was lost.
    let (action, holder) = story.sees(9, Some(record("me", 2, 2)));
    assert_eq!((action, holder), (Action::Hold, Holder::Me));
    assert_eq!(story.elector.holder(story.at(10)), Holder::Nobody);
}
