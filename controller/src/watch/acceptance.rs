//! Whether somebody accepts a loss.
//!
//! In: the ConfigMap `tollgate-accept` in the operator's namespace. Out: whether it has the word
//! for what one kind holds. It is read only while something is held.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use tokio::time::timeout;

/// Name of the ConfigMap.
pub const CONFIG_MAP: &str = "tollgate-accept";

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Whether `key` has this value. Nobody said so while the question can't be answered.
pub(super) async fn is_given(client: &Client, namespace: &str, key: &str, value: &str) -> bool {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let Ok(Ok(Some(found))) = timeout(ANSWER, api.get_opt(CONFIG_MAP)).await else {
        return false;
    };
    let given = found.data.as_ref().and_then(|data| data.get(key));
    given.is_some_and(|given| given.trim() == value)
}
