//! Who may use the proxy, which hosts are read, and which requests are for a page of our own. What the page says is `cli`'s.

use std::{fmt, net::IpAddr};

use crate::model::TunnelOutcome;

/// Decides about clients and hosts. Asked on the proxy's own threads, often: it answers from memory and never blocks.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Whether requests of this client are proxied. One that is not admitted gets 407 for everything but our own page, and
    /// nothing of it is recorded.
    fn admits(&self, client: IpAddr) -> bool;

    /// Whether a host (lower case, an IPv6 literal without brackets) is read. What is not read is passed through unchanged and
    /// only counted in bytes.
    fn reads(&self, host: &str) -> bool;

    /// The answer to a request for a page of our own; `None` for every other request. Never recorded, and never asked of a
    /// server. Asked for clients that are not admitted as well, in plain: they get no tunnel.
    fn page(&self, visit: &Visit<'_>) -> Option<Page>;

    /// Whether a host (lower case) is our own: what comes through a tunnel to it is answered by [`Gate::page`] or with 404, never
    /// recorded, and never dialled. By default, a host with a page at `/`.
    fn owns(&self, host: &str) -> bool {
        let client = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        self.page(&Visit { client, method: "GET", host, path_and_query: "/", user_agent: None, decrypted: true, proxied: true }).is_some()
    }

    /// A client left a tunnel to a host of our own without a request that could be read, and how. By default, that is nobody's
    /// business.
    fn left(&self, client: IpAddr, host: &str, outcome: &TunnelOutcome) {
        let _ = (client, host, outcome);
    }
}

/// A request that may be for a page of our own.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'request> {
    /// Who asks.
    pub client: IpAddr,
    /// Method, upper case.
    pub method: &'request str,
    /// Host asked for, lower case: of the URL, or of the tunnel for what came through one. Empty for a client that speaks to the
    /// proxy as if it were a web server: it has not set it as its proxy yet, and is asked for again with the `Host` header's; or
    /// it has, and asks for the proxy's own address by way of it.
    pub host: &'request str,
    /// Path and query.
    pub path_and_query: &'request str,
    /// The `User-Agent` header, if it is text.
    pub user_agent: Option<&'request str>,
    /// Whether the request came through a TLS tunnel that we read: the client trusts our authority.
    pub decrypted: bool,
    /// Whether the request came by way of the proxy, and not as to a web server.
    pub proxied: bool,
}

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Status code.
    pub status: u16,
    /// Header pairs.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Admits everyone, reads everything, and has no page: for a proxy that only this machine, or a phone on a cable, can reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn admits(&self, _client: IpAddr) -> bool {
        true
    }

    fn reads(&self, _host: &str) -> bool {
        true
    }

    fn page(&self, _visit: &Visit<'_>) -> Option<Page> {
        None
    }
}
