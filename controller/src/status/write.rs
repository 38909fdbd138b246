//! One write of a status.
//!
//! In: an object and the status that it is to have. Out: whether the API server took it, and else
//! when to try again. It is a server-side apply to the status alone, so that conditions of others
//! stay. It names the version that was judged, so that what is said of one object, or of one edit of
//! it, never reaches another.

use std::time::Duration;

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tollgate_compile::{Kind, ObjectRef};
use tollgate_crds::{ApiGateway, ApiRoute, Function};

/// Who writes, among the managers of an object's fields.
pub(super) const MANAGER: &str = "tollgate";

/// Longest time for a write.
const LONGEST: Duration = Duration::from_secs(5);

/// Why a status was not written.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// There is no such object any more.
    Gone,
    /// It is not the version that was judged.
    Stale,
    /// To be tried again, not before the API server asks to.
    Later(Option<Duration>),
}

/// Writes a status over this version of an object; says which version that makes.
pub(super) async fn write(
    client: Client,
    object: &ObjectRef,
    version: &str,
    status: Value,
) -> Result<String, NotWritten> {
    let Some(resource) = resource(object.kind) else {
        return Err(NotWritten::Gone);
    };
    let (namespace, name) = (&*object.name.namespace, &*object.name.name);
    let apply = json!({
        "apiVersion": &resource.api_version,
        "kind": &resource.kind,
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
        "status": status,
    });
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&apply));
    match timeout(LONGEST, api.patch_status(name, &params, &patch)).await {
        Ok(Ok(written)) => Ok(written.metadata.resource_version.unwrap_or_default()),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(NotWritten::Gone),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(NotWritten::Stale),
        Ok(Err(error)) => {
            tracing::warn!(%object, %error, "a status can't be written");
            Err(NotWritten::Later(asked(&error)))
        }
        Err(_) => {
            tracing::warn!(%object, "the API server is too slow to write a status");
            Err(NotWritten::Later(None))
        }
    }
}

/// For how long the API server asks to wait.
fn asked(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else {
        return None;
    };
    let seconds = status.details.as_ref()?.retry_after_seconds;
    let seconds = u64::from(seconds);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The resource of a kind that has a status of ours.
fn resource(kind: Kind) -> Option<ApiResource> {
    match kind {
        Kind::ApiGateway => Some(ApiResource::erase::<ApiGateway>(&())),
        Kind::ApiRoute => Some(ApiResource::erase::<ApiRoute>(&())),
        Kind::Function => Some(ApiResource::erase::<Function>(&())),
        Kind::Service | Kind::EndpointSlice | Kind::Namespace | Kind::ReferenceGrant => None,
    }
}
