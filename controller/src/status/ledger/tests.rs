//! From what happens in a cluster to what its objects say.

use std::slice;

use serde_json::Value;

use super::*;
use crate::{
    proxies::Running,
    status::{
        scene::{
            Scene, bad_route, calling, endpoints, forwarding, function, gateway, object, route,
            service, unit,
        },
        words::{ConditionType, Word},
    },
};

/// A scene, and the ledger of what happened in it.
struct Case {
    scene: Scene,
    ledger: Ledger,
    now: Instant,
}

impl Case {
    /// A gateway `public` with some ready proxies that run the newest set.
    fn with_proxies(pods: &[&str]) -> Self {
        let scene = Scene::new();
        let ledger = Ledger::new(scene.snapshots.clone());
        let now = Instant::now();
        let mut case = Self { scene, ledger, now };
        case.put(&gateway("public"), 1);
        case.news(endpoints("public", pods, &[]));
        case.adopt(pods);
        case
    }

    fn put(&mut self, manifest: &Value, generation: i64) -> Dirty {
        let news = self.scene.put(manifest, generation, Value::Null);
        self.news(news)
    }

    fn news(&mut self, news: News) -> Dirty {
        self.ledger.take_news(news, self.now)
    }

    fn adopt(&mut self, pods: &[&str]) -> Dirty {
        for pod in pods {
            self.scene.adopts(pod, "public");
        }
        self.proxies()
    }

    fn proxies(&mut self) -> Dirty {
        self.ledger.take_proxies(self.scene.table())
    }

    fn judged(&self, kind: Kind, name: &str) -> Judged {
        let judged = self
            .ledger
            .judge(&object(kind, name), Timestamp::UNIX_EPOCH);
        judged.unwrap()
    }

    /// Reason of a condition of a route.
    fn reason(&self, route: &str, type_: ConditionType) -> String {
        let report = self.judged(Kind::ApiRoute, route).report;
        report.condition(type_).unwrap().reason.clone()
    }

    fn programmed(&self, route: &str) -> String {
        self.reason(route, ConditionType::Programmed)
    }

    /// `acked/total` of a route at its gateways.
    fn counts(&self, route: &str) -> Vec<String> {
        let report = self.judged(Kind::ApiRoute, route).report;
        let gateways = report.gateways.iter();
        gateways
            .map(|at| format!("{} {}/{}", at.name, at.acked, at.total))
            .collect()
    }
}

fn routes(names: &[&str]) -> Dirty {
    names
        .iter()
        .map(|name| object(Kind::ApiRoute, name))
        .collect()
}

#[test]
fn a_route_is_programmed_when_every_ready_proxy_runs_it() {
    let mut case = Case::with_proxies(&["a", "b"]);
    case.put(&route("orders", &["public"], 200), 1);
    assert_eq!(case.programmed("orders"), "Pending");
    assert_eq!(case.counts("orders"), ["public 0/2"]);
    case.adopt(&["a"]);
    assert_eq!(case.programmed("orders"), "Pending");
    assert_eq!(case.counts("orders"), ["public 1/2"]);
    case.adopt(&["b"]);
    assert_eq!(case.programmed("orders"), "Programmed");
    assert_eq!(case.counts("orders"), ["public 2/2"]);
    assert_eq!(case.reason("orders", ConditionType::Ready), "Ready");
}

#[test]
fn a_proxy_that_runs_the_generation_before_has_not_got_this_one() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    case.put(&route("orders", &["public"], 201), 2);
    assert_eq!(case.programmed("orders"), "Pending");
    let report = case.judged(Kind::ApiRoute, "orders").report;
    assert_eq!(report.generation, Some(2));
    assert!(
        report
            .conditions
            .iter()
            .all(|one| one.observed_generation == Some(2))
    );
}

#[test]
fn only_what_differs_between_two_sets_is_judged_again() {
    let mut case = Case::with_proxies(&["a"]);
    for name in ["one", "two", "three"] {
        case.put(&route(name, &["public"], 200), 1);
    }
    case.adopt(&["a"]);
    let edited = case.put(&route("two", &["public"], 201), 2);
    assert_eq!(edited, routes(&["two"]));
    assert_eq!(case.adopt(&["a"]), routes(&["two"]));
    assert_eq!(case.adopt(&["a"]), routes(&[]));
}

