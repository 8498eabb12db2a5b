//! The proxy held to its promises by real TLS clients and servers on this machine: what is recorded, what is refused, what
//! cannot leave. It also pins what hudsucker 0.25.0 is relied upon to say when a handshake fails.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full, StreamBody};
use hudsucker::futures::{StreamExt, stream};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use jiff::Timestamp;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256};
use tattletale::{
    clock::Clock,
    model::{ExchangeId, Header, TunnelId, TunnelOutcome, text::hex},
    traffic::{
        RunningSource, Side, TrafficError, TrafficEvent,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, RunningProxy, Upstream, tunnel_layer},
        queue,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tracing_subscriber::layer::SubscriberExt;

#[tokio::test]
async fn an_upload_over_http_1_is_recorded_whole() {
    let bench = Bench::start().await;
    let mut client = bench.http1("api.test").await;
    let request =
        Request::post("/v1/data?userid=7").header("Host", "api.test").header("X-Empty", "").header("X-Twice", "a").header("X-Twice", "b");
    let response = client.send_request(request.body(body("hello")).expect("a request")).await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, format!("5 {}", digest(b"hello")));
    drop(client);
    let record = bench.finish().await;

    let exchange = record.only_exchange();
    assert_eq!((exchange.method.as_str(), exchange.url.as_str()), ("POST", "https://api.test/v1/data?userid=7"));
    assert_eq!(exchange.http_version, "HTTP/1.1");
    let told: Vec<_> = exchange.headers.iter().map(|header| (header.name.as_str(), header.value.expose().as_str())).collect();
    assert_eq!(told, [("host", "api.test"), ("x-empty", ""), ("x-twice", "a"), ("x-twice", "b"), ("content-length", "5")]);
    assert_eq!(exchange.request, Some((5, digest(b"hello"))));
    assert_eq!(exchange.status, Some(200));
    assert!(exchange.response.is_some());
    assert_eq!(exchange.error, None);
    assert_eq!(exchange.tunnel, Some(TunnelId(1)));
    assert_eq!(record.outcomes(), [TunnelOutcome::Read { requests: 1 }]);
    assert_eq!(record.tunnels[&TunnelId(1)].sni.as_deref(), Some("api.test"));
}

#[tokio::test]
async fn uploads_over_http_2_are_recorded_whole() {
    let bench = Bench::start().await;
    let mut client = bench.http2("api.test").await;
    for length in [0_usize, 3, 300_000] {
        let upload = vec![b'x'; length];
        let request = Request::post("https://api.test/up").body(Full::new(Bytes::from(upload.clone()))).expect("a request");
        let response = client.send_request(request).await.expect("a response");
        assert_eq!(text(response).await, format!("{length} {}", digest(&upload)));
    }
    drop(client);
    let record = bench.finish().await;
    let lengths: Vec<_> = record.exchanges.values().map(|exchange| exchange.request.as_ref().map(|(length, _)| *length)).collect();
    assert_eq!(lengths, [Some(0), Some(3), Some(300_000)]);
    assert!(record.exchanges.values().all(|exchange| exchange.http_version == "HTTP/2" && exchange.error.is_none()));
    assert_eq!(record.tunnels[&TunnelId(1)].alpn, ["h2"]);
}

#[tokio::test]
async fn a_20_mb_upload_waits_for_a_slow_writer_and_then_passes() {
    let writer = Arc::new(Notify::new());
    let bench = Bench::start_with(Clock::real(), Some(Arc::clone(&writer))).await;
    let upload: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[(n % 3) as usize]).collect();
    let mut client = bench.http1("api.test").await;
    let request = Request::post("/big").header("Host", "api.test").body(Full::new(Bytes::from(upload.clone()))).expect("a request");
    let response = tokio::spawn(async move { client.send_request(request).await.expect("a response") });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!response.is_finished(), "what the writer has no room for does not pass");
    writer.notify_one();
    assert_eq!(text(response.await.expect("no panic")).await, format!("20000000 {}", digest(&upload)));
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().request, Some((20_000_000, digest(&upload))));
}

#[tokio::test]
async fn a_small_upload_to_a_dead_host_is_recorded_and_answered_502() {
    let bench = Bench::start().await;
    let mut client = bench.http1("dead.test").await;
    let request = Request::post("/up").header("Host", "dead.test").body(body("lost?")).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let record = bench.finish().await;
    let exchange = record.only_exchange();
    assert_eq!(exchange.request, Some((5, digest(b"lost?"))));
    assert_eq!(exchange.status, None);
    assert_eq!(exchange.error.as_deref(), Some("the server refused the connection"));
}

