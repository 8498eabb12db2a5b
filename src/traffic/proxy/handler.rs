//! The engine's hooks: what is done with each CONNECT, request, response and error. One clone of the handler serves one
//! exchange; the clone that saw a CONNECT is the mother of all those inside its tunnel.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, UPGRADE},
    uri::PathAndQuery,
};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hudsucker::{Body, HttpContext, HttpHandler, RequestOrResponse};
use rustls::server::ClientHello;

use super::{
    connect::{bare_host, inside},
    exchange::{Exchange, Recorder, RequestHead, told_headers, told_version},
    tee::Tee,
    tunnel::Tunnel,
    upstream::{Upstream, reason},
};
use crate::{
    model::{Captured, Url},
    traffic::Side,
};

/// The engine's hooks.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) recorder: Arc<Recorder>,
    pub(super) reach: Reach,
    pub(super) tunnel: Option<Arc<Tunnel>>,
    exchange: Option<Arc<Exchange>>,
}

/// How far requests may go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Internet,
    ThisMachine,
}

impl Handler {
    pub(super) fn new(recorder: Arc<Recorder>, upstream: &Upstream) -> Self {
        let reach = match upstream {
            Upstream::System => Reach::Internet,
            Upstream::Local(_) => Reach::ThisMachine,
        };
        Self { recorder, reach, tunnel: None, exchange: None }
    }

    async fn exchange(&mut self, mut request: Request<Body>) -> RequestOrResponse {
        if let Some(tunnel) = &self.tunnel
            && matches!(request.version(), Version::HTTP_10 | Version::HTTP_11)
            && let Some(uri) = inside(tunnel, request.uri())
        {
            *request.uri_mut() = uri;
        }
        let Some(url) = told_url(request.uri()) else { return refusal(StatusCode::BAD_REQUEST).into() };
        let head = RequestHead {
            method: request.method().as_str().to_owned(),
            url,
            http_version: told_version(request.version()),
            headers: told_headers(request.headers()),
        };
        let Ok(exchange) = self.recorder.begin_exchange(self.tunnel.as_ref(), head).await else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE).into();
        };
        self.exchange = Some(Arc::clone(&exchange));
        if is_websocket(request.headers()) {
            if self.reach == Reach::ThisMachine {
                exchange.failed("the simulated rig carries no WebSockets");
                return refusal(StatusCode::NOT_IMPLEMENTED).into();
            }
            exchange.failed("it became a WebSocket, whose messages are not recorded");
        }
        self.upload(exchange, request).await
    }

    /// Small bodies are read whole before the server is dialled: an upload to a host that is dead is recorded all the same,
    /// and the client gets a clean 502.
    async fn upload(&self, exchange: Arc<Exchange>, request: Request<Body>) -> RequestOrResponse {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            let told = self.recorder.tell(exchange.body_end(Side::Request, Vec::new())).await;
            return match told {
                Ok(()) => Request::from_parts(parts, body).into(),
                Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE).into(),
            };
        }
        let tee = Tee::new(body, exchange, Side::Request);
        if !is_small(&parts.headers) {
            return Request::from_parts(parts, Body::from(BoxBody::new(tee))).into();
        }
        match tee.collect().await {
            Ok(whole) => {
                let trailers = whole.trailers().cloned();
                let whole = Full::new(whole.to_bytes());
                let body = match trailers {
                    None => Body::from(whole),
                    Some(trailers) => Body::from(BoxBody::new(with_trailers(whole, trailers))),
                };
                Request::from_parts(parts, body).into()
            }
            Err(_) => refusal(StatusCode::BAD_REQUEST).into(),
        }
    }
}

impl HttpHandler for Handler {
    async fn handle_request(&mut self, _context: &HttpContext, request: Request<Body>) -> RequestOrResponse {
        if request.method() == Method::CONNECT { self.connect(request).await } else { self.exchange(request).await }
    }

    async fn handle_response(&mut self, _context: &HttpContext, response: Response<Body>) -> Response<Body> {
        let Some(exchange) = &self.exchange else { return response };
        let (parts, body) = response.into_parts();
        let told = exchange.answered(parts.status.as_u16(), told_version(parts.version), told_headers(&parts.headers)).await;
        if told.is_err() {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        }
        if body.is_end_stream() {
            return match self.recorder.tell(exchange.body_end(Side::Response, Vec::new())).await {
                Ok(()) => Response::from_parts(parts, body),
                Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE),
            };
        }
        let tee = Tee::new(body, Arc::clone(exchange), Side::Response);
        Response::from_parts(parts, Body::from(BoxBody::new(tee)))
    }

    async fn handle_error(&mut self, _context: &HttpContext, error: hyper_util::client::legacy::Error) -> Response<Body> {
        if let Some(exchange) = &self.exchange {
            let torn = !exchange.request_ended() && !error.is_connect();
            exchange.failed(if torn { "the upload ended in the middle" } else { reason(&error) });
        }
        refusal(StatusCode::BAD_GATEWAY)
    }

    async fn should_intercept_connect(&mut self, _context: &HttpContext, _request: &Request<Body>) -> bool {
        // The first hook that runs in the tunnel's own task.
        if let Some(tunnel) = &self.tunnel {
            tunnel.enter();
        }
        true
    }

    async fn should_intercept_tls(&mut self, _context: &HttpContext, hello: ClientHello<'_>) -> bool {
        if let Some(tunnel) = &self.tunnel {
            let alpn = hello.alpn().into_iter().flatten().map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect();
            tunnel.hello(hello.server_name(), alpn);
        }
        true
    }
}

/// An absolute URI as it is told; `None` for anything else.
fn told_url(uri: &Uri) -> Option<Url> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let default = if scheme == "https" { 443 } else { 80 };
    Some(Url {
        port: uri.port_u16().unwrap_or(default),
        host: bare_host(uri.host()?),
        path_and_query: Captured::new(uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned()),
        scheme,
    })
}

/// Whether a request asks to become a WebSocket (RFC 6455 section 4.1).
fn is_websocket(headers: &HeaderMap) -> bool {
    let says = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    says(UPGRADE, "websocket") && says(CONNECTION, "upgrade")
}

fn is_small(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok())
        .is_some_and(|length| length <= SMALL)
}

fn with_trailers(body: Full<Bytes>, trailers: HeaderMap) -> impl http_body::Body<Data = Bytes, Error = hudsucker::Error> + Send + Sync {
    body.with_trailers(std::future::ready(Some(Ok(trailers)))).map_err(|never| match never {})
}

/// The proxy's own answer.
pub(super) fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Bodies up to this length are read whole before the server is dialled.
const SMALL: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<(&str, &str, u16, &str)>) {
        let told = told_url(&uri.parse().expect("a URI"));
        let told = told.as_ref().map(|url| (url.scheme.as_str(), url.host.as_str(), url.port, url.path_and_query.expose().as_str()));
        assert_eq!(told, expected, "{uri}");
    }

    #[test]
    fn urls_are_told_in_parts() {
        check("https://API.test/a%20b?c=d%2F", Some(("https", "api.test", 443, "/a%20b?c=d%2F")));
        check("http://api.test:8080", Some(("http", "api.test", 8080, "/")));
        check("https://[2001:DB8::1]:8443/", Some(("https", "2001:db8::1", 8443, "/")));
        check("/path-only", None);
    }
}
