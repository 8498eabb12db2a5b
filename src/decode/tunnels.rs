//! What became of the tunnels of one run, host by host: which of them hide something, and one sentence for each reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    BlindSpot, BlindSpotKind, Evidence, HostCoverage, Leaving, Origin, PassReason, PassedBytes, Tunnel, TunnelId, TunnelOutcome,
    app::without_root,
    text::printable,
    tunnel::{is_outside_host, shown_protocol},
};

use super::blind::BlindSpots;

/// What became of the tunnels of one run, host by host.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    hosts: BTreeMap<String, HostTunnels>,
    /// Those that have begun and not ended.
    open: BTreeMap<TunnelId, OpenTunnel>,
    outside: Outside,
}

/// A tunnel that has begun and not ended.
#[derive(Debug)]
struct OpenTunnel {
    phase: String,
    host: String,
    /// Whether a request in it was read.
    read: bool,
}

/// Tunnels to hosts outside the scope, which are only counted.
#[derive(Debug, Default)]
struct Outside {
    hosts: BTreeSet<String>,
    passed: u64,
    unreachable: u64,
    /// Open when the recording broke off.
    still_open: u64,
    bytes: PassedBytes,
    phases: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct HostTunnels {
    /// Of the tunnels that were read, what the clients offered by ALPN: it tells one kind of client from another.
    read: BTreeSet<Vec<String>>,
    /// By kind, and by what is said of them: what was counted for one reason says nothing of another.
    unread: BTreeMap<BlindSpotKind, BTreeMap<String, Gap>>,
    /// Tunnels that were passed on because their clients had refused our certificate.
    given_up: Gap,
    /// Tunnels without a request that are no gap where the host was read otherwise, by what is said of them.
    unused: BTreeMap<Unused, Gap>,
    /// The same for clients that left as one does that checks certificates itself, by what they offered by ALPN and whether they
    /// left at once.
    pinned: BTreeMap<(Vec<String>, bool), Gap>,
    /// Tunnels that were open when the recording broke off.
    still_open: StillOpen,
    /// Tunnels, read or not, whose client named another host in TLS than the one that it asked to be connected with.
    fronted: Gap,
}

/// Tunnels to one host that were open when the recording broke off.
#[derive(Debug, Default)]
struct StillOpen {
    /// How many.
    count: u64,
    /// In how many of them no request was read.
    unread: u64,
    phases: BTreeSet<String>,
}

/// Why a tunnel without a request says little, the strongest hint of a gap first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unused {
    /// Nothing is known but that the handshake was finished.
    Untold,
    /// The handshake was finished.
    Prepared,
    /// Nothing was sent at all.
    Silent,
}

/// Tunnels to one host that stayed unread for one reason.
#[derive(Debug, Default)]
struct Gap {
    count: u64,
    phases: BTreeSet<String>,
    bytes: Option<PassedBytes>,
    /// The sentence, of the first of them.
    sentence: String,
}

impl Tunnels {
    /// One was opened. It is taken for open until [`Self::add`] tells what became of it.
    pub(super) fn began(&mut self, id: TunnelId, phase: &str, host: &str) {
        self.open.insert(id, OpenTunnel { phase: phase.to_owned(), host: name_of_host(host), read: false });
    }

    /// A request in one was read to its end.
    pub(super) fn carried(&mut self, id: TunnelId, host: &str) {
        self.named(id, host);
        if let Some(open) = self.open.get_mut(&id) {
            open.read = true;
        }
    }

    /// A request in one has begun, which names the host where the CONNECT gave only an address.
    pub(super) fn named(&mut self, id: TunnelId, host: &str) {
        if let Some(open) = self.open.get_mut(&id).filter(|open| is_address(&open.host)) {
            open.host = name_of_host(host);
        }
    }

    /// Takes one in that is over. Its host is the name in the ClientHello when the CONNECT gave only an address.
    pub(super) fn add(&mut self, tunnel: &Tunnel) {
        self.open.remove(&tunnel.id);
        if tunnel.is_outside_scope() {
            self.outside.add(tunnel);
            return;
        }
        let host = tunnel.sni.as_ref().filter(|_| is_address(&tunnel.host)).unwrap_or(&tunnel.host);
        let host = self.hosts.entry(name_of_host(host)).or_default();
        // A name in TLS never has the dot of the root.
        let connected = without_root(&tunnel.host);
        if !is_address(&tunnel.host) && tunnel.sni.as_ref().is_some_and(|sni| !sni.eq_ignore_ascii_case(connected)) {
            host.fronted.add(tunnel, FRONTED.to_owned(), None);
        }
        let bytes = tunnel.evidence.bytes;
        if let Some(rest) = &tunnel.evidence.afterwards {
            let before = match &tunnel.outcome {
                TunnelOutcome::Read { .. } => "besides what was read",
                _ => "besides what was passed on",
            };
            host.gap(kind(rest), tunnel, format!("{before}, {}", sentence(tunnel, rest)), bytes);
        }
        // What was counted is what followed, where something did.
        let bytes = bytes.filter(|_| tunnel.evidence.afterwards.is_none() && !was_silent(tunnel));
        let sentence = sentence(tunnel, &tunnel.outcome);
        let gap = match &tunnel.outcome {
            TunnelOutcome::Read { .. } => {
                host.read.insert(tunnel.alpn.clone());
                if tunnel.evidence.passed_because == Some(PassReason::NamesOutside) {
                    host.gap(BlindSpotKind::PassedThrough, tunnel, format!("besides what was read, {CARRIED_OUTSIDE}"), None);
                }
                return;
            }
            outcome @ TunnelOutcome::ClosedWithoutRequest if has_begun(tunnel, outcome) => {
                return host.gap(kind(outcome), tunnel, sentence, bytes);
            }
            TunnelOutcome::ClosedWithoutRequest => match tunnel.evidence.leaving {
                Some(leaving) if leaving.looks_like_pinning() && !has_greeted(tunnel) => {
                    host.pinned.entry((tunnel.alpn.clone(), leaving.is_at_once())).or_default()
                }
                leaving => host.unused.entry(unused(tunnel, leaving)).or_default(),
            },
            TunnelOutcome::PassedThrough if tunnel.evidence.passed_because == Some(PassReason::Refused) => &mut host.given_up,
            outcome => return host.gap(kind(outcome), tunnel, sentence, bytes),
        };
        gap.add(tunnel, sentence, bytes);
    }

