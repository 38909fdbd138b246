//! Dialling the controller: one address, TLS with the operator's CA, the pod's token.
//!
//! In: a URL, and files that others replace: the CA bundle and the token are read again for every
//! attempt. Out: a client, or in words why there is none. The token is never shown.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::Uri;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use thiserror::Error;
use tokio::{net::lookup_host, time::timeout};
use tollgate_snapshot::wire::MESSAGE_BYTES;
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::push::push_client::PushClient;

/// Longest time to set up a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time to resolve the name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Rest of the connection after which the other end is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long the other end may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Largest CA bundle and largest token, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Whom to dial, and as whom.
#[derive(Clone, Debug)]
pub struct Controller {
    url: Uri,
    ca: PathBuf,
    token: PathBuf,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum Undialled {
    /// The URL can't be dialled.
    #[error("{0}: not of the form https://HOST[:PORT]")]
    Url(Uri),
    /// A file can't be read.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The name has no address.
    #[error("{host}: {why}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// No connection.
    #[error("{address}: {why}")]
    Connection {
        /// Whom.
        address: SocketAddr,
        /// What went wrong, in the words of all who say something.
        why: String,
    },
}

/// A connection that is open.
pub struct Line {
    /// Speaks the protocol.
    pub client: PushClient<Channel>,
    /// For `authorization`.
    pub bearer: MetadataValue<Ascii>,
}

impl Controller {
    /// Whom to dial: `https://HOST[:PORT]`; `ca`: PEM bundle of the CAs that its certificate may be
    /// of; `token`: who this is.
    ///
    /// # Errors
    /// When the URL is of another form.
    pub fn new(url: Uri, ca: PathBuf, token: PathBuf) -> Result<Self, Undialled> {
        let controller = Self { url, ca, token };
        controller.place()?;
        Ok(controller)
    }

    /// The addresses behind the URL's name, in random order.
    ///
    /// # Errors
    /// When there is none.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, Undialled> {
        let (host, port) = self.place()?;
        let unnamed = |why: String| Undialled::Name {
            host: host.to_owned(),
            why,
        };
        let found = timeout(RESOLVE_TIMEOUT, lookup_host((bare(host), port))).await;
        let found = found.map_err(|_| unnamed("the resolver does not answer".to_owned()))?;
        let found = found.map_err(|error| unnamed(error.to_string()))?;
        let mut addresses: Vec<_> = found.collect();
        if addresses.is_empty() {
            return Err(unnamed("it has no address".to_owned()));
        }
        fastrand::shuffle(&mut addresses);
        Ok(addresses)
    }

    /// Dials one address.
    ///
    /// # Errors
    /// When a file can't be read or nobody there can prove to be the controller.
    pub async fn dial(&self, address: SocketAddr) -> Result<Line, Undialled> {
        let bearer = self.bearer()?;
        let endpoint = self.endpoint(address, &self.bundle()?).map_err(|error| {
            let why = chain(&error);
            Undialled::Connection { address, why }
        })?;
        let failed = |why: String| Undialled::Connection { address, why };
        let channel = timeout(CONNECT_TIMEOUT, endpoint.connect()).await;
        let channel = channel.map_err(|_| failed("no answer in time".to_owned()))?;
        let channel = channel.map_err(|error| failed(chain(&error)))?;
        let client = PushClient::with_origin(channel, self.url.clone());
        Ok(Line {
            client: client.max_decoding_message_size(MESSAGE_BYTES),
            bearer,
        })
    }

    fn place(&self) -> Result<(&str, u16), Undialled> {
        match (self.url.scheme_str(), self.url.host()) {
            (Some("https"), Some(host)) => Ok((host, self.url.port_u16().unwrap_or(443))),
            _ => Err(Undialled::Url(self.url.clone())),
        }
    }

