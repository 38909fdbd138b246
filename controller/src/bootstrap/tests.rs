//! Bootstrap copies, against a fake API server.

use std::sync::atomic::Ordering;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tollgate_snapshot::{Entry, Hash, Payload, Unit, gateway::Gateway, saved};

use super::*;
use crate::fake::FakeApi;

const SECRETS: &str = "/api/v1/namespaces/shop/secrets";
const GATEWAY: &str = "/apis/tollgate.dev/v1alpha1/namespaces/shop/apigateways/public";

fn name() -> ObjectName {
    ObjectName::new("shop", "public")
}

fn unit(name: &str, text: &str) -> Unit {
    let payload = Payload::Gateway(Gateway {
        trusted_cidrs: vec![text.to_owned()],
        ..Gateway::default()
    });
    Unit::new(ObjectName::new("shop", name), payload).unwrap()
}

fn set(units: &[Unit]) -> UnitSet {
    let entries = units.iter();
    let entries = entries.map(|unit| (unit.id.clone(), Entry::Unit(unit.clone())));
    UnitSet::new(entries.collect(), 7)
}

/// Text that does not get smaller.
fn noise(length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| random.alphanumeric())
        .take(length)
        .collect()
}

async fn api() -> FakeApi {
    let api = FakeApi::start().await;
    api.put(GATEWAY, gateway("uid-1"));
    api
}

fn gateway(uid: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"namespace": "shop", "name": "public", "uid": uid},
    })
}

fn bytes(secret: &Value, key: &str) -> Vec<u8> {
    STANDARD
        .decode(secret["data"][key].as_str().unwrap())
        .unwrap()
}

fn seal(api: &FakeApi) -> Vec<u8> {
    let secret = api.get(&format!("{SECRETS}/tollgate-public-seal")).unwrap();
    bytes(&secret, "key")
}

/// What a proxy that starts would read.
fn read(api: &FakeApi) -> Saved {
    let part = |number: usize| api.get(&format!("{SECRETS}/tollgate-public-bootstrap-{number}"));
    let first = part(0).unwrap();
    let count: usize = String::from_utf8(bytes(&first, "parts"))
        .unwrap()
        .parse()
        .unwrap();
    let parts: Vec<_> = (0..count).map(|number| part(number).unwrap()).collect();
    assert!(part(count).is_none());
    let file: Vec<u8> = parts.iter().flat_map(|part| bytes(part, "part")).collect();
    for part in &parts {
        assert_eq!(bytes(part, "sum"), bytes(&first, "sum"));
        assert_eq!(part["metadata"]["ownerReferences"][0]["uid"], "uid-1");
        assert!(bytes(part, "part").len() <= 900 << 10);
    }
    let key = saved::SealKey::new(&seal(api)).unwrap();
    saved::read(&file, Some(&key)).unwrap()
}

struct Writer {
    api: FakeApi,
    kept: BTreeMap<ObjectName, Kept>,
    bootstrap: Bootstrap,
    _holder: watch::Sender<Holder>,
}

impl Writer {
    fn new(api: &FakeApi) -> Self {
        let holder = watch::Sender::new(Holder::Me);
        let bootstrap = Bootstrap {
            snapshots: Snapshots::default(),
            holder: holder.subscribe(),
            metrics: Arc::new(Metrics::new().unwrap()),
        };
        Self {
            api: api.clone(),
            kept: BTreeMap::new(),
            bootstrap,
            _holder: holder,
        }
    }

    async fn write(&mut self, set: &UnitSet) {
        self.bootstrap.snapshots.put(&name(), set.clone());
        self.bootstrap
            .write_due(&self.api.client, &mut self.kept)
            .await;
    }

    /// As if so much time had passed.
    fn later(&mut self) {
        for kept in self.kept.values_mut() {
            kept.again = Instant::now();
            kept.look = Instant::now();
        }
    }

    fn counted(&self) -> (u64, u64) {
        let metrics = &self.bootstrap.metrics.bootstrap;
        (metrics.written.get(), metrics.errors.get())
    }
}

#[tokio::test]
async fn a_copy_holds_what_the_set_holds_and_follows_it() {
    let api = api().await;
    let mut writer = Writer::new(&api);
    let first = set(&[unit("public", "1"), unit("a", "1")]);
    writer.write(&first).await;
    let saved = read(&api);
    assert_eq!(saved.gateway, name());
    assert_eq!(saved.resource_version, 7);
    assert_eq!(copy::root(&saved), first.root());
    let key = seal(&api);

    let second = set(&[unit("public", "1"), unit("a", "2")]);
    writer.write(&second).await;
    assert_eq!(copy::root(&read(&api)), first.root(), "not before its time");
    writer.later();
    writer.write(&second).await;
    assert_eq!(copy::root(&read(&api)), second.root());
    let writes = api.state.writes.load(Ordering::Relaxed);
    writer.later();
    writer.write(&second).await;
    assert_eq!(
        api.state.writes.load(Ordering::Relaxed),
        writes,
        "nothing is new"
    );
    assert_eq!(seal(&api), key);
    assert_eq!(writer.counted(), (2, 0));
}

