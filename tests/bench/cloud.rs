//! Servers of this machine that stand in for every host ending in `.test`, over TLS (HTTP/1.1 and HTTP/2) and in plain, and
//! keep a receipt for each request that reached them whole.

use std::{
    convert::Infallible,
    fmt,
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt, combinators::BoxBody};
use hudsucker::tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, handshake::derive_accept_key, protocol::Role},
};
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
use sha2::{Digest as _, Sha256};
use tattletale::{
    model::text::hex,
    traffic::{authority::Authority, proxy::LocalUpstream},
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A request that reached a server whole, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receipt {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) sent: Digest,
    pub(crate) status: u16,
    pub(crate) answered: Digest,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} -> {} {}", self.method, self.url, self.sent, self.status, self.answered)
    }
}

/// Length and SHA-256 of a body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {}", self.bytes, self.sha256.get(..12).unwrap_or_default())
    }
}

/// A message of a WebSocket as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    pub(crate) url: String,
    /// True when the client sent it.
    pub(crate) sent: bool,
    pub(crate) text: bool,
    pub(crate) digest: Digest,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, kind) = (if self.sent { "client" } else { "server" }, if self.text { "text" } else { "binary" });
        write!(f, "{side} {} {kind} {}", self.url, self.digest)
    }
}

/// The servers.
pub(crate) struct Cloud {
    authority: Arc<Authority>,
    tls: SocketAddr,
    plain: SocketAddr,
    /// Nobody listens there.
    dead: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    receipts: Mutex<Vec<(Receipt, Instant)>>,
    said: Mutex<Vec<Said>>,
    /// Told when every connection is to end.
    hang_up: tokio::sync::watch::Sender<()>,
}

impl Cloud {
    /// Servers on free ports.
    pub(crate) async fn start() -> Self {
        let authority = Arc::new(Authority::generate("cloud (test)", Timestamp::now()).expect("an authority"));
        let bind = || async { TcpListener::bind("127.0.0.1:0").await.expect("a free port") };
        let (tls, plain) = (bind().await, bind().await);
        // Its port stays taken until the tests are over: a free one would be another server's soon.
        let dead = Box::leak(Box::new(TcpSocket::new_v4().expect("a socket")));
        dead.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let addresses = [tls.local_addr(), plain.local_addr(), dead.local_addr()].map(|address| address.expect("bound"));
        let shared = Arc::new(Shared::default());
        tokio::spawn(serve_tls(tls, Arc::clone(&authority), Arc::clone(&shared)));
        tokio::spawn(serve_plain(plain, Arc::clone(&shared)));
        let [tls, plain, dead] = addresses;
        Self { authority, tls, plain, dead, shared }
    }

    /// The way from a proxy to these servers, and nowhere else.
    pub(crate) fn upstream(&self) -> LocalUpstream {
        upstream(self.tls, self.plain, self.dead, &self.authority)
    }

    /// Addresses of the servers: TLS, plain, and one where nobody listens.
    pub(crate) fn addresses(&self) -> [SocketAddr; 3] {
        [self.tls, self.plain, self.dead]
    }

    /// Who signed the servers' certificates.
    pub(crate) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// How many requests came whole.
    pub(crate) fn received(&self) -> usize {
        lock(&self.shared.receipts).len()
    }

    /// Whether a request whose URL ends so came.
    pub(crate) fn has(&self, ending: &str) -> bool {
        lock(&self.shared.receipts).iter().any(|(receipt, _)| receipt.url.ends_with(ending))
    }

    /// Closes every connection, as a server does that has had nothing to do for a while.
    pub(crate) fn hang_up(&self) {
        self.shared.hang_up.send_replace(());
    }

    /// The receipts so far, which are forgotten here.
    pub(crate) fn take(&self) -> (Vec<Receipt>, Vec<Said>) {
        let receipts = std::mem::take(&mut *lock(&self.shared.receipts)).into_iter().map(|(receipt, _)| receipt).collect();
        (receipts, std::mem::take(&mut *lock(&self.shared.said)))
    }
}

/// The way to servers at these addresses, whose certificates `authority` signs.
pub(crate) fn upstream(tls: SocketAddr, plain: SocketAddr, dead: SocketAddr, authority: &Authority) -> LocalUpstream {
    upstream_signed_by(tls, plain, dead, authority.certificate_der())
}

/// The same with the authority's certificate alone.
pub(crate) fn upstream_signed_by(
    tls: SocketAddr,
    plain: SocketAddr,
    dead: SocketAddr,
    root: rustls::pki_types::CertificateDer<'static>,
) -> LocalUpstream {
    LocalUpstream::new(
        move |host, port| match (host, port) {
            ("dead.test", _) => Some(dead),
            (_, 443) => Some(tls),
            (_, 80) => Some(plain),
            _ => None,
        },
        [root],
    )
}

async fn serve_tls(listener: TcpListener, authority: Arc<Authority>, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (authority, shared) = (Arc::clone(&authority), Arc::clone(&shared));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(start) = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await else { return };
            let hello = start.client_hello();
            let host = hello.server_name().unwrap_or("none.test").to_owned();
            // `h1…` speaks HTTP/1.1 alone, as many clouds of apps do.
            let alpn: &[&[u8]] = if host.starts_with("h1") { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
            let config = authority.server_config(&host, alpn).expect("a leaf");
            if let Ok(stream) = start.into_stream(config).await {
                serve(TokioIo::new(stream), "https", shared).await;
            }
        });
    }
}

