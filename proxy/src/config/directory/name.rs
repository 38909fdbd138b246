//! Names of objects and namespaces, as Kubernetes has them.
//!
//! In: a reference to an object. Out: the problems of its name and namespace
//! (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>).

use tollgate_compile::{Kind, ObjectRef, Problem, Reason};

/// What is wrong with the name and namespace of an object.
pub(super) fn problems(object: &ObjectRef) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |field: &str, message: &str| {
        problems.push(Problem {
            object: object.clone(),
            field: field.into(),
            reason: Reason::Invalid,
            message: message.into(),
        });
    };
    if object.kind.is_namespaced() && !is_label(&object.name.namespace) {
        say("metadata.namespace", LABEL);
    }
    match object.kind {
        // Their names become one label of a host name.
        Kind::Service | Kind::Namespace if !is_label(&object.name.name) => {
            say("metadata.name", LABEL)
        }
        Kind::ApiGateway
        | Kind::ApiRoute
        | Kind::Function
        | Kind::EndpointSlice
        | Kind::ReferenceGrant
            if !is_subdomain(&object.name.name) =>
        {
            say("metadata.name", SUBDOMAIN);
        }
        Kind::ApiGateway
        | Kind::ApiRoute
        | Kind::Function
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Namespace
        | Kind::ReferenceGrant => {}
    }
    problems
}

const LABEL: &str = "not a DNS label: up to 63 of a-z, 0-9 and -, a letter or digit at both ends";
const SUBDOMAIN: &str =
    "not a DNS name: up to 253 of a-z, 0-9, - and ., a letter or digit at both ends of each part";

/// RFC 1123 label.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

/// RFC 1123 subdomain.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.iter().all(|b| is_alphanumeric(b) || *b == b'-')
        && bytes.first().is_some_and(is_alphanumeric)
        && bytes.last().is_some_and(is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_names() {
        let long = "a".repeat(64);
        let rows = [
            ("plain", Kind::ApiRoute, "shop", "products", None),
            ("dots", Kind::ApiRoute, "shop", "products.v2", None),
            ("digits", Kind::Service, "1", "0a", None),
            ("long name", Kind::Function, "shop", &long, None),
            (
                "upper case",
                Kind::ApiRoute,
                "shop",
                "Products",
                Some("metadata.name"),
            ),
            (
                "underscore",
                Kind::Function,
                "shop",
                "a_b",
                Some("metadata.name"),
            ),
            (
                "slash",
                Kind::Function,
                "shop",
                "a/b",
                Some("metadata.name"),
            ),
            (
                "empty part",
                Kind::Function,
                "shop",
                "a..b",
                Some("metadata.name"),
            ),
            (
                "hyphen at the end",
                Kind::ApiRoute,
                "shop",
                "a-",
                Some("metadata.name"),
            ),
            (
                "long Service",
                Kind::Service,
                "shop",
                &long,
                Some("metadata.name"),
            ),
            (
                "dots in a Service",
                Kind::Service,
                "shop",
                "a.b",
                Some("metadata.name"),
            ),
            ("a namespace", Kind::Namespace, "", "shop", None),
            (
                "dots in a Namespace",
                Kind::Namespace,
                "",
                "a.b",
                Some("metadata.name"),
            ),
            (
                "dots in a namespace",
                Kind::ApiRoute,
                "a.b",
                "a",
                Some("metadata.namespace"),
            ),
            (
                "long namespace",
                Kind::ApiRoute,
                &long,
                "a",
                Some("metadata.namespace"),
            ),
        ];
        for (row, kind, namespace, name, field) in rows {
            let found = problems(&ObjectRef::new(kind, namespace, name));
            let fields: Vec<_> = found.iter().map(|problem| problem.field.as_str()).collect();
            assert_eq!(fields, field.into_iter().collect::<Vec<_>>(), "{row}");
        }
    }
}
