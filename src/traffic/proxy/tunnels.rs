//! What all tunnels of a proxy share: who may use one, what passes through it unread, and how its server is reached. What is done
//! inside one is decided in `serve`.

use std::{net::IpAddr, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    Ending,
    engine::Http,
    failure::Failure,
    gate::Gate,
    own::Own,
    refusals::Refusals,
    serve::HANDSHAKE,
    strangers::{Place, Strangers},
    tunnel::Tunnel,
    upstream::Connector,
};
use crate::{model::PassReason, traffic::authority::Authority};

/// What the tunnels of one proxy share.
pub(super) struct Tunnels {
    pub(super) gate: Arc<dyn Gate>,
    pub(super) own: Own,
    pub(super) authority: Arc<Authority>,
    pub(super) connector: Connector,
    pub(super) http: Http,
    pub(super) refusals: Refusals,
    pub(super) strangers: Arc<Strangers>,
    /// Says when the proxy is asked to stop.
    pub(super) ending: watch::Receiver<Ending>,
}

impl Tunnels {
    /// Whether a client may connect at all, before it says anything: with a place among the strangers if it is one; `None` if none
    /// is left.
    pub(super) fn takes(&self, client: IpAddr) -> Option<Option<Place>> {
        if self.gate.admits(client) { Some(None) } else { self.strangers.enter(client).map(Some) }
    }

    /// Why a tunnel is passed on before anything came through it.
    pub(super) fn reason_to_pass(&self, tunnel: &Tunnel) -> Option<PassReason> {
        // Of an address, the name that counts is in the ClientHello.
        let is_outside = !tunnel.is_to_an_address() && !self.gate.reads(&tunnel.host);
        is_outside.then_some(PassReason::OutsideScope)
    }

    /// Opens a connection to a tunnel's server.
    pub(super) async fn dial(&self, tunnel: &Tunnel) -> Result<TcpStream, String> {
        self.connector.dial(&tunnel.host, tunnel.port).await.map_err(|error| self.told(Failure::of(&*error, true)))
    }

    /// The same with TLS, for a protocol that is spoken inside it.
    pub(super) async fn dial_tls(&self, tunnel: &Tunnel) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
        let stream = self.dial(tunnel).await?;
        let name = ServerName::try_from(tunnel.certified_name()).map_err(|_| "the server has no name to check".to_owned())?;
        let connecting = TlsConnector::from(self.connector.tls()).connect(name, stream);
        match timeout(HANDSHAKE, connecting).await {
            Ok(connected) => connected.map_err(|error| self.told(Failure::of(&error, true))),
            Err(_) => Err(self.told(Failure::ConnectTimeout)),
        }
    }

    fn told(&self, failure: Failure) -> String {
        failure.of_peer(self.connector.peer()).to_string()
    }
}
