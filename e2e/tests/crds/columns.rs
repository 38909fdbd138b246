//! What `kubectl get` shows of each kind.

use serde_json::json;

use crate::{cluster, kubectl, objects};

fn status() -> String {
    let condition = |(kind, status, reason): (&str, &str, &str)| {
        json!({"type": kind, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let conditions = [
        ("Accepted", "True", "Accepted"),
        ("Programmed", "False", "NoProxies"),
        ("Ready", "Unknown", "Pending"),
    ];
    json!({"status": {"conditions": conditions.map(condition)}}).to_string()
}

/// Kind, short name, spec, the columns and what stands in them, without the age.
const ROWS: [(&str, &str, &str, &str, &str); 3] = [
    (
        "ApiGateway",
        "apigw",
        r#"{"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}"#,
        "NAME ACCEPTED PROGRAMMED READY ADDRESS REASON AGE",
        "a True False Unknown Pending",
    ),
    (
        "ApiRoute",
        "aroute",
        r#"{"hostnames": ["a.example.com"], "gateways": [{"name": "public"}],
            "rules": [{"name": "a", "match": [{"path": "/"}], "respond": {"status": 200}}]}"#,
        "NAME HOSTNAMES GATEWAY ACCEPTED PROGRAMMED READY REASON AGE",
        r#"a ["a.example.com"] public True False Unknown Pending"#,
    ),
    (
        "Function",
        "fn",
        r#"{"contract": "lambda", "template": {}}"#,
        "NAME CONTRACT ACCEPTED PROGRAMMED READY REASON AGE",
        "a lambda True False Unknown Pending",
    ),
];

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_list_shows_where_an_object_is_served_and_whether_it_is() {
    let cluster = cluster();
    let namespace = cluster.fresh_namespace("columns").unwrap();
    for (kind, short, spec, columns, cells) in ROWS {
        let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
        let object = json!({"apiVersion": "tollgate.dev/v1alpha1", "kind": kind,
            "metadata": {"name": "a"}, "spec": spec});
        let made = cluster.admin().post(&objects(kind, &namespace), &object);
        made.unwrap().object().unwrap();
        let to = ["patch", short, "a", "-n", &namespace];
        let with = ["--subresource=status", "--type=merge", "-p", &status()];
        kubectl(cluster, &[&to[..], &with].concat());
        let wide = kubectl(cluster, &["get", short, "-n", &namespace, "-o", "wide"]);
        let mut lines = wide.lines().map(words);
        assert_eq!(lines.next().unwrap(), columns, "{kind}");
        let line = lines.next().unwrap();
        let (shown, _age) = line.rsplit_once(' ').unwrap();
        assert_eq!(shown, cells, "{kind}");
        let narrow = kubectl(cluster, &["get", short, "-n", &namespace]);
        assert!(!narrow.contains("REASON"), "{kind}: {narrow}");
    }
    let all = kubectl(
        cluster,
        &["get", "tollgate", "-n", &namespace, "-o", "name"],
    );
    assert_eq!(all.lines().count(), ROWS.len(), "{all}");
}