#[test]
fn a_gateway_without_ready_proxies_serves_nothing() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    let dirty = case.news(endpoints("public", &[], &["a"]));
    assert!(dirty.contains(&object(Kind::ApiRoute, "orders")));
    assert_eq!(case.programmed("orders"), "NoProxies");
    let gateway = case.judged(Kind::ApiGateway, "public").report;
    let programmed = gateway.condition(ConditionType::Programmed).unwrap();
    assert_eq!(programmed.reason, "NoProxies");
    case.news(endpoints("public", &["a"], &[]));
    assert_eq!(case.programmed("orders"), "Programmed");
}

#[test]
fn a_proxy_that_is_not_ready_does_not_count() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.news(endpoints("public", &["a"], &["late"]));
    case.adopt(&["a"]);
    assert_eq!(case.counts("orders"), ["public 1/1"]);
}

#[test]
fn a_proxy_that_hangs_up_runs_what_it_ran_as_long_as_it_is_ready() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    case.scene.hangs_up("a");
    assert_eq!(case.proxies(), routes(&[]));
    assert_eq!(case.programmed("orders"), "Programmed");
    case.put(&route("orders", &["public"], 201), 2);
    assert_eq!(case.programmed("orders"), "Pending");
    case.news(endpoints("public", &[], &[]));
    assert_eq!(case.programmed("orders"), "NoProxies");
}

#[test]
fn of_a_root_that_nobody_knows_nothing_is_concluded() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    let unknown = tollgate_snapshot::Hash::from_bytes([7; 32]);
    case.scene.says("a", "public", Some(unknown), &[]);
    assert_eq!(case.proxies(), routes(&[]));
    assert_eq!(case.programmed("orders"), "Programmed");
}

#[test]
fn a_root_that_is_published_later_is_understood_then() {
    let mut case = Case::with_proxies(&["a"]);
    // Another replica is ahead: its proxy runs what is not published here yet.
    let mut ahead = Scene::new();
    ahead.put(&gateway("public"), 1, Value::Null);
    ahead.put(&route("orders", &["public"], 200), 1, Value::Null);
    let root = ahead.root("public");
    case.scene.says("a", "public", Some(root), &[]);
    case.proxies();
    case.put(&route("orders", &["public"], 200), 1);
    assert_eq!(case.programmed("orders"), "Programmed");
}

#[test]
fn a_proxy_of_which_nothing_is_known_is_said_to_be_unheard() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    assert_eq!(case.judged(Kind::ApiRoute, "orders").unheard, None);
    case.news(endpoints("public", &["a", "new"], &[]));
    assert_eq!(
        case.judged(Kind::ApiRoute, "orders").unheard,
        Some(case.now)
    );
    let dirty = case.adopt(&["new"]);
    assert!(dirty.contains(&object(Kind::ApiRoute, "orders")));
    assert_eq!(case.judged(Kind::ApiRoute, "orders").unheard, None);
    assert_eq!(case.counts("orders"), ["public 2/2"]);
}