    /// Writes hosts and blind spots. `exchanges` says how many were read of a host, `origin_of` whose a host is,
    /// `name_of` how a host is written, `pattern_of` how a blind spot names it.
    pub(super) fn finish(
        mut self,
        run: u32,
        hosts: &mut BTreeMap<String, HostCoverage>,
        spots: &mut BlindSpots,
        origin_of: impl Fn(&str) -> Origin,
        name_of: impl Fn(&str) -> String,
        pattern_of: impl Fn(&str) -> String,
    ) {
        for open in std::mem::take(&mut self.open).into_values() {
            if is_outside_host(&open.host) {
                self.outside.broke_off(open);
            } else {
                self.hosts.entry(open.host).or_default().still_open.add(open.phase, open.read);
            }
        }
        self.outside.finish(run, spots);
        let mut tell = |host: &str, kind, origin, sentence: String, phases: BTreeSet<String>| {
            spots.add(BlindSpot {
                host: if host.is_empty() { UNNAMED.to_owned() } else { pattern_of(host) },
                kind,
                endpoint: String::new(),
                origin,
                phases: phases.into_iter().map(|phase| (phase, 1)).collect(),
                sentence,
                evidence: Some(Evidence { run, exchange: None, bytes: None, chain: Vec::new() }),
            });
        };
        for (host, mut tunnels) in self.hosts {
            // Whose one without a name is cannot be told, and no host is to be counted for it.
            let mut unnamed = HostCoverage { origin: Origin::Unknown, ..HostCoverage::default() };
            let coverage = if host.is_empty() {
                &mut unnamed
            } else {
                let fresh = HostCoverage { origin: origin_of(&host), ..HostCoverage::default() };
                hosts.entry(name_of(&host)).or_insert(fresh)
            };
            let fronted = std::mem::take(&mut tunnels.fronted);
            if fronted.count > 0 {
                tell(&host, BlindSpotKind::Fronted, coverage.origin, fronted.told(), fronted.phases);
            }
            let still_open = std::mem::take(&mut tunnels.still_open);
            if still_open.count > 0 {
                coverage.unread_tunnels += still_open.unread;
                tell(&host, BlindSpotKind::StillOpen, coverage.origin, still_open.told(), still_open.phases);
            }
            for (kind, gaps) in tunnels.gaps(coverage.exchanges > 0) {
                coverage.unread_tunnels += gaps.iter().map(|gap| gap.count).sum::<u64>();
                let told: Vec<String> = gaps.iter().map(Gap::told).collect();
                let phases = gaps.into_iter().flat_map(|gap| gap.phases).collect();
                tell(&host, kind, coverage.origin, told.join("; "), phases);
            }
        }
    }
}

/// The name under which a host is counted.
fn name_of_host(host: &str) -> String {
    without_root(host).to_ascii_lowercase()
}

impl Outside {
    fn add(&mut self, tunnel: &Tunnel) {
        // Captures of before the names were left out tell them here.
        let address = tunnel.host.parse::<core::net::IpAddr>().is_ok();
        self.hosts.insert(name_of_host(tunnel.sni.as_ref().filter(|_| address).unwrap_or(&tunnel.host)));
        match tunnel.outcome {
            TunnelOutcome::Unreachable { .. } => self.unreachable += 1,
            _ => self.passed += 1,
        }
        let PassedBytes { sent, received } = tunnel.evidence.bytes.unwrap_or_default();
        self.bytes.sent = self.bytes.sent.saturating_add(sent);
        self.bytes.received = self.bytes.received.saturating_add(received);
        self.phases.insert(tunnel.phase.clone());
    }

    fn broke_off(&mut self, open: OpenTunnel) {
        self.hosts.insert(open.host);
        self.still_open += 1;
        self.phases.insert(open.phase);
    }

    /// One blind spot for all of them. They are no hosts of the coverage: nobody was to read them.
    fn finish(self, run: u32, spots: &mut BlindSpots) {
        if self.hosts.is_empty() {
            return;
        }
        let count = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let PassedBytes { sent, received } = self.bytes;
        let mut sentence = format!(
            "{} outside the scope: {} passed on without being read, {} sent, {received} received",
            count(self.hosts.len() as u64, "host"),
            count(self.passed, "connection"),
            bytes(sent)
        );
        if self.unreachable > 0 {
            sentence.push_str(&format!("; {} more could not be made, because the server could not be reached", self.unreachable));
        }
        if self.still_open > 0 {
            sentence.push_str(&format!("; {} more of unknown length when the recording broke off", self.still_open));
        }
        spots.add(BlindSpot {
            host: OUTSIDE_SCOPE.to_owned(),
            kind: BlindSpotKind::PassedThrough,
            endpoint: String::new(),
            origin: Origin::Unknown,
            phases: self.phases.into_iter().map(|phase| (phase, 1)).collect(),
            sentence,
            evidence: Some(Evidence { run, exchange: None, bytes: None, chain: Vec::new() }),
        });
    }
}