#[tokio::test]
async fn a_server_that_closes_in_mid_response_is_told() {
    let bench = Bench::start().await;
    let mut client = bench.http1("torn.test").await;
    let request = Request::get("/").header("Host", "torn.test").body(body("")).expect("a request");
    let response = client.send_request(request).await.expect("a response's head");
    assert!(response.into_body().collect().await.is_err());
    let record = bench.finish().await;
    let exchange = record.only_exchange();
    assert_eq!((exchange.status, &exchange.response), (Some(200), &None));
    assert_eq!(exchange.error.as_deref(), Some("the connection ended in the middle of the response"));
}

#[tokio::test]
async fn trailers_pass_and_are_recorded() {
    let bench = Bench::start().await;
    let mut client = bench.http2("trailers.test").await;
    let request = Request::get("https://trailers.test/").body(body("")).expect("a request");
    let response = client.send_request(request).await.expect("a response").into_body().collect().await.expect("a whole response");
    assert_eq!(response.trailers().expect("trailers")["grpc-status"], "0");
    drop(client);
    let record = bench.finish().await;
    let trailers: Vec<_> = record.only_exchange().trailers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(trailers, ["grpc-status"]);
}

#[tokio::test]
async fn a_request_that_the_engine_cannot_take_ends_its_own_connection_only() {
    let bench = Bench::start().await;
    for line in ["CONNECT x.test:443 HTTP/1.1", "GET x.test:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /\u{0} HTTP/1.1"] {
        let mut stream = bench.tls("api.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
        let request = format!("{line}\r\nHost: api.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let _ = stream.read(&mut [0; 100]).await;
    }
    let mut client = bench.http1("api.test").await;
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::OK);
    let record = bench.finish().await;
    assert!(record.exchanges.values().all(|exchange| exchange.ended));
    assert_eq!(record.outcomes().last(), Some(&TunnelOutcome::Read { requests: 1 }));
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_upload_is_told() {
    let bench = Bench::start().await;
    let mut stream = bench.tls("api.test", bench.trusting(&[b"http/1.1"])).await.expect("a handshake");
    stream.write_all(b"POST /up HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1000\r\n\r\nonly this").await.expect("sent");
    stream.flush().await.expect("sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let record = bench.finish().await;
    let exchange = record.only_exchange();
    assert_eq!(exchange.request, None);
    assert_eq!(exchange.error.as_deref(), Some("the connection ended in the middle of the request"));
}

#[tokio::test]
async fn plain_http_is_recorded_in_a_tunnel_and_without_one() {
    let bench = Bench::start().await;
    let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    direct.write_all(b"GET http://plain.test/a HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut direct).await.starts_with("HTTP/1.1 200"));
    let mut tunnel = bench.tunnel("plain.test:80").await;
    tunnel.write_all(b"GET /b HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut tunnel).await.starts_with("HTTP/1.1 200"));
    let record = bench.finish().await;
    let urls: Vec<_> = record.exchanges.values().map(|exchange| (exchange.url.as_str(), exchange.tunnel)).collect();
    assert_eq!(urls, [("http://plain.test/a", None), ("http://plain.test/b", Some(TunnelId(1)))]);
}

#[tokio::test]
async fn a_connect_by_address_is_read_under_the_name_of_its_client_hello() {
    let bench = Bench::start().await;
    let tunnel = bench.tunnel("192.0.2.7:443").await;
    let name = ServerName::try_from("api.test").expect("a name");
    let stream = TlsConnector::from(bench.trusting(&[b"http/1.1"])).connect(name, tunnel).await.expect("a handshake");
    let mut client = http1_over(stream).await;
    let response =
        client.send_request(Request::get("/").header("Host", "api.test").body(body("")).expect("a request")).await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    let record = bench.finish().await;
    assert_eq!(record.only_exchange().url, "https://api.test/");
    assert_eq!(record.tunnels[&TunnelId(1)].host, "192.0.2.7");
}

#[tokio::test]
async fn a_refused_certificate_is_told_with_the_alert() {
    let refused = |alert: &str| TunnelOutcome::CertificateRefused { alert: alert.to_owned() };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (error, alert) in [
            (CertificateError::UnknownIssuer, AlertDescription::UnknownCA),
            (CertificateError::BadEncoding, AlertDescription::BadCertificate),
            (CertificateError::ApplicationVerificationFailure, AlertDescription::AccessDenied),
        ] {
            let bench = Bench::start().await;
            assert!(bench.tls("pinned.test", refusing(version, error)).await.is_err());
            let record = bench.finish().await;
            assert_eq!(record.outcomes(), [refused(&format!("{alert:?}"))], "{version:?}");
            assert_eq!(record.tunnels[&TunnelId(1)].sni.as_deref(), Some("pinned.test"));
        }
    }
}

#[tokio::test]
async fn what_becomes_of_other_tunnels_is_told() {
    let bench = Bench::start().await;
    // 1: the client leaves once it has our certificate.
    let mut raw = bench.tunnel("a.test:443").await;
    let mut hello = client_hello(&bench, "a.test");
    raw.write_all(&hello).await.expect("sent");
    assert!(raw.read(&mut [0; 100]).await.expect("an answer") > 0);
    drop(raw);
    // 2: the handshake is finished, and that is all.
    let mut stream = bench.tls("b.test", bench.trusting(&[b"h2", b"http/1.1"])).await.expect("a handshake");
    stream.shutdown().await.expect("closed");
    drop(stream);
    // 3: something that is not TLS.
    let mut raw = bench.tunnel("c.test:443").await;
    raw.write_all(b"EHLO c.test\r\n").await.expect("sent");
    assert_eq!(read_all(&mut raw).await, "", "closed, as nothing may leave");
    // 4: nothing at all.
    drop(bench.tunnel("d.test:443").await);
    // 5: looks like TLS, but is not.
    let mut raw = bench.tunnel("e.test:443").await;
    raw.write_all(b"\x16\x03\x01\x00\x05hello").await.expect("sent");
    let _ = read_all(&mut raw).await;
    // 6: half a ClientHello.
    let mut raw = bench.tunnel("f.test:443").await;
    hello.truncate(50);
    raw.write_all(&hello).await.expect("sent");
    drop(raw);
    let record = bench.finish().await;
    assert_eq!(
        record.outcomes(),
        [
            TunnelOutcome::ClosedDuringHandshake,
            TunnelOutcome::ClosedWithoutRequest,
            TunnelOutcome::NotTls,
            TunnelOutcome::ClosedWithoutRequest,
            TunnelOutcome::NotTls,
            TunnelOutcome::ClosedDuringHandshake,
        ]
    );
    assert_eq!(record.tunnels[&TunnelId(2)].alpn, ["h2", "http/1.1"]);
    assert!(record.exchanges.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_that_refuse_and_twenty_that_accept_are_told_apart() {
    let bench = Arc::new(Bench::start().await);
    let mut clients = Vec::new();
    for n in 0..40 {
        let bench = Arc::clone(&bench);
        clients.push(tokio::spawn(async move {
            let host = format!("h{n}.test");
            if n % 2 == 0 {
                assert!(bench.tls(&host, refusing(&rustls::version::TLS13, CertificateError::UnknownIssuer)).await.is_err());
            } else {
                let mut client = bench.http1(&host).await;
                let request = Request::post("/").header("Host", &host).body(body(&host)).expect("a request");
                assert_eq!(client.send_request(request).await.expect("a response").status(), StatusCode::OK);
            }
        }));
    }
    for client in clients {
        client.await.expect("a client's assertions hold");
    }
    let record = Arc::into_inner(bench).expect("all clients are done").finish().await;
    assert_eq!(record.tunnels.len(), 40);
    for tunnel in record.tunnels.values() {
        let n: u32 = tunnel.host[1..tunnel.host.len() - 5].parse().expect("a number");
        let expected = if n.is_multiple_of(2) {
            TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() }
        } else {
            TunnelOutcome::Read { requests: 1 }
        };
        assert_eq!(tunnel.outcome.as_ref(), Some(&expected), "{}", tunnel.host);
    }
}

#[tokio::test]
async fn nothing_leaves_the_machine_through_the_local_upstream() {
    let bench = Bench::start().await;
    // A listener of this machine that is in no table: neither its address nor a name for it may be dialled.
    let outside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = outside.local_addr().expect("bound").port();
    for authority in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "unknown.test:443".to_owned(), "example.com:443".to_owned()]
    {
        for first in ["POST / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"] {
            let mut raw = bench.tunnel(&authority).await;
            raw.write_all(first.as_bytes()).await.expect("sent");
            let answer = read_all(&mut raw).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 502"), "{authority}: {answer}");
        }
        let mut direct = TcpStream::connect(bench.address()).await.expect("the proxy listens");
        let request = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        direct.write_all(request.as_bytes()).await.expect("sent");
        assert!(read_all(&mut direct).await.starts_with("HTTP/1.1 502"), "{authority}");
    }
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let mut websocket = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    websocket
        .write_all(format!("GET http://127.0.0.1:{port}/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{upgrade}").as_bytes())
        .await
        .expect("sent");
    let mut answer = [0; 12];
    websocket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 502");
    assert!(tokio::time::timeout(Duration::from_millis(50), outside.accept()).await.is_err(), "the listener was dialled");
    let record = bench.finish().await;
    let errors: Vec<_> = record.exchanges.values().filter_map(|exchange| exchange.error.as_deref()).collect();
    assert_eq!(errors.len(), record.exchanges.len());
    assert!(errors.contains(&"no server of this machine stands in for that host"));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let bench = Bench::start().await;
    let setup = ProxySetup {
        listen: bench.address(),
        authority: Arc::clone(&bench.authority),
        upstream: Upstream::System,
        gate: Arc::new(OpenGate),
        clock: Clock::real(),
    };
    let error = Proxy::new(setup).launch(queue::queue().0).expect_err("the port is taken");
    assert!(matches!(error, TrafficError::PortInUse { address, .. } if address == bench.address()), "{error}");
    assert!(error.to_string().contains(&bench.address().to_string()));
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight_and_then_ends_it() {
    let bench = Bench::start().await;
    let mut quick = bench.http1("slow.test").await;
    let mut never = bench.http1("silent.test").await;
    let request = |host: &str| Request::get("/").header("Host", host).body(body("")).expect("a request");
    let quick = tokio::spawn(async move { quick.send_request(request("slow.test")).await.map(|response| response.status()) });
    let never = tokio::spawn(async move { never.send_request(request("silent.test")).await.map(|response| response.status()) });
    while bench.proxy.in_flight() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let record = bench.finish().await;
    assert!((2.0..4.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(quick.await.expect("no panic").expect("a response"), StatusCode::OK);
    assert!(never.await.expect("no panic").is_err());
    let errors: Vec<_> = record.exchanges.values().map(|exchange| exchange.error.as_deref()).collect();
    assert_eq!(errors.iter().filter(|error| error.is_none()).count(), 1);
    assert!(errors.contains(&Some("the connection ended before there was a response")), "{errors:?}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_stopping_nor_simulated_time() {
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let bench = Bench::start_with(clock.clone(), None).await;
    let mut client = bench.http1("api.test").await;
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    let response = client.send_request(request).await.expect("a response");
    let _ = text(response).await;
    tokio::time::timeout(Duration::from_secs(5), clock.hold().sleep(Duration::from_secs(3600))).await.expect("time jumps");
    assert_eq!(clock.now().as_second(), 3600);
    let began = Instant::now();
    let record = bench.finish().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(record.outcomes(), [TunnelOutcome::Read { requests: 1 }]);
}

#[tokio::test]
async fn a_proxy_that_is_killed_says_so_and_passes_nothing_more() {
    let bench = Bench::start().await;
    let mut client = bench.http1("api.test").await;
    let proxy = bench.proxy.clone();
    let failed = tokio::spawn(async move { proxy.failed().await });
    bench.proxy.kill();
    let error = tokio::time::timeout(Duration::from_secs(2), failed).await.expect("at once").expect("no panic");
    assert!(matches!(error, TrafficError::Died(_)), "{error}");
    let request = Request::get("/").header("Host", "api.test").body(body("")).expect("a request");
    assert!(client.send_request(request).await.is_err());
    let began = Instant::now();
    while TcpStream::connect(bench.address()).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(2), "it still listens");
    }
    assert!(bench.finish().await.exchanges.is_empty());
}

#[tokio::test]
async fn when_nobody_keeps_the_events_nothing_is_passed_on() {
    let mut bench = Bench::start().await;
    bench.collector.abort();
    let _ = (&mut bench.collector).await;
    let mut client = TcpStream::connect(bench.address()).await.expect("the proxy listens");
    client.write_all(b"GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(read_all(&mut client).await.starts_with("HTTP/1.1 503"));
    assert!(matches!(bench.proxy.failed().await, TrafficError::NobodyListens));
    assert!(matches!(bench.proxy.stop().await, Err(TrafficError::NobodyListens)));
}

/// A proxy in front of a cloud that answers each upload with its length and digest.
struct Bench {
    authority: Arc<Authority>,
    proxy: RunningProxy,
    collector: JoinHandle<Record>,
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(Clock::real(), None).await
    }

    /// The writer does nothing before it is notified, if there is something to notify.
    async fn start_with(clock: Clock, writer: Option<Arc<Notify>>) -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(tunnel_layer()));
        });
        let own = |name| Arc::new(Authority::generate(name, Timestamp::now()).expect("an authority"));
        let (authority, cloud_authority) = (own("tattletale audit (test)"), own("cloud (test)"));
        let (tls, plain, dead) = cloud(&cloud_authority).await;
        let upstream = LocalUpstream::new(
            move |host, port| match (host, port) {
                ("unknown.test", _) => None,
                ("dead.test", _) => Some(dead),
                (_, 443) => Some(tls),
                (_, 80) => Some(plain),
                _ => None,
            },
            [cloud_authority.certificate_der()],
        );
        let (events, mut received) = queue::queue();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let setup =
            ProxySetup { listen, authority: Arc::clone(&authority), upstream: Upstream::Local(upstream), gate: Arc::new(OpenGate), clock };
        let proxy = Proxy::new(setup).launch(events).expect("a free port");
        let collector = tokio::spawn(async move {
            let mut record = Record::default();
            if let Some(writer) = writer {
                writer.notified().await;
            }
            while let Some(event) = received.next().await {
                record.absorb(event);
            }
            record
        });
        Self { authority, proxy, collector }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address().expect("a proxy has an address")
    }

    async fn finish(self) -> Record {
        self.proxy.stop().await.expect("stopped");
        self.collector.await.expect("the collector's assertions hold")
    }

    /// A CONNECT that the proxy accepted.
    async fn tunnel(&self, authority: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).await.expect("the proxy listens");
        stream.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        stream
    }

    async fn tls(&self, host: &str, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let tunnel = self.tunnel(&format!("{host}:443")).await;
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        TlsConnector::from(config).connect(name, tunnel).await
    }

    /// A client that trusts the proxy's authority.
    fn trusting(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate_der()).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }

    async fn http1(&self, host: &str) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
        http1_over(self.tls(host, self.trusting(&[b"http/1.1"])).await.expect("a handshake")).await
    }

    async fn http2(&self, host: &str) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let stream = self.tls(host, self.trusting(&[b"h2"])).await.expect("a handshake");
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        client
    }
}

