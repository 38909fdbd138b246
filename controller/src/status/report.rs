//! A report: the status of one object, whatever its kind.
//!
//! In: the status that an object has, or what was judged. Out: the status to write. Conditions of
//! others are neither read nor written.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, from_value, to_value};
use tollgate_compile::Kind;
use tollgate_crds::status::{ApiGatewayStatus, ApiRouteStatus, ObjectStatus, RouteGatewayStatus};

use super::words::ConditionType;

/// The status of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Report {
    /// The generation that it speaks of.
    pub(super) generation: Option<i64>,
    /// The conditions, in the order of [`ConditionType::ALL`].
    pub(super) conditions: Vec<Condition>,
    /// An ApiRoute's gateways.
    pub(super) gateways: Vec<RouteGatewayStatus>,
    /// An ApiGateway's addresses.
    pub(super) addresses: Vec<String>,
}

impl Report {
    /// Reads the status that an object of `kind` has; one that can't be read is as good as none.
    pub(super) fn read(kind: Kind, status: &Value) -> Option<Self> {
        if status.is_null() {
            return None;
        }
        let status = status.clone();
        let mut report = match kind {
            Kind::ApiGateway => Self::from(from_value::<ApiGatewayStatus>(status).ok()?),
            Kind::ApiRoute => Self::from(from_value::<ApiRouteStatus>(status).ok()?),
            Kind::Function => Self::from(from_value::<ObjectStatus>(status).ok()?),
            Kind::Service | Kind::EndpointSlice | Kind::Namespace | Kind::ReferenceGrant => {
                return None;
            }
        };
        report.conditions = ours(&report.conditions);
        Some(report)
    }

    /// The status of an object of `kind`, as it is written.
    ///
    /// # Errors
    /// Only if serialising fails, which no report does.
    pub(super) fn to_status(&self, kind: Kind) -> serde_json::Result<Value> {
        let report = self.clone();
        match kind {
            Kind::ApiGateway => to_value(ApiGatewayStatus {
                observed_generation: report.generation,
                addresses: report.addresses,
                conditions: report.conditions,
            }),
            Kind::ApiRoute => to_value(ApiRouteStatus {
                observed_generation: report.generation,
                gateways: report.gateways,
                conditions: report.conditions,
            }),
            Kind::Function
            | Kind::Service
            | Kind::EndpointSlice
            | Kind::Namespace
            | Kind::ReferenceGrant => to_value(ObjectStatus {
                observed_generation: report.generation,
                conditions: report.conditions,
            }),
        }
    }

    /// One of its conditions.
    pub(super) fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        find(&self.conditions, type_)
    }

    /// Whether a condition is there and true.
    pub(super) fn is_true(&self, type_: ConditionType) -> bool {
        let condition = self.condition(type_);
        condition.is_some_and(|condition| condition.status == "True")
    }

    /// Whether nothing differs but how many proxies there are.
    pub(super) fn differs_in_numbers_alone(&self, other: &Self) -> bool {
        let same = |one: &Condition, other: &Condition| {
            one.type_ == other.type_ && one.status == other.status && one.reason == other.reason
        };
        self.generation == other.generation
            && self.addresses == other.addresses
            && self.gateways.len() == other.gateways.len()
            && self.conditions.len() == other.conditions.len()
            && self
                .conditions
                .iter()
                .zip(&other.conditions)
                .all(|(one, other)| same(one, other))
    }
}

/// One of some conditions.
pub(super) fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    let mut all = conditions.iter();
    all.find(|condition| condition.type_ == type_.as_str())
}

fn ours(conditions: &[Condition]) -> Vec<Condition> {
    let types = ConditionType::ALL.into_iter();
    let ours = types.filter_map(|type_| find(conditions, type_).cloned());
    ours.collect()
}

impl From<ApiGatewayStatus> for Report {
    fn from(status: ApiGatewayStatus) -> Self {
        Self {
            generation: status.observed_generation,
            conditions: status.conditions,
            addresses: status.addresses,
            ..Self::default()
        }
    }
}

impl From<ApiRouteStatus> for Report {
    fn from(status: ApiRouteStatus) -> Self {
        Self {
            generation: status.observed_generation,
            conditions: status.conditions,
            gateways: status.gateways,
            ..Self::default()
        }
    }
}

impl From<ObjectStatus> for Report {
    fn from(status: ObjectStatus) -> Self {
        Self {
            generation: status.observed_generation,
            conditions: status.conditions,
            ..Self::default()
        }
    }
}
