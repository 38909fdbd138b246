//! Who is let in, with a fake API server.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::*;
use crate::fake::{FakeApi, claims, in_seconds, token};

async fn reviewer() -> (FakeApi, Reviewer) {
    let api = FakeApi::start().await;
    let metrics = Arc::new(Metrics::new().unwrap());
    let client = api.client.clone();
    let reviewer = Reviewer::new(client, "tollgate-system", "tollgate-controller", metrics);
    (api, reviewer)
}

#[tokio::test]
async fn a_proxy_is_of_the_gateway_that_its_account_names() {
    let (api, reviewer) = reviewer().await;
    let token = token("proxy", 600);
    api.allow(
        &token,
        "system:serviceaccount:shop:tollgate-public-api",
        "public-api-1",
    );
    let expected = Identity::Proxy {
        gateway: ObjectName::new("shop", "public-api"),
        pod: "public-api-1".to_owned(),
        pod_uid: "uid-of-public-api-1".into(),
    };
    assert_eq!(reviewer.identify(&token).await, Ok(expected));
}

#[tokio::test]
async fn the_operators_own_account_is_a_replica_and_no_other_namespaces_is() {
    let (api, reviewer) = reviewer().await;
    let (own, other) = (token("own", 600), token("other", 600));
    api.allow(
        &own,
        "system:serviceaccount:tollgate-system:tollgate-controller",
        "c-1",
    );
    api.allow(
        &other,
        "system:serviceaccount:shop:tollgate-controller",
        "c-1",
    );
    let pod = "c-1".to_owned();
    assert_eq!(reviewer.identify(&own).await, Ok(Identity::Replica { pod }));
    let other = reviewer.identify(&other).await.unwrap();
    // It is what a gateway of that name would have.
    assert!(matches!(other, Identity::Proxy { gateway, .. } if &*gateway.name == "controller"));
}

#[tokio::test]
async fn a_token_is_asked_about_once_a_minute() {
    let (api, reviewer) = reviewer().await;
    let token = token("proxy", 600);
    api.allow(
        &token,
        "system:serviceaccount:shop:tollgate-public",
        "public-1",
    );
    for _ in 0..3 {
        reviewer.identify(&token).await.unwrap();
    }
    assert_eq!(api.state.reviews.load(Ordering::Relaxed), 1);
    let counted = |what| reviewer.metrics.token.reviews.count(what);
    assert_eq!(
        (counted(Reviewed::Taken), counted(Reviewed::Cached)),
        (1, 2)
    );
}

#[tokio::test]
async fn without_the_api_server_a_token_holds_that_was_good_lately() {
    let (api, reviewer) = reviewer().await;
    let (known, unknown) = (token("known", 1200), token("unknown", 1200));
    api.allow(
        &known,
        "system:serviceaccount:shop:tollgate-public",
        "public-1",
    );
    let start = SystemTime::now();
    let (first, _) = reviewer.review(&known, start).await;
    api.state.down.store(true, Ordering::Relaxed);
    let later = |seconds| start + Duration::from_secs(seconds);
    let (again, counted) = reviewer.review(&known, later(300)).await;
    assert_eq!((again, counted), (first, Reviewed::Stale));
    for (name, token, seconds) in [
        ("never asked about", &unknown, 300),
        ("asked about too long ago", &known, 601),
    ] {
        let (refused, counted) = reviewer.review(token, later(seconds)).await;
        assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{name}");
        assert_eq!(counted, Reviewed::Unavailable, "{name}");
    }
    let (expired, _) = reviewer.review(&known, later(1201)).await;
    let why = "token: it has expired".to_owned();
    assert_eq!(expired.map_err(|error| error.to_string()), Err(why));
}

#[tokio::test]
async fn rubbish_is_turned_away_without_asking() {
    let (api, reviewer) = reviewer().await;
    let end = in_seconds(600);
    let rows = [
        ("empty", String::new(), "not a JSON web token"),
        ("no token", "opensesame".to_owned(), "not a JSON web token"),
        ("no base64", "a.!.c".to_owned(), "not a JSON web token"),
        ("no claims", claims(json!([])), "not a JSON web token"),
        (
            "no end",
            claims(json!({"aud": "tollgate"})),
            "not a JSON web token",
        ),
        (
            "no audience",
            claims(json!({"exp": end})),
            "not a JSON web token",
        ),
        (
            "another audience",
            claims(json!({"aud": ["api"], "exp": end})),
            "the audience",
        ),
        ("expired", token("proxy", -1), "it has expired"),
        ("too long", "x".repeat(20_000), "longer than"),
        (
            "endless",
            claims(json!({"aud": "tollgate", "exp": u64::MAX})),
            "beyond all time",
        ),
    ];
    for (name, token, why) in rows {
        for refused in [
            reviewer.screen(&token),
            reviewer.identify(&token).await.map(drop),
        ] {
            let Err(Refusal::Unauthenticated(text)) = refused else {
                panic!("{name}: {refused:?}");
            };
            assert!(text.contains(why), "{name}: {text}");
        }
    }
    assert_eq!(api.state.reviews.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_good_token_of_nobody_in_particular_is_denied() {
    let (api, reviewer) = reviewer().await;
    let bound = json!({
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": ["u"],
    });
    let unbound = json!({"authentication.kubernetes.io/pod-name": ["p"]});
    let proxy = "system:serviceaccount:shop:tollgate-public";
    let rows = [
        ("a person", "jane", &bound, "not a service account"),
        (
            "another account",
            "system:serviceaccount:shop:default",
            &bound,
            "not a service account",
        ),
        (
            "no gateway",
            "system:serviceaccount:shop:tollgate-",
            &bound,
            "not a service account",
        ),
        ("no pod", proxy, &json!({}), "not bound to a pod"),
        ("no UID", proxy, &unbound, "not bound to a pod's UID"),
    ];
    for (name, user, extra, why) in rows {
        let token = token(name, 600);
        let user = json!({"username": user, "extra": extra});
        let status = json!({"authenticated": true, "audiences": ["tollgate"], "user": user});
        api.review(&token, status);
        let Err(Refusal::Denied(text)) = reviewer.identify(&token).await else {
            panic!("{name}");
        };
        assert!(text.contains(why), "{name}: {text}");
    }
}

#[tokio::test]
async fn what_the_api_server_refuses_is_refused_with_its_words() {
    let (api, reviewer) = reviewer().await;
    let stranger = token("stranger", 600);
    let why = "token: unknown token".to_owned();
    let refused = reviewer.identify(&stranger).await;
    assert_eq!(refused.map_err(|error| error.to_string()), Err(why));
    // An API server that ignores audiences answers without ours.
    let other = token("other", 600);
    api.review(
        &other,
        json!({"authenticated": true, "user": {"username": "jane"}}),
    );
    let refused = reviewer.identify(&other).await;
    assert!(matches!(refused, Err(Refusal::Unauthenticated(_))));
}
