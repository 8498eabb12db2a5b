//! A proxy between real clients and a cloud of real servers on this machine, and a record of what it tells.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full, StreamBody};
use hudsucker::futures::{StreamExt, stream};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use jiff::Timestamp;
use rustls::{
    CertificateError, ClientConfig, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256};
use tattletale::{
    clock::Clock,
    model::{ExchangeId, Header, TunnelEvidence, TunnelId, TunnelOutcome, text::hex},
    traffic::{
        RunningSource, Side, TrafficEvent,
        authority::Authority,
        proxy::{Gate, LocalUpstream, OpenGate, Proxy, ProxySetup, RunningProxy, Upstream},
        queue,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::servers::{accept_tls, dead, tcp_server, trusting};

/// A proxy in front of a cloud that answers each upload with its length and digest.
pub(crate) struct Bench {
    pub(crate) authority: Arc<Authority>,
    /// Who signs for the servers.
    pub(crate) cloud_authority: Arc<Authority>,
    pub(crate) proxy: RunningProxy,
    pub(crate) collector: JoinHandle<Record>,
    /// Every server that was looked for, `host:port`.
    dialled: Arc<Mutex<Vec<String>>>,
    /// Exchanges whose beginning was told.
    told: Arc<AtomicUsize>,
    /// Tunnels whose end was told.
    tunnels_ended: Arc<AtomicUsize>,
    /// A server that hears everything, and says nothing: `mute.test`.
    pub(crate) mute: SocketAddr,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::start_with(Clock::real(), None).await
    }

    /// With another gate.
    pub(crate) async fn gated(gate: impl Gate + 'static) -> Self {
        Self::start_as(Clock::real(), None, Arc::new(gate), |proxy| proxy).await
    }

    /// With a proxy that is set up further.
    pub(crate) async fn set_up(gate: impl Gate + 'static, set_up: impl FnOnce(Proxy) -> Proxy) -> Self {
        Self::start_as(Clock::real(), None, Arc::new(gate), set_up).await
    }

    /// The writer does nothing before it is notified, if there is something to notify.
    pub(crate) async fn start_with(clock: Clock, writer: Option<Arc<Notify>>) -> Self {
        Self::start_as(clock, writer, Arc::new(OpenGate), |proxy| proxy).await
    }

    async fn start_as(clock: Clock, writer: Option<Arc<Notify>>, gate: Arc<dyn Gate>, set_up: impl FnOnce(Proxy) -> Proxy) -> Self {
        let own = |name| Arc::new(Authority::generate(name, Timestamp::now()).expect("an authority"));
        let (authority, cloud_authority) = (own("tattletale audit (test)"), own("cloud (test)"));
        let (tls, plain, dead) = (secure(&cloud_authority).await, tcp_server(|stream| serve(TokioIo::new(stream))).await, dead());
        let socket = socket().await;
        let (echo, banner, own_protocol) = (echo(None).await, echo(Some(BANNER)).await, own_protocol(&cloud_authority).await);
        let behind = behind_a_front(&cloud_authority).await;
        let http2 = http2_alone().await;
        let mute = mute().await;
        let dialled = Arc::new(Mutex::new(Vec::new()));
        let dials = Arc::clone(&dialled);
        let upstream = LocalUpstream::new(
            move |host, port| {
                dials.lock().expect("nobody panics here").push(format!("{host}:{port}"));
                match (host, port) {
                    ("unknown.test", _) => None,
                    ("dead.test", _) => Some(dead),
                    ("mute.test", _) => Some(mute),
                    ("echo.test", _) => Some(echo),
                    ("banner.test", _) => Some(banner),
                    ("own.test", _) => Some(own_protocol),
                    ("socket.test", _) => Some(socket),
                    ("behind.test", 443) => Some(behind),
                    ("h2c.test", _) => Some(http2),
                    (_, 80) => Some(plain),
                    _ => Some(tls),
                }
            },
            [cloud_authority.certificate_der()],
        );
        let (events, mut received) = queue::queue();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let setup = ProxySetup { listen, authority: Arc::clone(&authority), upstream: Upstream::Local(upstream), gate, clock };
        let proxy = set_up(Proxy::new(setup)).launch(events).expect("a free port");
        let told = Arc::<AtomicUsize>::default();
        let tunnels_ended = Arc::<AtomicUsize>::default();
        let (count, ends) = (Arc::clone(&told), Arc::clone(&tunnels_ended));
        let collector = tokio::spawn(async move {
            let mut record = Record::default();
            if let Some(writer) = writer {
                writer.notified().await;
            }
            while let Some(event) = received.next().await {
                record.absorb(event);
                ends.store(record.tunnels.values().filter(|tunnel| tunnel.outcome.is_some()).count(), Ordering::SeqCst);
                count.store(record.exchanges.len(), Ordering::SeqCst);
            }
            record
        });
        Self { authority, cloud_authority, proxy, collector, dialled, told, tunnels_ended, mute }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address().expect("a proxy has an address")
    }

    pub(crate) async fn finish(self) -> Record {
        self.proxy.stop().await.expect("stopped");
        self.collector.await.expect("the collector's assertions hold")
    }

    /// How many exchanges were told to have begun.
    pub(crate) fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }

    /// How many tunnels were told to have ended.
    pub(crate) fn tunnels_ended(&self) -> usize {
        self.tunnels_ended.load(Ordering::SeqCst)
    }

    /// Every server that was looked for, `host:port`.
    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().expect("nobody panics here").clone()
    }

    /// A CONNECT that the proxy accepted.
    pub(crate) async fn tunnel(&self, authority: &str) -> TcpStream {
        let (stream, head) = self.connect(authority).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream
    }

    /// A CONNECT, and the head of the answer.
    pub(crate) async fn connect(&self, authority: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(self.address()).await.expect("the proxy listens");
        stream.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
        (stream, String::from_utf8(head).expect("text"))
    }

    /// The answer to a request that is sent as it stands, without a tunnel.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).await.expect("the proxy listens");
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_all(&mut stream).await
    }

    pub(crate) async fn tls(&self, host: &str, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let tunnel = self.tunnel(&format!("{host}:443")).await;
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        TlsConnector::from(config).connect(name, tunnel).await
    }

    /// A client that trusts the proxy's authority.
    pub(crate) fn trusting(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        trusting(&self.authority, alpn)
    }

    /// A client that trusts only who signs for the servers, as one does that pins them.
    pub(crate) fn pinning(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        trusting(&self.cloud_authority, alpn)
    }

    /// A connection of such a client that was refused often enough and is passed on now. It may come back before the proxy has
    /// counted that.
    pub(crate) async fn passed_on(&self, host: &str) -> TlsStream<TcpStream> {
        for _ in 0..10 {
            if let Ok(stream) = self.tls(host, self.pinning(&[b"http/1.1"])).await {
                return stream;
            }
        }
        panic!("{host} is not passed on");
    }

    pub(crate) async fn http1(&self, host: &str) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
        http1_over(self.tls(host, self.trusting(&[b"http/1.1"])).await.expect("a handshake")).await
    }

    pub(crate) async fn http2(&self, host: &str) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let stream = self.tls(host, self.trusting(&[b"h2"])).await.expect("a handshake");
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        client
    }
}

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What was told, put together again; checks the promises that hold for every exchange.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) exchanges: BTreeMap<ExchangeId, Told>,
    pub(crate) tunnels: BTreeMap<TunnelId, ToldTunnel>,
}

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) tunnel: Option<TunnelId>,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) http_version: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) open: [(u64, Sha256); 2],
    /// Length and digest of a complete body.
    pub(crate) request: Option<(u64, String)>,
    pub(crate) status: Option<u16>,
    pub(crate) response: Option<(u64, String)>,
    pub(crate) trailers: Vec<Header>,
    pub(crate) ended: bool,
    pub(crate) error: Option<String>,
}

