//! Who may do all in a cluster, and a request in that name.
//!
//! In: a server, its CA and a credential. Out: answers of the API server. One connection for each
//! request, HTTP/1.0 so that the answer ends with the connection, nothing asynchronous: it is for
//! waiting until a server is ready and for the few requests of a test's setting, not for load.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::Value;

/// How long a connection may take, and how long an answer may be silent.
const DEADLINE: Duration = Duration::from_secs(10);

/// An administrator of a cluster.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where the API server is, such as `https://127.0.0.1:6443`.
    pub server: String,
    /// The CA that signs the server's certificate, as PEM.
    pub ca: String,
    /// What shows the server who asks.
    pub credential: Credential,
}

/// What shows an API server who asks.
#[derive(Clone)]
pub enum Credential {
    /// A bearer token. Clusters of our own know it by `--token-auth-file`, in `system:masters`.
    Token(String),
    /// A client certificate with its key, both as PEM.
    Certificate {
        /// The certificate, and those between it and the server's CA.
        chain: String,
        /// Its private key.
        key: String,
    },
}

/// An answer of the API server.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body: JSON for objects, text for `/readyz` and its like.
    pub text: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Debug output ends in logs.
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

impl Answer {
    /// The object in a good answer.
    ///
    /// # Errors
    /// The status is not 2xx, or the body is no JSON; with what the server says.
    pub fn object(self) -> anyhow::Result<Value> {
        let Self { status, text } = self;
        ensure!(matches!(status, 200..=299), "status {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }
}

impl Admin {
    /// Reads `path`, such as `/api/v1/namespaces`.
    ///
    /// # Errors
    /// No answer: the server can't be reached or trusted, or breaks off. Any status is an answer.
    pub fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.request("GET", path, "")
    }

    /// Sends `object` to `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn post(&self, path: &str, object: &Value) -> anyhow::Result<Answer> {
        self.request("POST", path, &object.to_string())
    }

    fn request(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        let (host, port) = self.authority()?;
        let mut stream = self
            .connect(host, port)
            .with_context(|| format!("connect to {}", self.server))?;
        let bearer = match &self.credential {
            Credential::Token(token) => format!("Authorization: Bearer {token}\r\n"),
            Credential::Certificate { .. } => String::new(),
        };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}:{port}\r\n{bearer}Accept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let exchange = stream
            .write_all(request.as_bytes())
            .and_then(|()| read(&mut stream));
        let text = exchange.with_context(|| format!("{method} {path} at {}", self.server))?;
        parse(&text).with_context(|| format!("no HTTP answer: {text}"))
    }

    /// The server's host, without brackets, and its port.
    pub(crate) fn authority(&self) -> anyhow::Result<(&str, u16)> {
        let wrong = || anyhow!("server: no https://host:port: {}", self.server);
        let rest = self.server.strip_prefix("https://").ok_or_else(wrong)?;
        let authority = rest.trim_end_matches('/');
        ensure!(!authority.contains('/'), wrong());
        // A colon inside brackets is part of an address of IPv6.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse()?),
            Some(_) | None => (authority, 443),
        };
        Ok((host.trim_matches(['[', ']']), port))
    }

    fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from(host.to_owned())?;
        let tls = ClientConnection::new(Arc::new(self.tls()?), name)?;
        let address = (host, port)
            .to_socket_addrs()?
            .next()
            .context("the name has no address")?;
        let tcp = TcpStream::connect_timeout(&address, DEADLINE)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        tcp.set_write_timeout(Some(DEADLINE))?;
        Ok(StreamOwned::new(tls, tcp))
    }

    /// Those who may sign the server's certificate.
    pub(crate) fn roots(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.ca.as_bytes()) {
            roots.add(certificate?)?;
        }
        Ok(roots)
    }

    fn tls(&self) -> anyhow::Result<ClientConfig> {
        // The provider by name: in a process with several, rustls takes none by itself.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots()?);
        Ok(match &self.credential {
            Credential::Token(_) => config.with_no_client_auth(),
            Credential::Certificate { chain, key } => {
                let chain: Result<_, _> =
                    CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
                config.with_client_auth_cert(chain?, key)?
            }
        })
    }
}

/// All that comes until the end of the connection.
fn read(stream: &mut impl Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // A server that is killed says no goodbye; a cut answer doesn't parse.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        outcome => {
            outcome?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `HTTP/1.0 200 OK`, fields, an empty line, the body.
fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        text: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str) -> Admin {
        Admin {
            server: server.into(),
            ca: String::new(),
            credential: Credential::Token("secret".into()),
        }
    }

    #[test]
    fn a_server_is_a_host_and_a_port() {
        let rows = [
            (
                "address",
                "https://127.0.0.1:6443",
                Some(("127.0.0.1", 6443)),
            ),
            ("IPv6", "https://[::1]:6443/", Some(("::1", 6443))),
            ("IPv6 without port", "https://[::1]", Some(("::1", 443))),
            (
                "name without port",
                "https://k8s.example",
                Some(("k8s.example", 443)),
            ),
            ("a path", "https://rancher.example/k8s/c-1", None),
            ("no TLS", "http://127.0.0.1:8080", None),
            ("no port", "https://a:b", None),
        ];
        for (name, server, expected) in rows {
            assert_eq!(at(server).authority().ok(), expected, "{name}");
        }
    }

    #[test]
    fn a_credential_is_not_printed() {
        assert!(!format!("{:?}", at("https://a")).contains("secret"));
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (404, "{}"));
        assert!(answer.object().unwrap_err().to_string().contains("404"));
        assert!(parse("HTTP/1.0 200 OK\r\nA:").is_none());
    }
}
