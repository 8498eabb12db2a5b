//! What is done inside a tunnel: TLS is ended with a certificate of ours, HTTP is read, and everything else is passed on and
//! counted. The engine's own way with tunnels is not taken: it knows one method of plain HTTP, waits for ever where the server
//! speaks first, counts nothing, and tells nothing of a failed handshake.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode, Uri, Version, uri::Scheme};
use hudsucker::Body;
use hyper::{body::Incoming, service::service_fn};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{StartHandshake, server::TlsStream};

use super::{
    accept::is_asked_to_stop,
    account::Account,
    fronting::Target,
    handler::{Handler, NamesNoServer, refusal},
    heard::Heard,
    hello::{Hello, client_hello},
    metered::Metered,
    opening::{Opening, Spoken, listen, patience, protocol},
    own_page::OwnPage,
    socket::Pulse,
    tunnel::Tunnel,
    tunnels::Tunnels,
};
use crate::model::{PassReason, TunnelOutcome};

/// A client that may use a tunnel, and what is done with it.
pub(super) enum Entry {
    /// It is listened to, and read if it speaks HTTP, with TLS or without.
    Listen(Handler, Arc<Tunnel>, IpAddr),
    /// It is passed on to this server, as long as the client is there.
    PassOn(Arc<Tunnel>, TcpStream, Pulse),
    /// It wants a page of our own: the host's name, and whether that is one of ours.
    OwnPage(Handler, IpAddr, String, Named),
}

/// How a client names us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By a host that the gate owns.
    Host,
    /// By an address that the proxy listens at.
    Listener,
}

/// A client's end of a tunnel.
pub(super) trait Client: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Client for S {}

impl Entry {
    /// Serves the client until one of the two sides leaves.
    pub(super) async fn serve(self, client: impl Client) {
        match self {
            Self::PassOn(tunnel, server, pulse) => pass(Metered::new(client, Some(tunnel)), server, &pulse).await,
            Self::OwnPage(handler, address, name, named) => {
                let host = if named == Named::Listener { String::new() } else { name.clone() };
                OwnPage { tunnels: Arc::clone(&handler.tunnels), client: handler.client, address, name, host }.serve(client).await;
            }
            Self::Listen(handler, tunnel, address) => {
                let inside = Inside { tunnels: Arc::clone(&handler.tunnels), handler, tunnel, address };
                if let Err(error) = inside.serve(client).await {
                    tracing::debug!(%error, "a tunnel ended");
                }
                if inside.tunnel.was_refused() {
                    inside.tunnels.refusals.refused(address, &inside.tunnel.name());
                }
            }
        }
    }
}

/// One tunnel that is listened to.
struct Inside {
    tunnels: Arc<Tunnels>,
    handler: Handler,
    tunnel: Arc<Tunnel>,
    /// The client's.
    address: IpAddr,
}

impl Inside {
    async fn serve(&self, client: impl Client) -> io::Result<()> {
        let tunnel = &self.tunnel;
        let mut client = Metered::new(client, Some(Arc::clone(tunnel)));
        let mut first = Vec::with_capacity(FIRST);
        match listen(&mut client, &mut first, patience(tunnel.port), || tunnel.decided(), self.tunnels.dial(tunnel)).await? {
            Spoken::Client(Opening::Tls, _) => self.tls(client, first).await,
            Spoken::Client(Opening::Http, _) => {
                if tunnel.is_to_an_address() && !self.tunnels.gate.reads(&tunnel.host) {
                    return self.pass_on(client, first, PassReason::OutsideScope).await;
                }
                tunnel.is_plain();
                self.http(client.again(first), Scheme::HTTP).await;
                Ok(())
            }
            Spoken::Client(Opening::Other, server) => {
                tunnel.speaks(protocol(&first).map(str::to_owned));
                self.not_http(TunnelOutcome::NotTls, client.again(first), server, self.tunnels.dial(tunnel)).await;
                Ok(())
            }
            spoken => self.server_first(TunnelOutcome::NotTls, client, first, spoken).await,
        }
    }

