//! Which documents a file has, and which objects they are.

use super::*;

const ROUTE: &str = "\
apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: products, namespace: shop}
spec:
  gateways: [{name: public}]
  rules:
  - name: gone
    match: [{path: /old}]
    respond: {status: 410}
";

fn objects(text: &str) -> Vec<String> {
    let documents = read(text).unwrap().objects;
    documents.iter().map(|d| d.object.to_string()).collect()
}

fn strays(text: &str) -> Vec<(usize, String)> {
    let strays = read(text).unwrap().strays;
    strays
        .into_iter()
        .map(|s| (s.place.line, s.message))
        .collect()
}

#[test]
fn a_valid_document_is_put() {
    let (changes, strays) = changes(ROUTE).unwrap();
    let [Change::Put(Object::ApiRoute(route))] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!(route.metadata.name.as_deref(), Some("products"));
    assert_eq!(route.spec.rules[0].name, "gone");
    assert_eq!(strays, []);
}

#[test]
fn documents_are_told_apart_and_placed() {
    let text = format!(
        "# nothing\n---\n---\n{ROUTE}---\nnull\n--- {{apiVersion: v1, kind: Service, metadata: {{name: a}}}}\n"
    );
    let documents = read(&text).unwrap().objects;
    let found: Vec<_> = documents
        .iter()
        .map(|d| (d.object.to_string(), d.place.line))
        .collect();
    assert_eq!(
        found,
        [
            ("ApiRoute shop/products".into(), 4),
            ("Service default/a".into(), 15)
        ]
    );
}

#[test]
fn json_is_read_as_yaml_is() {
    let text = "{\n\t\"apiVersion\":\"v1\",\"kind\":\"Service\",\r\n\t\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"\\ud83d\\ude00\\/\"}}}\n";
    let documents = read(text).unwrap().objects;
    assert_eq!(documents[0].object.to_string(), "Service default/a");
    assert_eq!(documents[0].manifest["metadata"]["labels"]["x"], "😀/");
}

#[test]
fn namespaces_and_grants_are_read() {
    let text = "\
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {team: shop}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: a}
spec: {from: [], to: []}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: b, namespace: shop}
spec: {from: [], to: []}
";
    let expected = [
        "Namespace a",
        "ReferenceGrant default/a",
        "ReferenceGrant shop/b",
    ];
    assert_eq!(objects(text), expected);
    let changes = changes(text).unwrap().0;
    assert!(
        changes
            .iter()
            .all(|change| matches!(change, Change::Put(_)))
    );
}

#[test]
fn a_list_is_its_items() {
    let text = "\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}}
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Service, metadata: {name: b, namespace: shop}}
";
    let documents = read(text).unwrap().objects;
    let found: Vec<_> = documents
        .iter()
        .map(|d| (d.object.to_string(), d.place.within.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("Service default/a".into(), "items[0]"),
            ("Service shop/b".into(), "items[1].items[0]")
        ]
    );
    assert_eq!(objects("{apiVersion: v1, kind: List}"), [""; 0]);
    let wrong = strays("{apiVersion: v1, kind: List, items: a}");
    assert_eq!(wrong, [(1, "List: items: expected array".into())]);
}

#[test]
fn kinds_that_are_not_read_are_skipped() {
    let rows = [
        (
            "secret",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}",
        ),
        (
            "config map",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}",
        ),
        (
            "gateway of another group",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway",
        ),
        (
            "deployment",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}",
        ),
        (
            "another Service",
            "apiVersion: serving.knative.dev/v1\nkind: Service",
        ),
    ];
    for (name, text) in rows {
        assert_eq!(read(text).unwrap(), Documents::default(), "{name}");
    }
}