impl HostTunnels {
    /// Adds a tunnel of which something stayed unread.
    fn gap(&mut self, kind: BlindSpotKind, tunnel: &Tunnel, sentence: String, bytes: Option<PassedBytes>) {
        let gaps = self.unread.entry(kind).or_default();
        // An import may have no end of reasons.
        let sentence = if gaps.len() < MOST_SENTENCES || gaps.contains_key(&sentence) { sentence } else { OTHERWISE.to_owned() };
        gaps.entry(sentence.clone()).or_default().add(tunnel, sentence, bytes);
    }

    /// What of all this hides something.
    fn gaps(self, exchanges_read: bool) -> BTreeMap<BlindSpotKind, Vec<Gap>> {
        let Self { read, unread, given_up, unused, pinned, fronted: _, still_open: _ } = self;
        let mut unread: BTreeMap<BlindSpotKind, Vec<Gap>> =
            unread.into_iter().map(|(kind, gaps)| (kind, gaps.into_values().collect())).collect();
        let mut without_request = Gap::default();
        for ((offers, at_once), gap) in pinned {
            // Where a client of the same kind was read, what one left was not needed. Most kinds offer the same, though: who leaves
            // at once, and does so again, is no client that was read.
            if !read.contains(&offers) || (at_once && gap.count >= PINNED_FROM) {
                without_request.join(gap);
            }
        }
        if read.is_empty() && !exchanges_read {
            unused.into_values().for_each(|gap| without_request.join(gap));
        }
        if without_request.count > 0 {
            unread.entry(BlindSpotKind::ClosedWithoutRequest).or_default().push(without_request);
        }
        if given_up.count > 0 {
            // What was refused and what was passed on after it is one gap, told with the refusal.
            let refusals = [
                BlindSpotKind::CertificateRefused,
                BlindSpotKind::ClosedDuringHandshake,
                BlindSpotKind::ClosedWithoutRequest,
                BlindSpotKind::HandshakeFailed,
            ];
            let kind = refusals.into_iter().find(|kind| unread.contains_key(kind)).unwrap_or(BlindSpotKind::PassedThrough);
            match unread.entry(kind).or_default().last_mut() {
                Some(refused) => refused.join(given_up),
                None => unread.entry(kind).or_default().push(given_up),
            }
        }
        unread
    }
}

impl StillOpen {
    fn add(&mut self, phase: String, read: bool) {
        self.count += 1;
        self.unread += u64::from(!read);
        self.phases.insert(phase);
    }

    fn told(&self) -> String {
        let Self { count, unread, .. } = self;
        let (were, them) = if *count == 1 { ("connection was", "it") } else { ("connections were", "them") };
        let read = match unread {
            0 => String::new(),
            all if all == count => format!(", and no request in {them} was read to its end"),
            some => format!(", and in {some} of them no request was read to its end"),
        };
        let unknown = format!("what else passed through {them}, and how many bytes, is not known");
        format!("{count} {were} still open when the recording broke off{read}: {unknown}")
    }
}

impl Gap {
    fn add(&mut self, tunnel: &Tunnel, sentence: String, bytes: Option<PassedBytes>) {
        let phases = BTreeSet::from([tunnel.phase.clone()]);
        self.join(Self { count: 1, phases, bytes, sentence });
    }

    /// Takes in another gap; the sentence is the one that came first, or the first of those that say what the bytes are.
    fn join(&mut self, other: Self) {
        let says_more = self.bytes.is_none() && other.bytes.is_some() && other.sentence != GIVEN_UP;
        self.count += other.count;
        self.phases.extend(other.phases);
        self.bytes = match (self.bytes, other.bytes) {
            (Some(a), Some(b)) => {
                Some(PassedBytes { sent: a.sent.saturating_add(b.sent), received: a.received.saturating_add(b.received) })
            }
            (a, b) => a.or(b),
        };
        if self.sentence.is_empty() || says_more {
            self.sentence = other.sentence;
        } else if other.sentence == GIVEN_UP && self.sentence != GIVEN_UP {
            self.sentence = format!("{}; after three times, {GIVEN_UP_LATER}", self.sentence);
        }
    }

