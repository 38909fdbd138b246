//! A proxy in front of the API server that can misbehave in its place.
//!
//! In: requests of an operator, over TLS with a CA of its own. Out: the API server's answers, or
//! what a [`Fault`] makes of them. It counts what it is asked, so that a test can see whether
//! somebody asks without a pause.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::wrappers::ReceiverStream;

use crate::{admin::Admin, harness::beside};

/// Ends the list at the beginning of a watch (KEP-3157).
const LIST_END: &str = "k8s.io/initial-events-end";

/// What the API server seems to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// All is well.
    #[default]
    None,
    /// Every answer comes that late.
    Late(Duration),
    /// Everything is answered so: watches that are open end, too. With `Retry-After` in seconds.
    Answer(u16, Option<u32>),
    /// Every write is answered so.
    Writes(u16),
    /// Every list is empty, every watch ends, and its place is forgotten: 410.
    EmptyLists,
    /// Every watch is told that its place is forgotten: 410.
    Forgotten,
    /// Nothing is answered and nothing is closed.
    Silent,
}

type Body = BoxBody<Bytes, Infallible>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A proxy that can misbehave.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    ca: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    host: String,
    tls: Arc<ClientConfig>,
    fault: watch::Sender<Fault>,
    /// How often the answers that were under way were silenced.
    silenced: watch::Sender<u64>,
    /// How often each was asked for: method and path.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl FaultProxy {
    /// One in front of a cluster's API server.
    pub fn start(admin: &Admin) -> Self {
        Self::try_start(admin).unwrap()
    }

    fn try_start(admin: &Admin) -> anyhow::Result<Self> {
        let (acceptor, ca) = certificate()?;
        let (host, port) = admin.authority()?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(admin.roots()?)
            .with_no_client_auth();
        let shared = Arc::new(Shared {
            server: SocketAddr::new(host.parse().context("an address")?, port),
            host: host.to_owned(),
            tls: Arc::new(tls),
            fault: watch::channel(Fault::None).0,
            silenced: watch::channel(0).0,
            asked: Mutex::default(),
        });
        let listener = beside().block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        beside().spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Ok(Self {
            address,
            ca,
            shared,
        })
    }

    /// `https://host:port`.
    pub fn server(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Who signed its certificate, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// From now on this is what happens.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    /// Silences the answers that are under way, for ever: nothing more comes and nothing is closed.
    /// What is asked from now on is answered.
    pub fn silence(&self) {
        self.shared.silenced.send_modify(|times| *times += 1);
    }

    /// How often each was asked for since the last time: `GET /api/v1/services`.
    pub fn take_asked(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }
}

