//! A replica's own certificate: made and kept in memory, never written.

use std::{sync::Arc, time::SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use super::{
    CaError,
    keyring::Keyring,
    plan::{BACKDATED, LEAF_LIFE},
};

/// Name of the Service.
pub(crate) const SERVICE: &str = "tollgate-controller";

/// The certificate, and what it was made from.
pub(super) struct Leaf {
    /// What TLS needs.
    pub(super) key: Arc<CertifiedKey>,
    /// When it ends.
    pub(super) not_after: SystemTime,
    /// The certificate of the authority that signed it.
    signed_by: String,
    made: SystemTime,
}

/// All names and addresses of a replica.
pub(super) fn names(namespace: &str, more: &[String]) -> Vec<String> {
    let service = [SERVICE.to_owned(), format!("{SERVICE}.{namespace}.svc")];
    service.into_iter().chain(more.iter().cloned()).collect()
}

impl Leaf {
    /// Makes one for these names.
    pub(super) fn new(ring: &Keyring, names: &[String], now: SystemTime) -> Result<Self, CaError> {
        let mut params = CertificateParams::new(names)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, SERVICE);
        params.distinguished_name = name;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let not_after = (now + LEAF_LIFE).min(ring.signs.not_after);
        params.not_before = (now - BACKDATED).into();
        params.not_after = not_after.into();
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &ring.signs.issuer()?)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![certificate.der().clone()];
        Ok(Self {
            key: Arc::new(CertifiedKey::new(chain, any_supported_type(&key)?)),
            not_after,
            signed_by: ring.signs.certificate.clone(),
            made: now,
        })
    }

    /// Whether it is still good to serve with: signed by the one that signs, and not two thirds
    /// over.
    pub(super) fn holds(&self, ring: &Keyring, now: SystemTime) -> bool {
        let life = self.not_after.duration_since(self.made).unwrap_or_default();
        let old = now.duration_since(self.made);
        self.signed_by == ring.signs.certificate && old.is_ok_and(|old| old < life / 3 * 2)
    }
}
