//! Events: a line in `kubectl describe` when an object's conditions turn.
//!
//! In: transitions, from the writer of statuses. Out: events of `events.k8s.io/v1`; equal ones
//! become a series of one event. They are a courtesy: there are never more than a few a second, and
//! one that the API server refuses is dropped.

mod bucket;

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tollgate_compile::ObjectRef;

use self::bucket::Bucket;
use crate::status::StatusMetrics;

/// Who reports, in every event.
const CONTROLLER: &str = "tollgate.dev/controller";

/// Longest time for one event.
const LONGEST: Duration = Duration::from_secs(5);

/// A condition of an object that turned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// The object.
    pub object: ObjectRef,
    /// Its UID.
    pub uid: String,
    /// The type of the condition.
    pub condition: &'static str,
    /// Whether it is true now.
    pub holds: bool,
    /// The reason of the condition.
    pub reason: String,
    /// The message of the condition, at most a kilobyte: the API server takes no longer note.
    pub message: String,
}

/// Writes events until the transitions end. `instance`: the pod's name.
pub async fn record(
    client: Client,
    instance: String,
    mut transitions: mpsc::Receiver<Transition>,
    metrics: StatusMetrics,
) {
    let reporter = Reporter {
        controller: CONTROLLER.to_owned(),
        instance: Some(instance),
    };
    let recorder = Recorder::new(client, reporter);
    let mut bucket = Bucket::full(Instant::now());
    while let Some(transition) = transitions.recv().await {
        if !bucket.take(Instant::now()) {
            metrics.events_dropped.inc();
            continue;
        }
        let (event, regarding) = (event(&transition), reference(&transition));
        let published = timeout(LONGEST, recorder.publish(&event, &regarding)).await;
        match published {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                metrics.events_dropped.inc();
                tracing::warn!(object = %transition.object, %error, "an event can't be written");
            }
            Err(_) => metrics.events_dropped.inc(),
        }
    }
}

fn event(transition: &Transition) -> Event {
    let type_ = match transition.holds {
        true => EventType::Normal,
        false => EventType::Warning,
    };
    let note = transition.message.clone();
    Event {
        type_,
        reason: transition.reason.clone(),
        note: (!note.is_empty()).then_some(note),
        action: transition.condition.to_owned(),
        secondary: None,
    }
}

fn reference(transition: &Transition) -> ObjectReference {
    let object = &transition.object;
    let versions = object.kind.api_versions().first();
    ObjectReference {
        api_version: versions.map(|version| (*version).to_owned()),
        kind: Some(object.kind.as_str().to_owned()),
        namespace: Some(object.name.namespace.to_string()),
        name: Some(object.name.name.to_string()),
        uid: Some(transition.uid.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;
