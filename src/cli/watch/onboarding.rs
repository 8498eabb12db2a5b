//! The pages and the code of `watch`, for a run whose phone a person works.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use rustls::crypto::aws_lc_rs;

use super::{
    admission::{Admission, Code},
    gate::WatchGate,
    page::{Facts, HOME},
    scope::Scope,
    session,
};
use crate::{
    cli::Failure,
    phone::manual::Way,
    traffic::{authority::Authority, proxy::Gate},
};

/// Who may use the proxy, and the pages with the certificate.
pub(in crate::cli) struct Onboarding {
    gate: Arc<WatchGate>,
    code: Option<String>,
    name: String,
    fingerprint: String,
}

impl Onboarding {
    /// For a proxy that is to listen there. Where others can reach it, each device has to enter a code first.
    ///
    /// # Errors
    /// When this machine gives no randomness for a code.
    pub(in crate::cli) fn new(listen: SocketAddr, authority: &Authority) -> Result<Self, Failure> {
        let random = aws_lc_rs::default_provider().secure_random;
        let code = match listen.ip().is_loopback() {
            true => None,
            false => Some(Code::new(random).map_err(|_| Failure::instrument("make a code: this machine gives no randomness", ""))?),
        };
        let about = authority.about();
        Ok(Self {
            code: code.as_ref().map(Code::shown),
            name: about.name.clone(),
            fingerprint: about.fingerprint.clone(),
            gate: Arc::new(WatchGate {
                admission: Admission::new(code),
                scope: Scope::new(None, &[]),
                certificate: authority.certificate_der().to_vec(),
                facts: OnceLock::new(),
                random,
            }),
        })
    }

    /// The gate of the proxy.
    pub(in crate::cli) fn gate(&self) -> Arc<dyn Gate> {
        Arc::clone(&self.gate) as Arc<dyn Gate>
    }

    /// How a phone gets to the proxy, which listens at this address by now.
    pub(in crate::cli) fn way(&self, address: SocketAddr) -> Way {
        let host = session::reachable(address).map_or_else(|| "this computer's address".to_owned(), |address| address.to_string());
        let first_page = format!("http://{}/", session::authority(&host, address.port()));
        // Nobody has asked for a page yet: nobody knows the port.
        let _ = self.gate.facts.set(Facts {
            proxy: (host.clone(), address.port()),
            is_loopback: address.ip().is_loopback(),
            is_on_the_cable: address.ip() == std::net::Ipv4Addr::LOCALHOST,
            direct_url: first_page.clone(),
            name: self.name.clone(),
            fingerprint: self.fingerprint.clone(),
            scope: "every host".to_owned(),
        });
        Way { proxy: (host, address.port()), first_page, home: format!("http://{HOME}/"), code: self.code.clone() }
    }
}
