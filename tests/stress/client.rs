//! Clients of every kind of manners: some upload as they should, over connections that they keep; the others abort, stall, reset, send
//! garbage, and lie about lengths, each on a connection of its own.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::bench::cloud::Digest;

/// What a client knows to have been done: it has read the whole answer.
pub(crate) struct Completed {
    pub(crate) id: String,
    pub(crate) sent: Digest,
    pub(crate) answered: Digest,
}

/// The proxy, and what clients trust.
pub(crate) struct Target {
    proxy: SocketAddr,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    /// Trusts somebody else.
    stranger: Arc<ClientConfig>,
}

impl Target {
    pub(crate) fn new(proxy: SocketAddr, authority: &CertificateDer<'static>, other: &CertificateDer<'static>) -> Self {
        let trusting = |authority: &CertificateDer<'static>, alpn: &[u8]| {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).expect("a certificate");
            let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![alpn.to_vec()];
            Arc::new(config)
        };
        let (http1, http2) = (b"http/1.1".as_slice(), b"h2".as_slice());
        Self { proxy, http1: trusting(authority, http1), http2: trusting(authority, http2), stranger: trusting(other, http1) }
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// One client; keeps a connection of each kind to its host for its honest exchanges.
pub(crate) struct Client {
    target: Arc<Target>,
    host: String,
    /// Without TLS, and so without a tunnel.
    plain: bool,
    http1: Option<http1::SendRequest<Body>>,
    http2: Option<http2::SendRequest<Body>>,
    tunnels: Tunnels,
}

/// A client's own list of its tunnels, in the order in which it asked for them.
pub(crate) type Tunnels = Arc<Mutex<Vec<Opened>>>;

/// A tunnel as its client knows it.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) host: String,
    /// When it asked for it.
    pub(crate) asked: Instant,
    /// When the proxy had said yes.
    pub(crate) opened: Option<Instant>,
    /// When a connection that it keeps was over.
    pub(crate) closed: Option<Instant>,
}

/// What a client does in one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    /// Over HTTP/1.1, with a length.
    Sized,
    /// Over HTTP/1.1, chunked.
    Chunked,
    /// Over HTTP/2.
    Streamed,
    /// Two requests in one go.
    Pipelined,
    /// Stops in the middle, and goes on after a while.
    Stalling,
    /// Stops in the middle, and leaves after a while.
    GivingUp,
    /// Leaves in the middle of its upload.
    Aborting,
    /// The same as a stream of HTTP/2 whose connection lives on.
    AbortingStream,
    /// Resets the connection in the middle of its upload.
    Resetting,
    /// Resets the connection in the middle of the answer.
    ResettingAnswer,
    /// Leaves when all is sent, without waiting for the answer.
    Impatient,
    /// Says that there is more than it sends.
    TooLong,
    /// Sends more than it said.
    TooShort,
    /// Gives two lengths.
    TwoLengths,
    /// Gives a length and chunks.
    LengthAndChunks,
    /// Sends a chunk whose length is none.
    BadChunk,
    /// Sends noise where a request should be.
    Garbage,
    /// Sends noise where an HTTP/2 frame should be.
    GarbageFrames,
    /// Sends noise where TLS should be.
    GarbageForTls,
    /// Sends noise to the proxy itself.
    GarbageForProxy,
    /// Leaves in the middle of its first TLS message.
    HalfHello,
    /// Opens a tunnel and leaves.
    Silent,
    /// Refuses the certificate.
    Refusing,
}

impl Manners {
    fn of(number: usize) -> Self {
        use Manners::{
            Aborting, AbortingStream, BadChunk, Chunked, Garbage, GarbageForProxy, GarbageForTls, GarbageFrames, GivingUp, HalfHello,
            Impatient, LengthAndChunks, Pipelined, Refusing, Resetting, ResettingAnswer, Silent, Sized, Stalling, Streamed, TooLong,
            TooShort, TwoLengths,
        };
        const RARE: [Manners; 20] = [
            Pipelined,
            Stalling,
            GivingUp,
            Aborting,
            AbortingStream,
            Resetting,
            ResettingAnswer,
            Impatient,
            TooLong,
            TooShort,
            TwoLengths,
            LengthAndChunks,
            BadChunk,
            Garbage,
            GarbageFrames,
            GarbageForTls,
            GarbageForProxy,
            HalfHello,
            Silent,
            Refusing,
        ];
        // The same in every run: what a number does is a matter of the number alone.
        let mut rng = fastrand::Rng::with_seed(number as u64);
        match rng.u8(0..10) {
            0..2 => Sized,
            2..4 => Chunked,
            4..6 => Streamed,
            _ => RARE[rng.usize(..RARE.len())],
        }
    }
}

