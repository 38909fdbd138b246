//! The life of an authority, with a clock of our own; and the Secret, with a fake API server.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::{
    plan::{AUTHORITY_LIFE, LEAF_LIFE, OVERLAP, Step, TRUSTED_AFTER, plan},
    *,
};
use crate::fake::FakeApi;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Certificates of an authority that was made now.
pub(crate) fn certificates() -> Arc<Certificates> {
    let certificates = Arc::new(Certificates::default());
    let mut keeper = Keeper {
        names: leaf::names("tollgate-system", &[]),
        certificates: Arc::clone(&certificates),
        metrics: Arc::new(Metrics::new().unwrap()),
        leaf: None,
    };
    let now = SystemTime::now();
    keeper.keep(&made(now), now).unwrap();
    certificates
}

fn made(now: SystemTime) -> Keyring {
    Keyring::after(None, Step::Make, now).unwrap().unwrap()
}

fn step(ring: &Keyring, now: SystemTime) -> Keyring {
    let step = plan(now, Some(ring));
    Keyring::after(Some(ring), step, now).unwrap().unwrap()
}

fn leaf(ring: &Keyring, now: SystemTime) -> Leaf {
    let names = leaf::names("tollgate-system", &["10.0.0.1".to_owned()]);
    Leaf::new(ring, &names, now).unwrap()
}

fn trusts(bundle: &str, leaf: &Leaf, name: &str, now: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let (verifier, at) = (verifier.build().unwrap(), UnixTime::since_unix_epoch(since));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let verified = verifier.verify_server_cert(&leaf.key.cert[0], &[], &name, &[], at);
    verified.is_ok()
}

fn secret(ring: &Keyring) -> Secret {
    Secret {
        data: Some(ring.write().into_iter().collect()),
        ..Secret::default()
    }
}

#[test]
fn an_authority_is_made_announced_promoted_and_retired_in_time() {
    let start = start();
    let announce = start + AUTHORITY_LIFE - AUTHORITY_LIFE / 3;
    let second = Duration::from_secs(1);
    let mut ring = made(start);
    let rows = [
        ("young", start, Step::Wait),
        ("before two thirds", announce - second, Step::Wait),
        ("at two thirds", announce, Step::Announce),
        ("announced", announce + second, Step::Wait),
        (
            "not for long enough",
            announce + OVERLAP - second,
            Step::Wait,
        ),
        ("long enough", announce + OVERLAP, Step::Promote),
        ("promoted", announce + OVERLAP + second, Step::Wait),
        (
            "trusted still",
            announce + OVERLAP + TRUSTED_AFTER - second,
            Step::Wait,
        ),
        ("over", announce + OVERLAP + TRUSTED_AFTER, Step::Retire),
        (
            "as at the start",
            announce + OVERLAP + TRUSTED_AFTER + second,
            Step::Wait,
        ),
    ];
    assert_eq!(plan(start, None), Step::Make);
    for (name, now, expected) in rows {
        assert_eq!(plan(now, Some(&ring)), expected, "{name}");
        if expected != Step::Wait {
            ring = step(&ring, now);
        }
    }
    assert!(ring.next.is_none() && ring.previous.is_none());
}

#[test]
fn an_operator_that_was_away_for_long_starts_anew() {
    let start = start();
    let ring = made(start);
    assert_eq!(plan(start + AUTHORITY_LIFE, Some(&ring)), Step::Make);
    let announced = step(&ring, start + AUTHORITY_LIFE - DAY);
    assert!(announced.next.is_some());
    // The next one can sign although the overlap is not over: nothing else can.
    assert_eq!(
        plan(start + AUTHORITY_LIFE, Some(&announced)),
        Step::Promote
    );
    assert_eq!(
        plan(start + AUTHORITY_LIFE * 3, Some(&announced)),
        Step::Make
    );
}

#[test]
fn a_bundle_of_any_time_trusts_what_is_signed_until_the_next_one_is_there() {
    let start = start();
    let announce = start + AUTHORITY_LIFE - AUTHORITY_LIFE / 3;
    let first = made(start);
    let announced = step(&first, announce);
    let promoted = step(&announced, announce + OVERLAP);
    let retired = step(&promoted, announce + OVERLAP + TRUSTED_AFTER);
    let name = "tollgate-controller.tollgate-system.svc";
    let old = leaf(&announced, announce + OVERLAP);
    let new = leaf(&promoted, announce + OVERLAP);
    let now = announce + OVERLAP + Duration::from_secs(60);
    assert!(trusts(&first.bundle(), &old, name, now));
    assert!(
        trusts(&promoted.bundle(), &old, name, now),
        "a replica that lags"
    );
    assert!(
        trusts(&announced.bundle(), &new, name, now),
        "a proxy that lags"
    );
    assert!(
        !trusts(&first.bundle(), &new, name, now),
        "a proxy that lags by a day"
    );
    assert!(!trusts(&retired.bundle(), &old, name, now));
    assert!(trusts(&retired.bundle(), &new, name, now));
}

#[test]
fn a_certificate_is_good_for_its_names_and_its_day() {
    let (start, ring) = (start(), made(start()));
    let (leaf, bundle) = (leaf(&ring, start), ring.bundle());
    let rows = [
        ("service", "tollgate-controller", start, true),
        (
            "full name",
            "tollgate-controller.tollgate-system.svc",
            start,
            true,
        ),
        ("address", "10.0.0.1", start, true),
        (
            "a slow clock",
            "tollgate-controller",
            start - Duration::from_secs(3599),
            true,
        ),
        (
            "almost over",
            "tollgate-controller",
            start + LEAF_LIFE - Duration::from_secs(1),
            true,
        ),
        (
            "over",
            "tollgate-controller",
            start + LEAF_LIFE + Duration::from_secs(1),
            false,
        ),
        ("another name", "api.example.com", start, false),
        (
            "another namespace",
            "tollgate-controller.shop.svc",
            start,
            false,
        ),
        ("another address", "10.0.0.2", start, false),
    ];
    for (case, name, now, trusted) in rows {
        assert_eq!(trusts(&bundle, &leaf, name, now), trusted, "{case}");
    }
    assert!(leaf.holds(&ring, start + LEAF_LIFE / 3 * 2 - Duration::from_secs(1)));
    assert!(!leaf.holds(&ring, start + LEAF_LIFE / 3 * 2));
    assert!(!leaf.holds(&made(start), start), "another authority signs");
}