    fn endpoint(&self, address: SocketAddr, bundle: &[u8]) -> Result<Endpoint, transport::Error> {
        let tls = ClientTlsConfig::new()
            .domain_name(self.url.host().map(bare).unwrap_or_default())
            .ca_certificate(Certificate::from_pem(bundle));
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?
            .tls_config(tls)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        Ok(endpoint)
    }

    fn bundle(&self) -> Result<Vec<u8>, Undialled> {
        let bundle = read(&self.ca)?;
        let mut certificates = CertificateDer::pem_slice_iter(&bundle);
        match certificates.next() {
            Some(Ok(_)) => Ok(bundle),
            Some(Err(_)) | None => Err(unusable(&self.ca, "no certificate is in it")),
        }
    }

    fn bearer(&self) -> Result<MetadataValue<Ascii>, Undialled> {
        let token = read(&self.token)?;
        let token = token.trim_ascii();
        if token.is_empty() {
            return Err(unusable(&self.token, "no token is in it"));
        }
        let bearer = [b"Bearer ", token].concat();
        let mut bearer = MetadataValue::try_from(bearer)
            .map_err(|_| unusable(&self.token, "what is in it is no token"))?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }
}

/// A host as resolvers take it: an IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    inside.unwrap_or(host)
}

fn read(path: &Path) -> Result<Vec<u8>, Undialled> {
    let failed = |error: io::Error| unusable(path, &error.to_string());
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES {
        return Err(unusable(path, "it is too large"));
    }
    fs::read(path).map_err(failed)
}

fn unusable(path: &Path, why: &str) -> Undialled {
    Undialled::File {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// What an error says, and those that it came from, each once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(url: &str) -> Controller {
        Controller {
            url: url.parse().unwrap(),
            ca: PathBuf::from("/nonexistent/ca.crt"),
            token: PathBuf::from("/nonexistent/token"),
        }
    }

    #[test]
    fn a_url_names_a_host_over_tls() {
        let rows = [
            (
                "name",
                "https://tollgate.system.svc:8443",
                Some(("tollgate.system.svc", 8443)),
            ),
            ("usual port", "https://tollgate", Some(("tollgate", 443))),
            ("address", "https://[::1]:1", Some(("[::1]", 1))),
            ("no tls", "http://tollgate", None),
            ("no host", "/tollgate", None),
        ];
        for (name, url, expected) in rows {
            assert_eq!(controller(url).place().ok(), expected, "{name}");
        }
    }

    #[test]
    fn files_are_read_for_every_attempt_and_what_is_wrong_with_them_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut controller = controller("https://tollgate");
        let missing = controller.bearer().unwrap_err().to_string();
        assert!(missing.starts_with("/nonexistent/token: "), "{missing}");
        controller.token = folder.path().join("token");
        let rows: [(&str, &[u8], Result<&str, &str>); 4] = [
            ("good", b"secret-1\n", Ok("Bearer secret-1")),
            ("another", b"secret-2", Ok("Bearer secret-2")),
            ("empty", b" \n", Err("no token is in it")),
            ("garbage", b"secret\0\x01", Err("what is in it is no token")),
        ];
        for (name, content, expected) in rows {
            fs::write(&controller.token, content).unwrap();
            match (controller.bearer(), expected) {
                (Ok(bearer), Ok(expected)) => {
                    assert_eq!(bearer.to_str().unwrap(), expected, "{name}");
                    assert!(!format!("{bearer:?}").contains("secret"), "{name}");
                }
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    assert!(error.ends_with(expected), "{name}: {error}");
                    assert!(!error.contains("secret"), "{name}: {error}");
                }
                (found, _) => panic!("{name}: {:?}", found.map_err(|e| e.to_string())),
            }
        }
        controller.ca = folder.path().join("ca.crt");
        fs::write(&controller.ca, "nothing").unwrap();
        let error = controller.bundle().unwrap_err().to_string();
        assert!(error.ends_with("no certificate is in it"), "{error}");
    }
}