/// How many hosts the clients upload to.
pub(crate) const HOSTS: usize = 8;

impl Client {
    /// A client of a host; half of the hosts speak HTTP/1.1 alone.
    pub(crate) fn new(target: Arc<Target>, worker: usize) -> Self {
        let host = if worker.is_multiple_of(2) { format!("h1-{}.test", worker % HOSTS) } else { format!("api-{}.test", worker % HOSTS) };
        Self { target, host, plain: false, http1: None, http2: None, tunnels: Tunnels::default() }
    }

    /// A client that uploads without TLS.
    pub(crate) fn plain(target: Arc<Target>, worker: usize) -> Self {
        Self { plain: true, ..Self::new(target, worker) }
    }

    /// Its own list of its tunnels.
    pub(crate) fn tunnels(&self) -> Tunnels {
        Arc::clone(&self.tunnels)
    }

    /// Drives a connection through the latest tunnel, and notes when it is over.
    fn drive<E>(&self, connection: impl Future<Output = Result<(), E>> + Send + 'static) {
        let tunnels = self.tunnels();
        let latest = lock(&tunnels).len().checked_sub(1);
        tokio::spawn(async move {
            let _ = connection.await;
            if let Some(latest) = latest {
                lock(&tunnels)[latest].closed = Some(Instant::now());
            }
        });
    }

    /// Whether nothing may keep this exchange from being completed.
    pub(crate) fn must_complete(number: usize) -> bool {
        matches!(Manners::of(number), Manners::Sized | Manners::Chunked | Manners::Streamed | Manners::Pipelined | Manners::Stalling)
    }

    /// Uploads as it should be done, in one of three ways.
    pub(crate) async fn upload(&mut self, number: usize) -> io::Result<Vec<Completed>> {
        let ways: &[_] =
            if self.plain { &[Manners::Sized, Manners::Chunked] } else { &[Manners::Sized, Manners::Chunked, Manners::Streamed] };
        self.behave(ways[number % ways.len()], number).await
    }

    /// Does what the number says. Gives what was completed.
    pub(crate) async fn perform(&mut self, number: usize) -> Vec<Completed> {
        let manners = Manners::of(number);
        let done = self.behave(manners, number).await;
        match done {
            Ok(completed) => completed,
            // The rude may be refused at any moment.
            Err(_) if !Self::must_complete(number) => Vec::new(),
            Err(problem) => panic!("exchange {number} ({manners:?}): {problem}"),
        }
    }