async fn serve_plain(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(serve::<TokioIo<TcpStream>>(TokioIo::new(stream), "http", Arc::clone(&shared)));
    }
}

async fn serve<S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static>(stream: S, scheme: &'static str, shared: Arc<Shared>) {
    let mut hang_up = shared.hang_up.subscribe();
    let answering = service_fn(move |request| answer(request, scheme, Arc::clone(&shared)));
    let builder = Builder::new(TokioExecutor::new());
    tokio::select! {
        _ = builder.serve_connection_with_upgrades(stream, answering) => {}
        _ = hang_up.changed() => {}
    }
}

type AnyBody = BoxBody<Bytes, Infallible>;

async fn answer(mut request: Request<Incoming>, scheme: &str, shared: Arc<Shared>) -> Result<Response<AnyBody>, hyper::Error> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(http::uri::Authority::as_str).or(host).unwrap_or_default().to_owned();
    let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let url = format!("{scheme}://{host}{target}");
    let method = request.method().as_str().to_owned();
    if request.headers().contains_key("sec-websocket-key") {
        let receipt = Receipt { method, url: url.clone(), sent: Digest::of(b""), status: 101, answered: Digest::of(b"") };
        lock(&shared.receipts).push((receipt, Instant::now()));
        return Ok(websocket(&mut request, url, shared));
    }
    let accepts = request.headers().get("accept-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    // What did not come whole gets no receipt.
    let sent = Digest::of(&request.into_body().collect().await?.to_bytes());
    let Answer { status, kind, encoding, pieces } = answer_to(&target, &accepts, &sent);
    let head = method == "HEAD";
    let whole: Vec<u8> = if head { Vec::new() } else { pieces.concat() };
    let receipt = Receipt { method, url, sent, status: status.as_u16(), answered: Digest::of(&whole) };
    lock(&shared.receipts).push((receipt, Instant::now()));
    let mut response = Response::builder().status(status).header("content-type", kind);
    if !encoding.is_empty() {
        response = response.header("content-encoding", encoding);
    }
    let body = if head {
        // The library leaves it to a server to send no body then.
        response = response.header("content-length", pieces.concat().len());
        http_body_util::Empty::new().boxed()
    } else if let [only] = pieces.as_slice() {
        http_body_util::Full::new(Bytes::from(only.clone())).boxed()
    } else {
        let frames = stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece)))));
        BodyExt::boxed(http_body_util::StreamBody::new(frames))
    };
    Ok(response.body(body).expect("a response"))
}

/// What a server says: one piece has a length, several are streamed.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    encoding: &'static str,
    pieces: Vec<Vec<u8>>,
}

fn answer_to(target: &str, accepts: &str, sent: &Digest) -> Answer {
    let of = |kind, pieces: Vec<Vec<u8>>| Answer { status: StatusCode::OK, kind, encoding: "", pieces };
    match target.split('?').next().unwrap_or_default() {
        "/page" => of("text/html; charset=utf-8", vec![include_bytes!("../clients/page.html").to_vec()]),
        path if path.ends_with(".svg") => of(
            "image/svg+xml",
            vec![br#"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>"#.to_vec()],
        ),
        "/events" => of("text/event-stream", (1..=3).map(|number| format!("data: event {number}\n\n").into_bytes()).collect()),
        "/compressed" if accepts.contains("gzip") => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all("a line that is there many times\n".repeat(1000).as_bytes()).expect("memory");
            Answer { encoding: "gzip", ..of("text/plain", vec![gzip.finish().expect("memory")]) }
        }
        "/missing" => Answer { status: StatusCode::NOT_FOUND, ..of("text/plain", vec![b"no such thing".to_vec()]) },
        path => match path.strip_prefix("/bytes/").and_then(|count| count.parse().ok()) {
            Some(count) => of("application/octet-stream", vec![vec![b'x'; count]]),
            None => of("text/plain", vec![format!("{} {}", sent.bytes, sent.sha256).into_bytes()]),
        },
    }
}

/// Becomes a WebSocket that speaks the first subprotocol offered and gives each message back.
fn websocket(request: &mut Request<Incoming>, url: String, shared: Arc<Shared>) -> Response<AnyBody> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
    let protocol = header("sec-websocket-protocol").split(',').next().unwrap_or_default().trim().to_owned();
    let upgrading = hyper::upgrade::on(request);
    // What a frame that only controls the connection carries is something that was sent as well.
    let note = move |sent: bool, message: &Message| {
        let (text, data) = match message {
            Message::Text(_) | Message::Binary(_) => (message.is_text(), message.clone().into_data()),
            // A reason for closing is uploaded like everything else.
            Message::Close(Some(closing)) if !closing.reason.is_empty() => (true, closing.reason.clone().into()),
            _ => return,
        };
        let said = Said { url: url.clone(), sent, text, digest: Digest::of(&data) };
        lock(&shared.said).push(said);
    };
    tokio::spawn(async move {
        let Ok(upgraded) = upgrading.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            note(true, &message);
            if matches!(message, Message::Text(_) | Message::Binary(_)) {
                note(false, &message);
                if !matches!(socket.send(message).await, Ok(()) | Err(tungstenite::Error::ConnectionClosed)) {
                    break;
                }
            }
        }
    });
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept);
    if !protocol.is_empty() {
        response = response.header("sec-websocket-protocol", protocol);
    }
    response.body(http_body_util::Empty::new().boxed()).expect("a response")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
