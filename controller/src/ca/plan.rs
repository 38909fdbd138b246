//! What is to be done with the authority, and when. Pure.

use std::time::{Duration, SystemTime};

use super::keyring::Keyring;

/// How long an authority lives.
pub(super) const AUTHORITY_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long a serving certificate lives.
pub(super) const LEAF_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How far back the beginning of a certificate is put, for clocks that differ.
pub(super) const BACKDATED: Duration = Duration::from_secs(3600);

/// How long an authority is published before it signs: every proxy must have its bundle by then. A
/// kubelet brings one within minutes; this is for those that are away for longer.
pub(super) const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// How long an authority is trusted after it has ceased to sign: the last certificate that it
/// signed has ended, and replicas may have learnt of the change an hour late.
pub(super) const TRUSTED_AFTER: Duration = LEAF_LIFE.saturating_add(BACKDATED);

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Make an authority that signs at once: there is none, or it has ended.
    Make,
    /// Make the next authority, and publish it.
    Announce,
    /// Let the next authority sign.
    Promote,
    /// Cease to trust the one before.
    Retire,
    /// Nothing.
    Wait,
}

/// Says what is to be done now.
pub(super) fn plan(now: SystemTime, ring: Option<&Keyring>) -> Step {
    let Some(ring) = ring else {
        return Step::Make;
    };
    let ended = now >= ring.signs.not_after;
    if let Some(next) = &ring.next {
        let lives = now < next.authority.not_after;
        return match ended || now >= next.announced + OVERLAP {
            true if lives => Step::Promote,
            true => Step::Make,
            false => retire(now, ring),
        };
    }
    if ended {
        return Step::Make;
    }
    match now >= ring.signs.not_after - AUTHORITY_LIFE / 3 {
        true => Step::Announce,
        false => retire(now, ring),
    }
}

fn retire(now: SystemTime, ring: &Keyring) -> Step {
    let over = ring.previous.as_ref();
    match over.is_some_and(|previous| now >= previous.replaced + TRUSTED_AFTER) {
        true => Step::Retire,
        false => Step::Wait,
    }
}