    async fn behave(&mut self, manners: Manners, number: usize) -> io::Result<Vec<Completed>> {
        let body = body_of(number);
        let (host, path) = (self.host.clone(), format!("/n/{number}"));
        let half = body.len() / 2;
        let sized = |length: usize| format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        let chunked = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
        match manners {
            Manners::Sized => {
                return self.over_http1(&host, &path, Full::new(body.into()).map_err(|never| match never {}).boxed_unsync(), number).await;
            }
            Manners::Chunked => return self.over_http1(&host, &path, pieces(&body), number).await,
            Manners::Streamed => return self.over_http2(&host, &path, pieces(&body), number).await,
            Manners::Pipelined => {
                let mut stream = self.tls(&host).await?;
                let both = [request(&host, &path, &body), request(&host, &format!("{path}b"), &body)].concat();
                stream.write_all(&both).await?;
                let mut completed = Vec::new();
                for id in [number.to_string(), format!("{number}b")] {
                    let answer = read_answer(&mut stream).await?;
                    completed.push(Completed { id, sent: Digest::of(&body), answered: Digest::of(&answer) });
                }
                return Ok(completed);
            }
            Manners::Stalling => {
                let mut stream = self.tls(&host).await?;
                let all = request(&host, &path, &body);
                let at = all.len() - body.len() + half;
                stream.write_all(&all[..at]).await?;
                stream.flush().await?;
                tokio::time::sleep(pause(number)).await;
                stream.write_all(&all[at..]).await?;
                let answer = read_answer(&mut stream).await?;
                return Ok(vec![Completed { id: number.to_string(), sent: Digest::of(&body), answered: Digest::of(&answer) }]);
            }
            Manners::GivingUp | Manners::Aborting => {
                let mut stream = self.tls(&host).await?;
                stream.write_all(&[sized(body.len()), body[..half].to_vec()].concat()).await?;
                stream.flush().await?;
                if manners == Manners::GivingUp {
                    tokio::time::sleep(pause(number)).await;
                }
            }
            Manners::AbortingStream => {
                let torn = [Ok(Frame::data(Bytes::copy_from_slice(&body[..half]))), Err(io::Error::other("torn"))];
                let torn = StreamBody::new(stream::iter(torn)).boxed_unsync();
                let _ = self.over_http2(&host, &path, torn, number).await;
            }
            Manners::Resetting => {
                let mut stream = self.tls(&host).await?;
                stream.write_all(&[sized(body.len()), body[..half].to_vec()].concat()).await?;
                stream.flush().await?;
                reset(stream.get_ref().0);
            }
            Manners::ResettingAnswer => {
                let mut stream = self.tls(&host).await?;
                let get = format!("GET /bytes/300000?/{number} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                stream.write_all(get.as_bytes()).await?;
                let mut some = [0; 100];
                stream.read_exact(&mut some).await?;
                reset(stream.get_ref().0);
            }
            Manners::Impatient => {
                let mut stream = self.tls(&host).await?;
                stream.write_all(&request(&host, &path, &body)).await?;
                stream.shutdown().await?;
            }
            Manners::TooLong => {
                let mut stream = self.tls(&host).await?;
                stream.write_all(&[sized(body.len() + 1), body].concat()).await?;
                stream.shutdown().await?;
                read_to_end(&mut stream).await;
            }
            Manners::TooShort => {
                let mut stream = self.tls(&host).await?;
                stream.write_all(&[sized(half), body].concat()).await?;
                read_answer(&mut stream).await?;
                read_to_end(&mut stream).await;
            }
            Manners::TwoLengths => {
                let head =
                    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {half}\r\nContent-Length: {}\r\n\r\n", body.len());
                self.rudely(&host, &[head.into_bytes(), body].concat()).await?;
            }
            Manners::LengthAndChunks => {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                );
                self.rudely(&host, &[head.as_bytes(), b"5\r\nhello\r\n0\r\n\r\n"].concat()).await?;
            }
            Manners::BadChunk => {
                let chunk: &[u8] =
                    [&b"-5\r\nhello\r\n"[..], b"fffffffffffffffff\r\nhello", b"5\r\nhelloXX0\r\n\r\n", b"\r\n\r\n"][number % 4];
                self.rudely(&host, &[chunked.as_bytes(), b"2\r\nok\r\n", chunk].concat()).await?;
            }
            Manners::Garbage => self.rudely(&host, &noise(number)).await?,
            Manners::GarbageFrames => {
                let mut stream = self.connect(&host, &self.target.http2).await?;
                let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
                stream.write_all(&[&preface[..], &noise(number)].concat()).await?;
                read_to_end(&mut stream).await;
            }
            Manners::GarbageForTls => {
                let mut stream = self.tunnel(&host).await?;
                stream.write_all(&noise(number)).await?;
                stream.shutdown().await?;
                read_to_end(&mut stream).await;
            }
            Manners::GarbageForProxy => {
                let mut stream = TcpStream::connect(self.target.proxy).await?;
                stream.write_all(&noise(number)).await?;
                stream.shutdown().await?;
                read_to_end(&mut stream).await;
            }
            Manners::HalfHello => {
                let mut stream = self.tunnel(&host).await?;
                stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half of a hello").await?;
            }
            Manners::Silent => drop(self.tunnel(&host).await?),
            Manners::Refusing => assert!(self.connect(&host, &self.target.stranger).await.is_err(), "it trusts somebody else"),
        }
        Ok(Vec::new())
    }

