//! What is done with each request that is read. One clone of the handler serves one exchange.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header::HOST, uri::Authority as UriAuthority, uri::PathAndQuery};
use hudsucker::Body;

use super::{
    casing::headers_as_written,
    connect::{bare_host, inside},
    exchange::{Recorder, RequestHead, told_header, told_version},
    forward::Forwarder,
    serve::Tunnels,
    tunnel::Tunnel,
    websocket::{asks_for_upgrade, asks_for_websocket, take_over},
};
use crate::model::{Captured, Url};

/// Answers requests.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) recorder: Arc<Recorder>,
    pub(super) tunnel: Option<Arc<Tunnel>>,
    pub(super) tunnels: Arc<Tunnels>,
    pub(super) forwarder: Arc<Forwarder>,
}

impl Handler {
    pub(super) fn new(recorder: Arc<Recorder>, tunnels: Tunnels, forwarder: Forwarder) -> Self {
        Self { recorder, tunnel: None, tunnels: Arc::new(tunnels), forwarder: Arc::new(forwarder) }
    }

    pub(super) async fn exchange(&mut self, mut request: Request<Body>) -> Response<Body> {
        let named = self.route(&mut request);
        let Some(mut url) = told_url(request.uri()) else { return refusal(StatusCode::BAD_REQUEST) };
        if asks_for_websocket(&request) {
            url.scheme = if url.scheme == "https" { "wss" } else { "ws" }.to_owned();
        }
        let mut headers = headers_as_written(request.version(), request.headers(), request.extensions());
        if let Some(named) = named.as_ref().filter(|_| !request.headers().contains_key(HOST)) {
            headers.insert(0, told_header(&HOST, named));
        }
        let (method, http_version) = (request.method().as_str().to_owned(), told_version(request.version()));
        let head = RequestHead { method, url, http_version, headers };
        let Ok(exchange) = self.recorder.begin_exchange(self.tunnel.as_ref(), head).await else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        };
        if asks_for_upgrade(&request) {
            return take_over(self.forwarder.upgrades(), &exchange, request).await;
        }
        self.forwarder.send(&exchange, request, named).await
    }

    /// Makes a request's URI name the server that it goes to: inside a tunnel the tunnel's, whatever the request says. Gives the
    /// host that the request names when that is another one (domain fronting).
    pub(super) fn route(&self, request: &mut Request<Body>) -> Option<HeaderValue> {
        let named = match request.headers().get(HOST) {
            Some(host) => host.clone(),
            // The engine gives HTTP/1 requests inside a tunnel the tunnel's authority.
            None => HeaderValue::from_str(request.uri().authority().filter(|_| request.version() == Version::HTTP_2)?.as_str()).ok()?,
        };
        if let Some(uri) = self.tunnel.as_ref().and_then(|tunnel| inside(tunnel, request.uri())) {
            *request.uri_mut() = uri;
        }
        let name = bare_host(named.to_str().ok()?.parse::<UriAuthority>().ok()?.host());
        (name != bare_host(request.uri().host()?)).then_some(named)
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

/// The proxy's own answer.
pub(super) fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

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