    /// A client that begins with TLS.
    async fn tls(&self, mut client: Metered<impl Client>, mut first: Vec<u8>) -> io::Result<()> {
        let tunnel = &self.tunnel;
        tunnel.greeted();
        let Ok(hello) = timeout(HANDSHAKE, client_hello(&mut client, &mut first)).await else { return Ok(()) };
        let (accepted, read) = match hello? {
            Hello::Complete(accepted, read) => (accepted, read),
            Hello::Left => return Ok(()),
            Hello::Impossible(error) => {
                tunnel.handshake_failed(&io::Error::other(error));
                return Ok(());
            }
            Hello::NotTls => {
                self.not_http(TunnelOutcome::NotTls, client.again(first), None, self.tunnels.dial(tunnel)).await;
                return Ok(());
            }
        };
        let hello = accepted.client_hello();
        let alpn: Vec<String> = hello.alpn().into_iter().flatten().map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect();
        tunnel.hello(hello.server_name().map(str::to_ascii_lowercase), alpn.clone());
        if let Some(reason) = self.reason_to_leave(hello.server_name()) {
            if reason == PassReason::NamesOutside {
                tunnel.hello(None, Vec::new());
            }
            return self.pass_on(client, first, reason).await;
        }
        tunnel.is_in_scope().await.map_err(io::Error::other)?;
        if let Some(reason) = self.reason_to_pass(&alpn) {
            return self.pass_on(client, first, reason).await;
        }
        let Ok(config) = self.tunnels.authority.server_config(&tunnel.certified_name(), HTTP) else {
            return self.pass_on(client, first, PassReason::NoCertificate).await;
        };
        tunnel.offered();
        first.drain(..read);
        let handshake = StartHandshake::from_parts(*accepted, client.uncounted().again(first)).into_stream(config);
        let stream = match timeout(HANDSHAKE, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tunnel.broke_off(&error);
                tunnel.handshake_failed(&error);
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        tunnel.finished();
        self.decrypted(stream).await
    }

    /// What comes inside TLS.
    async fn decrypted(&self, stream: TlsStream<impl Client>) -> io::Result<()> {
        let tunnel = &self.tunnel;
        let agreed_on_http = stream.get_ref().1.alpn_protocol().is_some();
        let mut client = Metered::new(stream, Some(Arc::clone(tunnel)));
        if agreed_on_http {
            self.http(client, Scheme::HTTPS).await;
            return Ok(());
        }
        let mut first = Vec::with_capacity(FIRST);
        let dial = self.tunnels.dial_tls(tunnel);
        match listen(&mut client, &mut first, patience(tunnel.port).max(DECRYPTED), || tunnel.decided(), dial).await? {
            Spoken::Client(Opening::Http, _) => {
                self.http(client.again(first), Scheme::HTTPS).await;
                Ok(())
            }
            Spoken::Client(_, server) => {
                tunnel.speaks(protocol(&first).map(str::to_owned));
                self.not_http(TunnelOutcome::OwnProtocol, client.again(first), server, self.tunnels.dial_tls(tunnel)).await;
                Ok(())
            }
            spoken => self.server_first(TunnelOutcome::OwnProtocol, client, first, spoken).await,
        }
    }

    /// Reads requests until the connection ends.
    async fn http(&self, client: impl Client, scheme: Scheme) {
        let read = Arc::new(AtomicBool::new(false));
        let secure = scheme == Scheme::HTTPS;
        let account = Arc::<Account>::default();
        // Whatever ends this, the proxy's own end too: half a request is told.
        let _half = HalfRead { tunnel: &self.tunnel, account: &account };
        let service = service_fn(|request: Request<Incoming>| {
            let (mut handler, tunnel, scheme) = (self.handler.clone(), Arc::clone(&self.tunnel), scheme.clone());
            let (tunnels, read, address) = (Arc::clone(&self.tunnels), Arc::clone(&read), self.address);
            let (account, request, owed) = (Arc::clone(&account), account.request(request), account.owe());
            async move {
                let _owed = owed;
                let outside = handler.names_outside(&request);
                let Some(request) = absolute(&tunnel, scheme, request) else {
                    tunnel.unread(NamesNoServer::ByName.unread());
                    return Ok::<_, Infallible>(refusal(StatusCode::BAD_REQUEST));
                };
                if let Some(outside) = outside {
                    let response = handler.pass_unread(request, outside).await;
                    account.answer(false, response.status());
                    return Ok(response);
                }
                let began = handler.exchange(request).await;
                account.answer(false, began.status());
                if let Some(no_server) = began.extensions().get::<NamesNoServer>() {
                    tunnel.unread(no_server.unread());
                }
                // What came without TLS says nothing of whether our certificate is trusted.
                if secure && tunnel.was_read() && !read.swap(true, Ordering::Relaxed) {
                    tunnels.refusals.read(address, &tunnel.name());
                    tunnels.refusals.trusts(address);
                }
                Ok(began)
            }
        });
        let mut engine = self.tunnels.http.serve(Heard::new(client, Arc::clone(&account), self.handler.client.clone()), service);
        let (mut ending, untold) = (self.tunnels.ending.clone(), self.handler.recorder.untold());
        let served = tokio::select! {
            biased;
            served = &mut engine => served,
            () = is_asked_to_stop(&mut ending) => match (account.is_http2(), account.half_a_head()) {
                // Its streams are counted by themselves, and nobody waits for one that is to come.
                (true, _) => {
                    drop(untold);
                    (&mut engine).await
                }
                (false, half) => {
                    account.goes_away();
                    engine.graceful_shutdown();
                    if half.is_some() { Ok(()) } else { (&mut engine).await }
                }
            },
        };
        let left_over = engine.left_over();
        let not_http = if secure { TunnelOutcome::OwnProtocol } else { TunnelOutcome::NotTls };
        if let Some(unread) = account.unread(served.as_ref().err(), &left_over, not_http) {
            self.tunnel.unread(unread);
        }
        if let Err(error) = served {
            tracing::debug!(%error, "a client's connection ended");
        }
    }

    /// The server spoke first, or nobody did.
    async fn server_first<Server: AsyncRead + AsyncWrite + Unpin>(
        &self,
        outcome: TunnelOutcome,
        mut client: Metered<impl Client>,
        first: Vec<u8>,
        spoken: Spoken<Server>,
    ) -> io::Result<()> {
        match spoken {
            Spoken::Server(server, banner) => {
                self.tunnel.settle(outcome);
                self.tunnel.speaks(protocol(&banner).map(str::to_owned));
                client.write_all(&banner).await?;
                client.flush().await?;
                pass(client.again(first), server, &self.handler.client).await;
            }
            Spoken::Unreachable(why) => self.tunnel.unreachable(why),
            Spoken::Client(..) | Spoken::Nobody => {}
        }
        Ok(())
    }

    /// Passes on what is not HTTP.
    async fn not_http<Server: AsyncRead + AsyncWrite + Unpin>(
        &self,
        outcome: TunnelOutcome,
        client: Metered<impl Client>,
        server: Option<Server>,
        dial: impl Future<Output = Result<Server, String>>,
    ) {
        self.tunnel.decided();
        let server = match server {
            Some(server) => Ok(server),
            None => dial.await,
        };
        match server {
            Ok(server) => {
                self.tunnel.settle(outcome);
                pass(client, server, &self.handler.client).await;
            }
            Err(why) => self.tunnel.unreachable(why),
        }
    }

    /// Passes on what could be HTTP, for a reason.
    async fn pass_on(&self, client: Metered<impl Client>, first: Vec<u8>, reason: PassReason) -> io::Result<()> {
        self.tunnel.decided();
        match self.tunnels.dial(&self.tunnel).await {
            Ok(server) => {
                self.tunnel.passes(reason);
                pass(client.again(first), server, &self.handler.client).await;
            }
            Err(why) => self.tunnel.settle(TunnelOutcome::Unreachable { why }),
        }
        Ok(())
    }

    /// Why what a client that speaks TLS sends is nobody's business.
    fn reason_to_leave(&self, sni: Option<&str>) -> Option<PassReason> {
        let gate = &self.tunnels.gate;
        // A name in the CONNECT was asked before; an address names nothing.
        let connected = gate.reads(&self.tunnel.host);
        match sni {
            Some(sni) if gate.reads(&sni.to_ascii_lowercase()) => None,
            Some(_) if connected => Some(PassReason::NamesOutside),
            None if connected => None,
            _ => Some(PassReason::OutsideScope),
        }
    }

    /// Why a client that speaks TLS is not read.
    fn reason_to_pass(&self, alpn: &[String]) -> Option<PassReason> {
        let Self { tunnels, tunnel, address, .. } = self;
        if tunnels.refusals.gave_up(*address, &tunnel.name()) {
            return Some(PassReason::Refused);
        }
        let own = !alpn.is_empty() && !alpn.iter().any(|protocol| matches!(protocol.as_str(), "h2" | "http/1.1" | "http/1.0"));
        own.then(|| {
            tunnel.speaks(alpn.first().cloned());
            PassReason::OwnProtocol
        })
    }
}

/// Tells half a request when the connection ends, however it does.
struct HalfRead<'a> {
    tunnel: &'a Tunnel,
    account: &'a Account,
}

