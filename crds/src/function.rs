//! Function: code that answers requests, as a pod template in a cluster and as a process
//! standalone.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    status::ObjectStatus,
    value::{Duration, Size},
};

/// Code that answers requests.
#[derive(CustomResource, Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "tollgate.dev",
    version = "v1alpha1",
    kind = "Function",
    plural = "functions",
    shortname = "fn",
    category = "tollgate",
    namespaced,
    status = "ObjectStatus",
    derive = "PartialEq",
    doc = "Code that answers requests: an unmodified AWS Lambda function, or a server on $PORT.",
    printcolumn(name = "Contract", type_ = "string", json_path = ".spec.contract"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Accepted")].status"#
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "has(self.process) || has(self.template)"
).message("at least one of process and template"))]
pub struct FunctionSpec {
    /// How it is called. `lambda`: through the AWS Lambda Runtime API
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>). `http`: it listens on
    /// `$PORT` and gets the request; this one is not supported yet, and refused.
    #[x_kube(validation = kube::core::Rule::new(
        "self != 'http'"
    ).message("the http contract is not supported yet, only lambda is"))]
    pub contract: Contract,
    /// The command that is started standalone. Not used in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The pod template that is run in a cluster. Not used standalone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub template: Option<Value>,
    /// Longest time for one call, up to 15m. Default `3s`, as AWS Lambda has it. Longer: 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = crate::rule::timeout())]
    pub timeout: Option<Duration>,
    /// How many calls one instance serves at a time. Default 1. More has no effect yet, and a
    /// warning says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: Option<i32>,
    /// Memory that the function is told it has; at least 1Mi. Default `128Mi`. It is not enforced
    /// standalone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(
        "!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('1Mi')) >= 0"
    ).message("must be at least 1Mi"))]
    pub memory: Option<Size>,
    /// How many instances run in a cluster. Standalone there is one, whatever is said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Contract {
    /// Through the AWS Lambda Runtime API.
    Lambda,
    /// As an HTTP server on `$PORT`.
    Http,
}

/// A local command.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The program and its arguments. A program with a slash is relative to the folder of the
    /// manifest, one without is looked up in `PATH`.
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
    #[x_kube(validation = kube::core::Rule::new(
        "self.size() == 0 || self[0] != ''"
    ).message("must name a program"))]
    pub command: Vec<String>,
    /// Folder in which it runs, relative to the folder of the manifest. Default: that folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub working_dir: Option<String>,
    /// Environment, beside `PATH`, `HOME`, `TZ` and `LANG` of the gateway, over which these win.
    /// The names that the Lambda contract reserves win over these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
}

/// One environment variable.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Name.
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$")
    )]
    pub name: String,
    /// Value. Default: empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32768))]
    pub value: String,
}

/// How many instances run in a cluster.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(
    "!has(self.min) || !has(self.max) || self.min <= self.max"
).message("min is at most max"))]
pub struct Scaling {
    /// Fewest instances. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min: Option<i32>,
    /// Most instances. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<i32>,
    /// Percentage of an instance's `concurrency` that the autoscaler aims at. Default 70.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub target_utilization: Option<i32>,
    /// How long the last instance stays without a call. Default `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
}

/// A pod template is Kubernetes' own type: kept as it is here, parsed where it is used.
fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
