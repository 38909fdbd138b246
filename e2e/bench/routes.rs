//! Routes, as a user applies them.
//!
//! In: names. Out: applied objects. All are on one host, so that an edit is one among all of them
//! in the table that the proxies search.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::fleet::GATEWAY;

/// The host of all routes.
pub(crate) const HOST: &str = "api.example.com";

/// How many are applied at a time when there are many.
const AT_A_TIME: usize = 8;

/// The routes of a namespace.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) api: Api<DynamicObject>,
}

/// What the API server made of an apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    /// The object's generation now.
    pub(crate) generation: i64,
    /// How long the answer took.
    pub(crate) took: Duration,
}

impl Routes {
    /// Those of `namespace`.
    pub(crate) fn new(client: &Client, namespace: &str) -> Self {
        let resource = ApiResource {
            group: "tollgate.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "tollgate.dev/v1alpha1".to_owned(),
            kind: "ApiRoute".to_owned(),
            plural: "apiroutes".to_owned(),
        };
        let api = Api::namespaced_with(client.clone(), namespace, &resource);
        Self { api }
    }

    /// Applies a route that answers `body` at its [`path`].
    ///
    /// # Errors
    /// The API server doesn't take it.
    pub(crate) async fn apply(&self, name: &str, body: &str) -> anyhow::Result<Applied> {
        let params = PatchParams::apply("bench");
        let patch = Patch::Apply(manifest(name, body));
        let began = Instant::now();
        let applied = self.api.patch(name, &params, &patch).await;
        let took = began.elapsed();
        let applied = applied.with_context(|| format!("apply {name}"))?;
        let generation = applied.metadata.generation.context("no generation")?;
        Ok(Applied { generation, took })
    }

    /// Applies routes that are there to be many.
    ///
    /// # Errors
    /// The API server doesn't take one.
    pub(crate) async fn apply_many(&self, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
        let names = numbers.map(present);
        let applying = names.map(|name| async move { self.apply(&name, "present").await });
        let applying = stream::iter(applying).buffer_unordered(AT_A_TIME);
        applying.try_for_each(async |_| Ok(())).await
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// The API server doesn't.
    pub(crate) async fn delete(&self, name: &str) -> anyhow::Result<()> {
        let deleted = self.api.delete(name, &DeleteParams::default()).await;
        deleted.with_context(|| format!("delete {name}"))?;
        Ok(())
    }
}

/// A route that is there to be one of many.
pub(crate) fn present(number: usize) -> String {
    format!("present-{number}")
}

/// Where a route answers.
pub(crate) fn path(name: &str) -> String {
    format!("/v1/{name}/items/1")
}

fn manifest(name: &str, body: &str) -> Value {
    json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
           "metadata": {"name": name},
           "spec": {"gateways": [{"name": GATEWAY}], "hostnames": [HOST], "basePath": "/v1",
                    "rules": [{"name": "item",
                               "match": [{"method": "GET", "path": format!("/{name}/items/{{id}}")}],
                               "respond": {"status": 200, "body": body}}]}})
}
