//! Requests that are nobody's business: those that name a host outside the scope. They go the way of every other request, and
//! nothing of them is kept but how much passed. What of a tunnel is not read, and why, is decided in `serve`.

use std::sync::Arc;

use http::{Request, Response, StatusCode, header::HOST};
use hudsucker::Body;

use super::{
    casing::headers_as_written,
    connect::{bare_host, named_host},
    forward::Manner,
    fronting::port_of,
    handler::{Handler, NamesNoServer, Route, names_one_server, refusal},
    told::header_bytes,
    websocket::{asks_for_upgrade, take_over},
};
use crate::model::PassReason;

impl Handler {
    /// The host outside the scope that a request names, in its target or in its `Host` header; `None` when all that it names is
    /// in the scope.
    pub(super) fn names_outside<B>(&self, request: &Request<B>) -> Option<String> {
        let target = request.uri().host().map(bare_host);
        target.into_iter().chain(named_host(request)).find(|host| !self.tunnels.gate.reads(host))
    }

    /// Passes a request on as it would one that is read, with its body, its response and whatever becomes of the connection. It
    /// is counted for the host outside the scope that it names.
    pub(super) async fn pass_unread(&mut self, mut request: Request<Body>, outside: String) -> Response<Body> {
        if !names_one_server(&request) {
            return NamesNoServer::ByName.refusal();
        }
        let Route { named, speaks_http2, .. } = self.route(&mut request);
        let Some(authority) = request.uri().authority() else { return NamesNoServer::ByName.refusal() };
        let usual = if request.uri().scheme_str() == Some("https") { 443 } else { 80 };
        let Some(port) = port_of(authority, usual) else { return NamesNoServer::ByPort.refusal() };
        let goes_to = bare_host(authority.host());
        // It may go to a server in the scope all the same, which then got something that nobody read.
        let around = match &self.tunnel {
            Some(around) => Ok(Some(Arc::clone(around))),
            None if goes_to == outside || !self.tunnels.gate.reads(&goes_to) => Ok(None),
            None => self.recorder.begin_tunnel(goes_to, port).await.map(Some),
        };
        let (Ok(around), Ok(tunnel)) = (around, self.recorder.begin_outside(outside, 0).await) else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        };
        tunnel.passes(PassReason::OutsideScope);
        if let Some(around) = around {
            around.carried_outside();
        }
        let exchange = self.recorder.begin_unread(tunnel, head_bytes(&request, self.tunnel.is_some()));
        if asks_for_upgrade(&request) {
            if let Some(named) = named {
                request.headers_mut().insert(HOST, named);
            }
            return take_over(self.forwarder.upgrades(), &exchange, request).await;
        }
        self.forwarder.send(&exchange, request, Manner { host: named, speaks_http2 }).await
    }
}

/// Bytes of a request's head as HTTP/1 writes it: inside a tunnel with a path only.
fn head_bytes(request: &Request<Body>, in_a_tunnel: bool) -> usize {
    let target = match request.uri().path_and_query() {
        Some(path) if in_a_tunnel => path.as_str().len(),
        _ => request.uri().to_string().len(),
    };
    let headers = headers_as_written(request.version(), request.headers(), request.extensions());
    request.method().as_str().len() + target + REQUEST_LINE + header_bytes(&headers)
}

/// Bytes of a request line beside its method and target.
const REQUEST_LINE: usize = "  HTTP/1.1\r\n".len();