fn certificate() -> anyhow::Result<(TlsAcceptor, String)> {
    let ca_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&ca_key)?.pem();
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, ca_key))?;
    let leaf = CertificateDer::from_pem_slice(leaf.pem().as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), ca))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request| {
                let shared = Arc::clone(&shared);
                async move { shared.answer(request).await }
            });
            let server = hyper::server::conn::http1::Builder::new();
            // Whoever breaks off has its reasons.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Shared {
    /// An error closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let asked = format!("{} {}", request.method(), request.uri().path());
        *self.asked().entry(asked).or_default() += 1;
        let mut fault = self.fault.subscribe();
        let now = fault
            .wait_for(|fault| *fault != Fault::Silent)
            .await?
            .clone();
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.contains("watch=true");
        let lists_first = query.contains("sendInitialEvents=true");
        match now {
            Fault::Late(by) => sleep(by).await,
            Fault::Answer(status, retry_after) => return Ok(refusal(status, retry_after)),
            Fault::Writes(status) if request.method() != Method::GET => {
                return Ok(refusal(status, None));
            }
            Fault::EmptyLists | Fault::Forgotten if is_watch && !lists_first => {
                return Ok(refusal(410, None));
            }
            Fault::EmptyLists if is_watch || is_collection(&request) => {
                let list = self.emptied(&request).await?;
                return Ok(match is_watch {
                    true => empty_watch(&list, fault),
                    false => whole(&list),
                });
            }
            Fault::None
            | Fault::Writes(_)
            | Fault::EmptyLists
            | Fault::Forgotten
            | Fault::Silent => {}
        }
        let answer = self.pass_on(request).await?;
        let silenced = self.silenced.subscribe();
        Ok(answer.map(|body| disturbed(body, self.fault.subscribe(), silenced, is_watch)))
    }

    /// The list that is asked for, without its objects.
    async fn emptied(&self, request: &Request<Incoming>) -> anyhow::Result<Value> {
        let path = request.uri().path();
        let mut list = Request::get(format!("{path}?limit=1")).body(Empty::new().boxed())?;
        *list.headers_mut() = request.headers().clone();
        let answer = self.pass_on(list).await?.into_body().collect().await?;
        let mut list: Value = serde_json::from_slice(&answer.to_bytes())?;
        list["items"] = json!([]);
        // There may be more of what there is none.
        if let Some(metadata) = list["metadata"].as_object_mut() {
            metadata.retain(|name, _| name == "resourceVersion");
        }
        Ok(list)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass_on<B>(&self, request: Request<B>) -> anyhow::Result<Response<Incoming>>
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let name = ServerName::try_from(self.host.clone())?;
        let stream = connector.connect(name, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

/// Whether a request is for all objects of a kind, not for one of them.
fn is_collection<B>(request: &Request<B>) -> bool {
    let path = request.uri().path().trim_start_matches('/');
    let mut parts: Vec<&str> = path.split('/').collect();
    let group = if parts.first() == Some(&"api") { 2 } else { 3 };
    parts.drain(..group.min(parts.len()));
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    request.method() == Method::GET && parts.len() == 1
}

fn refusal(status: u16, retry_after: Option<u32>) -> Response<Body> {
    let mut details = json!({});
    if let Some(seconds) = retry_after {
        details["retryAfterSeconds"] = seconds.into();
    }
    let mut answer = whole(
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": "the test says so", "reason": "Test",
        "code": status, "details": details}),
    );
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
    if let Some(seconds) = retry_after {
        let seconds = HeaderValue::from(seconds);
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    answer
}

fn whole(object: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(object.to_string()));
    let mut answer = Response::new(body.boxed());
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// A watch that begins with an empty list, and goes on until the fault is another.
fn empty_watch(list: &Value, mut fault: watch::Receiver<Fault>) -> Response<Body> {
    let version = &list["metadata"]["resourceVersion"];
    let mark = json!({"type": "BOOKMARK", "object": {
        "kind": "Any", "apiVersion": list["apiVersion"],
        "metadata": {"resourceVersion": version, "annotations": {LIST_END: "true"}}}});
    let (sender, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        let line = Bytes::from(format!("{mark}\n"));
        if sender.send(Ok(Frame::data(line))).await.is_ok() {
            let differs = fault.wait_for(|fault| *fault != Fault::EmptyLists);
            // A test that is over ends it as well.
            let _ = differs.await.is_ok();
        }
    });
    let mut answer = Response::new(StreamBody::new(ReceiverStream::new(frames)).boxed());
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// A body as it comes, as far as the fault lets it.
fn disturbed(
    mut body: Incoming,
    mut fault: watch::Receiver<Fault>,
    mut silenced: watch::Receiver<u64>,
    is_watch: bool,
) -> Body {
    let (sender, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                _ = silenced.changed() => return sender.closed().await,
                ended = ends(&mut fault, is_watch) => {
                    if let Some(last) = ended {
                        let _ = sender.send(Ok(Frame::data(last))).await;
                    }
                    return;
                }
            };
            // A test that is over ends it as well.
            if fault
                .wait_for(|fault| *fault != Fault::Silent)
                .await
                .is_err()
            {
                return;
            }
            let Some(Ok(frame)) = frame else { return };
            if sender.send(Ok(frame)).await.is_err() {
                return;
            }
        }
    });
    StreamBody::new(ReceiverStream::new(frames)).boxed()
}

/// Waits until a fault ends an open watch; gives its last word.
async fn ends(fault: &mut watch::Receiver<Fault>, is_watch: bool) -> Option<Bytes> {
    let ends = |fault: &Fault| {
        is_watch
            && match fault {
                Fault::Answer(..) | Fault::EmptyLists | Fault::Forgotten => true,
                Fault::None | Fault::Late(_) | Fault::Writes(_) | Fault::Silent => false,
            }
    };
    let now = fault.wait_for(ends).await.map(|fault| fault.clone());
    match now {
        Ok(Fault::Forgotten) => Some(Bytes::from(format!(
            "{}\n",
            json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1",
                "metadata": {}, "status": "Failure", "code": 410, "reason": "Expired",
                "message": "too old resource version"}})
        ))),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_known_by_its_path() {
        let rows = [
            ("of all namespaces", "/api/v1/services", true),
            ("of one", "/api/v1/namespaces/shop/services", true),
            (
                "of a group",
                "/apis/tollgate.dev/v1alpha1/namespaces/shop/apiroutes",
                true,
            ),
            ("namespaces", "/api/v1/namespaces", true),
            ("a namespace", "/api/v1/namespaces/shop", false),
            ("an object", "/api/v1/namespaces/shop/secrets/a", false),
            (
                "a status",
                "/apis/tollgate.dev/v1alpha1/namespaces/shop/apiroutes/a/status",
                false,
            ),
        ];
        for (name, path, expected) in rows {
            let request = Request::get(path).body(()).unwrap();
            assert_eq!(is_collection(&request), expected, "{name}");
        }
    }
}