#[tokio::test]
async fn a_large_copy_has_parts_and_surplus_ones_go() {
    let api = api().await;
    let mut writer = Writer::new(&api);
    let large = set(&[unit("public", &noise(3_000_000))]);
    writer.write(&large).await;
    assert_eq!(copy::root(&read(&api)), large.root());
    let parts = || {
        api.paths()
            .iter()
            .filter(|path| path.contains("bootstrap-"))
            .count()
    };
    assert!(parts() >= 3, "{}", parts());
    // Another holder knows of the parts as well.
    let mut writer = Writer::new(&api);
    writer.write(&set(&[unit("public", "small")])).await;
    assert_eq!(parts(), 1);
    read(&api);
}

#[tokio::test]
async fn another_holder_does_not_write_what_is_there() {
    let api = api().await;
    let same = set(&[unit("public", "1")]);
    Writer::new(&api).write(&same).await;
    let writes = api.state.writes.load(Ordering::Relaxed);
    let mut other = Writer::new(&api);
    other.write(&same).await;
    assert_eq!(api.state.writes.load(Ordering::Relaxed), writes);
    assert_eq!(other.counted(), (0, 0));
}

#[tokio::test]
async fn of_what_is_refused_a_copy_keeps_the_version_before_even_over_a_change_of_holder() {
    let api = api().await;
    let good = unit("a", "1");
    Writer::new(&api)
        .write(&set(&[unit("public", "1"), good.clone()]))
        .await;
    let mut entries = set(&[unit("public", "1")]).entries().clone();
    entries.insert(good.id.clone(), Entry::Held { stand_in: None });
    let held = UnitSet::new(entries, 8);
    Writer::new(&api).write(&held).await;
    let saved = read(&api);
    assert_eq!(copy::root(&saved), held.root());
    let entry = saved
        .entries
        .iter()
        .find(|entry| entry.id == good.id)
        .unwrap();
    assert!(entry.held);
    assert_eq!(entry.good, Some(good));
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_is_written_anew() {
    let api = api().await;
    let same = set(&[unit("public", "1")]);
    Writer::new(&api).write(&same).await;
    let path = format!("{SECRETS}/tollgate-public-bootstrap-0");
    let mut broken = api.get(&path).unwrap();
    broken["data"]["part"] = STANDARD.encode("rubbish").into();
    api.put(&path, broken);
    Writer::new(&api).write(&same).await;
    assert_eq!(copy::root(&read(&api)), same.root());
}

#[tokio::test]
async fn a_copy_that_somebody_deleted_is_written_again_with_all_that_was_in_it() {
    let api = api().await;
    let mut writer = Writer::new(&api);
    let same = set(&[unit("public", "1")]);
    writer.write(&same).await;
    for name in ["bootstrap-0", "seal"] {
        api.remove(&format!("{SECRETS}/tollgate-public-{name}"))
            .unwrap();
        writer.later();
        writer.write(&same).await;
        assert_eq!(copy::root(&read(&api)), same.root(), "{name}");
    }
}

#[tokio::test]
async fn a_gateway_that_was_made_anew_owns_its_key_and_its_copy() {
    let api = api().await;
    let mut writer = Writer::new(&api);
    let same = set(&[unit("public", "1")]);
    writer.write(&same).await;
    let key = seal(&api);
    api.put(GATEWAY, gateway("uid-2"));
    writer.later();
    writer.write(&same).await;
    for name in ["bootstrap-0", "seal"] {
        let secret = api.get(&format!("{SECRETS}/tollgate-public-{name}"));
        let owners = &secret.unwrap()["metadata"]["ownerReferences"];
        assert_eq!(owners[0]["uid"], "uid-2", "{name}");
    }
    assert_eq!(seal(&api), key);
}

#[tokio::test]
async fn a_key_that_is_none_is_left_alone_and_counted() {
    let api = api().await;
    let path = format!("{SECRETS}/tollgate-public-seal");
    let short = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "tollgate-public-seal", "namespace": "shop"},
        "data": {"key": STANDARD.encode("short")},
    });
    api.put(&path, short.clone());
    let mut writer = Writer::new(&api);
    writer.write(&set(&[unit("public", "1")])).await;
    assert_eq!(writer.counted(), (0, 1));
    assert_eq!(api.get(&path), Some(short));
    assert_eq!(api.paths().len(), 2);
}

#[tokio::test]
async fn a_gateway_that_nobody_wrote_or_that_was_deleted_has_no_copy() {
    let api = api().await;
    let mut writer = Writer::new(&api);
    writer.write(&UnitSet::default()).await;
    api.remove(GATEWAY).unwrap();
    writer.write(&set(&[unit("public", "1")])).await;
    assert_eq!(api.paths(), Vec::<String>::new());
    assert_eq!(writer.counted(), (0, 0));
}

#[test]
fn an_empty_copy_has_the_root_of_an_empty_set() {
    let saved = copy::of(&name(), &UnitSet::default(), None);
    let root: Hash = copy::root(&saved);
    assert_eq!(root, UnitSet::default().root());
}