#[test]
fn a_document_that_names_no_object_is_said() {
    let rows = [
        (
            "list",
            "[a]",
            "not a Kubernetes object: expected apiVersion, kind and metadata",
        ),
        (
            "text",
            "a",
            "not a Kubernetes object: expected apiVersion, kind and metadata",
        ),
        (
            "no version",
            "kind: ApiRoute",
            "not a Kubernetes object: no apiVersion",
        ),
        (
            "no kind",
            "apiVersion: v1",
            "not a Kubernetes object: no kind",
        ),
        (
            "kind of a number",
            "apiVersion: v1\nkind: 1",
            "kind: expected a text",
        ),
        (
            "unknown kind",
            "apiVersion: tollgate.dev/v1alpha1\nkind: ApiRout\nmetadata: {name: a}",
            "unknown kind \"ApiRout\" of tollgate.dev; the kinds are ApiGateway, ApiRoute and Function",
        ),
        (
            "unknown version",
            "apiVersion: tollgate.dev/v1\nkind: ApiRoute\nmetadata: {name: a}",
            "unknown version \"v1\" of tollgate.dev; the version is v1alpha1",
        ),
        (
            "old slice",
            "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice",
            "EndpointSlice is not read at version \"v1beta1\", only at v1",
        ),
        (
            "old grant",
            "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: ReferenceGrant",
            "ReferenceGrant is not read at version \"v1alpha2\", only at v1 and v1beta1",
        ),
        (
            "namespace in a namespace",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}",
            "Namespace: metadata.namespace: this kind is in no namespace",
        ),
        (
            "no metadata",
            "apiVersion: v1\nkind: Service",
            "Service without metadata: expected metadata.name",
        ),
        (
            "no name",
            "apiVersion: v1\nkind: Service\nmetadata: {generateName: a-}",
            "Service without metadata.name",
        ),
        (
            "name of a number",
            "apiVersion: v1\nkind: Service\nmetadata: {name: 1}",
            "Service: metadata.name: expected a text",
        ),
        (
            "namespace of a number",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: 1}",
            "Service: metadata.namespace: expected a text",
        ),
    ];
    for (name, text, message) in rows {
        assert_eq!(
            strays(&format!("\n{text}")),
            [(2, message.into())],
            "{name}"
        );
        assert_eq!(objects(text), [""; 0], "{name}");
    }
}

#[test]
fn a_text_that_is_no_yaml_is_unreadable() {
    let bomb = format!(
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{}",
        (1..9)
            .map(|i| format!(
                "a{i}: &a{i} [{}]\n",
                vec![format!("*a{}", i - 1); 10].join(",")
            ))
            .collect::<String>()
    );
    let rows = [
        ("open bracket", "a: 1\nb: [", Some("unclosed bracket '['")),
        ("duplicate key", "a: 1\nb: 2\na: 3", Some("twice")),
        ("unknown alias", "a: *b", Some("anchor")),
        ("not a number", "a: .nan", None),
        ("aliases that multiply", &bomb, Some("too large")),
        ("key that is a list", "[a]: b", None),
        ("deep", &"[".repeat(10_000), None),
        ("control byte", "a: \u{1}", None),
    ];
    for (name, text, word) in rows {
        let error = read(text).unwrap_err();
        assert!(error.line.is_some(), "{name}: {error}");
        let message = error.message.to_lowercase();
        assert!(message.contains(word.unwrap_or("")), "{name}: {error}");
        assert!(!message.contains("at line"), "{name}: {error}");
    }
    assert_eq!(read("a: 1\nb: 2\na: 3").unwrap_err().line, Some(3));
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let text = "\
apiVersion: v1
kind: Service
metadata: {name: a, labels: &labels {x: '1'}}
spec:
  selector: {<<: *labels, y: '2'}
";
    let manifest = &read(text).unwrap().objects[0].manifest;
    assert_eq!(
        manifest["spec"]["selector"],
        serde_json::json!({"x": "1", "y": "2"})
    );
}

#[test]
fn a_status_is_not_the_users() {
    let text = format!("{ROUTE}status: {{conditions: 7}}\n");
    let (changes, _) = changes(&text).unwrap();
    assert!(
        matches!(changes.as_slice(), [Change::Put(_)]),
        "{changes:?}"
    );
}

#[test]
fn a_document_that_does_not_fit_is_refused_with_its_manifest() {
    let rows = [
        (
            "schema",
            ROUTE.replace("status", "stat"),
            "spec.rules[0].respond",
        ),
        (
            "name",
            ROUTE.replace("name: products", "name: Products"),
            "metadata.name",
        ),
        (
            "decoding",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: 1}".into(),
            "",
        ),
    ];
    for (name, text, field) in rows {
        let (changes, _) = changes(&text).unwrap();
        let [
            Change::Refuse {
                object,
                manifest,
                problems,
            },
        ] = changes.as_slice()
        else {
            panic!("{name}: {changes:?}")
        };
        assert_eq!(manifest["kind"], object.kind.as_str(), "{name}");
        assert!(
            problems.iter().any(|p| p.field.starts_with(field)),
            "{name}: {problems:?}"
        );
        assert!(problems.iter().all(|p| p.object == *object), "{name}");
    }
}

#[test]
fn ten_thousand_documents_are_read() {
    let text: String = (0..10_000)
        .map(|i| format!("---\n{}", ROUTE.replace("products", &format!("r{i}"))))
        .collect();
    let (changes, strays) = changes(&text).unwrap();
    assert_eq!((changes.len(), strays.len()), (10_000, 0));
    assert!(
        changes
            .iter()
            .all(|change| matches!(change, Change::Put(_)))
    );
}