#[test]
fn what_a_proxy_rejects_is_said_to_the_author() {
    let mut case = Case::with_proxies(&["a", "b"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    let rejected = [(
        unit(UnitKind::Route, "orders"),
        Running::Rejected,
        "rules[0].path: too long",
    )];
    let root = case.scene.root("public");
    case.scene.says("b", "public", Some(root), &rejected);
    assert!(case.proxies().contains(&object(Kind::ApiRoute, "orders")));
    let report = case.judged(Kind::ApiRoute, "orders").report;
    let programmed = report.condition(ConditionType::Programmed).unwrap();
    assert_eq!(programmed.reason, "Rejected");
    let expected = "rules[0].path: too long (at 1 of 2 proxies of gateway shop/public)";
    assert_eq!(programmed.message, expected);
    assert!(report.is_true(ConditionType::Stalled));
    assert_eq!(case.counts("orders"), ["public 1/2"]);
    case.adopt(&["b"]);
    assert_eq!(case.programmed("orders"), "Programmed");
}

#[test]
fn a_refused_object_is_held_and_says_what_serves() {
    let rows = [
        (Running::HeldAtLastGood, Word::HeldAtLastGood),
        (Running::HeldWithoutLastGood, Word::HeldWithoutLastGood),
    ];
    for (running, word) in rows {
        let mut case = Case::with_proxies(&["a"]);
        case.put(&route("orders", &["public"], 200), 1);
        case.adopt(&["a"]);
        case.put(&bad_route("orders", &["public"]), 2);
        assert_eq!(case.reason("orders", ConditionType::Accepted), "Invalid");
        let held = [(unit(UnitKind::Route, "orders"), running, "")];
        let root = case.scene.root("public");
        case.scene.says("a", "public", Some(root), &held);
        case.proxies();
        assert_eq!(case.programmed("orders"), word.as_str());
        let report = case.judged(Kind::ApiRoute, "orders").report;
        assert!(report.is_true(ConditionType::Stalled));
        assert_eq!(case.reason("orders", ConditionType::Ready), "Invalid");
        case.put(&route("orders", &["public"], 200), 3);
        case.adopt(&["a"]);
        assert_eq!(case.reason("orders", ConditionType::Ready), "Ready");
    }
}

#[test]
fn each_gateway_that_a_route_names_is_judged_on_its_own() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&gateway("internal"), 1);
    case.put(&route("orders", &["public", "internal", "missing"], 200), 1);
    case.adopt(&["a"]);
    assert_eq!(
        case.counts("orders"),
        ["public 1/1", "internal 0/0", "missing 0/0"]
    );
    let report = case.judged(Kind::ApiRoute, "orders").report;
    let reasons = report.gateways.iter().map(|at| {
        let reasons = at.conditions.iter();
        reasons
            .map(|one| one.reason.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    });
    let reasons: Vec<String> = reasons.collect();
    let expected = [
        "Accepted Programmed",
        "Accepted NoProxies",
        "GatewayNotFound NotAttached",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(case.programmed("orders"), "NotAttached");
    assert_eq!(
        case.reason("orders", ConditionType::ResolvedRefs),
        "GatewayNotFound"
    );
    assert!(
        report.condition(ConditionType::Stalled).is_none(),
        "the gateway may come"
    );
}

#[test]
fn a_function_counts_at_the_gateways_whose_routes_call_it() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&function("products"), 1);
    let programmed = |case: &Case| {
        let report = case.judged(Kind::Function, "products").report;
        let programmed = report.condition(ConditionType::Programmed).unwrap();
        format!("{} {}", programmed.status, programmed.reason)
    };
    assert_eq!(programmed(&case), "True NotReferenced");
    let dirty = case.put(&calling("orders", "public", "products"), 1);
    assert!(dirty.contains(&object(Kind::Function, "products")));
    assert_eq!(programmed(&case), "False Pending");
    case.adopt(&["a"]);
    assert_eq!(programmed(&case), "True Programmed");
    let news = case.scene.remove(Kind::ApiRoute, "orders");
    assert!(
        case.news(news)
            .contains(&object(Kind::Function, "products"))
    );
    assert_eq!(programmed(&case), "True NotReferenced");
}

#[test]
fn lists_that_are_held_degrade_every_gateway_and_nothing_else() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    case.adopt(&["a"]);
    let held = Held {
        kind: Kind::ApiRoute,
        namespace: None,
        had: 40,
        listed: 3,
        accept: "3-of-40".to_owned(),
    };
    let news = |held: &[Held]| News {
        held: Some(held.to_vec()),
        ..News::default()
    };
    assert_eq!(
        case.news(news(slice::from_ref(&held))),
        Dirty::from([object(Kind::ApiGateway, "public")])
    );
    let report = case.judged(Kind::ApiGateway, "public").report;
    assert!(report.is_true(ConditionType::Degraded) && report.is_true(ConditionType::Ready));
    let degraded = report.condition(ConditionType::Degraded).unwrap();
    assert!(
        degraded.message.contains("ApiRoute=3-of-40"),
        "{}",
        degraded.message
    );
    let route = case.judged(Kind::ApiRoute, "orders").report;
    assert!(route.condition(ConditionType::Degraded).is_none());
    assert!(case.news(news(slice::from_ref(&held))).is_empty());
    case.news(news(&[]));
    let report = case.judged(Kind::ApiGateway, "public").report;
    assert!(report.condition(ConditionType::Degraded).is_none());
}

#[test]
fn a_condition_keeps_its_time_until_its_status_turns() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    let (early, late) = (Timestamp::from_second(10), Timestamp::from_second(20));
    let orders = object(Kind::ApiRoute, "orders");
    let before = case.ledger.judge(&orders, early.unwrap()).unwrap().report;
    let version = case
        .ledger
        .object(&orders)
        .unwrap()
        .resource_version
        .clone();
    case.ledger
        .wrote(&orders, &version, "next".to_owned(), before.clone());
    assert!(case.ledger.is_known_as(&orders, "next"));
    let same = case
        .ledger
        .judge(&orders, late.clone().unwrap())
        .unwrap()
        .report;
    assert_eq!(same, before, "nothing differs, so nothing is written");
    case.adopt(&["a"]);
    let after = case.ledger.judge(&orders, late.unwrap()).unwrap().report;
    let second = |type_| {
        let condition = after.condition(type_).unwrap();
        condition.last_transition_time.0.as_second()
    };
    assert_eq!(second(ConditionType::Accepted), 10);
    assert_eq!(second(ConditionType::Programmed), 20);
    assert_eq!(second(ConditionType::Ready), 20);
}

