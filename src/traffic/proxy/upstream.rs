//! Where requests go: the internet, or on a simulated rig a table of `.test` names on this machine and nothing else (R17).

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderValue, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{
    HttpConnector,
    dns::{GaiAddrs, GaiResolver, Name},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout_at},
};
use tower_service::Service;

use super::{
    descriptors::{Use, are_scarce},
    failure::{Failure, NoDescriptor, NotLocal, NotResolved, Peer, ProxyRefusal, TooSlow, is_lack_of_descriptors},
    fronting::TlsName,
    line::Line,
    own::Own,
    socket::Quiet,
    through::UpstreamProxy,
};

/// Where requests go.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// The internet: the system's name resolution, and the root certificates that browsers trust.
    System,
    /// The internet by way of another proxy, which resolves the names.
    Through(UpstreamProxy),
    /// Servers on this machine, and nothing else.
    Local(LocalUpstream),
}

/// The addresses that a [`LocalUpstream`] knows.
type Addresses = Arc<dyn Fn(&str, u16) -> Option<SocketAddr> + Send + Sync>;

/// Servers on this machine that stand in for hosts ending in `.test`. Every other host, and every address that is not a
/// loopback one, is refused without asking any name server.
#[derive(Clone)]
pub struct LocalUpstream {
    addresses: Addresses,
    roots: Vec<CertificateDer<'static>>,
}

impl LocalUpstream {
    /// Servers found by `addresses` from host (lower case) and port, whose certificates are signed by one of `roots`.
    pub fn new(
        addresses: impl Fn(&str, u16) -> Option<SocketAddr> + Send + Sync + 'static,
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        Self { addresses: Arc::new(addresses), roots: roots.into_iter().collect() }
    }
}

impl fmt::Debug for LocalUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalUpstream").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}

/// Opens connections to servers, in plain or by TLS, within [`CONNECT`].
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dial>,
    dial: Dial,
    tls: Arc<ClientConfig>,
}

type BoxError = Box<dyn StdError + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Connector {
    /// # Errors
    /// When a root certificate is not one.
    pub(super) fn new(upstream: &Upstream, own: Own, quiet: Quiet) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions()?;
        let (route, roots) = match upstream {
            Upstream::System => (Route::System(system()), None),
            Upstream::Through(proxy) => {
                let roots = Some(&proxy.roots).filter(|roots| !roots.is_empty());
                (Route::Through(system(), Arc::new(proxy.clone())), roots)
            }
            Upstream::Local(local) => (Route::Local(Arc::clone(&local.addresses)), Some(&local.roots)),
        };
        let tls = match roots {
            None => builder.with_webpki_roots().with_no_client_auth(),
            Some(roots) => {
                let mut store = RootCertStore::empty();
                for root in roots {
                    store.add(root.clone())?;
                }
                builder.with_root_certificates(store).with_no_client_auth()
            }
        };
        let dial = Dial { route, own, straight: false, quiet };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .with_server_name_resolver(TlsName)
            .enable_all_versions()
            .wrap_connector(dial.clone());
        Ok(Self { https, dial, tls: Arc::new(tls) })
    }

    /// The same for connections that speak HTTP/1 and nothing newer. It remembers the same TLS sessions.
    pub(super) fn http1_only(&self) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config((*self.tls).clone())
            .https_or_http()
            .with_server_name_resolver(TlsName)
            .enable_http1()
            .wrap_connector(self.dial.clone());
        Self { https, ..self.clone() }
    }

    /// The same for HTTP/1 that is to come to the server as it is, or that may become something else: WebSockets. Through another
    /// proxy it gets a tunnel even without TLS.
    pub(super) fn straight(&self) -> Self {
        let dial = Dial { straight: true, ..self.dial.clone() };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config((*self.tls).clone())
            .https_or_http()
            .with_server_name_resolver(TlsName)
            .enable_http1()
            .wrap_connector(dial.clone());
        Self { https, dial, ..self.clone() }
    }

    /// Opens a connection to the server that a URI names.
    ///
    /// # Errors
    /// What [`super::failure::Failure::of`] tells apart.
    pub(super) async fn connect(&self, server: Uri) -> Result<MaybeHttpsStream<Line>, BoxError> {
        let mut https = self.https.clone();
        patiently(move || in_time(https.call(server.clone()))).await
    }

    /// Opens a TCP connection to a host (an IPv6 literal without brackets) and port, by the same way as every request: for what
    /// is passed on unread.
    ///
    /// # Errors
    /// What [`super::failure::Failure::of`] tells apart.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, BoxError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let destination = Uri::builder().scheme("http").authority(format!("{host}:{port}")).path_and_query("/").build()?;
        let dial = || in_time(Dial { straight: true, ..self.dial.clone() }.open(destination.clone()));
        let (stream, _) = patiently(dial).await?;
        Ok(stream)
    }

    /// What servers are spoken TLS with, without ALPN.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// When servers that say nothing are asked whether they are still there.
    pub(super) const fn quiet(&self) -> Quiet {
        self.dial.quiet
    }

    /// Who is at the other end of a connection that is the server's own.
    pub(super) const fn peer(&self) -> Peer {
        if matches!(self.dial.route, Route::Through(..)) { Peer::Beyond } else { Peer::Server }
    }

    /// What goes before requests in absolute-form, if they go to another proxy that asks for it.
    pub(super) fn proxy_authorization(&self) -> Option<HeaderValue> {
        match &self.dial.route {
            Route::Through(_, proxy) if proxy.takes_absolute_form() => proxy.authorization(),
            _ => None,
        }
    }
}

