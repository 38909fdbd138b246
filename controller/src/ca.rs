//! The operator's own certificate authority, and the certificate with which a replica serves.
//!
//! In: the Secret `tollgate-ca`, the time, whether this replica holds the Lease. Out: a serving
//! certificate in memory, renewed while streams run ([`Certificates`]); from the Lease holder alone
//! the Secret, and a ConfigMap `tollgate-ca` with the bundle that proxies trust, wherever there is
//! a gateway.
//!
//! An authority lives a year. After two thirds of it the next one is made and published, a day
//! later it signs, and when the last certificate of the old one has ended, that leaves the bundle.

mod bundle;
mod keyring;
mod leaf;
mod plan;
mod secret;

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;
use kube::Client;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio::sync::watch;

pub(crate) use self::leaf::SERVICE;
use self::{keyring::Keyring, leaf::Leaf, secret::SecretTask};
use crate::{holder::Holder, metrics::Metrics, publish::Snapshots};

/// Name of the Secret, and of the ConfigMaps.
pub(crate) const NAME: &str = "tollgate-ca";

/// Key of the certificate in the Secret, and of the bundle in the ConfigMaps.
pub(crate) const CERTIFICATE_KEY: &str = "ca.crt";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CaError {
    /// The Secret is not what the operator wrote.
    #[error("secret {NAME}: {key}: {why}")]
    Unreadable {
        /// Key in the Secret.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A certificate can't be made.
    #[error("can't make a certificate")]
    Unmakable(#[from] rcgen::Error),
    /// A certificate that was made can't be served.
    #[error("can't serve with the certificate")]
    Unservable(#[from] rustls::Error),
}

/// What a replica serves with, and what it trusts; shared by all who need either.
#[derive(Debug)]
pub struct Certificates {
    serving: ArcSwapOption<CertifiedKey>,
    bundle: watch::Sender<Option<Arc<str>>>,
}

impl Default for Certificates {
    fn default() -> Self {
        Self {
            serving: ArcSwapOption::empty(),
            bundle: watch::Sender::new(None),
        }
    }
}

impl Certificates {
    /// Whether there is a certificate to serve with.
    pub fn is_ready(&self) -> bool {
        self.serving.load().is_some()
    }

    /// Follows the bundle, PEM, that says whom to trust; `None`: not known yet.
    pub fn bundle(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.bundle.subscribe()
    }

    /// TLS for a listener: HTTP/2 only, with whatever the certificate is at the time.
    ///
    /// # Errors
    /// Only if the library has no cipher suites in common with itself.
    pub fn tls(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[&rustls::version::TLS13])?;
        let resolver: Arc<Self> = Arc::clone(self);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.serving.load_full()
    }
}

/// What the authority needs.
#[derive(Clone)]
pub struct Options {
    /// The API server.
    pub client: Client,
    /// The operator's own namespace.
    pub namespace: String,
    /// Names and addresses under which replicas are dialled, besides those of the Service
    /// `tollgate-controller`.
    pub names: Vec<String>,
    /// Whoever wants to be served, wants to trust: their namespaces get the bundle.
    pub snapshots: Snapshots,
    /// Who holds the Lease.
    pub holder: watch::Receiver<Holder>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Keeps the certificates until `ending` says true.
pub async fn run(options: Options, certificates: Arc<Certificates>, ending: watch::Receiver<bool>) {
    let keeper = Keeper {
        names: leaf::names(&options.namespace, &options.names),
        certificates: Arc::clone(&certificates),
        metrics: Arc::clone(&options.metrics),
        leaf: None,
    };
    tokio::join!(
        SecretTask::new(options.clone(), keeper).run(ending.clone()),
        bundle::run(options, certificates.bundle(), ending),
    );
}

/// Keeps this replica's own certificate.
struct Keeper {
    names: Vec<String>,
    certificates: Arc<Certificates>,
    metrics: Arc<Metrics>,
    leaf: Option<Leaf>,
}

impl Keeper {
    /// Makes the certificate anew when it is time, or when another authority signs.
    fn keep(&mut self, ring: &Keyring, now: SystemTime) -> Result<(), CaError> {
        let bundle = ring.bundle();
        self.certificates.bundle.send_if_modified(|old| {
            let differs = old.as_deref() != Some(&bundle[..]);
            if differs {
                *old = Some(bundle.into());
            }
            differs
        });
        if self.leaf.as_ref().is_some_and(|leaf| leaf.holds(ring, now)) {
            return Ok(());
        }
        let leaf = Leaf::new(ring, &self.names, now)?;
        self.certificates.serving.store(Some(Arc::clone(&leaf.key)));
        let metrics = &self.metrics.ca;
        metrics.certificate_expires.set(seconds(leaf.not_after));
        metrics.authority_expires.set(seconds(ring.signs.not_after));
        self.leaf = Some(leaf);
        Ok(())
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.map_or(0, |since| since.as_secs())).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
