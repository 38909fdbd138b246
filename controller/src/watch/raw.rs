//! An object as its text, so that one which nobody can decode costs no other.
//!
//! In: a place in a list or a watch. Out: the object's name and version, and later its change. Any
//! text that is JSON at all gets through the list or watch that it stands in; what is wrong with it
//! is found afterwards, and is a problem of that object alone. Text is kept as it came only until
//! then.

use std::borrow::Cow;

use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope, ObjectMeta},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use tollgate_compile::{Change, Kind, Object, ObjectRef, Problem, Reason};
use tollgate_snapshot::ObjectName;

use super::{Seen, kinds::Row};

/// The object.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    text: Box<RawValue>,
    meta: ObjectMeta,
}

/// What must be known of any object, decodable or not. The API server itself writes these fields.
#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
    resource_version: Option<String>,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let envelope: Envelope = serde_json::from_str(text.get()).unwrap_or_default();
        let Metadata {
            name,
            namespace,
            uid,
            generation,
            resource_version,
        } = envelope.metadata;
        let meta = ObjectMeta {
            name,
            namespace,
            uid,
            generation,
            resource_version,
            ..ObjectMeta::default()
        };
        Ok(Self { text, meta })
    }
}

impl Resource for Raw {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.kind)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.group)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.version)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.plural)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

impl Raw {
    /// Its name; none: it has none that can be read.
    pub(super) fn name(&self) -> Option<ObjectName> {
        let namespace = self.meta.namespace.as_deref().unwrap_or_default();
        Some(ObjectName::new(namespace, self.meta.name.as_deref()?))
    }

    /// Its version; empty: it says none.
    pub(super) fn version(&self) -> &str {
        self.meta.resource_version.as_deref().unwrap_or_default()
    }

    /// What it is now, and for a kind of ours what status needs to know.
    pub(super) fn read(&self, row: &Row, name: &ObjectName) -> (Change, Option<Seen>) {
        let object = ObjectRef {
            kind: row.kind,
            name: name.clone(),
        };
        let manifest = match serde_json::from_str(self.text.get()) {
            Ok(manifest) => manifest,
            Err(error) => {
                let seen = row
                    .is_ours
                    .then(|| self.seen(row.kind, name, &mut Map::new()));
                return (refuse(object, Value::Null, "", &error), seen);
            }
        };
        let Value::Object(mut fields) = manifest else {
            let message = "an object of JSON is expected";
            return (refuse(object, Value::Null, "", &message), None);
        };
        let seen = row.is_ours.then(|| self.seen(row.kind, name, &mut fields));
        let manifest = trimmed(row, &name.name, fields);
        let change = match Object::decode(row.kind, manifest.clone()) {
            Ok(decoded) => Change::Put(decoded),
            Err(error) => {
                let (field, message) = fault(row.kind, &manifest, error);
                refuse(object, manifest, &field, &message)
            }
        };
        (change, seen)
    }

    /// Takes the status out of the fields: nobody else reads it.
    fn seen(&self, kind: Kind, name: &ObjectName, fields: &mut Map<String, Value>) -> Seen {
        let gateways = match kind {
            Kind::ApiRoute => gateways(name, fields.get("spec")),
            Kind::ApiGateway
            | Kind::Function
            | Kind::Service
            | Kind::EndpointSlice
            | Kind::Namespace
            | Kind::ReferenceGrant => Vec::new(),
        };
        Seen {
            uid: self.meta.uid.clone().unwrap_or_default(),
            resource_version: self.version().to_owned(),
            generation: self.meta.generation.unwrap_or_default(),
            status: fields.remove("status").unwrap_or_default(),
            gateways,
        }
    }
}

/// The manifest without what nobody reads: an edit of anything else is no edit here.
fn trimmed(row: &Row, name: &str, mut fields: Map<String, Value>) -> Value {
    let mut metadata = fields.remove("metadata");
    let kept = ["apiVersion", "kind"].map(|name| (name, fields.remove(name)));
    (row.trim)(&mut fields, name);
    for (name, value) in kept {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    }
    if let Some(Value::Object(metadata)) = &mut metadata {
        metadata.retain(|name, _| match &**name {
            "name" | "namespace" | "creationTimestamp" => true,
            "labels" => row.keeps_labels,
            _ => false,
        });
    }
    fields.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    Value::Object(fields)
}

fn gateways(route: &ObjectName, spec: Option<&Value>) -> Vec<ObjectName> {
    let named = spec.and_then(|spec| spec.get("gateways")?.as_array());
    let named = named.into_iter().flatten().filter_map(|gateway| {
        let namespace = gateway.get("namespace").and_then(Value::as_str);
        let name = gateway.get("name")?.as_str()?;
        Some(ObjectName::new(namespace.unwrap_or(&route.namespace), name))
    });
    named.collect()
}

fn refuse(object: ObjectRef, manifest: Value, field: &str, message: &dyn ToString) -> Change {
    let problem = Problem {
        object: object.clone(),
        field: field.to_owned(),
        reason: Reason::Invalid,
        message: message.to_string(),
    };
    Change::Refuse {
        object,
        manifest,
        problems: vec![problem],
    }
}

