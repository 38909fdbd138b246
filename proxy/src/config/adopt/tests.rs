//! What becomes of units that panic, hang, or can't be read.

use std::{sync::mpsc, thread};

use tollgate_snapshot::{Function, ObjectName, Payload, Unit, endpoints::Endpoints};

use super::*;

fn unit(name: &str, timeout_ms: u64) -> Unit {
    let payload = Payload::Function(Function {
        timeout_ms,
        ..Function::default()
    });
    Unit::new(ObjectName::new("shop", name), payload).unwrap()
}

fn put(name: &str, timeout_ms: u64) -> UnitChange {
    UnitChange::Put(unit(name, timeout_ms))
}

/// Arms as `Active` does, unless a change is of the object `bad`.
fn spoiled(active: &mut Active, changes: &[UnitChange], spoil: fn()) -> Unarmed {
    if changes.iter().any(|c| &*c.id().object.name == "bad") {
        spoil();
    }
    active.apply(changes)
}

fn ids(active: &Active) -> Vec<String> {
    active.units().map(|unit| unit.id.to_string()).collect()
}

const LIMITS_OF_TESTS: Limits = Limits {
    all: Duration::from_millis(50),
    one: Duration::from_millis(50),
};

#[tokio::test]
async fn a_unit_that_panics_costs_only_itself() {
    let changes = [put("a", 1), put("bad", 1), put("z", 1)];
    let panics = |active: &mut Active, changes: &[UnitChange]| {
        spoiled(active, changes, || panic!("a bug of ours"))
    };
    let limits = LIMITS;
    let (active, unusable) =
        arm_within(&Active::default(), &Arc::from(changes), limits, panics).await;
    assert_eq!(ids(&active), ["function/shop/a", "function/shop/z"]);
    assert_eq!(unusable, [(unit("bad", 1).id, panicked())]);
}

#[tokio::test]
async fn a_unit_that_never_ends_costs_only_itself() {
    let changes = [put("a", 1), put("bad", 1), put("z", 1)];
    let hangs = |active: &mut Active, changes: &[UnitChange]| {
        spoiled(active, changes, || {
            // Until the test's process ends.
            let (kept, never) = mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(500));
            drop(kept);
        })
    };
    let (active, unusable) = arm_within(
        &Active::default(),
        &Arc::from(changes),
        LIMITS_OF_TESTS,
        hangs,
    )
    .await;
    assert_eq!(ids(&active), ["function/shop/a", "function/shop/z"]);
    let [(id, why)] = &unusable[..] else {
        panic!("{unusable:?}")
    };
    assert_eq!(*id, unit("bad", 1).id);
    assert_eq!(why.0, "arming it took longer than 50ms");
}

#[tokio::test]
async fn arming_happens_on_another_thread() {
    let here = thread::current().id();
    let elsewhere = move |active: &mut Active, changes: &[UnitChange]| {
        assert_ne!(thread::current().id(), here);
        active.apply(changes)
    };
    let changes = Arc::from([put("a", 1)]);
    let (active, unusable) = arm_within(&Active::default(), &changes, LIMITS, elsewhere).await;
    assert_eq!((ids(&active).len(), unusable.len()), (1, 0));
}

#[tokio::test]
async fn nothing_is_in_force_before_the_swap() {
    let active = Arc::new(ArcSwap::from_pointee(Active::default()));
    let mut adopter = Adopter::new(Arc::clone(&active));
    let armed = adopter.arm(vec![put("a", 1)]).await;
    assert!(ids(&active.load()).is_empty());
    adopter.swap(armed);
    assert_eq!(ids(&active.load()), ["function/shop/a"]);
}

#[tokio::test]
async fn a_unit_that_was_never_readable_is_rejected_and_its_older_version_goes_on() {
    let active = Arc::new(ArcSwap::from_pointee(Active::default()));
    let mut adopter = Adopter::new(Arc::clone(&active));
    adopter.adopt(&[put("a", 1)]);
    let mut armed = adopter.arm(vec![put("b", 1)]).await;
    armed.reject(unit("a", 2).id, "it is of the future".to_owned());
    adopter.swap(armed);
    let expected = Verdict::Rejected("it is of the future".to_owned());
    assert_eq!(adopter.exceptions().get(&unit("a", 2).id), Some(&expected));
    assert_eq!(
        active.load().unit(&unit("a", 1).id),
        Some((&unit("a", 1), false))
    );
    adopter.adopt(&[put("a", 2)]);
    assert!(adopter.exceptions().is_empty());
}

#[test]
fn a_stand_in_goes_on_when_what_follows_it_cannot_be_armed() {
    let endpoints = |address: &str| {
        let payload = Payload::Endpoints(Endpoints {
            ports: [(80, vec![address.to_owned()])].into(),
        });
        Unit::new(ObjectName::new("shop", "a"), payload).unwrap()
    };
    let active = Arc::new(ArcSwap::from_pointee(Active::default()));
    let mut adopter = Adopter::new(Arc::clone(&active));
    let stand_in = endpoints("10.0.0.1:80");
    adopter.adopt(&[UnitChange::Hold {
        id: stand_in.id.clone(),
        stand_in: Some(stand_in.clone()),
    }]);
    adopter.adopt(&[UnitChange::Put(endpoints("nowhere"))]);
    assert_eq!(active.load().unit(&stand_in.id), Some((&stand_in, true)));
    let verdict = adopter.exceptions().get(&stand_in.id);
    assert!(matches!(verdict, Some(Verdict::Rejected(_))));
}

#[test]
fn a_stand_in_stays_one_until_a_good_version_is_armed() {
    let active = Arc::new(ArcSwap::from_pointee(Active::default()));
    let mut adopter = Adopter::new(Arc::clone(&active));
    let stand_in = unit("a", 1);
    let hold = UnitChange::Hold {
        id: stand_in.id.clone(),
        stand_in: Some(stand_in.clone()),
    };
    adopter.adopt(std::slice::from_ref(&hold));
    assert_eq!(active.load().unit(&stand_in.id), Some((&stand_in, true)));
    adopter.adopt(&[put("a", 2)]);
    assert_eq!(
        active.load().unit(&stand_in.id),
        Some((&unit("a", 2), false))
    );
    adopter.adopt(&[hold]);
    assert_eq!(
        active.load().unit(&stand_in.id),
        Some((&unit("a", 2), false))
    );
    let verdict = adopter.exceptions().get(&stand_in.id);
    assert_eq!(verdict, Some(&Verdict::HeldAtLastGood));
}
