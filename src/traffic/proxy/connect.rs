//! What is done with a CONNECT: it becomes a tunnel, and gets a certificate when TLS comes through it. What happens to the
//! requests inside is the handler's.

use std::sync::Arc;

use http::{Request, StatusCode, Uri, uri::Authority as UriAuthority};
use hudsucker::{Body, RequestOrResponse, certificate_authority::CertificateAuthority};
use rustls::{ServerConfig, crypto::aws_lc_rs};

use super::{
    handler::{Handler, Reach, refusal},
    tunnel::Tunnel,
};
use crate::traffic::authority::Authority;

impl Handler {
    pub(super) async fn connect(&mut self, mut request: Request<Body>) -> RequestOrResponse {
        let Some(authority) = request.uri().authority() else { return refusal(StatusCode::BAD_REQUEST).into() };
        let (host, port) = (bare_host(authority.host()), authority.port_u16().unwrap_or(443));
        match self.recorder.begin_tunnel(host, port).await {
            Ok(tunnel) => self.tunnel = Some(tunnel),
            Err(_) => return refusal(StatusCode::SERVICE_UNAVAILABLE).into(),
        }
        if self.reach == Reach::ThisMachine {
            // What is neither TLS nor GET the engine passes on by dialling this name itself, past the connector. A name
            // without a port is never resolved: dialling it fails at once. Inside the tunnel the true name is put back.
            *request.uri_mut() = Uri::from_static(NOWHERE);
        }
        request.into()
    }
}

/// Gives the engine certificates, and notes for which tunnel.
pub(super) struct Minter(pub(super) Arc<Authority>);

impl CertificateAuthority for Minter {
    async fn gen_server_config(&self, authority: &UriAuthority) -> Arc<ServerConfig> {
        let tunnel = Tunnel::current();
        let host = match &tunnel {
            Some(tunnel) => tunnel.sni().unwrap_or_else(|| tunnel.host.clone()),
            None => bare_host(authority.host()),
        };
        match self.0.server_config(&host, &[b"h2", b"http/1.1"]) {
            Ok(config) => {
                if let Some(tunnel) = &tunnel {
                    tunnel.minted();
                }
                config
            }
            Err(_) => without_certificate(),
        }
    }
}

/// A configuration that ends every handshake, for hosts that no certificate can name.
fn without_certificate() -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider's own versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    Arc::new(config)
}

/// The URI of an HTTP/1 request inside a tunnel: the engine gives it the CONNECT's authority, which may not be the true one
/// any more. A CONNECT to an address whose ClientHello names a host goes to that host, so that its certificate can be checked.
pub(super) fn inside(tunnel: &Tunnel, uri: &Uri) -> Option<Uri> {
    let host = match tunnel.sni() {
        Some(sni) if tunnel.host.parse::<std::net::IpAddr>().is_ok() => sni,
        _ => tunnel.host.clone(),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let authority = if tunnel.port == default { host } else { format!("{host}:{}", tunnel.port) };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(authority.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// A host in lower case, an IPv6 literal without its brackets.
pub(super) fn bare_host(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// The authority of every CONNECT on a rig from which nothing may leave.
const NOWHERE: &str = "nowhere.invalid";
