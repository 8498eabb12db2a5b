//! One CONNECT and what became of it. A tunnel that carried no request we could read is evidence of what was not seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Number of a tunnel within one capture, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TunnelId(pub u64);

/// One CONNECT and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Number within the capture.
    pub id: TunnelId,
    /// Phase in which it was opened.
    pub phase: String,
    /// Host of the CONNECT, lower case.
    pub host: String,
    /// Port of the CONNECT.
    pub port: u16,
    /// Server name of the TLS ClientHello, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Protocols offered by ALPN, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// When the CONNECT was read.
    pub began: Timestamp,
    /// When the tunnel ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What became of it.
    pub outcome: TunnelOutcome,
}

/// What became of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum TunnelOutcome {
    /// The client refused our certificate and said so with a TLS alert.
    CertificateRefused {
        /// The alert's name as RFC 8446 section 6 spells it, in rustls's camel case: `UnknownCA`.
        alert: String,
    },
    /// The client closed the connection during the handshake, after it had our certificate, without an alert.
    ClosedDuringHandshake,
    /// The handshake finished, then the client closed without a request: pinning inside the app, or a preconnect. Also a
    /// tunnel through which nothing was sent at all.
    ClosedWithoutRequest,
    /// What came was not TLS.
    NotTls,
    /// Passed on without being read.
    PassedThrough,
    /// Requests inside it were read.
    Read {
        /// How many.
        requests: u64,
    },
}