/// Tries again for a while when there is no file descriptor for a connection: others will end.
async fn patiently<T, Connecting>(mut connect: impl FnMut() -> Connecting) -> Result<T, BoxError>
where
    Connecting: Future<Output = Result<T, BoxError>>,
{
    let began = Instant::now();
    loop {
        match connect().await {
            Err(error) if began.elapsed() < DESCRIPTORS && Failure::of(&*error, true) == Failure::NoDescriptor => sleep(BREATH).await,
            connected => return connected,
        }
    }
}

async fn in_time<T>(connecting: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    match tokio::time::timeout(CONNECT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(TooSlow.into()),
    }
}

/// Opens TCP connections.
#[derive(Clone)]
struct Dial {
    route: Route,
    /// Where it never leads: to the proxy itself.
    own: Own,
    /// Whether another proxy is asked for a tunnel even where absolute-form would do.
    straight: bool,
    /// When a server that says nothing is asked whether it is still there.
    quiet: Quiet,
}

#[derive(Clone)]
enum Route {
    System(HttpConnector<Names>),
    Through(HttpConnector<Names>, Arc<UpstreamProxy>),
    Local(Addresses),
}

impl Dial {
    /// A TCP connection, and whether requests go to another proxy on it, which wants their whole URL.
    async fn open(self, destination: Uri) -> Result<(TcpStream, bool), BoxError> {
        let mut absolute = false;
        let stream = match self.route {
            Route::System(mut connector) => {
                let stream = connector.call(destination).await?.into_inner();
                // Only now it is known where a name leads.
                let server = stream.peer_addr()?;
                if self.own.is_at(server.ip(), server.port()) {
                    return Err(io::Error::other("that is this proxy itself").into());
                }
                stream
            }
            Route::Through(connector, proxy) => {
                let by = tokio::time::Instant::now() + proxy.patience;
                let reaching = timeout_at(by, reach(connector, &proxy, &self.own));
                let mut stream = reaching.await.unwrap_or_else(|_| Err(ProxyRefusal::Unreachable.into()))?;
                absolute = !self.straight && proxy.takes_absolute_form() && destination.scheme_str() == Some("http");
                if !absolute {
                    let (host, port) = host_and_port(&destination).ok_or(NotResolved)?;
                    timeout_at(by, proxy.ask(&mut stream, &host, port)).await.unwrap_or(Err(ProxyRefusal::Silent))?;
                }
                stream
            }
            Route::Local(addresses) => {
                let stream = TcpStream::connect(local_address(&addresses, &destination).ok_or(NotLocal)?).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        if are_scarce(Use::Server, &stream) {
            return Err(NoDescriptor.into());
        }
        self.quiet.ask_on(&SockRef::from(&stream))?;
        Ok((stream, absolute))
    }
}

/// A connection to another proxy.
async fn reach(mut connector: HttpConnector<Names>, proxy: &UpstreamProxy, own: &Own) -> Result<TcpStream, BoxError> {
    let address = proxy.uri().ok_or(ProxyRefusal::Unreachable)?;
    let connected = connector.call(address).await.map_err(|error| match Failure::of(&error, true) {
        Failure::NoDescriptor => BoxError::from(NoDescriptor),
        _ => ProxyRefusal::Unreachable.into(),
    })?;
    let stream = connected.into_inner();
    let address = stream.peer_addr()?;
    if own.is_at(address.ip(), address.port()) { Err(ProxyRefusal::Itself.into()) } else { Ok(stream) }
}

impl Service<Uri> for Dial {
    type Response = Line;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let opening = self.clone().open(destination);
        Box::pin(async move {
            let (stream, absolute) = opening.await?;
            Ok(Line::new(stream, absolute))
        })
    }
}

fn system() -> HttpConnector<Names> {
    let mut connector = HttpConnector::new_with_resolver(Names(GaiResolver::new()));
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT / 2));
    connector
}

