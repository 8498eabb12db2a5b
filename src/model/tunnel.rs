//! One CONNECT and what became of it, or what came without one and was no request. What could not be read is evidence of what
//! was not seen.

use core::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Number of a tunnel within one capture, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TunnelId(pub u64);

/// One CONNECT and what became of it; also one plain request to a host that is outside the scope, and what came to the proxy
/// without a CONNECT and was no request that could be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Number within the capture.
    pub id: TunnelId,
    /// Phase in which it was opened.
    pub phase: String,
    /// Host of the CONNECT, lower case; for one outside the scope [`outside_host`] instead. Of what came without a CONNECT, the host
    /// that it names; empty where it names none.
    pub host: String,
    /// Port of the CONNECT; 0 where no host is named.
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
    /// What else is known of it. Captures of before this was kept, and imports, say nothing here.
    #[serde(default, skip_serializing_if = "TunnelEvidence::is_empty")]
    pub evidence: TunnelEvidence,
}

impl Tunnel {
    /// Whether it went to a host outside the scope: counted, and of no name.
    pub fn is_outside_scope(&self) -> bool {
        self.evidence.passed_because == Some(PassReason::OutsideScope) || is_outside_host(&self.host)
    }
}

/// What stands for the name of a host outside the scope: its number in the order in which such hosts came, which leads back to
/// nothing.
pub fn outside_host(number: u64) -> String {
    format!("{OUTSIDE}{number}")
}

/// Whether a name is an [`outside_host`].
pub fn is_outside_host(name: &str) -> bool {
    name.starts_with(OUTSIDE)
}

/// What every [`outside_host`] begins with.
const OUTSIDE: &str = "outside-scope-";

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
    /// The two sides found no way to speak TLS with each other, for a reason that is not the certificate.
    HandshakeFailed {
        /// The reason, as a fragment of a sentence: `they have no cipher suite in common`.
        why: String,
    },
    /// What came could not be read as HTTP: it breaks its rules, is longer than the proxy takes, or is none. It was answered with an
    /// error, and went to no server.
    Malformed {
        /// Why, as a fragment of a sentence: `invalid content-length parsed`.
        why: String,
    },
    /// What came was not TLS.
    NotTls,
    /// What came inside TLS was not HTTP.
    OwnProtocol,
    /// Passed on without being read.
    PassedThrough,
    /// Requests inside it were read.
    Read {
        /// How many.
        requests: u64,
    },
    /// The server could not be reached, though something was to be passed on to it, or it was to be asked whether it speaks
    /// first: [`TunnelEvidence::bytes`] tells which.
    Unreachable {
        /// Why, as a sentence without a full stop: `the server refused the connection`.
        why: String,
    },
}

/// What is known of a tunnel that was not read, beyond its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TunnelEvidence {
    /// Why it was passed on without being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_because: Option<PassReason>,
    /// What passed through it unread, when it was counted. Of HTTP that broke off or broke its rules: what came since the last
    /// answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<PassedBytes>,
    /// What became of the rest, where requests were read or passed on, and what followed them could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub afterwards: Option<TunnelOutcome>,
    /// The address of the client, where nothing else says whose it was: it named no host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The protocol that its first bytes or its ALPN offer name for certain: `mqtt`, `xmpp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How the client left, when the handshake was finished and no request followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
}

impl TunnelEvidence {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The name of a protocol as it may be shown: a client says by ALPN what it likes, which may be somebody's name. Those that the register
/// of ALPN protocol ids (IANA) and the proxy know are themselves.
pub fn shown_protocol(name: &str) -> &str {
    const KNOWN: &[&str] = &[
        "acme-tls/1",
        "amqp",
        "c-webrtc",
        "coap",
        "dicom",
        "dot",
        "ftp",
        "h2",
        "h2c",
        "h3",
        "http/0.9",
        "http/1.0",
        "http/1.1",
        "imap",
        "irc",
        "managesieve",
        "mqtt",
        "mtproto",
        "nnsp",
        "nntp",
        "ntske/1",
        "pop3",
        "postgresql",
        "rtsp",
        "sip",
        "sip/2",
        "smb",
        "smtp",
        "socks5",
        "spdy/1",
        "spdy/2",
        "spdy/3",
        "ssh",
        "stun.nat-discovery",
        "stun.turn",
        "sunrpc",
        "tds/8.0",
        "webrtc",
        "xmpp",
        "xmpp-client",
        "xmpp-server",
    ];
    KNOWN.iter().find(|known| **known == name).copied().unwrap_or("an unknown protocol")
}

/// Why a tunnel was passed on without being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PassReason {
    /// The host is in the scope, and the client named one inside the connection that is not: in its ClientHello or in a request.
    NamesOutside,
    /// The host is outside the scope that the person at the keyboard has set.
    OutsideScope,
    /// Its clients had refused our certificate three times in this run, so that the app would not have worked.
    Refused,
    /// The client offers only protocols that are not HTTP.
    OwnProtocol,
    /// No certificate can be made for that name.
    NoCertificate,
}

/// Bytes that passed through a tunnel without being read: the application's, or with their TLS where that was not ended by us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedBytes {
    /// From the client to the server.
    pub sent: u64,
    /// From the server to the client.
    pub received: u64,
}

/// How a client left that had finished the handshake and sent no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// What ended the connection.
    pub by: LeftBy,
    /// Milliseconds from the end of the handshake to the end of the connection, on the wall clock.
    pub after_ms: u64,
}

impl Leaving {
    /// Whether it is how an app leaves that checks certificates itself (pinning): at once. A connection that was opened ahead
    /// of need and not used is kept for longer, and one that is open when we stop says nothing.
    pub fn looks_like_pinning(&self) -> bool {
        self.by != LeftBy::Us && self.after_ms < 3_000
    }

    /// Whether it left sooner than a connection is given up that was opened ahead of need: within a second.
    pub fn is_at_once(&self) -> bool {
        self.by != LeftBy::Us && self.after_ms < 1_000
    }
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftBy {
    /// The client said goodbye (the TLS alert `close_notify`).
    CloseNotify,
    /// The client closed or reset the connection without a word.
    Cut,
    /// Not the client: it was open when the proxy stopped, or was closed by a time limit.
    Us,
}