/// What was told, put together again; checks the promises that hold for every exchange.
#[derive(Default)]
struct Record {
    exchanges: BTreeMap<ExchangeId, Told>,
    tunnels: BTreeMap<TunnelId, ToldTunnel>,
}

#[derive(Default)]
struct Told {
    tunnel: Option<TunnelId>,
    method: String,
    url: String,
    http_version: String,
    headers: Vec<Header>,
    open: [(u64, Sha256); 2],
    /// Length and digest of a complete body.
    request: Option<(u64, String)>,
    status: Option<u16>,
    response: Option<(u64, String)>,
    trailers: Vec<Header>,
    ended: bool,
    error: Option<String>,
}

struct ToldTunnel {
    host: String,
    sni: Option<String>,
    alpn: Vec<String>,
    outcome: Option<TunnelOutcome>,
}

impl Record {
    fn absorb(&mut self, event: TrafficEvent) {
        match event {
            TrafficEvent::Began { id, tunnel, method, url, http_version, headers, .. } => {
                assert_eq!(id.0, self.exchanges.len() as u64 + 1, "numbers follow the order of events");
                let url = url.to_text().into_exposed();
                self.exchanges.insert(id, Told { tunnel, method, url, http_version, headers, ..Told::default() });
            }
            TrafficEvent::BodyPiece { id, side, bytes } => {
                let (length, digest) = &mut self.open(id).open[side as usize];
                *length += bytes.expose().len() as u64;
                digest.update(bytes.expose());
            }
            TrafficEvent::BodyEnded { id, side, trailers } => {
                let told = self.open(id);
                told.trailers.extend(trailers);
                let (length, digest) = std::mem::take(&mut told.open[side as usize]);
                let body = Some((length, hex(&digest.finalize())));
                match side {
                    Side::Request => assert!(std::mem::replace(&mut told.request, body).is_none()),
                    Side::Response => assert!(std::mem::replace(&mut told.response, body).is_none()),
                }
            }
            TrafficEvent::Answered { id, status, .. } => self.open(id).status = Some(status),
            TrafficEvent::Message { .. } => {}
            TrafficEvent::Ended { id, error, .. } => {
                let told = self.open(id);
                told.ended = true;
                told.error = error;
            }
            TrafficEvent::TunnelBegan { id, host, .. } => {
                assert_eq!(id.0, self.tunnels.len() as u64 + 1, "numbers follow the order of events");
                self.tunnels.insert(id, ToldTunnel { host, sni: None, alpn: Vec::new(), outcome: None });
            }
            TrafficEvent::TunnelEnded { id, sni, alpn, outcome, .. } => {
                let tunnel = self.tunnels.get_mut(&id).expect("it began");
                assert!(tunnel.outcome.is_none(), "it ends once");
                (tunnel.sni, tunnel.alpn, tunnel.outcome) = (sni, alpn, Some(outcome));
                assert!(self.exchanges.values().all(|told| told.tunnel != Some(id) || told.ended), "exchanges end before their tunnel");
            }
        }
    }

