//! What runs has no history: whatever the edits that led to some units, every question gets the
//! answer that a start from scratch with those units gives.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof},
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tollgate_snapshot::{
    ObjectName, Payload, Unit, UnitChange, UnitId, UnitKind,
    endpoints::Endpoints,
    gateway::{Gateway, Listener},
    integrate::Action,
    route::{Attachment, Match, Route, Rule, Segment},
};

use super::{Active, taker_at};

fn name() -> impl Strategy<Value = ObjectName> {
    select(vec!["a", "b", "c"]).prop_map(|name| ObjectName::new("n", name))
}

fn created() -> impl Strategy<Value = Option<String>> {
    let dates = vec![
        None,
        Some("2026-01-01T00:00:00Z"),
        Some("2026-02-01T00:00:00Z"),
    ];
    select(dates).prop_map(|date| date.map(str::to_owned))
}

fn unit() -> impl Strategy<Value = Unit> {
    let payload = prop_oneof![
        3 => route().prop_map(Payload::Route),
        2 => gateway().prop_map(Payload::Gateway),
        1 => endpoints().prop_map(Payload::Endpoints),
    ];
    (name(), payload).prop_map(|(name, payload)| Unit::new(name, payload).unwrap())
}

fn gateway() -> impl Strategy<Value = Gateway> {
    let listener = (select(vec!["x", "y"]), select(vec![80, 81]), any::<bool>()).prop_map(
        |(name, port, everywhere)| Listener {
            name: name.into(),
            address: everywhere.then(|| "0.0.0.0".into()),
            port,
            hostname: None,
        },
    );
    (created(), vec(listener, 1..3)).prop_map(|(created, mut listeners)| {
        listeners.dedup_by(|one, two| one.name == two.name);
        Gateway {
            created,
            listeners,
            ..Gateway::default()
        }
    })
}

