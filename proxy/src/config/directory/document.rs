//! The text of one manifest file to the objects in it.
//!
//! In: YAML documents, of which JSON is a subset. Out: the documents of the kinds that are read,
//! with their namespace filled in; and the documents that should name an object and do not. Kinds
//! that are not read are skipped. Files and their names are not known here.

use std::fmt;

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned};
use tollgate_compile::{Change, Kind, Object, ObjectRef, Problem, Reason};
use tollgate_crds::{GROUP, VERSION};

use super::{name, schema};

/// Namespace of an object that names none.
const NAMESPACE: &str = "default";

/// The kinds of [`GROUP`], for messages.
const KINDS: &str = "ApiGateway, ApiRoute and Function";

/// Most characters of a key: JSON has no bound, and a bad key deserves a better message than
/// YAML's.
pub(super) const KEY_MAX: usize = 65_536;

const TOO_MUCH: &str = "nested too deeply, or too large with its aliases resolved";

/// Where in its file a document starts.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Line of the YAML document, from 1.
    pub line: usize,
    /// Field path inside the YAML document, such as `items[3]`: an item of a List. Empty: all of
    /// it.
    pub within: String,
}

impl Place {
    /// A line, and no document.
    pub(super) fn line(line: usize) -> Self {
        Self {
            line,
            within: String::new(),
        }
    }
}

/// One object as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it stands.
    pub place: Place,
    /// Which object it is.
    pub object: ObjectRef,
    /// Its manifest: with `metadata.namespace`, and without `status`, which users do not write.
    pub manifest: Value,
}

/// A document of which it can't be said which object it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stray {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, in words.
    pub message: String,
}

/// All that a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// The objects, in the order of the file.
    pub objects: Vec<Document>,
    /// The documents that should be objects and can't be told which.
    pub strays: Vec<Stray>,
}

/// Why a text can't be read at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreadable {
    /// Line at fault, from 1, where that can be said.
    pub line: Option<usize>,
    /// What is wrong, in words.
    pub message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads the documents of one file. Empty documents and kinds that are not read are skipped.
///
/// # Errors
/// [`Unreadable`] when the text is not YAML, or has the same key twice in one mapping.
pub fn read(text: &str) -> Result<Documents, Unreadable> {
    let roots: Vec<Spanned<Value>> =
        serde_saphyr::from_multiple_with_options(text, options(text.len())).map_err(unreadable)?;
    let mut documents = Documents::default();
    for root in roots {
        let place = Place {
            line: usize::try_from(root.referenced.line()).unwrap_or_default(),
            within: String::new(),
        };
        documents.take(place, root.value);
    }
    Ok(documents)
}

/// The changes that a text makes where nothing was before, and the documents that make none though
/// they should.
///
/// # Errors
/// As [`read`].
pub fn changes(text: &str) -> Result<(Vec<Change>, Vec<Stray>), Unreadable> {
    let documents = read(text)?;
    let changes = documents.objects.into_iter().map(change).collect();
    Ok((changes, documents.strays))
}

/// What a document asks of its object.
pub fn change(document: Document) -> Change {
    let Document {
        object,
        mut manifest,
        ..
    } = document;
    schema::forget_nulls(object.kind, &mut manifest);
    let mut problems = name::problems(&object);
    problems.extend(schema::problems(&object, &manifest));
    if problems.is_empty() {
        match Object::decode(object.kind, manifest.clone()) {
            Ok(decoded) => return Change::Put(decoded),
            Err(error) => problems.push(Problem {
                object: object.clone(),
                field: String::new(),
                reason: Reason::Invalid,
                message: error.to_string(),
            }),
        }
    }
    Change::Refuse {
        object,
        manifest,
        problems,
    }
}

/// Counts that follow the size of the text are not bounded beside it: a big file is no attack. What
/// a small text can blow up, aliases and depth, keeps the library's bounds.
fn options(len: usize) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: len + 1,
            max_nodes: (2 * len).max(250_000),
            max_events: (4 * len).max(1_000_000),
            max_total_scalar_bytes: usize::MAX,
            simple_key_max_lookahead: KEY_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

fn unreadable(error: serde_saphyr::Error) -> Unreadable {
    let line = error
        .location()
        .and_then(|location| usize::try_from(location.line()).ok())
        .filter(|line| *line > 0);
    Unreadable {
        line,
        message: message(error.without_snippet()),
    }
}