    fn open(&mut self, id: ExchangeId) -> &mut Told {
        let told = self.exchanges.get_mut(&id).expect("an exchange begins with its first event");
        assert!(!told.ended, "the end is the last event of an exchange");
        told
    }

    fn only_exchange(&self) -> &Told {
        assert_eq!(self.exchanges.len(), 1);
        let told = &self.exchanges[&ExchangeId(1)];
        assert!(told.ended);
        told
    }

    fn outcomes(&self) -> Vec<TunnelOutcome> {
        self.tunnels.values().map(|tunnel| tunnel.outcome.clone().expect("it ended")).collect()
    }
}

/// Servers: TLS, plain HTTP, and a port that nobody listens on.
async fn cloud(authority: &Arc<Authority>) -> (SocketAddr, SocketAddr, SocketAddr) {
    let bind = || async { TcpListener::bind("127.0.0.1:0").await.expect("a free port") };
    let (tls, plain, dead) = (bind().await, bind().await, bind().await);
    let addresses = [&tls, &plain, &dead].map(|listener| listener.local_addr().expect("bound"));
    let authority = Arc::clone(authority);
    tokio::spawn(async move {
        loop {
            let (stream, _) = tls.accept().await.expect("a connection");
            let authority = Arc::clone(&authority);
            tokio::spawn(async move {
                let Ok(start) = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await else { return };
                let host = start.client_hello().server_name().unwrap_or("none.test").to_owned();
                let config = authority.server_config(&host, &[b"h2", b"http/1.1"]).expect("a leaf");
                if let Ok(stream) = start.into_stream(config).await {
                    serve(TokioIo::new(stream)).await;
                }
            });
        }
    });
    tokio::spawn(async move {
        loop {
            let (stream, _) = plain.accept().await.expect("a connection");
            tokio::spawn(serve(TokioIo::new(stream)));
        }
    });
    let [tls, plain, dead] = addresses;
    (tls, plain, dead)
}

