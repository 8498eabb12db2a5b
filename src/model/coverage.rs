//! What was read of what there was, and every place where we could not look. No verdict is given without it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Category, Evidence, Ledger, Origin};

/// What was read of what there was, over all runs of an audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Every host that was contacted.
    pub hosts: BTreeMap<String, HostCoverage>,
    /// Everything that could not be seen, sorted, each once however many runs had it.
    pub blind_spots: BTreeSet<BlindSpot>,
    /// Bytes uploaded by requests of origin `app` or `unknown` ([`super::Request::uploaded_bytes`]).
    pub uploaded_bytes: u64,
    /// What is known of those bytes.
    pub ledger: Ledger,
    /// The same without what vendors' adapters and the app file say: what anybody's app would give.
    pub ledger_unaided: Ledger,
    /// Runs that ended complete.
    pub complete_runs: u32,
    /// Runs that did not, and why.
    pub incomplete_runs: Vec<String>,
    /// False when the capture cannot tell what it missed (an imported HAR).
    pub known: bool,
    /// Requests from first-party hosts of the app that were read and answered.
    pub first_party_exchanges: u64,
    /// Why complete runs cannot answer all the same (R2), one sentence each, with the run: nothing of the app's own was read,
    /// or the control run is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

/// One host's coverage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCoverage {
    /// Whose traffic it is.
    pub origin: Origin,
    /// Exchanges read.
    pub exchanges: u64,
    /// Bytes uploaded.
    pub uploaded_bytes: u64,
    /// What is known of those bytes.
    pub ledger: Ledger,
    /// Tunnels that ended without a request read, in words by outcome.
    pub unread_tunnels: u64,
    /// Categories of the planted values found in its requests. Of a host of origin `phone` nothing else is judged.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub carries: BTreeSet<Category>,
}

impl Coverage {
    /// Hosts of the app (or of unknown origin) of which at least one exchange was read and no tunnel stayed unread.
    pub fn read_hosts(&self) -> usize {
        self.counted().filter(|host| host.exchanges > 0 && host.unread_tunnels == 0).count()
    }

    /// Hosts of the phone itself and of other apps, with the categories of the planted values found in their requests: no
    /// rule judges them, so a report names them.
    pub fn unjudged_hosts(&self) -> impl Iterator<Item = (&str, &BTreeSet<Category>)> {
        self.hosts.iter().filter(|(_, host)| host.origin == Origin::Phone).map(|(name, host)| (name.as_str(), &host.carries))
    }

    /// Hosts of the app, or of unknown origin.
    pub fn all_hosts(&self) -> usize {
        self.counted().count()
    }

    fn counted(&self) -> impl Iterator<Item = &HostCoverage> {
        self.hosts.values().filter(|host| host.origin != Origin::Phone)
    }
}

/// Something the audit could not see, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindSpot {
    /// The host (or its first-party pattern); empty when it concerns the whole capture.
    pub host: String,
    /// What kind.
    pub kind: BlindSpotKind,
    /// Endpoint it concerns, as in a snapshot (`POST host/path`); empty when it concerns a host.
    pub endpoint: String,
    /// Whose traffic it is.
    pub origin: Origin,
    /// In how many complete runs each phase had it; a phase named "" where nobody knows which.
    #[serde(default)]
    pub phases: BTreeMap<String, u32>,
    /// A sentence for a reader, without captured values.
    pub sentence: String,
    /// Where to look.
    pub evidence: Option<Evidence>,
}

impl BlindSpot {
    /// What makes two blind spots the same one across captures: kind, host, endpoint.
    pub fn key(&self) -> (BlindSpotKind, &str, &str) {
        (self.kind, &self.host, &self.endpoint)
    }
}

/// Kinds of blind spots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlindSpotKind {
    /// The app was altered so that it could be read: what the vendor's would do was not seen.
    AppAltered,
    /// The recording of a body is missing or cut off.
    BodyMissing,
    /// Nobody could decode a body.
    BodyOpaque,
    /// The client refused our certificate.
    CertificateRefused,
    /// The client closed during the handshake.
    ClosedDuringHandshake,
    /// The handshake finished, no request followed, and no other tunnel to that host was read.
    ClosedWithoutRequest,
    /// A request names another host than the one that it goes to (domain fronting): which of them keeps it is not known.
    Fronted,
    /// Client and proxy could not speak TLS with each other, for another reason than the certificate.
    HandshakeFailed,
    /// A decoder's limit cut something.
    LimitReached,
    /// HTTP that breaks its rules.
    Malformed,
    /// An import that says nothing about what it missed.
    NoCoverage,
    /// Neither TLS nor HTTP.
    NotTls,
    /// The phone counted traffic of the app that went past the proxy.
    OutsideProxy,
    /// Nobody counted what the app sent past the proxy, or not all of it.
    OutsideUncounted,
    /// TLS with a protocol inside that is not HTTP.
    OwnProtocol,
    /// Passed on unread.
    PassedThrough,
    /// A script in the app, by which it was read, ended before the run did.
    ScriptEnded,
    /// Connections that were open when the recording broke off.
    StillOpen,
    /// A request never got its response, so what else would have been sent is unknown.
    Unanswered,
    /// The server of a tunnel that was to be passed on could not be reached.
    Unreachable,
}

impl BlindSpotKind {
    /// Every kind, sorted by word.
    pub const ALL: [Self; 20] = [
        Self::AppAltered,
        Self::BodyMissing,
        Self::BodyOpaque,
        Self::CertificateRefused,
        Self::ClosedDuringHandshake,
        Self::ClosedWithoutRequest,
        Self::Fronted,
        Self::HandshakeFailed,
        Self::LimitReached,
        Self::Malformed,
        Self::NoCoverage,
        Self::NotTls,
        Self::OutsideProxy,
        Self::OutsideUncounted,
        Self::OwnProtocol,
        Self::PassedThrough,
        Self::ScriptEnded,
        Self::StillOpen,
        Self::Unanswered,
        Self::Unreachable,
    ];

    /// Its word in snapshots and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AppAltered => "app-altered",
            Self::BodyMissing => "body-missing",
            Self::BodyOpaque => "body-opaque",
            Self::CertificateRefused => "certificate-refused",
            Self::ClosedDuringHandshake => "closed-during-handshake",
            Self::ClosedWithoutRequest => "closed-without-request",
            Self::Fronted => "fronted",
            Self::HandshakeFailed => "handshake-failed",
            Self::LimitReached => "limit-reached",
            Self::Malformed => "malformed",
            Self::NoCoverage => "no-coverage",
            Self::NotTls => "not-tls",
            Self::OutsideProxy => "outside-proxy",
            Self::OutsideUncounted => "outside-uncounted",
            Self::OwnProtocol => "own-protocol",
            Self::PassedThrough => "passed-through",
            Self::ScriptEnded => "script-ended",
            Self::StillOpen => "still-open",
            Self::Unanswered => "unanswered",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether it means that a host as a whole was not read.
    pub const fn hides_host(self) -> bool {
        matches!(
            self,
            Self::CertificateRefused
                | Self::ClosedDuringHandshake
                | Self::ClosedWithoutRequest
                | Self::HandshakeFailed
                | Self::Malformed
                | Self::NotTls
                | Self::OwnProtocol
                | Self::PassedThrough
                | Self::Unreachable
        )
    }
}
