//! A tunnel to a page of our own: answered by the gate, in plain and over TLS, and never recorded. Whose page it is is decided in
//! `connect`.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use tokio::time::timeout;

use super::{
    connect::{Way, page},
    handler::refusal,
    handshake::outcome_of_handshake,
    heard::Heard,
    metered::Metered,
    opening::{Opening, read_opening},
    serve::{Client, FIRST, HANDSHAKE, HTTP},
    socket::Pulse,
    tunnels::Tunnels,
};
use crate::model::TunnelOutcome;

/// A tunnel to a page of our own, which is never recorded, nor dialled.
pub(super) struct OwnPage {
    pub(super) tunnels: Arc<Tunnels>,
    pub(super) client: Pulse,
    pub(super) address: IpAddr,
    /// What the certificate is for.
    pub(super) name: String,
    /// What the gate is asked for.
    pub(super) host: String,
}

impl OwnPage {
    /// Serves pages until the client leaves, and tells the gate when it asked for none.
    pub(super) async fn serve(self, client: impl Client) {
        if let Some(outcome) = self.pages(client).await {
            self.tunnels.gate.left(self.address, &self.host, &outcome);
        }
    }

    /// What became of the tunnel when no page was asked for.
    async fn pages(&self, client: impl Client) -> Option<TunnelOutcome> {
        let mut client = Metered::new(client, None);
        let mut first = Vec::with_capacity(FIRST);
        match timeout(HANDSHAKE, read_opening(&mut client, &mut first)).await {
            Ok(Ok(Some(Opening::Http))) => self.http(client.again(first), false).await,
            Ok(Ok(Some(Opening::Tls))) => self.tls(client.again(first)).await,
            Ok(Ok(Some(Opening::Other))) => Some(TunnelOutcome::NotTls),
            Ok(Ok(None) | Err(_)) | Err(_) => Some(TunnelOutcome::ClosedWithoutRequest),
        }
    }

    async fn tls(&self, client: impl Client) -> Option<TunnelOutcome> {
        let Ok(config) = self.tunnels.authority.server_config(&self.name, HTTP) else {
            return Some(TunnelOutcome::HandshakeFailed { why: "no certificate can be made for that name".to_owned() });
        };
        match timeout(HANDSHAKE, tokio_rustls::TlsAcceptor::from(config).accept(client)).await {
            Ok(Ok(stream)) => self.http(stream, true).await,
            Ok(Err(error)) => Some(outcome_of_handshake(&error)),
            Err(_) => Some(TunnelOutcome::ClosedDuringHandshake),
        }
    }

    async fn http(&self, client: impl Client, decrypted: bool) -> Option<TunnelOutcome> {
        let asked = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            if decrypted {
                self.tunnels.refusals.forget(self.address);
            }
            let answer = page(&*self.tunnels.gate, self.address, &self.host, Way { decrypted, proxied: true }, &request);
            std::future::ready(Ok::<_, Infallible>(answer.unwrap_or_else(|| refusal(StatusCode::NOT_FOUND))))
        });
        let heard = Heard::new(client, Arc::default(), self.client.clone());
        let _ = self.tunnels.http.serve(heard, service).await;
        (!asked.load(Ordering::Relaxed)).then_some(TunnelOutcome::ClosedWithoutRequest)
    }
}
