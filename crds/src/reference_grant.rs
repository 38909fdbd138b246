//! ReferenceGrant of Gateway API: a namespace's word that objects of others may refer to its own
//! (<https://gateway-api.sigs.k8s.io/api-types/referencegrant/>). It is read here, never defined: no
//! CRD is made of it.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Permits references from objects of some namespaces to objects of the grant's own namespace.
/// Versions `v1beta1` and `v1` of the kind are alike.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1beta1",
    kind = "ReferenceGrant",
    plural = "referencegrants",
    namespaced,
    schema = "disabled",
    derive = "PartialEq",
    doc = "Permits references from objects of some namespaces to objects of its own."
)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrantSpec {
    /// Who may refer: any of these.
    pub from: Vec<GrantFrom>,
    /// To what: any of these.
    pub to: Vec<GrantTo>,
}

/// Objects of one kind in one namespace that may refer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantFrom {
    /// API group; empty: the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
}

/// Objects of one kind in the grant's namespace that may be referred to.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantTo {
    /// API group; empty: the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name. Default: every object of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
