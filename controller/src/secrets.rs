//! Secrets and ConfigMaps that the operator itself reads and writes, one by one, by name.
//!
//! In: names and contents. Out: what is there, and whether a write got through; every call has an
//! end. What they mean is not known here, and no content is ever logged.

use std::{collections::BTreeMap, future::ready, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::ObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Who the operator says it is when it applies.
pub(crate) const FIELD_MANAGER: &str = "tollgate-controller";

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a watch may be silent until it is begun anew, in seconds.
const WATCH_SECONDS: u32 = 45;

/// Failures in a row after which a watch is begun anew.
const FAILURES: u32 = 4;

/// Why a call did not get through.
#[derive(Debug, Error)]
pub(crate) enum CallFailed {
    /// Somebody else was first: there is such an object already, or it is another one by now.
    #[error("somebody else has written it")]
    Conflict,
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Ends a call that takes too long, and says what is wrong with one that failed.
pub(crate) async fn in_time<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallFailed> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 => CallFailed::NotFound,
            409 => CallFailed::Conflict,
            code => CallFailed::Failed(format!("{code}: {}", status.message)),
        }),
        Ok(Err(error)) => Err(CallFailed::Failed(error.to_string())),
        Err(_) => Err(CallFailed::Failed("no answer in time".to_owned())),
    }
}

/// Follows one Secret; `None`: there is none.
pub(crate) fn follow(
    client: Client,
    namespace: &str,
    name: &str,
) -> impl Stream<Item = Option<Secret>> + Send + use<> {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let only = only.timeout(WATCH_SECONDS);
    let shown = format!("{namespace}/{name}");
    // The library asks for ever for a version that the server does not know any more: after some
    // failures in a row the Secret is listed anew.
    let attempt = move |()| {
        let events = watcher(api.clone(), only.clone()).default_backoff();
        let attempt = until_failures(events, shown.clone());
        ready(Some((attempt, ())))
    };
    stream::unfold((), attempt).flatten()
}

/// What a watch of one Secret says, until it fails several times in a row.
fn until_failures(
    events: impl Stream<Item = watcher::Result<Event<Secret>>> + Send,
    shown: String,
) -> impl Stream<Item = Option<Secret>> + Send {
    let (mut listed, mut failures) = (false, 0);
    let said = events.map(move |event| {
        failures = match &event {
            Ok(_) => 0,
            Err(error) => {
                tracing::warn!(secret = %shown, %error, "can't watch a Secret");
                failures + 1
            }
        };
        if failures == FAILURES {
            return None;
        }
        Some(match event {
            Ok(Event::Init) => {
                listed = false;
                None
            }
            Ok(Event::InitApply(secret)) => {
                listed = true;
                Some(Some(secret))
            }
            Ok(Event::InitDone) => (!listed).then_some(None),
            Ok(Event::Apply(secret)) => Some(Some(secret)),
            Ok(Event::Delete(_)) => Some(None),
            Err(_) => None,
        })
    });
    said.take_while(|said| ready(said.is_some()))
        .filter_map(|said| ready(said.flatten()))
}

/// What a Secret has under a key.
pub(crate) fn field<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let data = secret.data.as_ref()?;
    data.get(key).map(|bytes| &bytes.0[..])
}

/// A Secret of these contents.
pub(crate) fn secret<const N: usize>(metadata: ObjectMeta, data: [(&str, Vec<u8>); N]) -> Secret {
    let data = data.map(|(key, bytes)| (key.to_owned(), ByteString(bytes)));
    Secret {
        metadata,
        data: Some(BTreeMap::from(data)),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The metadata of an object that the operator writes.
pub(crate) fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    let managed = ("app.kubernetes.io/managed-by", FIELD_MANAGER);
    let labels = BTreeMap::from([(managed.0.to_owned(), managed.1.to_owned())]);
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// Applies an object: whatever else wrote these fields before has no say in them any more.
pub(crate) async fn apply<K>(api: &Api<K>, object: &K) -> Result<K, CallFailed>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Resource + Serialize,
{
    let name = object.meta().name.clone().unwrap_or_default();
    let options = PatchParams::apply(FIELD_MANAGER).force();
    in_time(api.patch(&name, &options, &Patch::Apply(object))).await
}
