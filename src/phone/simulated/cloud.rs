//! The cloud that the stand-in app talks to: a TLS server on this machine, on `.test` names only, answering as
//! `docs/protocols/huami-cloud.md` says. It takes any day, however odd, and keeps a journal of what it received.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::LazyConfigAcceptor;

use crate::{
    model::text::{hex, sha256_hex},
    traffic::authority::Authority,
};

/// Largest body it reads; what is larger is answered 413.
const BODY_BYTES: usize = 64 * 1024 * 1024;

/// A client gets this long for its handshake and for each request's head.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running cloud. Dropping it stops it.
#[derive(Debug)]
pub struct Cloud {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    journal: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<()>,
}

/// One request that the cloud received in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Host it was meant for, lower case, without a port.
    pub host: String,
    /// Method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// SHA-256 of the body, hex.
    pub body_sha256: String,
    /// Length of the body, bytes.
    pub body_bytes: usize,
}

/// Why the cloud could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("start the simulated cloud: {0}")]
pub struct CloudError(String);

impl Cloud {
    /// Starts a cloud on a free port of this machine. `now` is real time: certificates are valid around it.
    ///
    /// # Errors
    /// When no port or no certificate can be had.
    pub async fn start(now: Timestamp) -> Result<Self, CloudError> {
        let authority = Authority::generate("Simulated cloud", now).map_err(|error| CloudError(error.to_string()))?;
        let certificate = authority.certificate_der();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| CloudError(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| CloudError(error.to_string()))?;
        let journal = Arc::default();
        let server = tokio::spawn(serve(listener, Arc::new(authority), Arc::clone(&journal)));
        Ok(Self { address, certificate, journal, server })
    }

    /// Where it listens; every `.test` host is there.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of its own authority, DER.
    pub fn ca_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// Requests received in full so far.
    pub fn received(&self) -> usize {
        lock(&self.journal).len()
    }

    /// What was received, in the order in which it was complete.
    pub fn journal(&self) -> Vec<Received> {
        lock(&self.journal).clone()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Takes connections until it is aborted; the connections are aborted with it.
async fn serve(listener: TcpListener, authority: Arc<Authority>, journal: Arc<Mutex<Vec<Received>>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&authority), Arc::clone(&journal)));
                }
                // Out of file handles, say: other connections may end soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection: a handshake under the name the client asks for, then requests. Whatever goes wrong ends the connection.
async fn connection(stream: TcpStream, authority: Arc<Authority>, journal: Arc<Mutex<Vec<Received>>>) {
    // An answer is written in small pieces, and nobody should wait for the previous one's acknowledgement.
    let _ = stream.set_nodelay(true);
    let handshake = async {
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.ok()?;
        let host = hello.client_hello().server_name()?.to_ascii_lowercase();
        if !host.ends_with(".test") {
            return None;
        }
        let config = authority.server_config(&host, &[b"h2", b"http/1.1"]).ok()?;
        Some((hello.into_stream(config).await.ok()?, host))
    };
    let Ok(Some((stream, host))) = tokio::time::timeout(PATIENCE, handshake).await else { return };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (host, journal) = (host.clone(), Arc::clone(&journal));
        async move { Ok::<_, Infallible>(receive(&host, request, &journal).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(host: &str, request: http::Request<Incoming>, journal: &Mutex<Vec<Received>>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return answer(StatusCode::PAYLOAD_TOO_LARGE, json!({ "code": -50000, "message": "too large" })),
    };
    let path = head.uri.path().to_owned();
    let response = respond(host, &head.method, &path, &head.headers, &body);
    lock(journal).push(Received {
        host: host.to_owned(),
        method: head.method.to_string(),
        path,
        body_sha256: sha256_hex(&body),
        body_bytes: body.len(),
    });
    response
}

/// What the cloud answers. It goes by the path alone, so that renamed hosts find the same cloud.
fn respond(host: &str, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response<Full<Bytes>> {
    if path.starts_with("/registrations/") && path.ends_with("/tokens") {
        // The token is made from what was sent, so that one seed has one token.
        let access = &sha256_hex(body)[..32];
        let location = format!("https://{host}/successsignin.html?region=eu-central-1&access={access}&country_code=DE&expiration=7776000");
        let mut response = answer(StatusCode::SEE_OTHER, json!({}));
        if let Ok(location) = location.parse() {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return response;
    }
    let success = json!({ "code": 1, "message": "success", "data": {} });
    let value = match path {
        "/v2/client/login" => {
            let token = hex(&sha256_hex(body).as_bytes()[..16]);
            json!({
                "result": "ok",
                "token_info": { "login_token": format!("L{token}"), "app_token": format!("A{token}"), "user_id": "1000000001", "ttl": 31_536_000, "app_ttl": 2_592_000 },
                "regist_info": { "is_new_user": 0, "regist_date": 1_767_225_600_000_u64, "region": "eu", "country_code": "DE" },
                "thirdparty_info": { "nickname": "", "icon": "", "third_id": "", "email": "" },
                "domains": [{ "host": "api-mifit.huami.test", "cnames": ["api-mifit-de.huami.test"] }],
            })
        }
        "/v1/data/band_data.json" if *method == Method::POST && encrypted(headers) => {
            return with_type(StatusCode::OK, "application/octet-stream", Bytes::copy_from_slice(&[0x5a; 32]));
        }
        "/weather/v2/forecast" => json!({
            "pubTime": "2026-03-14T09:00:00+01:00", "humidity": [71, 68],
            "temperature": [{ "from": "11", "to": "4" }, { "from": "12", "to": "5" }],
        }),
        "/banner/home.json" => json!({ "items": [] }),
        _ => success,
    };
    answer(StatusCode::OK, value)
}

fn encrypted(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == b"application/octet-stream")
}

fn answer(status: StatusCode, value: serde_json::Value) -> Response<Full<Bytes>> {
    with_type(status, "application/json", Bytes::from(value.to_string()))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        respond("api-user.huami.test", &method, path, headers, b"body")
    }

    #[test]
    fn a_registration_is_redirected_with_a_token() {
        let response = ask(Method::POST, "/registrations/nobody%40mail.test/tokens", &HeaderMap::new());
        assert_eq!(response.status(), 303);
        let location = response.headers()[header::LOCATION].to_str().expect("text");
        assert!(location.starts_with("https://api-user.huami.test/") && location.contains("&access="), "{location}");
    }

    #[tokio::test]
    async fn an_upload_is_always_welcome() {
        let response = ask(Method::POST, "/v1/data/band_data.json", &HeaderMap::new());
        let body = response.into_body().collect().await.expect("in memory").to_bytes();
        assert_eq!(body, r#"{"code":1,"message":"success","data":{}}"#);
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"))]);
        let response = ask(Method::POST, "/v1/data/band_data.json", &headers);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/octet-stream", "what came encrypted is answered encrypted");
    }

    #[tokio::test]
    async fn nothing_but_test_names_is_served() {
        let cloud = Cloud::start(Timestamp::now()).await.expect("a free port");
        for (name, served) in [("api-mifit-de.huami.test", true), ("huami.example", false)] {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(cloud.ca_der()).expect("a certificate");
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("supported")
                .with_root_certificates(roots)
                .with_no_client_auth();
            let stream = TcpStream::connect(cloud.address()).await.expect("it listens");
            let name = name.to_owned().try_into().expect("a host name");
            let handshake = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            assert_eq!(handshake.is_ok(), served);
        }
        assert_eq!(cloud.received(), 0);
    }
}
