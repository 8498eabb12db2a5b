//! The proxy's first way in: HTTP without a tunnel, and CONNECT. What is done with a request is decided in `connect`; here, what
//! could not be read as one is told.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use http::{Method, Request, Response, header::HOST, uri::Authority};
use hudsucker::Body;
use hyper::{body::Incoming, service::service_fn};
use tokio::{sync::watch, time::sleep_until};

use super::{
    Ending,
    accept::{Visitor, is_asked_to_stop},
    account::{Account, Unread},
    connect::{Front, bare_host},
    fronting::port_of,
    handler::{Handler, NamesNoServer},
    heard::Heard,
    socket::Socket,
};
use crate::model::TunnelOutcome;

/// Answers requests until the connection ends, or becomes something else.
pub(super) async fn serve(visitor: Visitor, client: Socket, mut ending: watch::Receiver<Ending>) {
    let Visitor { handler, address, mut place, too_late, visit_ends } = visitor;
    let (front, account) = (Front::new(handler.for_a_client()), Arc::<Account>::default());
    let handler = front.handler();
    let service = service_fn(|request: Request<Incoming>| {
        let (mut front, account) = (front.clone(), Arc::clone(&account));
        let (connects, request, owed) = (request.method() == Method::CONNECT, account.request(request), account.owe());
        async move {
            let _owed = owed;
            let response = answer(&mut front, address, request).await;
            account.answer(connects, response.status());
            Ok::<_, Infallible>(response)
        }
    });
    let heard = Heard::new(client, Arc::clone(&account), handler.client.clone());
    let mut connection = handler.tunnels.http.serve(heard, service);
    let (too_late, visit_ends) = (sleep_until(too_late), sleep_until(visit_ends));
    tokio::pin!(too_late, visit_ends);
    let (mut waits, mut stops) = (true, false);
    let ended = loop {
        tokio::select! {
            biased;
            served = &mut connection => break served,
            // The engine's own limit begins with the first byte.
            () = &mut too_late, if waits => {
                waits = false;
                if account.requests() == 0 {
                    break Ok(());
                }
            }
            () = &mut visit_ends, if place.is_some() => {
                if !handler.tunnels.gate.admits(address) {
                    break Ok(());
                }
                place = None;
            }
            () = is_asked_to_stop(&mut ending), if !stops => {
                stops = true;
                account.goes_away();
                if !account.is_http2() && account.half_a_head().is_some() {
                    break Ok(());
                }
                connection.graceful_shutdown();
            }
        }
    };
    let left_over = connection.left_over();
    let why = if account.begins_with_tls() { TLS_TO_THE_PROXY } else { NOT_HTTP };
    let not_http = TunnelOutcome::Malformed { why: why.to_owned() };
    if let Some(unread) = account.unread(ended.as_ref().err(), &left_over, not_http) {
        handler.tell_unread(address, account.named(), unread, None).await;
    }
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended");
    }
}

async fn answer(front: &mut Front, address: IpAddr, request: Request<Body>) -> Response<Body> {
    let field = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let named = field.or_else(|| request.uri().authority().cloned());
    let usual = if request.method() == Method::CONNECT { 443 } else { 80 };
    let response = front.answer(address, request).await;
    if let Some(no_server) = response.extensions().get::<NamesNoServer>() {
        // Of a port that there is not, nothing is kept.
        let named = named.map(|named| (bare_host(named.host()), port_of(&named, usual).unwrap_or_default()));
        front.handler().tell_unread(address, named, no_server.unread(), None).await;
    }
    response
}

impl Handler {
    /// Tells of what came without a tunnel and could not be read, the host and port that it names, and the protocol that it speaks
    /// where that is not HTTP. Of clients that are not admitted nothing is told, and hosts outside the scope are not named.
    pub(super) async fn tell_unread(&self, client: IpAddr, named: Option<(String, u16)>, unread: Unread, protocol: Option<&str>) {
        let gate = &self.tunnels.gate;
        if !gate.admits(client) || named.as_ref().is_some_and(|(host, port)| gate.owns(host) || self.is_asked_of_us_at(host, *port)) {
            return;
        }
        let named = named.filter(|(host, _)| gate.reads(host));
        let is_named = named.is_some();
        let (host, port) = named.unwrap_or_default();
        // Nobody listens any more: then nothing is told.
        if let Ok(tunnel) = self.recorder.begin_tunnel(host, port).await {
            tunnel.unread(unread);
            tunnel.speaks(protocol.map(str::to_owned));
            if !is_named {
                tunnel.came_from(client);
            }
            tunnel.decided();
        }
    }
}

/// Why something is no request, where the engine's parser would only say that its method is invalid.
const NOT_HTTP: &str = "it does not begin as one";
const TLS_TO_THE_PROXY: &str = "it is TLS without a CONNECT";