/// The system's name resolution, whose failures say that they are.
#[derive(Clone)]
struct Names(GaiResolver);

impl Service<Name> for Names {
    type Response = GaiAddrs;
    type Error = BoxError;
    type Future = BoxFuture<GaiAddrs>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        let why = |error: io::Error| if is_lack_of_descriptors(&error) { NoDescriptor.into() } else { NotResolved.into() };
        Box::pin(async move { resolving.await.map_err(why) })
    }
}

/// Host, an IPv6 literal without brackets, and port.
fn host_and_port(destination: &Uri) -> Option<(String, u16)> {
    let host = destination.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let default = if destination.scheme_str() == Some("https") { 443 } else { 80 };
    Some((host, destination.port_u16().unwrap_or(default)))
}

fn local_address(addresses: &Addresses, destination: &Uri) -> Option<SocketAddr> {
    let (host, port) = host_and_port(destination)?;
    host.ends_with(".test").then(|| addresses(&host, port)).flatten().filter(|address| address.ip().is_loopback())
}

/// A connection for which there is no file descriptor is tried for this long, once in a breath.
const DESCRIPTORS: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(20);
/// A connection, TLS handshake included, takes this long at most, from when there is a descriptor for it.
const CONNECT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn check(uri: &str, expected: Option<&str>) {
        let addresses: Addresses = Arc::new(|host, port| match (host, port) {
            ("api.test", 443) => "127.0.0.1:8443".parse().ok(),
            ("api.test", 80) => "[::1]:8080".parse().ok(),
            ("escape.test", _) => "192.0.2.1:443".parse().ok(),
            ("example.com" | "192.0.2.1", _) => "127.0.0.1:1".parse().ok(),
            _ => None,
        });
        let uri: Uri = uri.parse().expect("a URI");
        assert_eq!(local_address(&addresses, &uri), expected.map(|text| text.parse().expect("an address")), "{uri}");
    }

    #[test]
    fn only_test_names_on_this_machine_are_dialled() {
        check("https://api.test/x", Some("127.0.0.1:8443"));
        check("https://API.test:443/x", Some("127.0.0.1:8443"));
        check("http://api.test/x", Some("[::1]:8080"));
        check("https://unknown.test/", None);
        check("https://escape.test/", None);
        check("https://example.com/", None);
        check("https://192.0.2.1/", None);
        check("https://127.0.0.1:8443/", None);
    }

    /// Another proxy that hears what it is asked for, and then does this.
    async fn another_proxy(does: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut wire, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = wire.read(&mut [0; 1024]).await;
                    match does {
                        "closes" => {}
                        "resets" => wire.set_zero_linger().expect("a socket"),
                        "says nothing" => std::future::pending().await,
                        words => {
                            let _ = wire.write_all(words.as_bytes()).await;
                            let () = std::future::pending().await;
                        }
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn what_another_proxy_does_wrong_is_told_of_it_and_not_of_the_server() {
        let cases = [
            ("closes", ProxyRefusal::Closed),
            ("resets", ProxyRefusal::Reset),
            ("says nothing", ProxyRefusal::Silent),
            ("SSH-2.0-other\r\n", ProxyRefusal::Nonsense),
        ];
        for (does, expected) in cases {
            let address = another_proxy(does).await;
            for protocol in ["http", "socks5"] {
                let mut proxy: UpstreamProxy = format!("{protocol}://{address}").parse().expect("a proxy");
                proxy.patience = Duration::from_millis(if does == "says nothing" { 100 } else { 60_000 });
                let own = Own::new("127.0.0.1:1".parse().expect("an address"));
                let connector = Connector::new(&Upstream::Through(proxy), own, Quiet::default()).expect("no root is wrong");
                let passed_on = connector.dial("api.test", 443).await.map(drop);
                let with_tls = connector.connect(Uri::from_static("https://api.test/")).await.map(drop);
                let without = connector.straight().connect(Uri::from_static("http://api.test/")).await.map(drop);
                for (way, connected) in [passed_on, with_tls, without].into_iter().enumerate() {
                    let error = connected.expect_err("there is no connection");
                    assert_eq!(Failure::of(&*error, true), Failure::Through(expected), "{protocol} {does:?} {way}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_does_not_ask_itself() {
        let address = another_proxy("closes").await;
        let proxy: UpstreamProxy = format!("http://{address}").parse().expect("a proxy");
        let connector = Connector::new(&Upstream::Through(proxy), Own::new(address), Quiet::default()).expect("no root is wrong");
        let error = connector.dial("api.test", 443).await.expect_err("there is no connection");
        assert_eq!(Failure::of(&*error, true), Failure::Through(ProxyRefusal::Itself));
    }
}
