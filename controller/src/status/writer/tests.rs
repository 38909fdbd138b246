//! What reaches the API server, on tokio's paused clock.

use std::{sync::Mutex, time::Duration};

use prometheus::Registry;
use serde_json::Value;
use tokio::time::sleep;

use super::*;
use crate::{
    fake_api::{self, Call, failure},
    status::{
        scene::{Scene, bad_route, endpoints, gateway, route},
        words::ConditionType,
    },
};

/// An API server that notes the statuses that it gets.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    calls: Vec<Call>,
    /// The answers to the next calls; 0: none ever. After them: 200.
    answers: Vec<u16>,
    under_way: usize,
    most_at_once: usize,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        fake_api::client(move |call| {
            let server = server.clone();
            async move { server.answer(call).await }
        })
    }

    /// Takes 4 ms for each.
    async fn answer(&self, call: Call) -> fake_api::Answer {
        let code = {
            let mut noted = self.0.lock().unwrap();
            noted.calls.push(call.clone());
            noted.under_way += 1;
            noted.most_at_once = noted.most_at_once.max(noted.under_way);
            let scripted = !noted.answers.is_empty();
            if scripted {
                noted.answers.remove(0)
            } else {
                200
            }
        };
        sleep(Duration::from_millis(4)).await;
        if code == 0 {
            std::future::pending::<()>().await;
        }
        self.0.lock().unwrap().under_way -= 1;
        match code {
            200 => (200, call.body),
            code => failure(code, "scripted"),
        }
    }

    fn script(&self, answers: &[u16]) {
        self.0.lock().unwrap().answers = answers.to_vec();
    }

    /// The calls for an object since the last time.
    fn calls(&self, name: &str) -> Vec<Call> {
        let mut noted = self.0.lock().unwrap();
        let path = format!("/{name}/status");
        let (some, others) = std::mem::take(&mut noted.calls)
            .into_iter()
            .partition(|call| call.target.contains(&path));
        noted.calls = others;
        some
    }

    /// `Programmed`'s reason in each write to an object since the last time.
    fn programmed(&self, name: &str) -> Vec<String> {
        let calls = self.calls(name);
        let reasons = calls
            .iter()
            .map(|call| reason(&call.body, ConditionType::Programmed));
        reasons.collect()
    }
}

fn reason(object: &Value, type_: ConditionType) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let mut conditions = conditions.iter();
    let condition = conditions
        .find(|one| one["type"] == type_.as_str())
        .unwrap();
    condition["reason"].as_str().unwrap().to_owned()
}

/// A writer with all around it.
struct Case {
    scene: Scene,
    server: Server,
    news: mpsc::Sender<News>,
    holder: watch::Sender<Holder>,
    events: mpsc::Receiver<Transition>,
    metrics: StatusMetrics,
}

impl Case {
    fn start(holder: Holder) -> Self {
        let (scene, server) = (Scene::new(), Server::default());
        let (news, receiver) = mpsc::channel(1024);
        let (holder, followed) = watch::channel(holder);
        let (sender, events) = mpsc::channel(1024);
        let metrics = StatusMetrics::new(&Registry::new()).unwrap();
        let sources = Sources {
            snapshots: scene.snapshots.clone(),
            proxies: scene.proxies.clone(),
            holder: followed,
        };
        let writer = Writer::new(server.client(), sources, sender, metrics.clone());
        tokio::spawn(writer.run(receiver));
        Self {
            scene,
            server,
            news,
            holder,
            events,
            metrics,
        }
    }

    /// One that leads, with a gateway whose proxies run the newest set and which says so.
    async fn with_proxies(pods: &[&str]) -> Self {
        let mut case = Self::start(Holder::Me);
        case.put(&gateway("public"), 1).await;
        case.send(endpoints("public", pods, &[])).await;
        for pod in pods {
            case.scene.adopts(pod, "public");
        }
        passes(1000).await;
        let told = case.server.programmed("public");
        assert_eq!(told.last().map(String::as_str), Some("Programmed"));
        case
    }

    async fn put(&mut self, manifest: &Value, generation: i64) {
        let news = self.scene.put(manifest, generation, Value::Null);
        self.send(news).await;
    }

    async fn send(&self, news: News) {
        self.news.send(news).await.unwrap();
    }
}

