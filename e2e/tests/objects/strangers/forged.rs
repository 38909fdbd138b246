//! Tokens that nobody issued, signed with the cluster's own key.

use std::fs;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tollgate_e2e::Cluster;

/// A token like another, that has been good until an hour ago.
pub(super) fn expired(cluster: &Cluster, token: &str) -> String {
    forge(cluster, token, |claims| {
        let issued = claims["iat"].as_u64().unwrap();
        for (claim, earlier) in [("iat", 7200), ("nbf", 7200), ("exp", 3600)] {
            claims[claim] = json!(issued - earlier);
        }
    })
}

/// A token that says the same as another.
pub(super) fn same(cluster: &Cluster, token: &str) -> String {
    forge(cluster, token, |_| {})
}

fn forge(cluster: &Cluster, token: &str, edit: impl FnOnce(&mut Value)) -> String {
    let [head, claims, _] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("no token: {token}");
    };
    let mut claims: Value = serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap();
    edit(&mut claims);
    let text = format!("{head}.{}", BASE64.encode(claims.to_string()));
    let pem = fs::read(cluster.kubeconfig().with_file_name("accounts.key")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der());
    let signature = key
        .unwrap()
        .sign(&SystemRandom::new(), text.as_bytes())
        .unwrap();
    format!("{text}.{}", BASE64.encode(signature.as_ref()))
}
