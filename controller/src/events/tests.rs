//! Events as the API server gets them.

use std::sync::{Arc, Mutex};

use prometheus::Registry;
use tollgate_compile::Kind;

use super::*;
use crate::fake_api::{self, Call, failure};

fn transition(name: &str, message: &str) -> Transition {
    Transition {
        object: ObjectRef::new(Kind::ApiRoute, "shop", name),
        uid: format!("uid-{name}"),
        condition: "Accepted",
        holds: false,
        reason: "Invalid".to_owned(),
        message: message.to_owned(),
    }
}

/// The calls that some transitions make, and how many were dropped; `code`: every answer's.
async fn calls(told: Vec<Transition>, code: u16) -> (Vec<Call>, u64) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let client = fake_api::client(move |call: Call| {
        noted.lock().unwrap().push(call.clone());
        async move {
            match code {
                200 => (200, call.body),
                code => failure(code, "refused"),
            }
        }
    });
    let metrics = StatusMetrics::new(&Registry::new()).unwrap();
    let (sender, receiver) = mpsc::channel(told.len());
    for transition in told {
        sender.try_send(transition).unwrap();
    }
    drop(sender);
    record(client, "tollgate-0".to_owned(), receiver, metrics.clone()).await;
    let calls = calls.lock().unwrap().clone();
    (calls, metrics.events_dropped.get())
}

#[tokio::test(start_paused = true)]
async fn an_event_says_what_turned_and_of_whom() {
    let (calls, _) = calls(vec![transition("orders", "spec.rules[0]: is wrong")], 200).await;
    let [call] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(call.method, "POST");
    let path = "/apis/events.k8s.io/v1/namespaces/shop/events";
    assert!(call.target.starts_with(path), "{}", call.target);
    let body = &call.body;
    assert_eq!(body["type"], "Warning");
    assert_eq!(body["reason"], "Invalid");
    assert_eq!(body["action"], "Accepted");
    assert_eq!(body["note"], "spec.rules[0]: is wrong");
    assert_eq!(body["reportingController"], CONTROLLER);
    let regarding = &body["regarding"];
    assert_eq!(regarding["apiVersion"], "tollgate.dev/v1alpha1");
    assert_eq!(regarding["kind"], "ApiRoute");
    assert_eq!(regarding["name"], "orders");
    assert_eq!(regarding["uid"], "uid-orders");
}

#[tokio::test(start_paused = true)]
async fn equal_events_become_a_series() {
    let (calls, _) = calls(vec![transition("orders", ""); 3], 200).await;
    let methods: Vec<&str> = calls.iter().map(|call| &*call.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH"]);
    assert_eq!(calls[2].body["series"]["count"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_transitions_is_capped_and_counted() {
    let told = (0..200).map(|i| transition(&format!("route-{i}"), ""));
    let (calls, dropped) = calls(told.collect(), 200).await;
    assert_eq!((calls.len(), dropped), (50, 150));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_is_dropped() {
    let told = vec![transition("orders", ""), transition("products", "")];
    let (calls, dropped) = calls(told, 403).await;
    assert_eq!((calls.len(), dropped), (2, 2));
}
