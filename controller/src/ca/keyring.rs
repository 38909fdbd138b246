//! The authorities: the one that signs, the next one, the one before; and the steps between.
//!
//! In: a Secret's data, the time. Out: the keyring, and a Secret's data again.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::{
    CERTIFICATE_KEY, CaError,
    plan::{AUTHORITY_LIFE, BACKDATED, Step},
};
use crate::secrets::field;

/// An authority: its certificate and its key.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Authority {
    /// Certificate, PEM.
    pub(super) certificate: String,
    /// Private key, PEM (PKCS #8).
    key: String,
    /// When it ends.
    pub(super) not_after: SystemTime,
}

/// An authority that is published and does not sign yet.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Next {
    /// The authority.
    pub(super) authority: Authority,
    /// Since when it is published.
    pub(super) announced: SystemTime,
}

/// An authority that does not sign any more; its key is gone.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Previous {
    /// Certificate, PEM.
    pub(super) certificate: String,
    /// Since when it does not sign.
    pub(super) replaced: SystemTime,
}

/// All authorities.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Keyring {
    /// The one that signs.
    pub(super) signs: Authority,
    /// The next one.
    pub(super) next: Option<Next>,
    /// The one before.
    pub(super) previous: Option<Previous>,
}

impl Authority {
    fn new(now: SystemTime) -> Result<Self, CaError> {
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        // A name of its own, so that a reader of logs tells two apart.
        name.push(DnType::CommonName, format!("tollgate-ca {}", stamp(now)));
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + AUTHORITY_LIFE).into();
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Self::read(CERTIFICATE_KEY, certificate, "ca.key", key.serialize_pem())
    }

    fn read(
        certificate_key: &'static str,
        certificate: String,
        key_key: &'static str,
        key: String,
    ) -> Result<Self, CaError> {
        let not_after = not_after(&certificate).map_err(|why| CaError::Unreadable {
            key: certificate_key,
            why,
        })?;
        let made = KeyPair::from_pem(&key).map_err(|error| CaError::Unreadable {
            key: key_key,
            why: error.to_string(),
        })?;
        Issuer::from_ca_cert_pem(&certificate, made).map_err(|error| CaError::Unreadable {
            key: certificate_key,
            why: error.to_string(),
        })?;
        Ok(Self {
            certificate,
            key,
            not_after,
        })
    }

    /// What signs certificates.
    pub(super) fn issuer(&self) -> Result<Issuer<'static, KeyPair>, CaError> {
        let key = KeyPair::from_pem(&self.key)?;
        Ok(Issuer::from_ca_cert_pem(&self.certificate, key)?)
    }
}

impl Keyring {
    /// Whom to trust, PEM.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| &next.authority.certificate);
        let previous = self.previous.as_ref();
        let previous = previous.map(|previous| &previous.certificate);
        let all = [Some(&self.signs.certificate), next, previous];
        let all = all.into_iter().flatten().map(String::as_str);
        all.collect::<Vec<_>>().concat()
    }

    /// The keyring after a step; nothing when there is nothing to do.
    pub(super) fn after(
        ring: Option<&Self>,
        step: Step,
        now: SystemTime,
    ) -> Result<Option<Self>, CaError> {
        let authority = match step {
            Step::Make | Step::Announce => Some(Authority::new(now)?),
            Step::Promote | Step::Retire | Step::Wait => None,
        };
        Ok(match (step, ring.cloned(), authority) {
            (Step::Make, _, Some(signs)) => Some(Self {
                signs,
                next: None,
                previous: None,
            }),
            (Step::Announce, Some(ring), Some(authority)) => Some(Self {
                next: Some(Next {
                    authority,
                    announced: now,
                }),
                ..ring
            }),
            (Step::Promote, Some(ring), _) => ring.next.map(|next| Self {
                signs: next.authority,
                next: None,
                previous: Some(Previous {
                    certificate: ring.signs.certificate,
                    replaced: now,
                }),
            }),
            (Step::Retire, Some(ring), _) => Some(Self {
                previous: None,
                ..ring
            }),
            (Step::Make | Step::Announce | Step::Promote | Step::Retire | Step::Wait, _, _) => None,
        })
    }

    /// Reads a Secret.
    pub(super) fn read(secret: &Secret) -> Result<Self, CaError> {
        let signs = authority(secret, CERTIFICATE_KEY, "ca.key")?.ok_or(CaError::Unreadable {
            key: CERTIFICATE_KEY,
            why: "missing".to_owned(),
        })?;
        let next = authority(secret, "next.crt", "next.key")?;
        let next = next.map(|authority| {
            let announced = time(secret, "next.announced")?;
            Ok::<_, CaError>(Next {
                authority,
                announced,
            })
        });
        let previous = text(secret, "previous")?.map(|certificate| {
            not_after(&certificate).map_err(|why| CaError::Unreadable {
                key: "previous",
                why,
            })?;
            let replaced = time(secret, "previous.replaced")?;
            Ok::<_, CaError>(Previous {
                certificate,
                replaced,
            })
        });
        Ok(Self {
            signs,
            next: next.transpose()?,
            previous: previous.transpose()?,
        })
    }

    /// Writes the data of a Secret.
    pub(super) fn write(&self) -> impl IntoIterator<Item = (String, ByteString)> + use<> {
        let mut data = vec![
            (CERTIFICATE_KEY, self.signs.certificate.clone()),
            ("ca.key", self.signs.key.clone()),
        ];
        if let Some(next) = &self.next {
            data.push(("next.crt", next.authority.certificate.clone()));
            data.push(("next.key", next.authority.key.clone()));
            data.push(("next.announced", stamp(next.announced)));
        }
        if let Some(previous) = &self.previous {
            data.push(("previous", previous.certificate.clone()));
            data.push(("previous.replaced", stamp(previous.replaced)));
        }
        data.into_iter()
            .map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())))
    }
}

fn authority(
    secret: &Secret,
    certificate_key: &'static str,
    key_key: &'static str,
) -> Result<Option<Authority>, CaError> {
    let certificate = text(secret, certificate_key)?;
    let key = text(secret, key_key)?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Authority::read(certificate_key, certificate, key_key, key).map(Some)
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(key_key)),
        (None, Some(_)) => Err(missing(certificate_key)),
    }
}

fn missing(key: &'static str) -> CaError {
    let why = "missing".to_owned();
    CaError::Unreadable { key, why }
}

fn text(secret: &Secret, key: &'static str) -> Result<Option<String>, CaError> {
    let text = field(secret, key).map(|bytes| String::from_utf8(bytes.to_vec()));
    text.transpose().map_err(|_| CaError::Unreadable {
        key,
        why: "not text".to_owned(),
    })
}

fn time(secret: &Secret, key: &'static str) -> Result<SystemTime, CaError> {
    let text = text(secret, key)?.ok_or_else(|| missing(key))?;
    let stamp: Timestamp = text.parse().map_err(|_| CaError::Unreadable {
        key,
        why: "not a time of RFC 3339".to_owned(),
    })?;
    Ok(stamp.into())
}

fn stamp(time: SystemTime) -> String {
    // To the second: what is written is what is read.
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let stamp = i64::try_from(seconds).ok().map(Timestamp::from_second);
    stamp.and_then(Result::ok).unwrap_or_default().to_string()
}

/// When a certificate, PEM, ends.
fn not_after(pem: &str) -> Result<SystemTime, String> {
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
    let certificate = pem.parse_x509().map_err(|error| error.to_string())?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp());
    let seconds = seconds.map_err(|_| "it ended before 1970")?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
