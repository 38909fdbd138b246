//! Dials the operator as a proxy does, with any token and any greeting.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use tokio::{runtime::Runtime, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_controller::push::push_client::PushClient;
use tollgate_e2e::harness::{DEADLINE, Site, until};
use tollgate_snapshot::wire::{
    ControllerMessage, Hello, MESSAGE_BYTES, ProxyMessage, controller_message::Message,
    proxy_message,
};
use tonic::{
    Request, Status, Streaming,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

/// A greeting of some version.
pub(super) fn hello(protocol: u32) -> Hello {
    Hello {
        protocol,
        version: "test".to_owned(),
        ..Hello::default()
    }
}

/// Who dials.
pub(super) struct Dialler {
    runtime: Runtime,
    bundle: String,
    address: SocketAddr,
}

/// A stream that is open; what is not read waits.
pub(super) struct Open {
    _runtime: Runtime,
    _say: mpsc::Sender<ProxyMessage>,
}

impl Dialler {
    pub(super) fn new(site: &Site<'_>, address: SocketAddr) -> Self {
        Self::at(site, address)
    }

    pub(super) fn at(site: &Site<'_>, address: SocketAddr) -> Self {
        let bundle = until("the CA is there", || {
            let map = site.object("api/v1", "configmaps/tollgate-ca")?;
            Some(map["data"]["ca.crt"].as_str()?.to_owned())
        });
        Self {
            runtime: Runtime::new().unwrap(),
            bundle,
            address,
        }
    }

    async fn dial(
        &self,
        token: Option<&str>,
        hello: Hello,
    ) -> Result<(mpsc::Sender<ProxyMessage>, Streaming<ControllerMessage>), Status> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.bundle))
            .domain_name("127.0.0.1");
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        // Small windows, so that who does not read holds up what is sent.
        let endpoint = endpoint
            .tls_config(tls)
            .unwrap()
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535);
        let channel = endpoint.connect().await.unwrap();
        let (say, messages) = mpsc::channel(4);
        let message = Some(proxy_message::Message::Hello(hello));
        say.send(ProxyMessage { message }).await.unwrap();
        let mut request = Request::new(ReceiverStream::new(messages));
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        let mut client = PushClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let stream = client.units(request).await?.into_inner();
        Ok((say, stream))
    }

    /// The ids of the first transaction, or why there is none.
    pub(super) fn units(&self, token: Option<&str>, hello: Hello) -> Result<Vec<String>, Status> {
        let units = async {
            let (_say, mut stream) = self.dial(token, hello).await?;
            let mut ids = Vec::new();
            loop {
                let message = stream.message().await?;
                match message.and_then(|message| message.message) {
                    Some(Message::Begin(_)) => {}
                    Some(Message::Chunk(chunk)) => {
                        ids.extend(chunk.entries.into_iter().map(|entry| entry.id));
                    }
                    Some(Message::Commit(_)) | None => return Ok(ids),
                }
            }
        };
        let limited = async { timeout(DEADLINE, units).await.unwrap() };
        self.runtime.block_on(limited)
    }

    /// Opens a stream, and reads it for as long as it is kept.
    pub(super) fn keep(self, token: &str, hello: Hello) -> Open {
        let dialled = async {
            timeout(DEADLINE, self.dial(Some(token), hello))
                .await
                .unwrap()
        };
        let (say, mut stream) = self.runtime.block_on(dialled).unwrap();
        self.runtime
            .spawn(async move { while let Ok(Some(_)) = stream.message().await {} });
        Open {
            _runtime: self.runtime,
            _say: say,
        }
    }
}

/// A way to an address on which so many bytes come back in each interval, and no more wait.
pub(super) fn throttled(to: SocketAddr, bytes: usize, each: Duration) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(to).unwrap();
        let (from_near, to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || copy(from_near, to_far, 1 << 14, Duration::ZERO));
        copy(far, near, bytes, each);
    });
    address
}

/// Until one of them fails.
fn copy(mut from: TcpStream, mut to: TcpStream, bytes: usize, each: Duration) {
    let mut buffer = vec![0; bytes];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
        // The rate is what is tested, and nothing waits for this.
        thread::sleep(each);
    }
}