pub(crate) struct ToldTunnel {
    pub(crate) host: String,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Vec<String>,
    pub(crate) outcome: Option<TunnelOutcome>,
    pub(crate) evidence: TunnelEvidence,
}

impl Record {
    pub(crate) fn absorb(&mut self, event: TrafficEvent) {
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
            TrafficEvent::Message { .. } | TrafficEvent::Noted { .. } => {}
            TrafficEvent::Ended { id, error, .. } => {
                let told = self.open(id);
                told.ended = true;
                told.error = error;
            }
            TrafficEvent::TunnelBegan { id, host, .. } => {
                let begun = ToldTunnel { host, sni: None, alpn: Vec::new(), outcome: None, evidence: TunnelEvidence::default() };
                assert!(self.tunnels.insert(id, begun).is_none(), "each has a number of its own");
            }
            TrafficEvent::TunnelEnded { id, sni, alpn, outcome, evidence, .. } => {
                let tunnel = self.tunnels.get_mut(&id).expect("it began");
                assert!(tunnel.outcome.is_none(), "it ends once");
                (tunnel.sni, tunnel.alpn, tunnel.outcome, tunnel.evidence) = (sni, alpn, Some(outcome), evidence);
                assert!(self.exchanges.values().all(|told| told.tunnel != Some(id) || told.ended), "exchanges end before their tunnel");
            }
        }
    }

    pub(crate) fn open(&mut self, id: ExchangeId) -> &mut Told {
        let told = self.exchanges.get_mut(&id).expect("an exchange begins with its first event");
        assert!(!told.ended, "the end is the last event of an exchange");
        told
    }

    pub(crate) fn only_exchange(&self) -> &Told {
        assert_eq!(self.exchanges.len(), 1);
        let told = &self.exchanges[&ExchangeId(1)];
        assert!(told.ended);
        told
    }

    pub(crate) fn outcomes(&self) -> Vec<TunnelOutcome> {
        self.tunnels.values().map(|tunnel| tunnel.outcome.clone().expect("it ended")).collect()
    }
}

