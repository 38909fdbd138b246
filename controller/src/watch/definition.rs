//! Whether a kind is still defined.
//!
//! In: the name of a CRD. Out: what the API server says of it now. When a CRD is deleted, the API
//! server first deletes all its objects, one by one, and the watch says so as if somebody had meant
//! each of them. Only the CRD tells the one from the other: it is marked before the first goes.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, Error};
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What the API server says of a CRD.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Definition {
    /// It is there to stay.
    There,
    /// It is gone or about to go.
    Going,
    /// We may not look.
    Hidden,
    /// Nobody can say right now.
    Unknown,
}

/// Asks for a CRD. The answer is as new as the question, never from a cache.
pub(super) async fn ask(client: Client, name: String) -> Definition {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    match timeout(ANSWER, api.get_metadata_opt(&name)).await {
        Ok(Ok(Some(found))) if found.metadata.deletion_timestamp.is_none() => Definition::There,
        Ok(Ok(_)) => Definition::Going,
        Ok(Err(Error::Api(status))) if status.code == 403 => Definition::Hidden,
        Ok(Err(_)) | Err(_) => Definition::Unknown,
    }
}
