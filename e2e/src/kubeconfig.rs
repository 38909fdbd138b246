//! Kubeconfig files: the one of our own cluster is written, a given one is read.
//!
//! Of a given one, its current context is read, with a token or a client certificate, inline or in
//! files. What runs a program to log in is not supported here; the clients of tests read the file
//! themselves.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::admin::{Admin, Credential};

/// Writes the kubeconfig of an administrator with a token. Only its owner may read it.
pub(crate) fn write(path: &Path, server: &str, ca: &str, token: &str) -> anyhow::Result<()> {
    let ca = STANDARD.encode(ca);
    let text = format!(
        "apiVersion: v1
kind: Config
current-context: tollgate
clusters:
- name: tollgate
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: admin
  user:
    token: {token}
contexts:
- name: tollgate
  context:
    cluster: tollgate
    user: admin
"
    );
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// The administrator that the current context of a kubeconfig names.
///
/// # Errors
/// It can't be read, its context leads nowhere, or its user has neither token nor certificate.
pub(crate) fn read(path: &Path) -> anyhow::Result<Admin> {
    parse(path).with_context(|| format!("KUBECONFIG {}", path.display()))
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "current-context", default)]
    current: String,
    #[serde(default)]
    contexts: Vec<Named<Context_>>,
    #[serde(default)]
    clusters: Vec<Named<Server>>,
    #[serde(default)]
    users: Vec<Named<User>>,
}

/// An entry of one of the lists.
#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    is: T,
}

#[derive(Deserialize)]
struct Context_ {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Server {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
}

fn parse(path: &Path) -> anyhow::Result<Admin> {
    let text = fs::read_to_string(path).context("unreadable")?;
    let config: Config = serde_saphyr::from_str(&text)?;
    let context = named("contexts", config.contexts, &config.current)?;
    let cluster = named("clusters", config.clusters, &context.cluster)?;
    let user = named("users", config.users, &context.user)?;
    // Paths are relative to the file that names them.
    let folder = path.parent().unwrap_or(path);
    let ca = either(
        folder,
        cluster.certificate_authority_data,
        cluster.certificate_authority,
    )?;
    Ok(Admin {
        server: cluster.server,
        ca: ca.context("clusters: no certificate-authority")?,
        credential: credential(folder, user)
            .with_context(|| format!("users: {:?}", context.user))?,
    })
}

fn named<T>(list: &str, entries: Vec<Named<T>>, name: &str) -> anyhow::Result<T> {
    let found = entries.into_iter().find(|entry| entry.name == name);
    found
        .map(|entry| entry.is)
        .with_context(|| format!("{list}: no {name:?}"))
}

/// Inline data, which is base64, before a file.
fn either(
    folder: &Path,
    data: Option<String>,
    file: Option<String>,
) -> anyhow::Result<Option<String>> {
    if let Some(data) = data {
        return Ok(Some(String::from_utf8(STANDARD.decode(data)?)?));
    }
    let read = |file: String| {
        fs::read_to_string(folder.join(&file)).with_context(|| format!("read {file}"))
    };
    file.map(read).transpose()
}

fn credential(folder: &Path, user: User) -> anyhow::Result<Credential> {
    let chain = either(
        folder,
        user.client_certificate_data,
        user.client_certificate,
    )?;
    let key = either(folder, user.client_key_data, user.client_key)?;
    if let (Some(chain), Some(key)) = (chain, key) {
        return Ok(Credential::Certificate { chain, key });
    }
    let Some(token) = user.token.map_or_else(
        || either(folder, None, user.token_file),
        |token| Ok(Some(token)),
    )?
    else {
        bail!("neither a token nor a client certificate");
    };
    let token = token.trim().to_owned();
    ensure!(!token.is_empty(), "an empty token");
    Ok(Credential::Token(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        write(&path, "https://127.0.0.1:6443", "ca of ours", "secret").unwrap();
        let admin = read(&path).unwrap();
        assert_eq!(admin.server, "https://127.0.0.1:6443");
        assert_eq!(admin.ca, "ca of ours");
        assert!(matches!(admin.credential, Credential::Token(token) if token == "secret"));
    }

    /// A kubeconfig with one user, in a folder with the files `ca`, `crt`, `key` and `token`.
    fn user(fields: &str) -> anyhow::Result<Admin> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ca", "crt", "key", "token"] {
            fs::write(folder.path().join(name), format!("the {name}\n")).unwrap();
        }
        let text = format!(
            "{{current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], \
             clusters: [{{name: k, cluster: {{server: 's', certificate-authority: ca}}}}], \
             users: [{{name: u, user: {fields}}}]}}"
        );
        let path = folder.path().join("kubeconfig");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_user_has_a_token_or_a_certificate() {
        let token = user("{tokenFile: token}").unwrap();
        assert_eq!(token.ca, "the ca\n");
        assert!(matches!(token.credential, Credential::Token(token) if token == "the token"));
        let certificate = user("{client-certificate: crt, client-key-data: a2V5}").unwrap();
        assert!(matches!(
            certificate.credential,
            Credential::Certificate { chain, key } if chain == "the crt\n" && key == "key"
        ));
    }

    #[test]
    fn a_kubeconfig_that_leads_nowhere_says_why() {
        let rows = [
            (
                "a program",
                "{exec: {command: aws}}",
                "users: \"u\": neither a token",
            ),
            ("half", "{client-certificate: crt}", "neither a token"),
            ("no file", "{tokenFile: none}", "read none"),
            ("an empty token", "{token: ''}", "an empty token"),
        ];
        for (name, fields, expected) in rows {
            let error = format!("{:#}", user(fields).unwrap_err());
            assert!(error.contains(expected), "{name}: {error}");
        }
        let error = format!("{:#}", read(Path::new("/nowhere/kubeconfig")).unwrap_err());
        assert!(error.contains("/nowhere/kubeconfig: unreadable"), "{error}");
    }
}