fn route() -> impl Strategy<Value = Route> {
    let hosts = select(vec![
        vec!["*"],
        vec!["*.h"],
        vec!["a.h", "*.b.h"],
        vec!["a.h"],
    ]);
    let attachment =
        (name(), select(vec!["x", "y"]), hosts).prop_map(|(gateway, listener, hosts)| Attachment {
            gateway,
            listener: listener.into(),
            hosts: hosts.into_iter().map(str::to_owned).collect(),
        });
    (created(), vec(attachment, 1..3), vec(rule(), 0..4)).prop_map(
        |(created, attachments, rules)| {
            let rules = rules.into_iter().enumerate();
            let named = |(place, rule)| Rule {
                name: format!("rule-{place}"),
                ..rule
            };
            Route {
                created,
                attachments,
                rules: rules.map(named).collect(),
                ..Route::default()
            }
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let segment = prop_oneof![
        select(vec!["p", "q"]).prop_map(|text| Segment::Literal(text.into())),
        Just(Segment::Param("id".into())),
    ];
    let segments = (vec(segment, 0..3), any::<bool>()).prop_map(|(mut segments, rest)| {
        if rest {
            segments.push(Segment::Rest("rest".into()));
        }
        segments
    });
    let method = select(vec![None, Some("GET"), Some("HEAD"), Some("PUT")]);
    let matched = (method, segments, any::<bool>()).prop_map(|(method, segments, beta)| Match {
        method: method.map(str::to_owned),
        segments,
        headers: beta
            .then(|| ("x-beta".into(), "1".into()))
            .into_iter()
            .collect(),
        ..Match::default()
    });
    vec(matched, 1..3).prop_map(|matches| Rule {
        name: String::new(),
        matches,
        action: Action::Closed,
        timeout_ms: None,
    })
}

fn endpoints() -> impl Strategy<Value = Endpoints> {
    let addresses = vec(select(vec!["10.0.0.1:1", "10.0.0.2:1"]), 0..3);
    (select(vec![80, 81]), addresses).prop_map(|(port, addresses)| Endpoints {
        ports: BTreeMap::from([(port, addresses.into_iter().map(str::to_owned).collect())]),
    })
}

fn change() -> impl Strategy<Value = UnitChange> {
    let kind = select(vec![
        UnitKind::Gateway,
        UnitKind::Route,
        UnitKind::Endpoints,
    ]);
    let id = (kind, name()).prop_map(|(kind, object)| UnitId { kind, object });
    prop_oneof![
        6 => unit().prop_map(UnitChange::Put),
        2 => id.prop_map(UnitChange::Remove),
        1 => unit().prop_map(|unit| UnitChange::Hold {
            id: unit.id.clone(),
            stand_in: Some(unit),
        }),
        1 => unit().prop_map(|unit| UnitChange::Hold {
            id: unit.id,
            stand_in: None,
        }),
    ]
}

/// At most one change for each unit, in any order.
fn batch() -> impl Strategy<Value = Vec<UnitChange>> {
    vec(change(), 1..8).prop_map(|mut changes| {
        let mut seen = Vec::new();
        changes.retain(|change| {
            let fresh = !seen.contains(change.id());
            seen.push(change.id().clone());
            fresh
        });
        changes
    })
}

/// What is to run after some changes: the rules for holding, and nothing else.
#[derive(Default)]
struct Model {
    units: BTreeMap<UnitId, Unit>,
    stand_ins: Vec<UnitId>,
}

impl Model {
    fn apply(&mut self, change: &UnitChange) {
        let id = change.id();
        let has_good = self.units.contains_key(id) && !self.stand_ins.contains(id);
        if matches!(change, UnitChange::Hold { .. }) && has_good {
            return;
        }
        self.units.remove(id);
        self.stand_ins.retain(|other| other != id);
        match change {
            UnitChange::Put(unit) => drop(self.units.insert(id.clone(), unit.clone())),
            UnitChange::Hold {
                stand_in: Some(unit),
                ..
            } => {
                self.units.insert(id.clone(), unit.clone());
                self.stand_ins.push(id.clone());
            }
            UnitChange::Hold { stand_in: None, .. } | UnitChange::Remove(_) => {}
        }
    }

    fn afresh(&self) -> Active {
        let changes: Vec<_> = self.units.values().cloned().map(UnitChange::Put).collect();
        let mut active = Active::default();
        active.apply(&changes);
        active
    }
}

/// What `active` says to everything that can be asked of it.
fn answers(active: &Active) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for (slot, port) in active.ports() {
        let at = format!("{} {}", port.key.gateway, port.key.socket());
        let listeners: Vec<_> = port.listeners().collect();
        answers.insert(format!("{at} listeners"), format!("{listeners:?}"));
        for host in ["", "a.h", "b.h", "a.b.h", "o"] {
            for path in ["/", "/p", "/p/q", "/q/x/", "/p/q/x/y"] {
                for head in ["GET", "HEAD", "PUT", "POST"] {
                    for beta in ["", " x-beta=1"] {
                        let request = format!("{head} {host}{path}{beta}");
                        let taker = taker_at(active, slot, &request);
                        answers.insert(format!("{at} {request}"), taker);
                    }
                }
            }
        }
    }
    for service in ["a", "b", "c"] {
        for port in [80, 81] {
            let addresses = active.addresses(&ObjectName::new("n", service), port);
            answers.insert(format!("{service}:{port}"), format!("{addresses:?}"));
        }
    }
    answers.insert("root".into(), active.root().to_string());
    answers
}

fn check(batches: Vec<Vec<UnitChange>>) -> Result<(), TestCaseError> {
    let (mut active, mut model) = (Active::default(), Model::default());
    for batch in batches {
        for change in &batch {
            model.apply(change);
        }
        active.apply(&batch);
        prop_assert_eq!(answers(&active), answers(&model.afresh()));
    }
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn any_edits_lead_to_what_a_start_from_scratch_gives() {
    runner(64).run(&vec(batch(), 1..12), check).unwrap();
}

#[test]
fn the_order_of_changes_within_a_batch_does_not_matter() {
    let batches = (vec(batch(), 1..6), any::<u64>());
    let outcome = runner(64).run(&batches, |(batches, seed)| {
        let (mut one, mut two) = (Active::default(), Active::default());
        let mut random = fastrand::Rng::with_seed(seed);
        for mut batch in batches {
            one.apply(&batch);
            random.shuffle(&mut batch);
            two.apply(&batch);
            prop_assert_eq!(answers(&one), answers(&two));
        }
        Ok(())
    });
    outcome.unwrap();
}