#[test]
fn a_status_survives_its_way_over_the_api_server() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&function("products"), 1);
    case.put(&calling("orders", "public", "products"), 1);
    case.adopt(&["a"]);
    for (kind, name) in [
        (Kind::ApiGateway, "public"),
        (Kind::ApiRoute, "orders"),
        (Kind::Function, "products"),
    ] {
        let report = case.judged(kind, name).report;
        let mut status = report.to_status(kind).unwrap();
        assert_eq!(
            Report::read(kind, &status).as_ref(),
            Some(&report),
            "{kind:?}"
        );
        let foreign = serde_json::json!({
            "type": "Reviewed", "status": "True", "reason": "Yes", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        status["conditions"]
            .as_array_mut()
            .unwrap()
            .insert(0, foreign);
        assert_eq!(Report::read(kind, &status), Some(report), "{kind:?}");
    }
}

#[test]
fn an_object_that_comes_back_starts_without_a_status() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("orders", &["public"], 200), 1);
    let orders = object(Kind::ApiRoute, "orders");
    let report = case.judged(Kind::ApiRoute, "orders").report;
    let news = case.scene.remove(Kind::ApiRoute, "orders");
    case.news(news);
    assert!(case.ledger.judge(&orders, Timestamp::UNIX_EPOCH).is_none());
    case.put(&route("orders", &["public"], 200), 1);
    // A write to the one before ends only now.
    case.ledger
        .wrote(&orders, "an older version", "next".to_owned(), report);
    assert!(case.ledger.object(&orders).unwrap().report.is_none());
}

#[test]
fn an_edit_of_one_of_many_routes_judges_one() {
    let mut case = Case::with_proxies(&["a", "b"]);
    for i in 0..500 {
        let name = format!("route-{i}");
        case.put(&route(&name, &["public"], 200), 1);
    }
    case.adopt(&["a", "b"]);
    let edited = case.put(&route("route-7", &["public"], 201), 2);
    assert_eq!(edited, routes(&["route-7"]));
    assert_eq!(case.adopt(&["a", "b"]), routes(&["route-7"]));
}

#[test]
fn endpoints_that_a_proxy_rejects_are_said_at_the_routes_that_need_them() {
    let mut case = Case::with_proxies(&["a"]);
    let news = case.scene.change(service("products"), Vec::new());
    case.news(news);
    case.put(&forwarding("orders", "public", "products"), 1);
    case.put(&route("other", &["public"], 200), 1);
    case.adopt(&["a"]);
    let endpoints = unit(UnitKind::Endpoints, "products");
    let root = case.scene.root("public");
    let rejected = [(endpoints, Running::Rejected, "too many")];
    case.scene.says("a", "public", Some(root), &rejected);
    assert_eq!(case.proxies(), routes(&["orders"]));
    assert_eq!(case.programmed("orders"), "Rejected");
    assert_eq!(case.programmed("other"), "Programmed");
    let report = case.judged(Kind::ApiRoute, "orders").report;
    let programmed = report.condition(ConditionType::Programmed).unwrap();
    let expected = "endpoints/shop/products: too many (at 1 of 1 proxies of gateway shop/public)";
    assert_eq!(programmed.message, expected);
    assert_eq!(case.adopt(&["a"]), routes(&["orders"]));
    assert_eq!(case.programmed("orders"), "Programmed");
}

#[test]
fn a_set_that_a_proxy_refuses_is_said_at_the_objects_that_differ() {
    let mut case = Case::with_proxies(&["a"]);
    case.put(&route("same", &["public"], 200), 1);
    case.put(&route("edited", &["public"], 200), 1);
    case.adopt(&["a"]);
    case.put(&route("edited", &["public"], 201), 2);
    case.scene.refuses("a", "rolled back");
    case.proxies();
    assert_eq!(case.programmed("same"), "Programmed");
    assert_eq!(case.programmed("edited"), "Refused");
    let report = case.judged(Kind::ApiRoute, "edited").report;
    assert!(report.condition(ConditionType::Stalled).is_none());
    case.adopt(&["a"]);
    assert_eq!(case.programmed("edited"), "Programmed");
}