async fn passes(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_route_that_is_taken_up_soon_has_one_write() {
    let mut case = Case::with_proxies(&["a", "b"]).await;
    case.put(&route("orders", &["public"], 200), 1).await;
    passes(20).await;
    case.scene.adopts("a", "public");
    passes(20).await;
    case.scene.adopts("b", "public");
    passes(1).await;
    let calls = case.server.calls("orders");
    let [call] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(reason(&call.body, ConditionType::Ready), "Ready");
    assert_eq!(call.body["status"]["gateways"][0]["acked"], 2);
    passes(60_000).await;
    assert!(case.server.calls("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_route_that_is_taken_up_late_has_two_writes() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.put(&route("orders", &["public"], 200), 1).await;
    passes(500).await;
    case.scene.adopts("a", "public");
    passes(60_000).await;
    assert_eq!(case.server.programmed("orders"), ["Pending", "Programmed"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_a_server_side_apply_of_the_status_alone() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.put(&route("orders", &["public"], 200), 7).await;
    passes(500).await;
    let call = case.server.calls("orders").pop().unwrap();
    assert_eq!(call.method, "PATCH");
    let path = "/apis/tollgate.dev/v1alpha1/namespaces/shop/apiroutes/orders/status?";
    assert!(call.target.starts_with(path), "{}", call.target);
    assert!(
        call.target.contains("fieldManager=tollgate"),
        "{}",
        call.target
    );
    assert!(call.target.contains("force=true"), "{}", call.target);
    assert_eq!(call.body["metadata"]["resourceVersion"], "2");
    assert_eq!(call.body["status"]["observedGeneration"], 7);
    assert!(call.body.get("spec").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_right_already_is_not_written() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.put(&route("orders", &["public"], 200), 1).await;
    case.scene.adopts("a", "public");
    passes(500).await;
    let written = case.server.calls("orders").pop().unwrap();
    let mut status = written.body["status"].clone();
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = "2020-01-01T00:00:00Z".into();
    }
    for condition in status["gateways"][0]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = "2020-01-01T00:00:00Z".into();
    }
    let echo = case
        .scene
        .put(&route("orders", &["public"], 200), 1, status);
    case.send(echo).await;
    passes(60_000).await;
    assert!(case.server.calls("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_holder_of_the_lease_writes_and_a_new_one_looks_at_everything() {
    let other = Holder::Other {
        identity: "other".to_owned(),
        relay: String::new(),
    };
    let mut case = Case::start(other);
    case.put(&gateway("public"), 1).await;
    case.put(&route("orders", &["public"], 200), 1).await;
    passes(60_000).await;
    assert!(case.server.calls("orders").is_empty());
    case.holder.send_replace(Holder::Me);
    passes(500).await;
    assert_eq!(case.server.programmed("orders"), ["NoProxies"]);
    assert_eq!(case.server.programmed("public"), ["NoProxies"]);
    case.holder.send_replace(Holder::Nobody);
    case.put(&route("orders", &["public"], 201), 2).await;
    passes(60_000).await;
    assert!(case.server.calls("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_steps_down_writes_nothing_more() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.put(&route("orders", &["public"], 200), 1).await;
    // Due in 60 ms.
    passes(30).await;
    case.holder.send_replace(Holder::Nobody);
    passes(60_000).await;
    assert!(case.server.calls("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_tried_again_and_later_each_time() {
    for code in [429, 500, 503] {
        let mut case = Case::with_proxies(&["a"]).await;
        case.server.script(&[code, code, code]);
        case.put(&route("orders", &["public"], 200), 1).await;
        case.scene.adopts("a", "public");
        passes(100).await;
        assert_eq!(case.server.calls("orders").len(), 1, "{code}");
        passes(60_000).await;
        assert_eq!(case.server.calls("orders").len(), 3, "{code}");
        assert_eq!(case.metrics.failed.get(), 3, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_over_another_version_waits_for_that_version() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.server.script(&[409]);
    case.put(&route("orders", &["public"], 200), 1).await;
    case.scene.adopts("a", "public");
    passes(100).await;
    assert_eq!(case.server.calls("orders").len(), 1);
    case.put(&route("orders", &["public"], 200), 2).await;
    passes(10).await;
    let calls = case.server.calls("orders");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body["status"]["observedGeneration"], 2);
    assert_eq!(calls[0].body["metadata"]["resourceVersion"], "3");
    assert_eq!(case.metrics.failed.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_gets_another_chance_though_nothing_is_heard_of_another_version() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.server.script(&[409, 409]);
    case.put(&route("orders", &["public"], 200), 1).await;
    case.scene.adopts("a", "public");
    passes(60_000).await;
    assert_eq!(case.server.calls("orders").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_gets_no_answer_is_given_up_and_tried_again() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.server.script(&[0]);
    case.put(&route("orders", &["public"], 200), 1).await;
    case.scene.adopts("a", "public");
    passes(4900).await;
    assert_eq!(case.server.calls("orders").len(), 1);
    passes(1000).await;
    assert_eq!(case.server.programmed("orders"), ["Programmed"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_is_not_tried_again() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.server.script(&[404]);
    case.put(&route("orders", &["public"], 200), 1).await;
    case.scene.adopts("a", "public");
    passes(60_000).await;
    assert_eq!(case.server.calls("orders").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_tried_again_with_what_is_true_by_then() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.server.script(&[500]);
    case.put(&route("orders", &["public"], 200), 1).await;
    passes(70).await;
    case.scene.adopts("a", "public");
    passes(60_000).await;
    assert_eq!(case.server.programmed("orders"), ["Pending", "Programmed"]);
}

#[tokio::test(start_paused = true)]
async fn many_objects_are_written_a_few_at_a_time() {
    let mut case = Case::with_proxies(&["a"]).await;
    for i in 0..300 {
        let name = format!("route-{i}");
        case.put(&route(&name, &["public"], 200), 1).await;
    }
    case.scene.adopts("a", "public");
    passes(60_000).await;
    let noted = case.server.0.lock().unwrap();
    assert_eq!(noted.most_at_once, AT_ONCE);
    let writes = noted
        .calls
        .iter()
        .filter(|call| call.target.contains("/route-"));
    assert!((300..=600).contains(&writes.count()));
}

#[tokio::test(start_paused = true)]
async fn an_ailing_api_server_gets_one_write_at_a_time() {
    let mut case = Case::with_proxies(&["a"]).await;
    for i in 0..50 {
        let name = format!("route-{i}");
        case.put(&route(&name, &["public"], 200), 1).await;
    }
    case.server.script(&[503; 50]);
    passes(200).await;
    {
        let mut noted = case.server.0.lock().unwrap();
        assert!(!noted.answers.is_empty(), "still ailing");
        noted.most_at_once = 0;
    }
    passes(30).await;
    assert_eq!(case.server.0.lock().unwrap().most_at_once, 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_hears_the_proxies_before_it_takes_anything_back() {
    let mut case = Case::start(Holder::Me);
    case.put(&gateway("public"), 1).await;
    case.send(endpoints("public", &["a"], &[])).await;
    let manifest = route("orders", &["public"], 200);
    let mut before = Case::with_proxies(&["a"]).await;
    before.put(&manifest, 1).await;
    before.scene.adopts("a", "public");
    passes(500).await;
    let status = before.server.calls("orders").pop().unwrap().body["status"].clone();
    let news = case.scene.put(&manifest, 1, status);
    case.send(news).await;
    passes(3000).await;
    assert!(
        case.server.calls("orders").is_empty(),
        "nothing is known of the proxy"
    );
    case.scene.adopts("a", "public");
    passes(60_000).await;
    assert!(
        case.server.calls("orders").is_empty(),
        "it runs what it ran"
    );
    // One of which nothing is ever heard.
    case.send(endpoints("public", &["a", "mute"], &[])).await;
    passes(60_000).await;
    assert_eq!(case.server.programmed("orders"), ["Pending"]);
}

#[tokio::test(start_paused = true)]
async fn proxies_that_come_one_after_the_other_make_one_write() {
    let mut case = Case::with_proxies(&["a"]).await;
    case.put(&route("orders", &["public"], 200), 1).await;
    case.scene.adopts("a", "public");
    passes(5000).await;
    case.server.calls("orders");
    let all = ["a", "b", "c", "d"];
    for count in 2..=4 {
        case.scene.adopts(all[count - 1], "public");
        case.send(endpoints("public", &all[..count], &[])).await;
        passes(100).await;
    }
    passes(60_000).await;
    let calls = case.server.calls("orders");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body["status"]["gateways"][0]["total"], 4);
}

#[tokio::test(start_paused = true)]
async fn events_tell_of_what_turned_and_not_of_what_is_pending() {
    let mut case = Case::with_proxies(&["a"]).await;
    while case.events.try_recv().is_ok() {}
    case.put(&route("orders", &["public"], 200), 1).await;
    passes(500).await;
    assert!(case.events.try_recv().is_err(), "it has just come");
    case.scene.adopts("a", "public");
    passes(500).await;
    let told = case.events.try_recv().unwrap();
    assert_eq!((told.condition, told.holds), ("Ready", true));
    case.put(&bad_route("orders", &["public"]), 2).await;
    passes(500).await;
    let told = case.events.try_recv().unwrap();
    assert_eq!((told.condition, &*told.reason), ("Accepted", "Invalid"));
    assert!(
        told.message.contains("spec.rules[0].match[0].path"),
        "{}",
        told.message
    );
    assert!(case.events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_news_end() {
    let case = Case::with_proxies(&["a"]).await;
    let Case {
        news, mut events, ..
    } = case;
    drop(news);
    while events.recv().await.is_some() {}
}
