//! The keys and certificates of a cluster of our own: made for it, gone with it.
//!
//! In: the cluster's folder. Out: files in it, and the CA's certificate.

use std::{fs, path::Path};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// What the API server may be called.
const NAMES: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// The CA's certificate.
pub(crate) const CA: &str = "ca.crt";
/// The API server's certificate and key.
pub(crate) const SERVING: [&str; 2] = ["serving.crt", "serving.key"];
/// Signs the tokens of ServiceAccounts, and its public half, which checks them.
pub(crate) const ACCOUNTS: [&str; 2] = ["accounts.key", "accounts.pub"];

/// Writes all of them into `folder`.
///
/// # Errors
/// No key can be made, or the folder can't be written.
pub(crate) fn write(folder: &Path) -> anyhow::Result<String> {
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).with_context(|| format!("write {name}"))
    };
    let ca_key = KeyPair::generate()?;
    let ca_params = authority()?;
    let ca = ca_params.self_signed(&ca_key)?.pem();
    let serving_key = KeyPair::generate()?;
    let serving = serving()?.signed_by(&serving_key, &Issuer::new(ca_params, ca_key))?;
    write(CA, ca.clone())?;
    write(SERVING[0], serving.pem())?;
    write(SERVING[1], serving_key.serialize_pem())?;
    let accounts_key = KeyPair::generate()?;
    write(ACCOUNTS[0], accounts_key.serialize_pem())?;
    write(ACCOUNTS[1], accounts_key.public_key_pem())?;
    Ok(ca)
}

fn authority() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
        .distinguished_name
        .push(DnType::CommonName, "tollgate test cluster");
    Ok(params)
}

fn serving() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    Ok(params)
}
