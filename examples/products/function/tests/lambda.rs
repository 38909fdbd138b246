//! The function by itself: the real binary behind a Runtime API of the test's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/runtime.rs"]
mod runtime;

use std::path::PathBuf;

use runtime::Function;
use serde_json::{Value, json};

fn mug() -> Value {
    json!({"name": "Mug", "price": {"amount": 1250, "currency": "EUR"}, "tags": ["kitchen"]})
}

async fn started() -> (tempfile::TempDir, PathBuf, Function) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("data/products.db");
    let function = Function::start(&db).await;
    (dir, db, function)
}

#[tokio::test]
async fn a_product_lives_from_put_to_delete() {
    let (_dir, _db, function) = started().await;
    let created = function.send("PUT", "/v1/products/mug", mug()).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("location"), Some("/v1/products/mug"));
    assert_eq!(created.header("content-type"), Some("application/json"));
    let replaced = function.send("PUT", "/v1/products/mug", mug()).await;
    assert_eq!((replaced.status, &replaced.body), (200, &created.body));

    let patch = json!({"price": {"amount": 990}, "tags": null});
    let merge = Some("application/merge-patch+json");
    let patched = function
        .call("PATCH", "/v1/products/mug", merge, &patch.to_string())
        .await;
    let expected = json!({
        "id": "mug", "name": "Mug", "price": {"amount": 990, "currency": "EUR"}, "tags": [],
        "createdAt": created.body["createdAt"],
    });
    assert_eq!((patched.status, &patched.body), (200, &expected));
    let read = function.ask("GET", "/v1/products/mug").await;
    assert_eq!((read.status, &read.body), (200, &expected));

    let removed = function.ask("DELETE", "/v1/products/mug").await;
    assert_eq!((removed.status, &removed.body), (204, &Value::Null));
    for method in ["DELETE", "GET"] {
        let gone = function.ask(method, "/v1/products/mug").await;
        let message = json!({"message": "no product \"mug\""});
        assert_eq!((gone.status, &gone.body), (404, &message), "{method}");
    }
}

#[tokio::test]
async fn a_post_makes_an_id_and_says_where() {
    let (_dir, _db, function) = started().await;
    let created = function.send("POST", "/v1/products/", mug()).await;
    assert_eq!(created.status, 201);
    let id = created.body["id"].as_str().unwrap();
    let location = format!("/v1/products/{id}");
    assert_eq!(created.header("location"), Some(location.as_str()));
    let read = function.ask("GET", &location).await;
    assert_eq!((read.status, &read.body), (200, &created.body));
    let other = function.send("POST", "/v1/products", mug()).await;
    assert_ne!(other.body["id"], created.body["id"]);
}

#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let (_dir, _db, function) = started().await;
    for n in 0..25 {
        let target = format!("/v1/products/p{n:02}");
        assert_eq!(function.send("PUT", &target, mug()).await.status, 201);
    }
    let first = function.ask("GET", "/v1/products").await;
    assert_eq!(first.body["items"].as_array().unwrap().len(), 20);

    let mut seen = Vec::new();
    let mut target = String::from("/v1/products?limit=10");
    loop {
        let page = function.ask("GET", &target).await;
        assert_eq!(page.status, 200, "{:?}", page.body);
        let items = page.body["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].clone()));
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        target = format!("/v1/products?limit=10&next={next}");
    }
    let expected: Vec<Value> = (0..25).map(|n| format!("p{n:02}").into()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let (_dir, _db, function) = started().await;
    let (json_type, text) = (Some("application/json"), Some("text/plain"));
    let limit = "limit: a number from 1 to 100 is needed";
    let accepted = "content-type: application/json is needed";
    let both = "content-type: application/merge-patch+json, application/json is needed";
    let items = "the methods of this path are DELETE, GET, HEAD, PATCH, PUT";
    let id = "id: 1 to 64 letters, digits, - and _ are needed";
    let rows = [
        ("no limit", "GET", "?limit=0", None, "", 400, limit),
        ("high limit", "GET", "?limit=101", None, "", 400, limit),
        ("odd limit", "GET", "?limit=ten", None, "", 400, limit),
        (
            "odd cursor",
            "GET",
            "?next=x",
            None,
            "",
            400,
            "next: not the next of an earlier answer",
        ),
        ("no type", "POST", "", None, "{}", 415, accepted),
        ("odd type", "PUT", "/mug", text, "{}", 415, accepted),
        ("odd patch type", "PATCH", "/mug", text, "{}", 415, both),
        (
            "no JSON",
            "POST",
            "",
            json_type,
            "{",
            400,
            "body: not JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("no name", "POST", "", json_type, "{}", 400, "name: missing"),
        ("odd id", "PUT", "/m%20g", json_type, "{}", 400, id),
        (
            "no product",
            "PATCH",
            "/mug",
            json_type,
            "{}",
            404,
            "no product \"mug\"",
        ),
        (
            "all of them",
            "DELETE",
            "",
            None,
            "",
            405,
            "the methods of this path are GET, HEAD, POST",
        ),
        (
            "a new one below one",
            "POST",
            "/mug",
            json_type,
            "{}",
            405,
            items,
        ),
        ("another path", "GET", "s", None, "", 404, "no such path"),
    ];
    for (name, method, rest, content_type, body, status, message) in rows {
        let target = format!("/v1/products{rest}");
        let answer = function.call(method, &target, content_type, body).await;
        let expected = json!({"message": message});
        assert_eq!((answer.status, &answer.body), (status, &expected), "{name}");
    }
}

#[tokio::test]
async fn a_refused_patch_changes_nothing() {
    let (_dir, _db, function) = started().await;
    let created = function.send("PUT", "/v1/products/mug", mug()).await;
    let rows = [
        ("not a product", json!([]), "body: an object is needed"),
        ("no name left", json!({"name": null}), "name: missing"),
        (
            "another id",
            json!({"id": "cup"}),
            "id: \"cup\" is not the path's \"mug\"",
        ),
        (
            "an unknown field",
            json!({"name": "Cup", "colour": 1}),
            "colour: unknown field",
        ),
    ];
    for (name, patch, message) in rows {
        let refused = function.send("PATCH", "/v1/products/mug", patch).await;
        let expected = json!({"message": message});
        assert_eq!((refused.status, &refused.body), (400, &expected), "{name}");
    }
    let read = function.ask("GET", "/v1/products/mug").await;
    assert_eq!(read.body, created.body);
}

#[tokio::test]
async fn products_outlive_a_crash() {
    let (_dir, db, function) = started().await;
    let created = function.send("PUT", "/v1/products/mug", mug()).await;
    function.kill().await;
    let function = Function::start(&db).await;
    let read = function.ask("GET", "/v1/products/mug").await;
    assert_eq!((read.status, &read.body), (200, &created.body));
}