    /// The sentence, with what was counted.
    fn told(&self) -> String {
        match self.bytes {
            Some(PassedBytes { sent, received }) => format!("{}: {} sent, {received} received", self.sentence, bytes(sent)),
            None => self.sentence.clone(),
        }
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<core::net::IpAddr>().is_ok()
}

fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// What a tunnel without a request was.
const fn unused(tunnel: &Tunnel, leaving: Option<Leaving>) -> Unused {
    match (leaving, &tunnel.sni, tunnel.alpn.is_empty()) {
        (Some(_), ..) => Unused::Prepared,
        (None, None, true) => Unused::Silent,
        (None, ..) => Unused::Untold,
    }
}

const fn kind(outcome: &TunnelOutcome) -> BlindSpotKind {
    match outcome {
        TunnelOutcome::CertificateRefused { .. } => BlindSpotKind::CertificateRefused,
        TunnelOutcome::ClosedDuringHandshake => BlindSpotKind::ClosedDuringHandshake,
        TunnelOutcome::ClosedWithoutRequest => BlindSpotKind::ClosedWithoutRequest,
        TunnelOutcome::HandshakeFailed { .. } => BlindSpotKind::HandshakeFailed,
        TunnelOutcome::Malformed { .. } => BlindSpotKind::Malformed,
        TunnelOutcome::NotTls => BlindSpotKind::NotTls,
        TunnelOutcome::OwnProtocol => BlindSpotKind::OwnProtocol,
        TunnelOutcome::PassedThrough | TunnelOutcome::Read { .. } => BlindSpotKind::PassedThrough,
        TunnelOutcome::Unreachable { .. } => BlindSpotKind::Unreachable,
    }
}

/// Whether a client that left without a request, or without another one, had begun one.
fn has_begun(tunnel: &Tunnel, outcome: &TunnelOutcome) -> bool {
    *outcome == TunnelOutcome::ClosedWithoutRequest && tunnel.evidence.bytes.is_some_and(|bytes| bytes.sent > 0)
}

/// Whether a client that sent no request greeted the server, and so accepted our certificate.
fn has_greeted(tunnel: &Tunnel) -> bool {
    tunnel.evidence.protocol.as_deref() == Some("h2")
}

/// Whether nothing came from the client, so that its server was to be asked.
fn was_silent(tunnel: &Tunnel) -> bool {
    matches!(tunnel.outcome, TunnelOutcome::Unreachable { .. }) && tunnel.evidence.bytes == Some(PassedBytes::default())
}

/// One sentence about what was not read of a tunnel, without what was counted.
fn sentence(tunnel: &Tunnel, outcome: &TunnelOutcome) -> String {
    let protocol = tunnel.evidence.protocol.as_deref().map_or(String::new(), |protocol| format!(" ({})", shown_protocol(protocol)));
    match outcome {
        TunnelOutcome::CertificateRefused { alert } => format!("the client refused our certificate (TLS alert {})", printable(alert)),
        TunnelOutcome::ClosedDuringHandshake => "the client closed the connection when it had our certificate".to_owned(),
        TunnelOutcome::ClosedWithoutRequest if has_begun(tunnel, outcome) => {
            "the client began a request, and the connection ended before its head was complete".to_owned()
        }
        TunnelOutcome::ClosedWithoutRequest => match (tunnel.evidence.leaving, unused(tunnel, tunnel.evidence.leaving)) {
            _ if has_greeted(tunnel) => "the client greeted the server over HTTP/2, then sent no request: the connection was not needed",
            (Some(leaving), _) if leaving.looks_like_pinning() => {
                "the client finished the handshake, then closed at once without a request, as an app does that checks certificates itself \
                 (pinning)"
            }
            (_, Unused::Prepared) => {
                "the client finished the handshake, then sent no request: the connection was not needed, or the app checks certificates \
                 itself (pinning)"
            }
            (_, Unused::Silent) => "the client opened a connection and sent nothing through it",
            (_, Unused::Untold) => "the client finished the handshake, then closed without a request",
        }
        .to_owned(),
        TunnelOutcome::HandshakeFailed { why } => {
            format!("the client and the proxy could not speak TLS with each other: {}", printable(why))
        }
        TunnelOutcome::Malformed { why } => {
            format!("a request could not be read as HTTP ({}), and went to no server", printable(why))
        }
        TunnelOutcome::NotTls => format!("what came through the tunnel was neither TLS nor HTTP{protocol}"),
        TunnelOutcome::OwnProtocol => format!("what came inside TLS was not HTTP{protocol}"),
        TunnelOutcome::PassedThrough | TunnelOutcome::Read { .. } => match tunnel.evidence.passed_because {
            Some(PassReason::NamesOutside) => {
                "the client named a host outside the scope in it, so the connection was passed on without being read".to_owned()
            }
            Some(PassReason::OutsideScope) => "outside the scope, so the connection was passed on without being read".to_owned(),
            Some(PassReason::Refused) => GIVEN_UP.to_owned(),
            Some(PassReason::OwnProtocol) => {
                format!("the client offered only protocols that are not HTTP{protocol}, so the connection was passed on without being read")
            }
            Some(PassReason::NoCertificate) => {
                "no certificate can be made for that name, so the connection was passed on without being read".to_owned()
            }
            None => "the connection was passed on without being read".to_owned(),
        },
        TunnelOutcome::Unreachable { why } if was_silent(tunnel) => {
            format!("the client said nothing, and its server could not be asked whether it speaks first: {}", printable(why))
        }
        TunnelOutcome::Unreachable { why } if tunnel.evidence.bytes.is_some() => {
            format!("what came was not HTTP{protocol}, and could not be passed on: {}", printable(why))
        }
        TunnelOutcome::Unreachable { why } => format!("the connection was to be passed on, but {}", printable(why)),
    }
}

/// So many connections that were left at once are no accident.
const PINNED_FROM: u64 = 2;

/// So many reasons for one kind of blind spot at one host are told apart.
const MOST_SENTENCES: usize = 8;
/// Said of all others.
const OTHERWISE: &str = "more could not be read, for other reasons";
/// Said of a request that goes to a host in the scope and names one outside.
const CARRIED_OUTSIDE: &str = "a request in it named a host outside the scope, so that request was passed on without being read";

/// Stands for the names of all hosts outside the scope.
const OUTSIDE_SCOPE: &str = "outside-scope";
/// Where a blind spot is that names no host.
const UNNAMED: &str = "(host not named)";
/// Said of a tunnel whose client named two hosts.
const FRONTED: &str = "the client asked to be connected with one host and named another in TLS: which of them keeps what was sent is not \
     known";

/// Said when the refusals themselves are not there to be told.
const GIVEN_UP: &str = "its clients had refused our certificate three times, so the connection was passed on without being read";
/// Said after the sentence about the refusals.
const GIVEN_UP_LATER: &str = "its connections were passed on without being read";

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{LeftBy, TunnelEvidence, TunnelId, tunnel::outside_host};