impl Drop for HalfRead<'_> {
    fn drop(&mut self) {
        if self.account.is_http2() && self.account.requests() == 0 {
            // A client that has greeted the server under our certificate does not refuse it.
            self.tunnel.speaks(Some("h2".to_owned()));
        }
        if let Some(unread) = self.account.broke_off() {
            self.tunnel.unread(unread);
        }
    }
}

/// Passes bytes on both ways until both sides have said their last. When one is done, the other may go on: but not for long when the
/// client is gone, which after its last word only its pulse tells.
async fn pass(mut client: Metered<impl Client>, mut server: impl AsyncRead + AsyncWrite + Unpin, pulse: &Pulse) {
    let gone = async {
        pulse.gone().await;
        sleep(LAST_BYTES).await;
    };
    tokio::select! {
        biased;
        passed = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, PIECE, PIECE) => {
            if let Err(error) = passed {
                tracing::debug!(%error, "a tunnel broke off");
            }
        }
        () = gone => {}
    }
}

/// An HTTP/1 request inside a tunnel names only a path: its URI is to name the tunnel's host. `None` if it names not even that.
/// What it names beyond that is kept as its [`Target`]. Whether there is TLS is the tunnel's to say, in HTTP/2 as well.
fn absolute(tunnel: &Tunnel, scheme: Scheme, mut request: Request<Body>) -> Option<Request<Body>> {
    if matches!(request.version(), Version::HTTP_10 | Version::HTTP_11) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        let authority = tunnel.authority(scheme == Scheme::HTTPS)?;
        if let Some(named) = parts.authority.replace(authority) {
            request.extensions_mut().insert(Target(named));
        }
        parts.scheme = Some(scheme);
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
    } else if request.uri().scheme().is_some_and(|named| *named != scheme) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(scheme);
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
    }
    Some(request)
}

/// What is offered by ALPN.
pub(super) const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];
/// A handshake, or half of one, takes this long at most.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(30);
/// A client that has finished the handshake and is silent has most likely only opened a connection ahead of need.
const DECRYPTED: Duration = Duration::from_secs(1);
/// Room for a client's first bytes: a ClientHello of a browser of today has 1.8 kB.
pub(super) const FIRST: usize = 2048;
/// What a client has sent that is gone may be passed on for so long.
const LAST_BYTES: Duration = Duration::from_secs(5);
/// Bytes that are passed on at once, each way.
const PIECE: usize = 16 * 1024;
