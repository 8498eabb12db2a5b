//! How apps on the simulated phone reach the world: through the HTTP proxy that the phone is pointed at, by CONNECT and TLS, and
//! no other way. What is sent is left to the apps.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self,
        connect::{HttpConnector, proxy::Tunnel},
    },
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};

use super::uploads;

/// Sockets are on real time (R14): an answer that takes longer will not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Answers of the cloud are small.
const ANSWER_BYTES: usize = 1024 * 1024;

/// One request of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) lane: Lane,
}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, when the other side offers it.
    Http2,
    /// HTTP/2, and nobody's certificate is trusted but the cloud's own.
    Pinned,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
}

/// The client. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http1: Inner,
    http2: Inner,
    pinned: Inner,
    /// Whether the phone's radios are off.
    airplane: Arc<AtomicBool>,
}

type Inner = legacy::Client<HttpsConnector<Tunnel<HttpConnector>>, Full<Bytes>>;

impl Client {
    /// A client that reaches everything through `proxy`, trusting `trusted` (and on the pinned lane `pinned` alone).
    /// `Err` with words when a certificate or TLS itself is unusable.
    /// While `airplane` is true, nothing is sent.
    pub(super) fn new(
        proxy: SocketAddr,
        trusted: &CertificateDer<'static>,
        pinned: &CertificateDer<'static>,
        airplane: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let proxy = Uri::try_from(format!("http://{proxy}")).map_err(|error| format!("the proxy's address is unusable: {error}"))?;
        let lane = |root: &CertificateDer<'static>, http2: bool| -> Result<Inner, String> {
            let mut tcp = HttpConnector::new();
            tcp.set_nodelay(true);
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls(root)?).https_only();
            let tunnel = Tunnel::new(proxy.clone(), tcp);
            let connector =
                if http2 { builder.enable_all_versions().wrap_connector(tunnel) } else { builder.enable_http1().wrap_connector(tunnel) };
            Ok(legacy::Client::builder(TokioExecutor::new()).build(connector))
        };
        Ok(Self { http1: lane(trusted, false)?, http2: lane(trusted, true)?, pinned: lane(pinned, true)?, airplane })
    }

    /// Sends a request and waits for the whole answer. `Err` with words when none came.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, String> {
        if self.airplane.load(Ordering::SeqCst) {
            return Err("the phone's radios are off".to_owned());
        }
        let lane = match request.lane {
            Lane::Http1 => &self.http1,
            Lane::Http2 => &self.http2,
            Lane::Pinned => &self.pinned,
        };
        let exchange = async {
            let answer = lane.request(request.into_http()?).await.map_err(|error| error.to_string())?;
            let location = answer.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok(Answer { status, location, body })
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange).await.unwrap_or_else(|_| Err("no answer came".to_owned()))
    }
}

impl Request {
    /// A plain GET. `Err` with words when the URL has no host.
    pub(super) fn get(url: &str) -> Result<Self, String> {
        let url = Uri::try_from(url).map_err(|error| error.to_string())?;
        let host = url.host().ok_or("the URL has no host")?.to_owned();
        let path = url.path().to_owned();
        Ok(Self { method: Method::GET, host, path, query: Vec::new(), headers: Vec::new(), body: Vec::new(), lane: Lane::Http1 })
    }

    fn into_http(self) -> Result<http::Request<Full<Bytes>>, String> {
        let query = uploads::form(self.query.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let separator = if query.is_empty() { "" } else { "?" };
        let mut builder = http::Request::builder().method(self.method).uri(format!("https://{}{}{separator}{query}", self.host, self.path));
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        builder.body(Full::new(Bytes::from(self.body))).map_err(|error| error.to_string())
    }
}

fn tls(root: &CertificateDer<'static>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).map_err(|error| format!("the certificate to trust is unusable: {error}"))?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS is unusable: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
