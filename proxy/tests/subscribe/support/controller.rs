//! A controller that a test plays: it says what the test tells it to, and the test hears what
//! proxies say.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc as sync_mpsc},
    thread::{self, JoinHandle},
};

use socket2::{Domain, Socket, Type};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{mpsc, oneshot},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tollgate_snapshot::{
    Hash, UnitId, UnitSet,
    wire::{
        self, Begin, Chunk, Commit, ControllerMessage, Hello, ProxyMessage, Verdicts,
        controller_message::Message, proxy_message,
    },
};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Identity, Server, ServerTlsConfig},
};

use super::{DEADLINE, ca::Ca};

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    reason = "generated; the docs are in the proto file"
)]
mod push {
    include!(concat!(env!("OUT_DIR"), "/server/tollgate.push.v1.rs"));
}

/// A port that stays the test's while no controller listens there: connections are refused then.
#[derive(Clone)]
pub(crate) struct Port {
    address: SocketAddr,
    _held: Arc<Socket>,
}

impl Port {
    pub(crate) fn new() -> Self {
        let socket = bound(SocketAddr::from(([127, 0, 0, 1], 0)));
        Self {
            address: socket.local_addr().unwrap().as_socket().unwrap(),
            _held: Arc::new(socket),
        }
    }
}

fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

/// A controller. It ends, and its streams with it, when the test lets go of it.
pub(crate) struct Controller {
    pub(crate) address: SocketAddr,
    pub(crate) port: Port,
    streams: sync_mpsc::Receiver<Stream>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.end.take());
        // Its connections end with its runtime. It panics only when the test has failed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A proxy's stream.
pub(crate) struct Stream {
    pub(crate) hello: Hello,
    pub(crate) token: String,
    say: mpsc::Sender<Result<ControllerMessage, Status>>,
    heard: sync_mpsc::Receiver<ProxyMessage>,
}

struct Service {
    streams: sync_mpsc::Sender<Stream>,
}

impl Controller {
    /// One at a free port, that `ca` vouches for.
    pub(crate) fn start(ca: &Ca) -> Self {
        Self::start_at(ca, &Port::new())
    }

    /// One at a port, that `ca` vouches for.
    pub(crate) fn start_at(ca: &Ca, port: &Port) -> Self {
        Self::start_as(ca.server(4000), port)
    }

    /// One with a certificate, at a port.
    pub(crate) fn start_as(identity: Identity, port: &Port) -> Self {
        let (streams, opened) = sync_mpsc::channel();
        let (end, ended) = oneshot::channel();
        let socket = bound(port.address);
        socket.listen(128).unwrap();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(socket.into()).unwrap();
                let service = push::push_server::PushServer::new(Service { streams });
                let server = Server::builder()
                    .tls_config(ServerTlsConfig::new().identity(identity))
                    .unwrap()
                    .add_service(service)
                    .serve_with_incoming(TcpListenerStream::new(listener));
                tokio::select! {
                    ended = server => ended.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self {
            address: port.address,
            port: port.clone(),
            streams: opened,
            end: Some(end),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The next stream.
    pub(crate) fn stream(&self) -> Stream {
        match self.streams.recv_timeout(DEADLINE) {
            Ok(stream) => stream,
            Err(error) => panic!("no proxy opens a stream: {error}"),
        }
    }
}

#[tonic::async_trait]
impl push::push_server::Push for Service {
    type UnitsStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn units(
        &self,
        request: Request<Streaming<ProxyMessage>>,
    ) -> Result<Response<Self::UnitsStream>, Status> {
        let authorization = request.metadata().get("authorization");
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let token = token
            .ok_or_else(|| Status::unauthenticated("no token"))?
            .to_owned();
        if token == "expired" {
            return Err(Status::unauthenticated("the token has expired"));
        }
        let mut messages = request.into_inner();
        let (say, said) = mpsc::channel(64);
        let streams = self.streams.clone();
        tokio::spawn(async move {
            let Ok(Some(ProxyMessage {
                message: Some(proxy_message::Message::Hello(hello)),
            })) = messages.message().await
            else {
                panic!("no Hello")
            };
            let (hear, heard) = sync_mpsc::channel();
            let stream = Stream {
                hello,
                token,
                say,
                heard,
            };
            // A test that has ended does not care.
            let _ = streams.send(stream);
            while let Ok(Some(message)) = messages.message().await {
                let _ = hear.send(message);
            }
        });
        Ok(Response::new(ReceiverStream::new(said)))
    }

    async fn relay(
        &self,
        _: Request<Streaming<wire::ProxyReport>>,
    ) -> Result<Response<wire::RelayEnd>, Status> {
        Err(Status::unimplemented("not played"))
    }
}

impl Stream {
    pub(crate) fn say(&self, message: Message) {
        let message = ControllerMessage {
            message: Some(message),
        };
        // A proxy that has gone is seen by what is heard of it.
        let _ = self.say.blocking_send(Ok(message));
    }

    /// Sends all of a set, or what makes `before` into it.
    pub(crate) fn send(&self, seq: u64, set: &UnitSet, before: Option<&UnitSet>) {
        let nothing = UnitSet::default();
        let changes = set.changes_since(before.unwrap_or(&nothing));
        let entries = changes.iter().filter_map(|(id, entry)| {
            let entry = entry.as_ref()?;
            Some(wire::encode(id, entry).unwrap())
        });
        let gone = changes.iter().filter(|(_, entry)| entry.is_none());
        self.say(begin(seq, set, before.is_none()));
        self.say(Message::Chunk(Chunk {
            seq,
            entries: entries.collect(),
            removed: gone.map(|(id, _)| id.to_string()).collect(),
        }));
        self.say(Message::Commit(Commit { seq }));
    }

    /// Sends a set, and waits until it runs.
    pub(crate) fn run(&self, seq: u64, set: &UnitSet, before: Option<&UnitSet>) -> Verdicts {
        self.send(seq, set, before);
        let verdicts = self.verdicts();
        assert_eq!(verdicts.refused, "");
        assert_eq!(verdicts.seq, seq);
        assert_eq!(verdicts.root, set.root().as_bytes());
        verdicts
    }

    /// The next verdicts.
    pub(crate) fn verdicts(&self) -> Verdicts {
        let heard = match self.heard.recv_timeout(DEADLINE) {
            Ok(heard) => heard,
            Err(error) => panic!("the proxy says nothing: {error}"),
        };
        match heard.message {
            Some(proxy_message::Message::Verdicts(verdicts)) => verdicts,
            other => panic!("{other:?}"),
        }
    }

    /// What the Hello says that the proxy has.
    pub(crate) fn have(&self) -> BTreeMap<UnitId, Hash> {
        let entries = self.hello.have.iter().map(|entry| {
            let hash: [u8; 32] = entry.hash[..].try_into().unwrap();
            (
                wire::unit_id(entry.id.clone()).unwrap(),
                Hash::from_bytes(hash),
            )
        });
        entries.collect()
    }
}

/// The first message of a transaction that leads to a set.
pub(crate) fn begin(seq: u64, set: &UnitSet, full: bool) -> Message {
    Message::Begin(Begin {
        seq,
        root: set.root().as_bytes().to_vec(),
        resource_version: set.resource_version(),
        full,
    })
}
