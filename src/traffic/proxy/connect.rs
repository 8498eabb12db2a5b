//! The way in: whether a client may use the proxy at all, what is read, what is passed on unread, and which requests are for a
//! page of our own. What happens to requests that are read is the handler's, what happens inside a tunnel is `serve`'s.

use std::{net::IpAddr, sync::Arc};

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, HOST, PROXY_AUTHENTICATE, USER_AGENT},
    uri::{Authority as UriAuthority, PathAndQuery},
};
use hudsucker::Body;
use hyper_util::rt::TokioIo;

use super::{
    fronting::{named_port, port_of},
    gate::{Gate, Page, Visit},
    handler::{Handler, NamesNoServer, refusal},
    serve::{Entry, Named},
    tunnel::Tunnel,
};
use crate::model::TunnelOutcome;

/// Answers requests that come without a tunnel.
#[derive(Clone)]
pub(super) struct Front {
    handler: Handler,
}

/// Why a client gets no tunnel.
pub(super) enum Turned {
    /// It is not admitted.
    NotAdmitted,
    /// Nothing could be recorded.
    Unrecorded,
    /// It was to be passed on, but the server could not be reached.
    Unreachable,
}

impl Front {
    pub(super) const fn new(handler: Handler) -> Self {
        Self { handler }
    }

    pub(super) const fn handler(&self) -> &Handler {
        &self.handler
    }

    pub(super) async fn answer(&mut self, client: IpAddr, request: Request<Body>) -> Response<Body> {
        if request.method() == Method::CONNECT { self.connect(client, request).await } else { self.plain(client, request).await }
    }

    async fn connect(&self, client: IpAddr, request: Request<Body>) -> Response<Body> {
        let Some(authority) = request.uri().authority().filter(|authority| !authority.host().is_empty()) else {
            return NamesNoServer::ByName.refusal();
        };
        // No scheme says which port is the usual one, so that a colon alone names none (RFC 9110 section 9.3.6).
        let port = if named_port(authority) == Some("") { None } else { port_of(authority, 443) };
        let (host, Some(port)) = (bare_host(authority.host()), port) else { return NamesNoServer::ByPort.refusal() };
        let entry = match self.handler.enter(client, host, port).await {
            Ok(entry) => entry,
            Err(Turned::NotAdmitted) => return not_admitted(),
            Err(Turned::Unrecorded) => return refusal(StatusCode::SERVICE_UNAVAILABLE),
            Err(Turned::Unreachable) => return refusal(StatusCode::BAD_GATEWAY),
        };
        tokio::spawn(async move {
            if let Ok(client) = hyper::upgrade::on(request).await {
                entry.serve(TokioIo::new(client)).await;
            }
        });
        refusal(StatusCode::OK)
    }

    /// A request without a tunnel.
    async fn plain(&mut self, client: IpAddr, request: Request<Body>) -> Response<Body> {
        let gate = &*self.handler.tunnels.gate;
        let (names_none, is_ours) = (request.uri().host().is_none(), self.handler.is_asked_of_us(request.uri()));
        // Over HTTP/2 a client names the host of a web server just as it names that of a proxy.
        let way = Way { decrypted: false, proxied: !names_none && request.version() < Version::HTTP_2 };
        if (names_none || is_ours)
            && let Some(page) = page(gate, client, "", way, &request)
        {
            return page;
        }
        let host = request.uri().host().map(bare_host).or_else(|| named_host(&request)).unwrap_or_default();
        if let Some(page) = page(gate, client, &host, way, &request) {
            return page;
        }
        if !gate.admits(client) {
            return not_admitted();
        }
        match self.handler.names_outside(&request) {
            Some(outside) => self.handler.pass_unread(request, outside).await,
            None => self.handler.exchange(request).await,
        }
    }
}

impl Handler {
    /// Whether a host (lower case, an IPv6 literal without brackets) and port are the proxy's own, and there is a page for whoever
    /// asks it as a web server.
    pub(super) fn is_asked_of_us_at(&self, host: &str, port: u16) -> bool {
        self.tunnels.own.is_named(host, port) && self.tunnels.gate.owns("")
    }

