//! What is done with each request that is read. One clone of the handler serves one exchange.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header::HOST, uri::Authority as UriAuthority, uri::PathAndQuery};
use http_body::Body as _;
use hudsucker::Body;

use super::{
    account::Unread,
    casing::headers_as_written,
    connect::{bare_host, inside},
    forward::{Forwarder, Manner},
    fronting::{Target, host_field, port_of, take_off_user},
    recorder::{Recorder, RequestHead},
    socket::Pulse,
    told::{told_header, told_version},
    tunnel::Tunnel,
    tunnels::Tunnels,
    websocket::{asks_for_upgrade, asks_for_websocket, take_over},
};
use crate::model::{Captured, TunnelOutcome, Url};

/// Answers requests.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) recorder: Arc<Recorder>,
    pub(super) tunnel: Option<Arc<Tunnel>>,
    pub(super) tunnels: Arc<Tunnels>,
    pub(super) forwarder: Arc<Forwarder>,
    /// Of the client's connection.
    pub(super) client: Pulse,
}

impl Handler {
    pub(super) fn new(recorder: Arc<Recorder>, tunnels: Tunnels, forwarder: Forwarder) -> Self {
        Self { recorder, tunnel: None, tunnels: Arc::new(tunnels), forwarder: Arc::new(forwarder), client: Pulse::default() }
    }

    /// One for the connection of a client, which has connections to servers of its own.
    pub(super) fn for_a_client(&self) -> Self {
        Self { forwarder: Arc::new(self.forwarder.for_another_client()), ..self.clone() }
    }

    pub(super) async fn exchange(&mut self, mut request: Request<Body>) -> Response<Body> {
        if !names_one_server(&request) {
            return NamesNoServer::ByName.refusal();
        }
        let Route { named, only_in_target, speaks_http2 } = self.route(&mut request);
        let mut url = match told_url(request.uri()) {
            Ok(url) => url,
            Err(no_server) => return no_server.refusal(),
        };
        if asks_for_websocket(&request) {
            url.scheme = if url.scheme == "https" { "wss" } else { "ws" }.to_owned();
        }
        let mut headers = headers_as_written(request.version(), request.headers(), request.extensions());
        if let Some(named) = named.as_ref().filter(|_| only_in_target) {
            headers.insert(0, told_header(&HOST, named));
        }
        let (method, http_version) = (request.method().as_str().to_owned(), told_version(request.version()));
        let has_body = !request.body().is_end_stream();
        let head = RequestHead { method, url, http_version, headers, has_body };
        let Ok(exchange) = self.recorder.begin_exchange(&self.client, self.tunnel.as_ref(), head).await else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        };
        if asks_for_upgrade(&request) {
            if let Some(named) = named {
                request.headers_mut().insert(HOST, named);
            }
            return take_over(self.forwarder.upgrades(), &exchange, request).await;
        }
        self.forwarder.send(&exchange, request, Manner { host: named, speaks_http2 }).await
    }

    /// Makes a request's URI name the server that it goes to: inside a tunnel the tunnel's, whatever the request says.
    pub(super) fn route(&self, request: &mut Request<Body>) -> Route {
        let in_target = match request.extensions_mut().remove::<Target>() {
            Some(Target(named)) => Some(named),
            None => request.uri().authority().filter(|_| request.version() == Version::HTTP_2).cloned(),
        };
        let in_target = in_target.as_ref().and_then(host_field);
        let in_field = request.headers().get(HOST).cloned();
        match &self.tunnel {
            Some(tunnel) => {
                if let Some(uri) = inside(tunnel, request.uri()) {
                    *request.uri_mut() = uri;
                }
            }
            None => take_off_user(request),
        }
        let goes_to = request.uri().authority();
        let is_another = |named: &HeaderValue| {
            let named = named.to_str().ok().and_then(|named| named.parse::<UriAuthority>().ok());
            named.is_some_and(|named| goes_to.is_some_and(|goes_to| bare_host(named.host()) != bare_host(goes_to.host())))
        };
        let only_in_target = in_target.as_ref().is_some_and(|named| is_another(named) && in_field.as_ref() != Some(named));
        let named = in_target.or(in_field);
        let named = match self.tunnel.as_ref().and_then(|tunnel| tunnel.name_in_tls()) {
            // The URI holds more than a `Host` field may.
            Some(_) => named.or_else(|| host_field(goes_to?)),
            None => named.filter(is_another),
        };
        let speaks_http2 = self.tunnel.is_some() && request.version() == Version::HTTP_2 && request.uri().scheme_str() == Some("http");
        Route { named, only_in_target, speaks_http2 }
    }
}