/// What a server says first that speaks first.
pub(crate) const BANNER: &str = "220 banner.test ESMTP\r\n";

/// A server that gives back what it gets, after it has said something, if it does.
async fn echo(banner: Option<&'static str>) -> SocketAddr {
    tcp_server(move |mut stream| async move {
        let _ = stream.write_all(banner.unwrap_or_default().as_bytes()).await;
        give_back(stream).await;
    })
    .await
}

/// A server that hears everything, says nothing, and does not leave when its client does.
async fn mute() -> SocketAddr {
    tcp_server(|mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        std::future::pending().await
    })
    .await
}

/// A server that agrees to become something else than HTTP, tells by which name it was asked, and then gives back what it gets.
async fn socket() -> SocketAddr {
    tcp_server(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).expect("text");
        let of = |name: &str| head.lines().find_map(|line| line.split_once(": ").filter(|(is, _)| is.eq_ignore_ascii_case(name)));
        let (host, protocol) = (of("host").expect("a host").1, of("sec-websocket-protocol").expect("a protocol").1);
        let agreed = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Host: {host}\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        let _ = stream.write_all(agreed.as_bytes()).await;
        give_back(stream).await;
    })
    .await
}

/// Gives back what comes, until nothing more does.
async fn give_back(stream: impl Stream) {
    let (mut from, mut to) = tokio::io::split(stream);
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// A server that gives back what it gets inside TLS.
async fn own_protocol(authority: &Authority) -> SocketAddr {
    let config = authority.server_config("own.test", &[b"mqtt"]).expect("a leaf");
    tcp_server(move |stream| {
        let config = Arc::clone(&config);
        async move {
            if let Some(stream) = accept_tls(stream, |_| Some(config)).await {
                give_back(stream).await;
            }
        }
    })
    .await
}

/// A server that has a certificate for `front.test` only, and no ear for those who ask for another name.
async fn behind_a_front(authority: &Authority) -> SocketAddr {
    let config = authority.server_config("front.test", &[b"h2", b"http/1.1"]).expect("a leaf");
    tcp_server(move |stream| {
        let config = Arc::clone(&config);
        async move {
            if let Some(stream) = accept_tls(stream, |host| (host == "front.test").then_some(config)).await {
                serve(TokioIo::new(stream)).await;
            }
        }
    })
    .await
}

/// A server that speaks HTTP/2 without TLS, and nothing else. Tells by which name it was asked, and what it got; a length with that
/// ends in trailers, as gRPC has them.
async fn http2_alone() -> SocketAddr {
    let answer = async |request: Request<Incoming>| {
        let asked = request.uri().clone();
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let told = format!("{asked} {} {}", body.len(), digest(&body));
        let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let frames = stream::iter([Ok(Frame::data(Bytes::from(told))), Ok(Frame::trailers(trailers))]);
        Ok::<_, Infallible>(Response::new(hudsucker::Body::from(StreamBody::new(frames))))
    };
    tcp_server(move |stream| async move {
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    })
    .await
}

/// A server that answers over TLS by any name.
async fn secure(authority: &Arc<Authority>) -> SocketAddr {
    let authority = Arc::clone(authority);
    tcp_server(move |stream| {
        let authority = Arc::clone(&authority);
        async move {
            let leaf = |host: &str| Some(authority.server_config(host, &[b"h2", b"http/1.1"]).expect("a leaf"));
            if let Some(stream) = accept_tls(stream, leaf).await {
                serve(TokioIo::new(stream)).await;
            }
        }
    })
    .await
}

pub(crate) async fn serve(stream: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static) {
    let _ = Builder::new(TokioExecutor::new()).serve_connection(stream, service_fn(answer)).await;
}

pub(crate) async fn answer(request: Request<Incoming>) -> Result<Response<hudsucker::Body>, Infallible> {
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
        "wide.test" => {
            let mut response = Response::new(hudsucker::Body::empty());
            for number in 0..200 {
                let name = HeaderName::try_from(format!("x-{number}")).expect("a name");
                response.headers_mut().insert(name, HeaderValue::from_str(&"y".repeat(200)).expect("a value"));
            }
            return Ok(response);
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

pub(crate) async fn http1_over(stream: TlsStream<TcpStream>) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
    tokio::spawn(connection);
    client
}

pub(crate) fn client_hello(bench: &Bench, host: &str) -> Vec<u8> {
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let mut client = rustls::ClientConnection::new(bench.trusting(&[b"h2"]), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory");
    hello
}

/// Reads one whole answer, so that what is sent next is sent after it.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().expect("a number"));
    stream.read_exact(&mut vec![0; length]).await.expect("a body");
}

pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("a whole response").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

pub(crate) fn body(text: &str) -> Full<Bytes> {
    Full::new(Bytes::from(text.to_owned()))
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A client that refuses every certificate for this reason.
pub(crate) fn refusing(version: &'static SupportedProtocolVersion, error: CertificateError) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Refuse(error)))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
pub(crate) struct Refuse(CertificateError);

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