/// The field that does not decode, and why. `said` is what is known without the field.
fn fault(kind: Kind, manifest: &Value, said: serde_json::Error) -> (String, String) {
    use k8s_openapi::api::{core::v1, discovery::v1::EndpointSlice};
    let found = match kind {
        Kind::ApiGateway => at::<tollgate_crds::ApiGateway>(manifest),
        Kind::ApiRoute => at::<tollgate_crds::ApiRoute>(manifest),
        Kind::Function => at::<tollgate_crds::Function>(manifest),
        Kind::Service => at::<v1::Service>(manifest),
        Kind::EndpointSlice => at::<EndpointSlice>(manifest),
        Kind::Namespace => at::<v1::Namespace>(manifest),
        Kind::ReferenceGrant => at::<tollgate_crds::ReferenceGrant>(manifest),
    };
    found.unwrap_or_else(|| (String::new(), said.to_string()))
}

fn at<T: DeserializeOwned>(manifest: &Value) -> Option<(String, String)> {
    let error = serde_path_to_error::deserialize::<_, T>(manifest).err()?;
    let field = error.path().to_string();
    // The path of the whole object is written so.
    let field = if field == "." { String::new() } else { field };
    Some((field, error.into_inner().to_string()))
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use serde_json::json;

    use super::*;
    use crate::watch::kinds::ROWS;

    fn read(kind: Kind, text: &str) -> (Change, Option<Seen>) {
        let raw: Raw = serde_json::from_str(text).unwrap();
        let row = ROWS.iter().find(|row| row.kind == kind).unwrap();
        raw.read(row, &raw.name().unwrap())
    }

    fn route(name: &str) -> String {
        json!({
            "apiVersion": "tollgate.dev/v1alpha1", "kind": "ApiRoute",
            "metadata": {"namespace": "shop", "name": name, "uid": "u", "generation": 3,
                "resourceVersion": "7", "managedFields": [{"manager": "kubectl"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "spec": {"gateways": [{"name": "public"}, {"name": "edge", "namespace": "infra"}],
                     "rules": []},
            "status": {"observedGeneration": 3},
        })
        .to_string()
    }

    #[test]
    fn an_object_is_read_and_status_learns_what_it_needs() {
        let (change, seen) = read(Kind::ApiRoute, &route("products"));
        let Change::Put(object) = change else {
            panic!("{change:?}");
        };
        assert_eq!(object.reference().to_string(), "ApiRoute shop/products");
        let seen = seen.unwrap();
        assert_eq!((&*seen.uid, seen.generation), ("u", 3));
        assert_eq!(seen.status, json!({"observedGeneration": 3}));
        let gateways: Vec<String> = seen.gateways.iter().map(ToString::to_string).collect();
        assert_eq!(gateways, ["shop/public", "infra/edge"]);
    }

    #[test]
    fn a_change_of_the_status_alone_is_no_change_of_the_object() {
        let text = route("products");
        let (before, _) = read(Kind::ApiRoute, &text);
        let (after, _) = read(Kind::ApiRoute, &text.replace("observedGeneration", "other"));
        assert_eq!(before, after);
        let (after, _) = read(Kind::ApiRoute, &text.replace("kubectl", "argocd"));
        assert_eq!(before, after);
    }

    #[test]
    fn an_object_that_does_not_decode_is_refused_with_its_field() {
        let meta = r#""metadata": {"namespace": "shop", "name": "one"}"#;
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let rows = [
            (
                "a wrong type",
                format!(r#"{{{meta}, "spec": {{"gateways": [{{"name": 5}}], "rules": []}}}}"#),
                "spec.gateways[0].name: invalid type: integer `5`, expected a string",
            ),
            ("no spec", format!("{{{meta}}}"), ": missing field `spec`"),
            (
                "broken metadata",
                r#"{"metadata": {"namespace": "shop", "name": "one", "creationTimestamp": "now"},
                    "spec": {"gateways": [], "rules": []}}"#
                    .to_owned(),
                "metadata.creationTimestamp: ",
            ),
            (
                "too deep",
                format!(r#"{{{meta}, "spec": {deep}}}"#),
                ": recursion limit exceeded",
            ),
            (
                "a number that is none",
                format!(r#"{{{meta}, "spec": 1e999}}"#),
                ": number out of range",
            ),
        ];
        for (name, text, expected) in rows {
            let (change, _) = read(Kind::ApiRoute, &text);
            let Change::Refuse { problems, .. } = change else {
                panic!("{name}: {change:?}");
            };
            let said = format!("{}: {}", problems[0].field, problems[0].message);
            assert!(said.starts_with(expected), "{name}: {said}");
        }
    }

    #[test]
    fn one_object_that_nobody_can_read_spoils_no_list_and_no_watch() {
        let bad = r#"{"metadata": {"name": ["x"]}, "spec": 1e999}"#;
        let text = format!(
            r#"{{"kind": "ApiRouteList", "apiVersion": "v1", "metadata": {{"resourceVersion": "9"}},
                "items": [{}, {bad}, {}]}}"#,
            route("one"),
            route("two")
        );
        let list: ObjectList<Raw> = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = list.items.iter().map(Raw::name).collect();
        let expected = |name| Some(ObjectName::new("shop", name));
        assert_eq!(names, [expected("one"), None, expected("two")]);
        let text = format!(r#"{{"type": "MODIFIED", "object": {bad}}}"#);
        let event: WatchEvent<Raw> = serde_json::from_str(&text).unwrap();
        assert!(matches!(event, WatchEvent::Modified(raw) if raw.name().is_none()));
    }
}