/// What a request says of its server, beyond where it goes.
pub(super) struct Route {
    /// The `Host` field for the server, if it is not to be the host of the URI: the request names another (domain fronting), or the
    /// server is told another by TLS. What the target names counts for more than the field that came (RFC 9112 section 3.2.2,
    /// RFC 9113 section 8.3.1).
    pub(super) named: Option<HeaderValue>,
    /// Whether the target names another host, and no `Host` field says which.
    only_in_target: bool,
    /// Whether the server speaks HTTP/2 without TLS: a client that asks for it through a tunnel has to know.
    pub(super) speaks_http2: bool,
}

/// Whether a request has one `Host` field at most, which names a server or nothing (RFC 9112 section 3.2). Of several, each who
/// reads it may take another one.
pub(super) fn names_one_server<B>(request: &Request<B>) -> bool {
    let mut fields = request.headers().get_all(HOST).iter();
    let is_name = |field: &HeaderValue| {
        field.is_empty() || field.to_str().is_ok_and(|field| !field.contains('@') && field.parse::<UriAuthority>().is_ok())
    };
    fields.next().is_none_or(is_name) && fields.next().is_none()
}

/// Said with the answer to a request that does not say which server it is for: nothing of it is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) enum NamesNoServer {
    /// No name, or several.
    ByName,
    /// A name, and something that is no port.
    ByPort,
}

impl NamesNoServer {
    pub(super) fn refusal(self) -> Response<Body> {
        let mut response = refusal(StatusCode::BAD_REQUEST);
        response.extensions_mut().insert(self);
        response
    }

    /// What is told of it.
    pub(super) fn unread(self) -> Unread {
        let why = match self {
            Self::ByName => "it names no server of HTTP, or several",
            Self::ByPort => "what it names as its server's port is none",
        };
        Unread { outcome: TunnelOutcome::Malformed { why: why.to_owned() }, bytes: None }
    }
}

/// An absolute URI of HTTP as it is told.
fn told_url(uri: &Uri) -> Result<Url, NamesNoServer> {
    let scheme = uri.scheme_str().ok_or(NamesNoServer::ByName)?.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https" | "ws" | "wss") {
        return Err(NamesNoServer::ByName);
    }
    let authority = uri.authority().ok_or(NamesNoServer::ByName)?;
    let usual = if matches!(scheme.as_str(), "https" | "wss") { 443 } else { 80 };
    Ok(Url {
        port: port_of(authority, usual).ok_or(NamesNoServer::ByPort)?,
        host: bare_host(authority.host()),
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
        let told = told_url(&uri.parse().expect("a URI")).ok();
        let told = told.as_ref().map(|url| (url.scheme.as_str(), url.host.as_str(), url.port, url.path_and_query.expose().as_str()));
        assert_eq!(told, expected, "{uri}");
    }

    #[test]
    fn a_request_names_one_server() {
        let check = |hosts: &[&str], expected: bool| {
            let request = hosts
                .iter()
                .fold(Request::get("/"), |request, host| request.header(HOST, HeaderValue::from_bytes(host.as_bytes()).expect("a value")));
            assert_eq!(names_one_server(&request.body(()).expect("a request")), expected, "{hosts:?}");
        };
        check(&[], true);
        check(&[""], true);
        check(&["api.test:8080"], true);
        check(&["[2001:db8::1]:80"], true);
        check(&["api.test", "api.test"], false);
        check(&["api.test", "bank.test"], false);
        check(&["bänk.test"], false);
        check(&["me@api.test"], false);
    }

    #[test]
    fn urls_are_told_in_parts() {
        check("https://API.test/a%20b?c=d%2F", Some(("https", "api.test", 443, "/a%20b?c=d%2F")));
        check("http://api.test:8080", Some(("http", "api.test", 8080, "/")));
        check("https://[2001:DB8::1]:8443/", Some(("https", "2001:db8::1", 8443, "/")));
        check("/path-only", None);
        check("ftp://api.test/", None);
        check("wss://api.test/", Some(("wss", "api.test", 443, "/")));
        check("http://api.test:/", Some(("http", "api.test", 80, "/")));
        for port in ["99999", "0", "-1", "http"] {
            check(&format!("http://api.test:{port}/"), None);
        }
    }
}
