//! Those who mean no good, and that nobody else notices them.

use std::time::Duration;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tollgate_snapshot::wire::{EntryHash, Hello};
use tonic::Code;

use super::{
    super::*,
    port::{Port, unit},
};

/// Ten times what is expected, and more.
const SOON: Duration = Duration::from_secs(20);

/// A proxy that means well is served.
async fn is_served(port: &Port) {
    let served = async {
        let mut proxy = port.dial("public", "public-well").await;
        proxy
            .say(Hello {
                protocol: 1,
                ..Hello::default()
            })
            .await;
        proxy.transaction().await
    };
    timeout(SOON, served).await.unwrap();
}

async fn tls(port: &Port, alpn: &[u8]) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let bundle = port.certificates.bundle().borrow().clone().unwrap();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from("tollgate-controller").unwrap();
    let tcp = TcpStream::connect(port.address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

#[tokio::test]
async fn garbage_on_the_port_ends_its_own_connection() {
    let port = Port::open().await;
    port.publish("public", &[]);
    let rows: [(&str, &[u8]); 4] = [
        ("HTTP", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("zeros", &[0; 4096]),
        (
            "a handshake of nonsense",
            b"\x16\x03\x01\x00\x04\xff\xff\xff\xff",
        ),
    ];
    for (name, bytes) in rows {
        let mut tcp = TcpStream::connect(port.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(SOON, tcp.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "{name}: still open");
    }
    is_served(&port).await;
}

#[tokio::test]
async fn who_speaks_no_http2_is_not_served() {
    let port = Port::open().await;
    let refused = match tls(&port, b"http/1.1").await {
        Ok(mut stream) => stream.read_u8().await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn an_oversized_frame_ends_its_own_connection() {
    let port = Port::open().await;
    port.publish("public", &[]);
    let mut stream = tls(&port, b"h2").await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    stream.write_all(preface).await.unwrap();
    // HEADERS of 16 MiB on stream 1.
    stream
        .write_all(b"\xff\xff\xff\x01\x04\x00\x00\x00\x01")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "still open");
    is_served(&port).await;
}

#[tokio::test]
async fn an_oversized_message_ends_its_stream() {
    let port = Port::open().await;
    port.publish("public", &[]);
    let mut proxy = port.dial("public", "public-1").await;
    let entry = EntryHash {
        id: "x".repeat(1 << 20),
        hash: Vec::new(),
    };
    let have = vec![entry; MESSAGE_BYTES >> 20];
    proxy
        .say(Hello {
            protocol: 1,
            have,
            ..Hello::default()
        })
        .await;
    let ended = timeout(SOON, proxy.ended()).await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::InvalidArgument, "{ended}");
    is_served(&port).await;
}

#[tokio::test]
async fn silent_connections_keep_nobody_waiting() {
    let port = Port::open().await;
    port.publish("public", &[]);
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(TcpStream::connect(port.address).await.unwrap());
    }
    is_served(&port).await;
    // Those that made place for others are closed; the rest wait for their time.
    let first = timeout(SOON, silent[0].read_u8()).await.unwrap();
    assert!(first.is_err());
}

#[tokio::test]
async fn who_reads_slowly_costs_no_more_than_a_few_chunks() {
    let port = Port::open().await;
    let units: Vec<_> = (0..200)
        .map(|number| unit(&format!("u{number}"), &"x".repeat(100_000)))
        .collect();
    port.publish("public", &units);
    let slow = port.dial("public", "public-slow").await;
    slow.say(Hello {
        protocol: 1,
        ..Hello::default()
    })
    .await;
    let sent = || port.metrics.stream.bytes.get();
    while sent() == 0 {
        tokio::task::yield_now().await;
    }
    // By the time that another one has it all, the slow one has what fits into a window.
    let before = sent();
    is_served(&port).await;
    let whole = 200 * 100_000;
    assert!(sent() >= whole);
    assert!(before < 2 << 20, "{before}");
    assert!(sent() - whole < 2 << 20, "{} beside {whole}", sent());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_waited_for_no_longer_than_so_long() {
    let port = Port::open().await;
    let began = tokio::time::Instant::now();
    let mut silent = TcpStream::connect(port.address).await.unwrap();
    assert!(silent.read_u8().await.is_err());
    assert!(began.elapsed() >= Duration::from_secs(10));
    assert_eq!(port.metrics.stream.handshakes_failed.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_token_is_closed_soon() {
    let port = Port::open().await;
    let began = tokio::time::Instant::now();
    let mut stranger = tls(&port, b"h2").await.unwrap();
    // A preface and a SETTINGS frame: it goes as far as one can without a token.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    stranger.write_all(preface).await.unwrap();
    let mut answer = Vec::new();
    // The end is an abrupt one; what comes before it are the server's own settings.
    let _ = stranger.read_to_end(&mut answer).await;
    assert!(answer.len() < 200, "{answer:?}");
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(15) && waited < Duration::from_secs(30),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_for_too_long_is_given_up() {
    let port = Port::open().await;
    port.publish("public", &[unit("large", &"x".repeat(3 << 20))]);
    let mut slow = port.dial("public", "public-slow").await;
    slow.say(Hello {
        protocol: 1,
        ..Hello::default()
    })
    .await;
    port.until(|table| !table.is_empty()).await;
    port.until(|table| table.is_empty()).await;
    // It reads at last, and learns why; or finds its connection closed.
    assert!(slow.ended().await.is_err());
    let slow = crate::metrics::Refused::Slow;
    assert_eq!(port.metrics.stream.refused.count(slow), 1);
}
