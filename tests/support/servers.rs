//! Servers of this machine for tests of the proxy: one that does something with each connection, TLS by any name, an address where
//! nobody listens, and what a client trusts. What they say is each test's own.

use std::{future::Future, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use tattletale::traffic::authority::Authority;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::server::TlsStream;

/// A server that does this with each connection.
pub(crate) async fn tcp_server<F: Future<Output = ()> + Send + 'static>(each: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            tokio::spawn(each(wire));
        }
    });
    address
}

/// TLS as a server, with what is to be used for the name that the client gives; `None` when it comes to nothing.
pub(crate) async fn accept_tls(wire: TcpStream, config: impl FnOnce(&str) -> Option<Arc<ServerConfig>>) -> Option<TlsStream<TcpStream>> {
    let start = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), wire).await.ok()?;
    let config = config(start.client_hello().server_name().unwrap_or("none.test"))?;
    start.into_stream(config).await.ok()
}

/// An address that nobody listens on. Its port stays taken until the tests are over: a free one would be another server's soon.
pub(crate) fn dead() -> SocketAddr {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    Box::leak(Box::new(socket)).local_addr().expect("bound")
}

/// A client that trusts this authority and no other.
pub(crate) fn trusting(authority: &Authority, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate_der()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
