//! The objects that users write, as compile takes them: typed where they can be, refused where not.
//!
//! In: an object that a reader (the API server's watch, a folder of manifests) has decoded, or the
//! remains of one that it could not. Out: a reference that names it and its stage of refusal. What
//! an object means is decided elsewhere.

use std::fmt;

use k8s_openapi::api::{
    core::v1::{Namespace, Service},
    discovery::v1::EndpointSlice,
};
use kube::core::ObjectMeta;
use serde_json::Value;
use tollgate_crds::{ApiGateway, ApiRoute, Function, ReferenceGrant};
use tollgate_snapshot::ObjectName;

use crate::problem::Problem;

/// The kinds that compile reads.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// `tollgate.dev` ApiGateway.
    ApiGateway,
    /// `tollgate.dev` ApiRoute.
    ApiRoute,
    /// `tollgate.dev` Function.
    Function,
    /// Core Service.
    Service,
    /// `discovery.k8s.io` EndpointSlice.
    EndpointSlice,
    /// Core Namespace, which is in no namespace itself: that of its [`ObjectName`] is empty.
    Namespace,
    /// `gateway.networking.k8s.io` ReferenceGrant.
    ReferenceGrant,
}

impl Kind {
    /// Every kind, in the order in which they are read.
    pub const ALL: [Self; 7] = [
        Self::ApiGateway,
        Self::ApiRoute,
        Self::Function,
        Self::Service,
        Self::EndpointSlice,
        Self::Namespace,
        Self::ReferenceGrant,
    ];

    /// The kind as manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiGateway => "ApiGateway",
            Self::ApiRoute => "ApiRoute",
            Self::Function => "Function",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Namespace => "Namespace",
            Self::ReferenceGrant => "ReferenceGrant",
        }
    }

    /// Each `apiVersion` that is read, as manifests write it; an object is the same in all.
    pub fn api_versions(self) -> &'static [&'static str] {
        match self {
            Self::ApiGateway | Self::ApiRoute | Self::Function => &["tollgate.dev/v1alpha1"],
            Self::Service | Self::Namespace => &["v1"],
            Self::EndpointSlice => &["discovery.k8s.io/v1"],
            Self::ReferenceGrant => &[
                "gateway.networking.k8s.io/v1",
                "gateway.networking.k8s.io/v1beta1",
            ],
        }
    }

    /// Whether its objects are in namespaces.
    pub fn is_namespaced(self) -> bool {
        match self {
            Self::Namespace => false,
            Self::ApiGateway
            | Self::ApiRoute
            | Self::Function
            | Self::Service
            | Self::EndpointSlice
            | Self::ReferenceGrant => true,
        }
    }
}

/// Names an object, shown as `Kind namespace/name`, or `Kind name` where there is no namespace.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub name: ObjectName,
}

impl ObjectRef {
    /// Names the object `namespace/name` of a kind.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            name: ObjectName::new(namespace, name),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_str();
        match self.kind.is_namespaced() {
            true => write!(f, "{kind} {}", self.name),
            false => write!(f, "{kind} {}", self.name.name),
        }
    }
}

/// An object that decoded. Readers fill in `metadata.namespace` and `metadata.name`.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A gateway.
    ApiGateway(Box<ApiGateway>),
    /// A route.
    ApiRoute(Box<ApiRoute>),
    /// A function.
    Function(Box<Function>),
    /// A Service, for its ports.
    Service(Box<Service>),
    /// Some endpoints of a Service.
    EndpointSlice(Box<EndpointSlice>),
    /// A namespace, for its labels.
    Namespace(Box<Namespace>),
    /// What a namespace lets others refer to.
    ReferenceGrant(Box<ReferenceGrant>),
}

impl Object {
    /// Decodes a manifest of `kind`; unknown fields are skipped.
    ///
    /// # Errors
    /// What serde says of the first field that has the wrong type.
    pub fn decode(kind: Kind, manifest: Value) -> Result<Self, serde_json::Error> {
        use serde_json::from_value;
        Ok(match kind {
            Kind::ApiGateway => Self::ApiGateway(from_value(manifest)?),
            Kind::ApiRoute => Self::ApiRoute(from_value(manifest)?),
            Kind::Function => Self::Function(from_value(manifest)?),
            Kind::Service => Self::Service(from_value(manifest)?),
            Kind::EndpointSlice => Self::EndpointSlice(from_value(manifest)?),
            Kind::Namespace => Self::Namespace(from_value(manifest)?),
            Kind::ReferenceGrant => Self::ReferenceGrant(from_value(manifest)?),
        })
    }

    /// Names the object.
    pub fn reference(&self) -> ObjectRef {
        let kind = match self {
            Self::ApiGateway(_) => Kind::ApiGateway,
            Self::ApiRoute(_) => Kind::ApiRoute,
            Self::Function(_) => Kind::Function,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Namespace(_) => Kind::Namespace,
            Self::ReferenceGrant(_) => Kind::ReferenceGrant,
        };
        let meta = self.metadata();
        let namespace = match kind.is_namespaced() {
            true => meta.namespace.as_deref().unwrap_or("default"),
            false => "",
        };
        ObjectRef::new(kind, namespace, meta.name.as_deref().unwrap_or_default())
    }

    pub(crate) fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::ApiGateway(object) => &object.metadata,
            Self::ApiRoute(object) => &object.metadata,
            Self::Function(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Namespace(object) => &object.metadata,
            Self::ReferenceGrant(object) => &object.metadata,
        }
    }
}

/// One thing that happened to one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is new or has been edited.
    Put(Object),
    /// It is new or has been edited, and its reader refuses it: it does not fit its schema. What it
    /// was before is held; the manifest is kept for the hosts that can be read from it.
    Refuse {
        /// Which object.
        object: ObjectRef,
        /// The manifest as it was read.
        manifest: Value,
        /// Why; at least one.
        problems: Vec<Problem>,
    },
    /// It is gone.
    Remove(ObjectRef),
}
