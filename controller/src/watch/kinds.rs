//! The kinds that are watched: one row each.
//!
//! In: nothing. Out: for every kind where the API server has it, and what of an object is of no use
//! to anybody here and is dropped before it is kept.

use kube::core::ApiResource;
use serde_json::{Map, Value};
use tollgate_compile::Kind;

use crate::names;

/// One kind.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    /// Group; empty: the core group.
    group: &'static str,
    /// The versions that can be read; the first that is served is.
    versions: &'static [&'static str],
    /// Name in paths.
    plural: &'static str,
    /// Whether users write it for us, so that status speaks of it.
    pub(super) is_ours: bool,
    /// Whether a cluster may lack it for ever.
    pub(super) is_optional: bool,
    /// Whether anybody reads its labels.
    pub(super) keeps_labels: bool,
    /// Drops what nobody reads of the fields beside `metadata` of an object of that name.
    pub(super) trim: fn(&mut Map<String, Value>, &str),
}

const OURS: Row = Row {
    kind: Kind::ApiGateway,
    group: tollgate_crds::GROUP,
    versions: &[tollgate_crds::VERSION],
    plural: "",
    is_ours: true,
    is_optional: false,
    keeps_labels: false,
    trim: keep_spec,
};

/// The table, in the order in which the kinds are read.
pub(super) static ROWS: [Row; 7] = [
    Row {
        plural: "apigateways",
        ..OURS
    },
    Row {
        kind: Kind::ApiRoute,
        plural: "apiroutes",
        ..OURS
    },
    Row {
        kind: Kind::Function,
        plural: "functions",
        ..OURS
    },
    Row {
        kind: Kind::Service,
        group: "",
        versions: &["v1"],
        plural: "services",
        is_ours: false,
        trim: trim_service,
        ..OURS
    },
    Row {
        kind: Kind::EndpointSlice,
        group: "discovery.k8s.io",
        versions: &["v1"],
        plural: "endpointslices",
        is_ours: false,
        keeps_labels: true,
        trim: trim_slice,
        ..OURS
    },
    Row {
        kind: Kind::Namespace,
        group: "",
        versions: &["v1"],
        plural: "namespaces",
        is_ours: false,
        keeps_labels: true,
        trim: |fields, _| fields.clear(),
        ..OURS
    },
    Row {
        kind: Kind::ReferenceGrant,
        group: "gateway.networking.k8s.io",
        versions: &["v1", "v1beta1"],
        plural: "referencegrants",
        is_ours: false,
        is_optional: true,
        ..OURS
    },
];

impl Row {
    /// The kind in its versions, the best first.
    pub(super) fn resources(&self) -> impl Iterator<Item = ApiResource> {
        self.versions.iter().map(|version| ApiResource {
            group: self.group.to_owned(),
            version: (*version).to_owned(),
            api_version: match self.group {
                "" => (*version).to_owned(),
                group => format!("{group}/{version}"),
            },
            kind: self.kind.as_str().to_owned(),
            plural: self.plural.to_owned(),
        })
    }

    /// Name of the CRD that makes the kind exist; none: every cluster has it.
    pub(super) fn definition(&self) -> Option<String> {
        let is_custom = self.is_ours || self.is_optional;
        is_custom.then(|| format!("{}.{}", self.plural, self.group))
    }
}

fn keep_spec(fields: &mut Map<String, Value>, _: &str) {
    fields.retain(|name, _| name == "spec");
}

/// Of a Service, others read ports and type; of a gateway's, its addresses as well.
fn trim_service(fields: &mut Map<String, Value>, name: &str) {
    let is_gateways = name.starts_with(names::PREFIX);
    fields.retain(|name, _| name == "spec" || (is_gateways && name == "status"));
    if let Some(Value::Object(spec)) = fields.get_mut("spec") {
        spec.retain(|name, _| match &**name {
            "ports" | "type" => true,
            "clusterIPs" | "externalIPs" => is_gateways,
            _ => false,
        });
    }
    if let Some(Value::Object(status)) = fields.get_mut("status") {
        status.retain(|name, _| name == "loadBalancer");
    }
}

/// Of an endpoint, others read where it is, how it fares, and which pod it is.
fn trim_slice(fields: &mut Map<String, Value>, _: &str) {
    fields.retain(|name, _| matches!(&**name, "addressType" | "endpoints" | "ports"));
    let Some(Value::Array(endpoints)) = fields.get_mut("endpoints") else {
        return;
    };
    for endpoint in endpoints.iter_mut().filter_map(Value::as_object_mut) {
        endpoint.retain(|name, _| matches!(&**name, "addresses" | "conditions" | "targetRef"));
        if let Some(Value::Object(target)) = endpoint.get_mut("targetRef") {
            target.retain(|name, _| matches!(&**name, "kind" | "name" | "uid"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row_and_the_versions_that_compile_reads() {
        let kinds: Vec<Kind> = ROWS.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, Kind::ALL);
        for row in &ROWS {
            let versions: Vec<String> = row.resources().map(|of| of.api_version).collect();
            assert_eq!(versions, row.kind.api_versions(), "{}", row.plural);
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped() {
        let service = serde_json::json!({
            "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80}],
                     "externalIPs": ["192.0.2.7"], "selector": {"app": "x"}},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}, "conditions": []},
        });
        let rows = [
            (
                Kind::Service,
                "products",
                service.clone(),
                serde_json::json!({"spec": {"ports": [{"port": 80}]}}),
            ),
            (
                Kind::Service,
                "tollgate-public",
                service,
                serde_json::json!({
                    "spec": {"clusterIPs": ["10.0.0.1"], "ports": [{"port": 80}],
                             "externalIPs": ["192.0.2.7"]},
                    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
                }),
            ),
            (
                Kind::EndpointSlice,
                "products-1",
                serde_json::json!({"endpoints": [{"addresses": ["10.1.0.1"], "nodeName": "n",
                                                  "targetRef": {"uid": "u", "namespace": "x"}}]}),
                serde_json::json!({"endpoints": [{"addresses": ["10.1.0.1"],
                                                  "targetRef": {"uid": "u"}}]}),
            ),
            (
                Kind::ApiRoute,
                "products",
                serde_json::json!({"spec": {"rules": []}, "status": {"conditions": []}}),
                serde_json::json!({"spec": {"rules": []}}),
            ),
        ];
        for (kind, name, mut manifest, expected) in rows {
            let row = ROWS.iter().find(|row| row.kind == kind).unwrap();
            (row.trim)(manifest.as_object_mut().unwrap(), name);
            assert_eq!(manifest, expected, "{} {name}", kind.as_str());
        }
    }
}
