//! What each fault and each stage of a proxy makes of the conditions.

use std::sync::Arc;

use tollgate_compile::{ObjectRef, Problem};

use super::*;
use crate::status::grounds::{Place, Stage};

fn problem(reason: Reason, field: &str) -> Problem {
    Problem {
        object: ObjectRef::new(Kind::ApiRoute, "shop", "orders"),
        field: field.to_owned(),
        reason,
        message: "is wrong".to_owned(),
    }
}

fn place<'a>(name: &str, stages: &[Stage<'a>]) -> Place<'a> {
    Place {
        gateway: ObjectName::new("shop", name),
        served: true,
        stages: stages.to_vec(),
    }
}

fn grounds<'a>(problems: &'a [Problem], places: Vec<Place<'a>>) -> Grounds<'a> {
    Grounds {
        kind: Kind::ApiRoute,
        namespace: Arc::from("shop"),
        generation: 3,
        problems,
        named: &[],
        places,
        addresses: &[],
        held: &[],
    }
}

/// `Type=Status/Reason` of each condition.
fn said(grounds: &Grounds<'_>) -> String {
    let report = judge(grounds, None, Timestamp::UNIX_EPOCH);
    let said = report.conditions.iter().map(|one| {
        let sign = if one.status == "True" { '+' } else { '-' };
        format!("{sign}{}/{}", one.type_, one.reason)
    });
    said.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_reason_turns_the_conditions_that_it_should() {
    let running = || vec![place("public", &[Stage::Running])];
    for reason in Reason::ALL {
        let problems = [problem(reason, "spec.rules[0]")];
        let said = said(&grounds(&problems, running()));
        let name = reason.as_str();
        let warns = reason.condition().is_none();
        assert_eq!(said.contains("+Ready/Ready"), warns, "{name}: {said}");
        assert_eq!(
            said.contains(&format!("-Ready/{name}")),
            !warns,
            "{name}: {said}"
        );
        if reason.holds() {
            assert!(
                said.contains(&format!("-Accepted/{name}")),
                "{name}: {said}"
            );
        }
        if let Some(condition) = reason.condition() {
            let failed = format!("-{}/{name}", condition.as_str());
            assert!(said.contains(&failed), "{name}: {said}");
        }
    }
}

#[test]
fn an_object_is_stalled_while_only_an_edit_of_it_can_help() {
    let rows = [
        ("a field", Reason::Invalid, true),
        ("a feature", Reason::Unsupported, true),
        ("a name twice", Reason::Duplicate, true),
        ("a gateway that may come", Reason::GatewayNotFound, false),
        ("a backend that may come", Reason::BackendNotFound, false),
        ("a grant that may come", Reason::RefNotPermitted, false),
        ("another object's fault", Reason::ReferenceHeld, false),
        ("a warning", Reason::Shadowed, false),
    ];
    for (name, reason, stalled) in rows {
        let problems = [problem(reason, "")];
        let said = said(&grounds(
            &problems,
            vec![place("public", &[Stage::Running])],
        ));
        assert_eq!(said.contains("+Stalled"), stalled, "{name}: {said}");
    }
}

#[test]
fn the_worst_of_all_proxies_is_said() {
    let rows: [(&str, &[&[Stage<'_>]], &str); 9] = [
        (
            "all run it",
            &[&[Stage::Running, Stage::Running]],
            "+Programmed/Programmed",
        ),
        (
            "one is behind",
            &[&[Stage::Running, Stage::Behind]],
            "-Programmed/Pending",
        ),
        ("no proxy", &[&[]], "-Programmed/NoProxies"),
        (
            "one gateway without",
            &[&[Stage::Running], &[]],
            "-Programmed/NoProxies",
        ),
        (
            "last good",
            &[&[Stage::HeldAtLastGood, Stage::Behind]],
            "-Programmed/HeldAtLastGood",
        ),
        (
            "no last good",
            &[&[Stage::HeldAtLastGood, Stage::HeldWithoutLastGood]],
            "-Programmed/HeldWithoutLastGood",
        ),
        (
            "rejected",
            &[&[
                Stage::Running,
                Stage::Rejected {
                    part: None,
                    why: "too long",
                },
            ]],
            "-Programmed/Rejected",
        ),
        (
            "refused as a whole",
            &[&[Stage::Running, Stage::Refused("rolled back")]],
            "-Programmed/Refused",
        ),
        ("no gateway", &[], "-Programmed/NotAttached"),
    ];
    for (name, at, expected) in rows {
        let places = at.iter().map(|stages| place("public", stages)).collect();
        let said = said(&grounds(&[], places));
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[test]
fn a_message_names_the_field_and_every_problem() {
    let problems = [
        problem(Reason::Invalid, "spec.rules[2].match[0].path"),
        problem(Reason::Duplicate, "spec.rules[3].name"),
        problem(Reason::BackendNotFound, "spec.rules[1].backends[0]"),
    ];
    let report = judge(&grounds(&problems, Vec::new()), None, Timestamp::UNIX_EPOCH);
    let message = |type_| report.condition(type_).unwrap().message.clone();
    let expected =
        "spec.rules[2].match[0].path: is wrong; spec.rules[3].name: is wrong (Duplicate)";
    assert_eq!(message(ConditionType::Accepted), expected);
    assert_eq!(message(ConditionType::Ready), expected);
    let expected = "spec.rules[1].backends[0]: is wrong";
    assert_eq!(message(ConditionType::ResolvedRefs), expected);
}

#[test]
fn a_warning_is_said_by_a_condition_that_stays_true() {
    let problems = [problem(Reason::Shadowed, "spec.rules[1]")];
    let report = judge(&grounds(&problems, Vec::new()), None, Timestamp::UNIX_EPOCH);
    let accepted = report.condition(ConditionType::Accepted).unwrap();
    assert_eq!((&*accepted.status, &*accepted.reason), ("True", "Accepted"));
    assert_eq!(accepted.message, "spec.rules[1]: is wrong (Shadowed)");
}

#[test]
fn a_message_never_outgrows_an_event() {
    let mut long = problem(Reason::Invalid, "spec.rules[0]");
    long.message = "x".repeat(400);
    let why = "y".repeat(5000);
    let places = vec![place(
        "public",
        &[Stage::Rejected {
            part: None,
            why: &why,
        }],
    )];
    let problems = vec![long; 100];
    let report = judge(&grounds(&problems, places), None, Timestamp::UNIX_EPOCH);
    for condition in report.conditions {
        let bytes = condition.message.len();
        assert!(bytes <= 1024, "{}: {bytes} bytes", condition.type_);
    }
}