    async fn over_http1(&mut self, host: &str, path: &str, body: Body, number: usize) -> io::Result<Vec<Completed>> {
        // A connection that was kept may have been closed meanwhile; then a new one is made before anything is sent.
        let ready = match &mut self.http1 {
            Some(client) => client.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            let client = if self.plain {
                let (client, connection) = http1::handshake(TokioIo::new(self.proxy().await?)).await.map_err(io::Error::other)?;
                tokio::spawn(connection);
                client
            } else {
                let (client, connection) = http1::handshake(TokioIo::new(self.tls(host).await?)).await.map_err(io::Error::other)?;
                self.drive(connection);
                client
            };
            self.http1 = Some(client);
        }
        let client = self.http1.as_mut().expect("just made");
        let url = if self.plain { format!("http://{host}{path}") } else { path.to_owned() };
        let request = Request::post(url).header("Host", host).body(body).expect("a request");
        let sent = Digest::of(&body_of(number));
        let response = client.send_request(request).await.map_err(io::Error::other)?;
        completed(response, number, sent).await
    }

    async fn over_http2(&mut self, host: &str, path: &str, body: Body, number: usize) -> io::Result<Vec<Completed>> {
        let ready = match &mut self.http2 {
            Some(client) => client.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            let stream = self.connect(host, &self.target.http2).await?;
            let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (client, connection) = handshake.map_err(io::Error::other)?;
            self.drive(connection);
            self.http2 = Some(client);
        }
        let client = self.http2.as_mut().expect("just made");
        let request = Request::post(format!("https://{host}{path}")).body(body).expect("a request");
        let sent = Digest::of(&body_of(number));
        let response = client.send_request(request).await.map_err(io::Error::other)?;
        completed(response, number, sent).await
    }

    /// Sends bytes that are no proper request, and reads whatever comes.
    async fn rudely(&self, host: &str, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.tls(host).await?;
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        read_to_end(&mut stream).await;
        Ok(())
    }

    async fn tls(&self, host: &str) -> io::Result<TlsStream<TcpStream>> {
        self.connect(host, &self.target.http1).await
    }

    async fn connect(&self, host: &str, config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        let tunnel = self.tunnel(host).await?;
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        TlsConnector::from(Arc::clone(config)).connect(name, tunnel).await
    }

    async fn proxy(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.target.proxy).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A CONNECT that the proxy accepted.
    async fn tunnel(&self, host: &str) -> io::Result<TcpStream> {
        let mut stream = self.proxy().await?;
        let number = {
            let mut tunnels = lock(&self.tunnels);
            tunnels.push(Opened { host: host.to_owned(), asked: Instant::now(), opened: None, closed: None });
            tunnels.len() - 1
        };
        stream.write_all(format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n").as_bytes()).await?;
        let head = read_head(&mut stream).await?;
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        lock(&self.tunnels)[number].opened = Some(Instant::now());
        Ok(stream)
    }
}

fn lock(tunnels: &Mutex<Vec<Opened>>) -> std::sync::MutexGuard<'_, Vec<Opened>> {
    tunnels.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn completed(response: Response<Incoming>, number: usize, sent: Digest) -> io::Result<Vec<Completed>> {
    let status = response.status();
    let answer = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    assert_eq!(status, StatusCode::OK, "exchange {number}: {}", String::from_utf8_lossy(&answer));
    assert_eq!(answer, format!("{} {}", sent.bytes, sent.sha256), "exchange {number}: what the server says it received");
    Ok(vec![Completed { id: number.to_string(), sent, answered: Digest::of(&answer) }])
}

/// The body of an answer that has a length.
async fn read_answer(stream: &mut TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    let head = String::from_utf8_lossy(&read_head(stream).await?).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = length.ok_or_else(|| io::Error::other(format!("no length: {head}")))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    if head.starts_with("http/1.1 200") { Ok(body) } else { Err(io::Error::other(head)) }
}

async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// Reads what the proxy still says, and until it hangs up.
async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// Makes the end of a connection a reset.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket");
}

fn request(host: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A body that comes in pieces and tells no length.
fn pieces(body: &[u8]) -> Body {
    let pieces: Vec<_> = body.chunks(8_000).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(stream::iter(pieces)).boxed_unsync()
}

/// Mostly small, some larger than a log keeps in line; never empty.
fn body_of(number: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(number as u64 + 1_000_000);
    let length = match rng.u8(0..20) {
        0 => rng.usize(60_000..300_000),
        1..4 => rng.usize(5_000..60_000),
        _ => rng.usize(2..4_000),
    };
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

fn noise(number: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(number as u64 + 2_000_000);
    std::iter::repeat_with(|| rng.u8(..)).take(200).collect()
}

fn pause(number: usize) -> Duration {
    Duration::from_millis(20 + number as u64 % 100)
}