    /// The same of a URI that names a host.
    fn is_asked_of_us(&self, uri: &Uri) -> bool {
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let asked = uri.authority().and_then(|authority| Some((bare_host(authority.host()), port_of(authority, usual)?)));
        asked.is_some_and(|(host, port)| self.is_asked_of_us_at(&host, port))
    }

    /// Lets a client into a tunnel to a host (lower case, an IPv6 literal without brackets) and port.
    pub(super) async fn enter(&self, client: IpAddr, host: String, port: u16) -> Result<Entry, Turned> {
        let tunnels = &self.tunnels;
        if !tunnels.gate.admits(client) {
            return Err(Turned::NotAdmitted);
        }
        if tunnels.gate.owns(&host) {
            return Ok(Entry::OwnPage(self.clone(), client, host, Named::Host));
        }
        if self.is_asked_of_us_at(&host, port) {
            return Ok(Entry::OwnPage(self.clone(), client, host, Named::Listener));
        }
        let begun = match (tunnels.gate.reads(&host), host.parse::<IpAddr>().is_ok()) {
            (true, _) => self.recorder.begin_tunnel(host, port).await,
            (false, false) => self.recorder.begin_outside(host, port).await,
            // The name that counts is in the ClientHello.
            (false, true) => self.recorder.begin_undecided(host, port).await,
        };
        let tunnel = begun.map_err(|_| Turned::Unrecorded)?;
        let Some(reason) = tunnels.reason_to_pass(&tunnel) else {
            let mut handler = self.for_a_client();
            handler.tunnel = Some(Arc::clone(&tunnel));
            return Ok(Entry::Listen(handler, tunnel, client));
        };
        tunnel.decided();
        // What is passed on gets the server's own answer to whether it is there.
        match tunnels.dial(&tunnel).await {
            Ok(server) => {
                tunnel.passes(reason);
                Ok(Entry::PassOn(tunnel, server, self.client.clone()))
            }
            Err(why) => {
                tunnel.settle(TunnelOutcome::Unreachable { why });
                Err(Turned::Unreachable)
            }
        }
    }
}

/// How a request for a page of our own came.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) decrypted: bool,
    pub(super) proxied: bool,
}

/// The answer to a request for a page of our own.
pub(super) fn page<B>(gate: &dyn Gate, client: IpAddr, host: &str, way: Way, request: &Request<B>) -> Option<Response<Body>> {
    let visit = Visit {
        client,
        method: request.method().as_str(),
        host,
        path_and_query: request.uri().path_and_query().map_or("/", PathAndQuery::as_str),
        user_agent: request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()),
        decrypted: way.decrypted,
        proxied: way.proxied,
    };
    let Page { status, headers, body } = gate.page(&visit)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    Some(response)
}

/// The URI of a request inside a tunnel, whatever host it names: it goes where the tunnel goes. A CONNECT to an address whose
/// ClientHello names a host goes to that host, so that its certificate can be checked.
pub(super) fn inside(tunnel: &Tunnel, uri: &Uri) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(tunnel.authority(uri.scheme_str() == Some("https"))?);
    Uri::from_parts(parts).ok()
}

/// A host in lower case, an IPv6 literal without its brackets.
pub(super) fn bare_host(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// The host of a request's `Host` header: what is asked of the proxy itself names it only there.
pub(super) fn named_host<B>(request: &Request<B>) -> Option<String> {
    let authority: UriAuthority = request.headers().get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(bare_host(authority.host()))
}

/// What a client gets that is not admitted. The challenge names a scheme that no client knows, so that none asks its user for a
/// password that does not exist.
fn not_admitted() -> Response<Body> {
    let mut response = Response::new(Body::from("This proxy serves only devices that were admitted to it.\n"));
    *response.status_mut() = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    response.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Tattletale"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
