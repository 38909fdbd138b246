//! References from one object to another. They say whom an object means, not whether it exists.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An ApiGateway that serves a route.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRef {
    /// Name of the ApiGateway.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Namespace of the ApiGateway. Default: the route's own. Another namespace's gateway must
    /// admit the route with its `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
    /// Name of one listener of the gateway. Default: all its listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub listener: Option<String>,
}

/// A Function.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionRef {
    /// Name of the Function.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Namespace of the Function. Default: the route's own. Another namespace must permit it with a
    /// Gateway API ReferenceGrant, from ApiRoute of `tollgate.dev` to Function of `tollgate.dev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
    /// Format of the event that the function receives. `v2`, the default, is the AWS HTTP API
    /// payload format 2.0
    /// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventFormat>,
}

/// The event formats.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum EventFormat {
    /// AWS HTTP API payload format 2.0.
    #[default]
    #[serde(rename = "v2")]
    V2,
}

/// A port of a Service.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// Name of the Service.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Namespace of the Service. Default: the route's own. Another namespace must permit it with a
    /// Gateway API ReferenceGrant, from ApiRoute of `tollgate.dev` to Service of the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
    /// Number or name of a port of the Service.
    #[schemars(schema_with = "crate::value::port")]
    #[x_kube(validation = kube::core::Rule::new(
        "type(self) == int ? self >= 1 && self <= 65535 : self != ''"
    ).message("must be 1 to 65535, or the name of a port"))]
    pub port: IntOrString,
}
