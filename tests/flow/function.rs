//! A real function behind the gateway: its manifest edited under load, its parameters as it gets
//! them.

use std::path::Path;

use tollgate_tests::{
    gateway::{Gateway, eventually},
    load::Load,
    process::binary,
    write,
};

/// The products example's function, with an environment that says which version this is.
fn manifests(data: &Path, version: usize) -> String {
    let rules = "  - {name: list, match: [{method: GET, path: /products}], backends: [{function: \
                 {name: f}}]}\n\
                 \x20 - {name: get, match: [{method: GET, path: \"/products/{id}\"}], backends: \
                 [{function: {name: f}}]}";
    let function = format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: Function\nmetadata: {{name: f}}\nspec: \
         {{contract: lambda, timeout: {}s, process: {{command: [\"{}\"], env: [{{name: \
         PRODUCTS_DB, value: \"{}\"}}, {{name: VERSION, value: v{version}}}]}}}}\n",
        10 + version,
        binary("products").display(),
        data.join("products.db").display()
    );
    let route = write::route("r", "  basePath: /v1\n", rules);
    write::gateway("{}") + "---\n" + &route + &function
}

#[test]
fn an_edit_of_a_functions_manifest_loses_no_call() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::serving(&manifests(data.path(), 0));
    eventually(|| (gateway.get("/v1/products").status == 200).then_some(()));
    let load = Load::on(gateway.address(), 4, "/v1/products");
    for version in 1..=3 {
        let root = || gateway.config()["root"].clone();
        let before = root();
        gateway.write("manifests.yaml", &manifests(data.path(), version));
        eventually(|| (root() != before).then_some(()));
        load.goes_on();
    }
    let outcome = load.stop();
    assert!(outcome.lost.is_empty(), "{:?}", outcome.lost);
    let statuses: Vec<_> = outcome.answers.keys().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200], "{:?}", outcome.answers);
    gateway.stop();
}

#[test]
fn a_parameter_reaches_the_function_decoded_once() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::serving(&manifests(data.path(), 0));
    let rows = [
        ("plain", "/v1/products/mug", "mug"),
        ("space", "/v1/products/a%20b", "a b"),
        ("plus is no space", "/v1/products/a+b", "a+b"),
        ("not twice", "/v1/products/a%2520b", "a%20b"),
        ("utf-8", "/v1/products/caf%C3%A9", "café"),
        ("slash at the end", "/v1/products/mug/", "mug"),
    ];
    for (name, path, id) in rows {
        let reply = gateway.get(path);
        let expected = serde_json::json!({"message": format!("no product \"{id}\"")});
        assert_eq!(reply.status, 404, "{name}: {reply:?}");
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(body, expected, "{name}");
    }
    gateway.stop();
}