    fn tunnel(outcome: TunnelOutcome) -> Tunnel {
        Tunnel {
            id: TunnelId(1),
            phase: "sync".to_owned(),
            host: "h.test".to_owned(),
            port: 443,
            sni: Some("h.test".to_owned()),
            alpn: vec!["h2".to_owned()],
            began: Timestamp::UNIX_EPOCH,
            ended: None,
            outcome,
            evidence: TunnelEvidence::default(),
        }
    }

    fn passed(because: PassReason, sent: u64) -> Tunnel {
        let bytes = Some(PassedBytes { sent, received: 2 });
        let evidence = TunnelEvidence { passed_because: Some(because), bytes, ..TunnelEvidence::default() };
        Tunnel { evidence, ..tunnel(TunnelOutcome::PassedThrough) }
    }

    fn counted(outcome: TunnelOutcome, protocol: Option<&str>) -> Tunnel {
        let bytes = Some(PassedBytes { sent: 7, received: 9 });
        let evidence = TunnelEvidence { bytes, protocol: protocol.map(str::to_owned), ..TunnelEvidence::default() };
        Tunnel { evidence, ..tunnel(outcome) }
    }

    fn left(by: LeftBy, after_ms: u64, offers: &str) -> Tunnel {
        let evidence = TunnelEvidence { leaving: Some(Leaving { by, after_ms }), ..TunnelEvidence::default() };
        Tunnel { evidence, alpn: vec![offers.to_owned()], ..tunnel(TunnelOutcome::ClosedWithoutRequest) }
    }

    fn read() -> Tunnel {
        tunnel(TunnelOutcome::Read { requests: 1 })
    }

    /// What a reader is told of tunnels to one host.
    fn check(tunnels: &[Tunnel], expected: &[(BlindSpotKind, &str)]) {
        let mut all = Tunnels::default();
        tunnels.iter().for_each(|tunnel| all.add(tunnel));
        let (mut hosts, mut spots) = (BTreeMap::new(), BlindSpots::default());
        all.finish(1, &mut hosts, &mut spots, |_| Origin::App, str::to_owned, str::to_owned);
        let told: Vec<_> = spots.into_set(9).into_iter().map(|spot| (spot.kind, spot.sentence)).collect();
        let expected: Vec<_> = expected.iter().map(|(kind, sentence)| (*kind, (*sentence).to_owned())).collect();
        assert_eq!(told, expected);
        let unread = told.iter().any(|(kind, _)| *kind != BlindSpotKind::Fronted);
        assert_eq!(hosts["h.test"].unread_tunnels > 0, unread, "a gap is in the coverage too");
    }