async fn serve(stream: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static) {
    let _ = Builder::new(TokioExecutor::new()).serve_connection(stream, service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<hudsucker::Body>, Infallible> {
    let host = request.uri().host().map(str::to_owned);
    let host = host.or_else(|| request.headers().get("host").and_then(|host| host.to_str().ok()).map(str::to_owned)).unwrap_or_default();
    match host.as_str() {
        "slow.test" => tokio::time::sleep(Duration::from_millis(300)).await,
        "silent.test" => std::future::pending().await,
        "trailers.test" => {
            let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
            let frames = stream::iter([Ok(Frame::data(Bytes::from_static(b"data"))), Ok(Frame::trailers(trailers))]);
            return Ok(Response::new(hudsucker::Body::from(StreamBody::new(frames))));
        }
        "torn.test" => {
            let pieces = stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("torn"))]);
            let slowly = pieces.then(|piece| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                piece
            });
            return Ok(Response::new(hudsucker::Body::from_stream(slowly)));
        }
        _ => {}
    }
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(Response::new(hudsucker::Body::from(format!("{} {}", body.len(), digest(&body)))))
}

async fn http1_over(stream: TlsStream<TcpStream>) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
    tokio::spawn(connection);
    client
}

fn client_hello(bench: &Bench, host: &str) -> Vec<u8> {
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let mut client = rustls::ClientConnection::new(bench.trusting(&[b"h2"]), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory");
    hello
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("a whole response").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

fn body(text: &str) -> Full<Bytes> {
    Full::new(Bytes::from(text.to_owned()))
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A client that refuses every certificate for this reason.
fn refusing(version: &'static SupportedProtocolVersion, error: CertificateError) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Refuse(error)))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct Refuse(CertificateError);

impl ServerCertVerifier for Refuse {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(self.0.clone()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
