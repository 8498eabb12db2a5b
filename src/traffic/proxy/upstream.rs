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
    time::Duration,
};

use http::Uri;
use hudsucker::tokio_tungstenite;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioIo,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use tokio::net::TcpStream;
use tower_service::Service;

/// Where requests go.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// The internet: the system's name resolution, and the root certificates that browsers trust.
    System,
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
    tls: Arc<ClientConfig>,
}

type BoxError = Box<dyn StdError + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Connector {
    /// # Errors
    /// When a root certificate is not one.
    pub(super) fn new(upstream: &Upstream) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions()?;
        let (dial, tls) = match upstream {
            Upstream::System => {
                let mut connector = HttpConnector::new();
                connector.enforce_http(false);
                connector.set_nodelay(true);
                connector.set_connect_timeout(Some(CONNECT / 2));
                (Dial::System(connector), builder.with_webpki_roots().with_no_client_auth())
            }
            Upstream::Local(local) => {
                let mut roots = RootCertStore::empty();
                for root in &local.roots {
                    roots.add(root.clone())?;
                }
                (Dial::Local(Arc::clone(&local.addresses)), builder.with_root_certificates(roots).with_no_client_auth())
            }
        };
        let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_all_versions().wrap_connector(dial);
        Ok(Self { https, tls: Arc::new(tls) })
    }

    /// What WebSockets are dialled with; the handler lets none through to a [`LocalUpstream`].
    pub(super) fn websocket_connector(&self) -> tokio_tungstenite::Connector {
        tokio_tungstenite::Connector::Rustls(Arc::clone(&self.tls))
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = self.https.call(destination);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

/// Opens TCP connections.
#[derive(Clone)]
enum Dial {
    System(HttpConnector),
    Local(Addresses),
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::System(connector) => connector.poll_ready(context).map_err(Into::into),
            Self::Local(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        match self {
            Self::System(connector) => {
                let connecting = connector.call(destination);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Self::Local(addresses) => {
                let address = local_address(addresses, &destination);
                Box::pin(async move {
                    let stream = TcpStream::connect(address.ok_or(NotLocal)?).await?;
                    stream.set_nodelay(true)?;
                    Ok(TokioIo::new(stream))
                })
            }
        }
    }
}

fn local_address(addresses: &Addresses, destination: &Uri) -> Option<SocketAddr> {
    let host = destination.host()?.to_ascii_lowercase();
    let default = if destination.scheme_str() == Some("https") { 443 } else { 80 };
    let port = destination.port_u16().unwrap_or(default);
    host.ends_with(".test").then(|| addresses(&host, port)).flatten().filter(|address| address.ip().is_loopback())
}

/// The simulated rig knows no such host.
#[derive(Debug)]
struct NotLocal;

impl fmt::Display for NotLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no server of this machine stands in for that host")
    }
}

impl StdError for NotLocal {}

/// Why a request got no response, in words that hold no captured value.
pub(super) fn reason(error: &legacy::Error) -> &'static str {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.is::<NotLocal>() {
            return "no server of this machine stands in for that host";
        }
        match cause.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => return "the server's certificate is not to be trusted",
            Some(rustls::Error::AlertReceived(_)) => return "the server ended the TLS handshake",
            Some(_) => return "the server does not speak TLS as it should",
            None => {}
        }
        let io_error = cause.downcast_ref::<io::Error>();
        match io_error.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "the server refused the connection",
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => return "the server reset the connection",
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => return "the server is not reachable",
            Some(io::ErrorKind::TimedOut) => return "the server did not answer in time",
            Some(io::ErrorKind::UnexpectedEof) => return "the server closed the connection",
            _ => {}
        }
        next = match io_error.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    if error.is_connect() { "the server could not be reached" } else { "the server gave no complete response" }
}

/// A connection, TLS handshake included, takes this long at most.
const CONNECT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
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
}