#[test]
fn a_keyring_is_read_as_it_was_written() {
    let start = start();
    let first = made(start);
    let announced = step(&first, start + AUTHORITY_LIFE - DAY);
    let promoted = step(&announced, start + AUTHORITY_LIFE);
    for (name, ring) in [
        ("first", first),
        ("announced", announced),
        ("promoted", promoted),
    ] {
        let read = Keyring::read(&secret(&ring)).unwrap();
        assert!(read == ring, "{name}");
    }
}

#[test]
fn a_secret_that_is_not_one_of_ours_is_refused_by_key() {
    let start = start();
    let promoted = {
        let announced = step(&made(start), start + AUTHORITY_LIFE - DAY);
        step(&announced, start + AUTHORITY_LIFE)
    };
    let announced = step(&made(start), start + AUTHORITY_LIFE - DAY);
    let rows = [
        ("no certificate", &announced, "ca.crt", None),
        ("no key", &announced, "ca.key", None),
        ("rubbish", &announced, "ca.crt", Some("rubbish")),
        ("a key that is none", &announced, "ca.key", Some("rubbish")),
        ("no text", &announced, "ca.key", Some("\u{0}")),
        ("half a next one", &announced, "next.key", None),
        ("no time", &announced, "next.announced", None),
        (
            "another time",
            &announced,
            "next.announced",
            Some("tomorrow"),
        ),
        (
            "no certificate before",
            &promoted,
            "previous",
            Some("rubbish"),
        ),
        ("no time before", &promoted, "previous.replaced", None),
    ];
    for (name, ring, key, value) in rows {
        let mut secret = secret(ring);
        let data: &mut BTreeMap<_, _> = secret.data.as_mut().unwrap();
        match value {
            Some(value) => data.insert(key.to_owned(), ByteString(value.into())),
            None => data.remove(key),
        };
        let error = Keyring::read(&secret).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!("secret tollgate-ca: {key}: ")),
            "{name}: {error}"
        );
    }
}

struct Replica {
    certificates: Arc<Certificates>,
    snapshots: Snapshots,
    ending: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn replica(api: &FakeApi, holder: Holder) -> Replica {
    let certificates = Arc::new(Certificates::default());
    let (_, holder) = watch::channel(holder);
    let ending = watch::Sender::new(false);
    let snapshots = Snapshots::default();
    let options = Options {
        client: api.client.clone(),
        namespace: "tollgate-system".to_owned(),
        names: vec!["127.0.0.1".to_owned()],
        snapshots: snapshots.clone(),
        holder,
        metrics: Arc::new(Metrics::new().unwrap()),
    };
    let task = tokio::spawn(run(options, Arc::clone(&certificates), ending.subscribe()));
    Replica {
        certificates,
        snapshots,
        ending,
        task,
    }
}

const SECRET: &str = "/api/v1/namespaces/tollgate-system/secrets/tollgate-ca";
const OWN_MAP: &str = "/api/v1/namespaces/tollgate-system/configmaps/tollgate-ca";
const SHOP_MAP: &str = "/api/v1/namespaces/shop/configmaps/tollgate-ca";

async fn bundle(replica: &Replica) -> Arc<str> {
    let mut bundle = replica.certificates.bundle();
    let known = bundle.wait_for(Option::is_some).await.unwrap();
    known.clone().unwrap()
}

#[tokio::test]
async fn the_holder_makes_the_authority_and_every_replica_serves_with_it() {
    let api = FakeApi::start().await;
    let follower = replica(&api, Holder::Nobody);
    let leader = replica(&api, Holder::Me);
    let bundles = (bundle(&leader).await, bundle(&follower).await);
    assert_eq!(bundles.0, bundles.1);
    api.until(|objects| objects.contains_key(OWN_MAP)).await;
    let map = api.get(OWN_MAP).unwrap();
    assert_eq!(map["data"]["ca.crt"], *bundles.0);
    for replica in [leader, follower] {
        replica.ending.send_replace(true);
        replica.task.await.unwrap();
        assert!(replica.certificates.is_ready());
    }
    assert_eq!(api.paths(), [OWN_MAP, SECRET]);
    assert_eq!(
        api.state.writes.load(Ordering::Relaxed),
        2,
        "by the leader alone"
    );
}

#[tokio::test]
async fn namespaces_with_a_gateway_get_the_bundle() {
    let api = FakeApi::start().await;
    let leader = replica(&api, Holder::Me);
    let mut publisher = crate::publish::Publisher::new(leader.snapshots.clone());
    let name = tollgate_snapshot::ObjectName::new("shop", "public");
    let gateway = tollgate_snapshot::gateway::Gateway::default();
    let payload = tollgate_snapshot::Payload::Gateway(gateway);
    let unit = tollgate_snapshot::Unit::new(name, payload).unwrap();
    publisher.apply(vec![tollgate_snapshot::UnitChange::Put(unit)]);
    publisher.publish(1);
    api.until(|objects| objects.contains_key(SHOP_MAP)).await;
    leader.ending.send_replace(true);
    leader.task.await.unwrap();
}