fn message(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } = error {
        return format!("the key {key:?} stands twice in one mapping");
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    // The library ends its text with the place, which is said before ours.
    let message = match first.split_once(" at line ") {
        Some((message, _)) if message.starts_with("budget breached") => TOO_MUCH,
        Some((message, _)) => message,
        None => first,
    };
    message.to_owned()
}

impl Documents {
    fn take(&mut self, place: Place, mut manifest: Value) {
        if manifest.is_null() {
            return;
        }
        let kind = match kind_of(&manifest) {
            Ok(Found::Kind(kind)) => kind,
            Ok(Found::List) => return self.take_items(&place, manifest),
            Ok(Found::NotRead) => return,
            Err(message) => return self.strays.push(Stray { place, message }),
        };
        match identify(kind, &mut manifest) {
            Ok(object) => self.objects.push(Document {
                place,
                object,
                manifest,
            }),
            Err(message) => self.strays.push(Stray { place, message }),
        }
    }

    fn take_items(&mut self, place: &Place, mut list: Value) {
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => return,
            Some(_) => {
                return self.strays.push(Stray {
                    place: place.clone(),
                    message: "List: items: expected array".into(),
                });
            }
        };
        let dot = if place.within.is_empty() { "" } else { "." };
        for (i, item) in items.into_iter().enumerate() {
            let within = format!("{}{dot}items[{i}]", place.within);
            let line = place.line;
            self.take(Place { line, within }, item);
        }
    }
}

/// What a document is, by its `apiVersion` and `kind`.
enum Found {
    Kind(Kind),
    /// Core List: its items are documents.
    List,
    /// Nothing here reads it.
    NotRead,
}

fn kind_of(manifest: &Value) -> Result<Found, String> {
    if !manifest.is_object() {
        return Err("not a Kubernetes object: expected apiVersion, kind and metadata".into());
    }
    let text = |field: &str| match manifest.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        Some(_) => Err(format!("{field}: expected a text")),
        None => Err(format!("not a Kubernetes object: no {field}")),
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    if let Some(found) = Kind::ALL
        .into_iter()
        .find(|known| known.as_str() == kind && known.api_versions().contains(&api_version))
    {
        return Ok(Found::Kind(found));
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    match (group, kind) {
        ("", "List") => Ok(Found::List),
        (GROUP, _) if version != VERSION => Err(format!(
            "unknown version {version:?} of {GROUP}; the version is {VERSION}"
        )),
        (GROUP, _) => Err(format!(
            "unknown kind {kind:?} of {GROUP}; the kinds are {KINDS}"
        )),
        ("discovery.k8s.io", "EndpointSlice") => Err(format!(
            "EndpointSlice is not read at version {version:?}, only at v1"
        )),
        ("gateway.networking.k8s.io", "ReferenceGrant") => Err(format!(
            "ReferenceGrant is not read at version {version:?}, only at v1 and v1beta1"
        )),
        _ => Ok(Found::NotRead),
    }
}

/// Names the object, fills in its namespace and drops its status.
fn identify(kind: Kind, manifest: &mut Value) -> Result<ObjectRef, String> {
    let what = kind.as_str();
    if let Some(root) = manifest.as_object_mut() {
        root.remove("status");
    }
    let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(format!("{what} without metadata: expected metadata.name"));
    };
    let written = match metadata.get("namespace") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(format!("{what}: metadata.namespace: expected a text")),
    };
    let namespace = match (kind.is_namespaced(), written) {
        (true, "") => NAMESPACE.to_owned(),
        (true, _) | (false, "") => written.to_owned(),
        (false, _) => {
            return Err(format!(
                "{what}: metadata.namespace: this kind is in no namespace"
            ));
        }
    };
    let object = match metadata.get("name") {
        Some(Value::String(name)) if !name.is_empty() => ObjectRef::new(kind, &namespace, name),
        Some(Value::String(_) | Value::Null) | None => {
            return Err(format!("{what} without metadata.name"));
        }
        Some(_) => return Err(format!("{what}: metadata.name: expected a text")),
    };
    if kind.is_namespaced() {
        metadata.insert("namespace".into(), Value::String(namespace));
    }
    Ok(object)
}

#[cfg(test)]
mod tests;