    #[test]
    fn each_way_to_stay_unread_has_its_sentence() {
        use BlindSpotKind::{CertificateRefused, ClosedDuringHandshake, HandshakeFailed, Malformed, NotTls, OwnProtocol, PassedThrough};
        let refused = TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() };
        check(&[tunnel(refused)], &[(CertificateRefused, "the client refused our certificate (TLS alert UnknownCA)")]);
        let closed = "the client closed the connection when it had our certificate";
        check(&[tunnel(TunnelOutcome::ClosedDuringHandshake)], &[(ClosedDuringHandshake, closed)]);
        let failed = TunnelOutcome::HandshakeFailed { why: "they have no TLS version in common".to_owned() };
        let sentence = "the client and the proxy could not speak TLS with each other: they have no TLS version in common";
        check(&[tunnel(failed)], &[(HandshakeFailed, sentence)]);
        let sentence = "what came through the tunnel was neither TLS nor HTTP (mqtt): 7 bytes sent, 9 received";
        check(&[counted(TunnelOutcome::NotTls, Some("mqtt"))], &[(NotTls, sentence)]);
        check(&[tunnel(TunnelOutcome::NotTls)], &[(NotTls, "what came through the tunnel was neither TLS nor HTTP")]);
        let sentence = "what came inside TLS was not HTTP (xmpp): 7 bytes sent, 9 received";
        check(&[counted(TunnelOutcome::OwnProtocol, Some("xmpp"))], &[(OwnProtocol, sentence)]);
        check(&[tunnel(TunnelOutcome::PassedThrough)], &[(PassedThrough, "the connection was passed on without being read")]);
        let named = "the client named a host outside the scope in it, so the connection was passed on without being read: 1 byte sent, \
            2 received";
        check(&[passed(PassReason::NamesOutside, 1)], &[(PassedThrough, named)]);
        let mut carried = Tunnel { outcome: TunnelOutcome::Read { requests: 2 }, ..passed(PassReason::NamesOutside, 1) };
        carried.evidence.bytes = None;
        let sentence = "besides what was read, a request in it named a host outside the scope, so that request was passed on without being \
            read";
        check(&[carried], &[(PassedThrough, sentence)]);
        let mut mqtt = passed(PassReason::OwnProtocol, 1);
        mqtt.evidence.protocol = Some("mqtt".to_owned());
        let sentence = "the client offered only protocols that are not HTTP (mqtt), so the connection was passed on without being read: \
            1 byte sent, 2 received";
        check(&[mqtt], &[(PassedThrough, sentence)]);
        let sentence = "what came inside TLS was not HTTP (an unknown protocol): 7 bytes sent, 9 received";
        check(&[counted(TunnelOutcome::OwnProtocol, Some("quillon.marsh@mail.test"))], &[(OwnProtocol, sentence)]);
        let malformed = TunnelOutcome::Malformed { why: "invalid content-length parsed".to_owned() };
        let sentence = "a request could not be read as HTTP (invalid content-length parsed), and went to no server: 7 bytes sent, \
            9 received";
        check(&[counted(malformed, None)], &[(Malformed, sentence)]);
    }

    #[test]
    fn an_unreachable_server_is_told_with_what_was_to_be_passed_on() {
        let unreachable = || TunnelOutcome::Unreachable { why: "the server refused the connection".to_owned() };
        let told = |sentence| (BlindSpotKind::Unreachable, sentence);
        let passed_on = "the connection was to be passed on, but the server refused the connection";
        check(&[tunnel(unreachable())], &[told(passed_on)]);
        let not_http = "what came was not HTTP (mqtt), and could not be passed on: the server refused the connection: 7 bytes sent, \
            9 received";
        check(&[counted(unreachable(), Some("mqtt"))], &[told(not_http)]);
        let bytes = Some(PassedBytes::default());
        let silent = Tunnel { evidence: TunnelEvidence { bytes, ..TunnelEvidence::default() }, ..tunnel(unreachable()) };
        let said = "the client said nothing, and its server could not be asked whether it speaks first: the server refused the connection";
        check(std::slice::from_ref(&silent), &[told(said)]);
        // Bytes are told with the sentence that says what they are.
        let both = format!("{said}; {not_http}");
        check(&[silent, counted(unreachable(), Some("mqtt"))], &[told(&both)]);
    }

    #[test]
    fn what_followed_requests_that_were_read_is_told_too() {
        let after = |requests, rest: TunnelOutcome, sent| {
            let evidence =
                TunnelEvidence { bytes: Some(PassedBytes { sent, received: 0 }), afterwards: Some(rest), ..TunnelEvidence::default() };
            Tunnel { evidence, ..tunnel(TunnelOutcome::Read { requests }) }
        };
        let malformed = TunnelOutcome::Malformed { why: "invalid URI".to_owned() };
        let sentence = "besides what was read, a request could not be read as HTTP (invalid URI), and went to no server: 30 bytes sent, \
            0 received";
        check(&[after(1, malformed, 30)], &[(BlindSpotKind::Malformed, sentence)]);
        let sentence = "besides what was read, what came inside TLS was not HTTP: 9 bytes sent, 0 received";
        check(&[after(2, TunnelOutcome::OwnProtocol, 9)], &[(BlindSpotKind::OwnProtocol, sentence)]);
        let sentence = "besides what was read, the client began a request, and the connection ended before its head was complete: 9 bytes \
            sent, 0 received";
        check(&[after(2, TunnelOutcome::ClosedWithoutRequest, 9)], &[(BlindSpotKind::ClosedWithoutRequest, sentence)]);
        // After a request that went on for a host outside the scope, too.
        let malformed = TunnelOutcome::Malformed { why: "invalid URI".to_owned() };
        let mut carried = after(1, malformed, 30);
        carried.outcome = TunnelOutcome::PassedThrough;
        carried.evidence.passed_because = Some(PassReason::NamesOutside);
        let named = "the client named a host outside the scope in it, so the connection was passed on without being read";
        let sentence = "besides what was passed on, a request could not be read as HTTP (invalid URI), and went to no server: 30 bytes \
            sent, 0 received";
        check(&[carried], &[(BlindSpotKind::Malformed, sentence), (BlindSpotKind::PassedThrough, named)]);
    }

    #[test]
    fn what_was_counted_for_one_reason_says_nothing_of_another() {
        let malformed = |why: &str| counted(TunnelOutcome::Malformed { why: why.to_owned() }, None);
        let told = |why: &str, sent: u32, received: u32| {
            format!("a request could not be read as HTTP ({why}), and went to no server: {sent} bytes sent, {received} received")
        };
        let two = format!("{}; {}", told("invalid URI", 14, 18), told("two lengths", 7, 9));
        check(&[malformed("two lengths"), malformed("invalid URI"), malformed("invalid URI")], &[(BlindSpotKind::Malformed, &two)]);
        let many: Vec<Tunnel> = (10..30).map(|number| malformed(&format!("reason {number}"))).collect();
        let mut expected: Vec<String> = (10..18).map(|number| told(&format!("reason {number}"), 7, 9)).collect();
        expected.push(format!("{OTHERWISE}: 84 bytes sent, 108 received"));
        check(&many, &[(BlindSpotKind::Malformed, &expected.join("; "))]);
    }

    #[test]
    fn a_client_that_names_two_hosts_is_told_though_it_was_read() {
        let fronted = |host: &str, sni: &str| Tunnel { host: host.to_owned(), sni: Some(sni.to_owned()), ..read() };
        check(&[fronted("h.test", "other.test")], &[(BlindSpotKind::Fronted, FRONTED)]);
        check(&[fronted("h.test", "H.test")], &[]);
        check(&[fronted("h.test", "h.test"), fronted("h.test.", "h.test")], &[]);
        check(&[fronted("192.0.2.7", "h.test")], &[]);
    }

    #[test]
    fn what_names_no_host_is_told_without_one() {
        let malformed = TunnelOutcome::Malformed { why: "invalid HTTP method parsed".to_owned() };
        let unnamed = Tunnel { host: String::new(), port: 0, sni: None, alpn: Vec::new(), ..counted(malformed, None) };
        let mut all = Tunnels::default();
        all.add(&unnamed);
        let (mut hosts, mut spots) = (BTreeMap::new(), BlindSpots::default());
        all.finish(1, &mut hosts, &mut spots, |_| Origin::App, str::to_owned, str::to_owned);
        assert!(hosts.is_empty(), "nobody is counted for it");
        let told: Vec<_> = spots.into_set(9).into_iter().map(|spot| (spot.host, spot.kind, spot.origin)).collect();
        assert_eq!(told, [(UNNAMED.to_owned(), BlindSpotKind::Malformed, Origin::Unknown)]);
    }

    #[test]
    fn what_was_open_when_the_recording_broke_off_is_told_host_by_host() {
        let check = |read: [bool; 2], over: &[u64], expected: Option<(u64, &str)>| {
            let mut all = Tunnels::default();
            for (id, read) in [1, 2].into_iter().zip(read) {
                all.began(TunnelId(id), "sync", "h.test");
                if read {
                    all.carried(TunnelId(id), "other.test");
                }
            }
            over.iter().for_each(|id| all.add(&Tunnel { id: TunnelId(*id), ..self::read() }));
            let (mut hosts, mut spots) = (BTreeMap::new(), BlindSpots::default());
            all.finish(1, &mut hosts, &mut spots, |_| Origin::App, str::to_owned, str::to_owned);
            let told: Vec<_> = spots.into_set(9).into_iter().map(|spot| (spot.kind, spot.host, spot.sentence)).collect();
            let want = expected.map(|(_, sentence)| (BlindSpotKind::StillOpen, "h.test".to_owned(), sentence.to_owned()));
            assert_eq!(told, want.into_iter().collect::<Vec<_>>());
            assert_eq!(hosts["h.test"].unread_tunnels, expected.map_or(0, |(unread, _)| unread));
        };
        let unknown = "what else passed through it, and how many bytes, is not known";
        let one = format!("1 connection was still open when the recording broke off: {unknown}");
        check([true, false], &[2], Some((0, &one)));
        let one = format!("1 connection was still open when the recording broke off, and no request in it was read to its end: {unknown}");
        check([true, false], &[1], Some((1, &one)));
        let unknown = "what else passed through them, and how many bytes, is not known";
        let both = format!(
            "2 connections were still open when the recording broke off, and in 1 of them no request was read to its end: {unknown}"
        );
        check([true, false], &[], Some((1, &both)));
        let both =
            format!("2 connections were still open when the recording broke off, and no request in them was read to its end: {unknown}");
        check([false, false], &[], Some((2, &both)));
        check([true, true], &[1, 2], None);
    }

    #[test]
    fn a_connection_to_an_address_that_broke_off_bears_the_name_its_request_gave() {
        let mut all = Tunnels::default();
        all.began(TunnelId(1), "sync", "192.0.2.7");
        all.named(TunnelId(1), "H.test");
        let (mut hosts, mut spots) = (BTreeMap::new(), BlindSpots::default());
        all.finish(1, &mut hosts, &mut spots, |_| Origin::App, str::to_owned, str::to_owned);
        assert_eq!(hosts.into_keys().collect::<Vec<_>>(), ["h.test"]);
    }

    #[test]
    fn hosts_outside_the_scope_are_counted_and_not_named() {
        let outside = |number, tunnel: Tunnel| Tunnel { host: outside_host(number), port: 0, sni: None, alpn: Vec::new(), ..tunnel };
        let passes = |number, sent| outside(number, passed(PassReason::OutsideScope, sent));
        let why = "the server refused the connection".to_owned();
        let dead = Tunnel { outcome: TunnelOutcome::Unreachable { why }, ..passes(3, 0) };
        let dead = Tunnel { evidence: TunnelEvidence { bytes: None, ..dead.evidence.clone() }, ..dead };
        // The run ended while it was open.
        let open = outside(2, tunnel(TunnelOutcome::ClosedWithoutRequest));
        // As captures of before name them.
        let named = Tunnel { host: "bank.test".to_owned(), ..passed(PassReason::OutsideScope, 1) };
        let told = |tunnels: &[Tunnel]| {
            let mut all = Tunnels::default();
            tunnels.iter().for_each(|tunnel| all.add(tunnel));
            let (mut hosts, mut spots) = (BTreeMap::new(), BlindSpots::default());
            all.finish(1, &mut hosts, &mut spots, |_| Origin::App, str::to_owned, str::to_owned);
            assert!(hosts.is_empty(), "nobody was to read them: {hosts:?}");
            spots.into_set(9).into_iter().map(|spot| (spot.host, spot.kind, spot.sentence)).collect::<Vec<_>>()
        };
        let sentence = "3 hosts outside the scope: 3 connections passed on without being read, 6 bytes sent, 4 received; 1 more could \
            not be made, because the server could not be reached";
        let host = || "outside-scope".to_owned();
        assert_eq!(told(&[passes(1, 1), passes(1, 5), open, dead]), [(host(), BlindSpotKind::PassedThrough, sentence.to_owned())]);
        let mut all = Tunnels::default();
        all.began(TunnelId(7), "sync", &outside_host(4));
        let (mut hosts, mut spots) = (BTreeMap::new(), BlindSpots::default());
        all.finish(1, &mut hosts, &mut spots, |_| Origin::App, str::to_owned, str::to_owned);
        let broke_off = "1 host outside the scope: 0 connections passed on without being read, 0 bytes sent, 0 received; 1 more of \
            unknown length when the recording broke off";
        assert_eq!(spots.into_set(9).into_iter().map(|spot| spot.sentence).collect::<Vec<_>>(), [broke_off]);
        assert!(hosts.is_empty(), "{hosts:?}");
        let sentence = "1 host outside the scope: 1 connection passed on without being read, 1 byte sent, 2 received";
        assert_eq!(told(&[named]), [(host(), BlindSpotKind::PassedThrough, sentence.to_owned())]);
    }

    #[test]
    fn what_was_passed_on_after_three_refusals_is_told_with_the_refusal() {
        let refused = TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() };
        let sentence = "the client refused our certificate (TLS alert UnknownCA); after three times, its connections were passed on \
            without being read: 5 bytes sent, 2 received";
        check(&[tunnel(refused), passed(PassReason::Refused, 5)], &[(BlindSpotKind::CertificateRefused, sentence)]);
        let sentence = "its clients had refused our certificate three times, so the connection was passed on without being read: \
            5 bytes sent, 2 received";
        check(&[passed(PassReason::Refused, 5)], &[(BlindSpotKind::PassedThrough, sentence)]);
    }

    #[test]
    fn a_request_that_broke_off_in_its_head_is_no_pinning_and_never_a_spare_connection() {
        let bytes = Some(PassedBytes { sent: 50, received: 0 });
        let begun = Tunnel { evidence: TunnelEvidence { bytes, ..TunnelEvidence::default() }, ..left(LeftBy::Cut, 40, "http/1.1") };
        let sentence = "the client began a request, and the connection ended before its head was complete: 50 bytes sent, 0 received";
        check(std::slice::from_ref(&begun), &[(BlindSpotKind::ClosedWithoutRequest, sentence)]);
        check(&[begun, read()], &[(BlindSpotKind::ClosedWithoutRequest, sentence)]);
    }

    #[test]
    fn a_client_that_leaves_at_once_is_told_from_a_connection_that_was_not_needed() {
        let pinned = "the client finished the handshake, then closed at once without a request, as an app does that checks certificates \
            itself (pinning)";
        let prepared = "the client finished the handshake, then sent no request: the connection was not needed, or the app checks \
            certificates itself (pinning)";
        let told = |sentence| (BlindSpotKind::ClosedWithoutRequest, sentence);
        check(&[left(LeftBy::CloseNotify, 40, "h2")], &[told(pinned)]);
        check(&[left(LeftBy::Cut, 40, "h2")], &[told(pinned)]);
        check(&[left(LeftBy::CloseNotify, 9_000, "h2")], &[told(prepared)]);
        check(&[left(LeftBy::Us, 40, "h2")], &[told(prepared)]);
        // The same kind of client was read.
        check(&[left(LeftBy::CloseNotify, 40, "h2"), read()], &[]);
        // Two that look the same to us are no two clients of one kind: a browser reads a page, the app beside it pins.
        check(&[left(LeftBy::CloseNotify, 40, "h2"), read(), left(LeftBy::Cut, 60, "h2")], &[told(pinned)]);
        check(&[left(LeftBy::CloseNotify, 2_000, "h2"), read(), left(LeftBy::Cut, 2_000, "h2")], &[]);
        // Another kind of client was read: a browser's page beside a pinned library.
        check(&[left(LeftBy::CloseNotify, 40, "http/1.1"), read()], &[told(pinned)]);
        check(&[left(LeftBy::CloseNotify, 9_000, "http/1.1"), read()], &[]);
        // It had written inside TLS.
        let mut greeted = left(LeftBy::Cut, 40, "h2");
        greeted.evidence.protocol = Some("h2".to_owned());
        let sentence = "the client greeted the server over HTTP/2, then sent no request: the connection was not needed";
        check(std::slice::from_ref(&greeted), &[told(sentence)]);
        check(&[greeted, Tunnel { alpn: vec!["http/1.1".to_owned()], ..read() }], &[]);
        // Nothing was sent at all.
        let silent = Tunnel { sni: None, alpn: Vec::new(), ..tunnel(TunnelOutcome::ClosedWithoutRequest) };
        check(std::slice::from_ref(&silent), &[told("the client opened a connection and sent nothing through it")]);
        check(&[silent, read()], &[]);
        // An import, or a capture of before, tells no more than this.
        let untold = tunnel(TunnelOutcome::ClosedWithoutRequest);
        check(std::slice::from_ref(&untold), &[told("the client finished the handshake, then closed without a request")]);
        check(&[untold, read()], &[]);
    }
}
