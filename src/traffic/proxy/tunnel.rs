//! One CONNECT while it lasts: whoever learns something of it says so here, and the last drop tells its end. What is done with it is
//! decided in `serve`, what it all means in `facts`.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use http::uri::Authority as UriAuthority;
use jiff::Timestamp;

use super::{
    account::Unread,
    activity::Busy,
    facts::{Facts, Stage},
    fronting::under,
    handshake::{is_about_the_certificate, outcome_of_alert, outcome_of_handshake, tls_error},
    recorder::{Name, Recorder},
    socket::Broke,
};
use crate::{
    model::{LeftBy, PassReason, PassedBytes, TunnelEvidence, TunnelId, TunnelOutcome},
    traffic::{TrafficError, TrafficEvent},
};

/// One CONNECT while it lasts. Held by the task that serves it and by its exchanges; the last drop tells its end.
pub(super) struct Tunnel {
    pub(super) id: TunnelId,
    pub(super) host: String,
    pub(super) port: u16,
    began: Timestamp,
    recorder: Arc<Recorder>,
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    facts: Mutex<Facts>,
    /// Without TLS and with it.
    authorities: [OnceLock<Option<UriAuthority>>; 2],
    /// Holds the clock until the first request began, or none is to be expected.
    undecided: Mutex<Option<Busy>>,
    _open: Busy,
}

impl Tunnel {
    #[allow(clippy::too_many_arguments, reason = "called in one place, which has each of them at hand")]
    pub(super) fn new(
        id: TunnelId,
        host: String,
        port: u16,
        name: Name,
        began: Timestamp,
        recorder: Arc<Recorder>,
        open: Busy,
        undecided: Busy,
    ) -> Self {
        Self {
            id,
            host,
            port,
            began,
            recorder,
            requests: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            facts: Mutex::new(Facts { name, ..Facts::default() }),
            authorities: Default::default(),
            undecided: Mutex::new(Some(undecided)),
            _open: open,
        }
    }

    /// The host it is for: where the CONNECT gave only an address, the name in the ClientHello, if there is one.
    pub(super) fn name(&self) -> String {
        let sni = self.is_to_an_address().then(|| self.facts().sni.clone()).flatten();
        sni.unwrap_or_else(|| self.host.clone())
    }

    /// The name that our certificate for it must have: the one in the ClientHello is what clients check.
    pub(super) fn certified_name(&self) -> String {
        self.facts().sni.clone().unwrap_or_else(|| self.host.clone())
    }

    /// The name in the ClientHello, where it is another one than the one in the CONNECT: the server is to hear it too, and to have a
    /// certificate for it.
    pub(super) fn name_in_tls(&self) -> Option<String> {
        let facts = self.facts();
        // A name in TLS never has the dot of the root.
        let another = facts.sni.as_ref().filter(|sni| *sni != self.host.trim_end_matches('.'))?;
        (!self.is_to_an_address()).then(|| another.clone())
    }

    /// Host and port as the URIs of its requests name them; `None` for a host that no URI can name. Asked for each request, so
    /// it is made once: at the first, when what there is of TLS is known.
    pub(super) fn authority(&self, secure: bool) -> Option<UriAuthority> {
        let made = || {
            let host = self.name();
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let default = if secure { 443 } else { 80 };
            let host_and_port = if self.port == default { host } else { format!("{host}:{}", self.port) };
            under(self.name_in_tls().filter(|_| secure).as_deref(), &host_and_port)
        };
        self.authorities[usize::from(secure)].get_or_init(made).clone()
    }

    /// Whether the CONNECT gave an address instead of a name.
    pub(super) fn is_to_an_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// It turned out to be in the scope: if it was not told yet, it is now, by its own name.
    pub(super) async fn is_in_scope(&self) -> Result<(), TrafficError> {
        let undecided = std::mem::replace(&mut self.facts().name, Name::Told) == Name::Undecided;
        if undecided { self.recorder.tell(self.beginning(self.host.clone(), self.port)).await } else { Ok(()) }
    }

    fn beginning(&self, host: String, port: u16) -> TrafficEvent {
        TrafficEvent::TunnelBegan { id: self.id, at: self.began, host, port }
    }

    /// HTTP came without TLS.
    pub(super) fn is_plain(&self) {
        self.facts().stage = Stage::Plain;
    }

    /// A ClientHello has begun.
    pub(super) fn greeted(&self) {
        self.facts().stage = Stage::Greeted;
    }

    /// Notes what a ClientHello offers.
    pub(super) fn hello(&self, sni: Option<String>, alpn: Vec<String>) {
        let mut facts = self.facts();
        facts.sni = sni;
        facts.alpn = alpn;
    }

    /// The client gets our certificate.
    pub(super) fn offered(&self) {
        self.facts().stage = Stage::Offered;
    }

    /// The handshake is finished. What is counted from here on is what was inside TLS.
    pub(super) fn finished(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.received.store(0, Ordering::Relaxed);
        let mut facts = self.facts();
        facts.stage = Stage::Finished(Instant::now());
        facts.left = None;
    }

    /// The handshake failed.
    pub(super) fn handshake_failed(&self, error: &io::Error) {
        self.settle(outcome_of_handshake(error));
    }

    /// Notes the outcome, unless there is one. Only a request can change it now.
    pub(super) fn settle(&self, outcome: TunnelOutcome) {
        self.facts().outcome.get_or_insert(outcome);
    }

    /// Something came in it that could not be read as HTTP, and went to no server. The first that is told counts.
    pub(super) fn unread(&self, unread: Unread) {
        let mut facts = self.facts();
        facts.outcome.get_or_insert_with(|| unread.outcome.clone());
        facts.unread.get_or_insert(unread);
    }

    /// The server could not be reached, and what came from the client, if anything did, went nowhere.
    pub(super) fn unreachable(&self, why: String) {
        let bytes = Some(self.sent.load(Ordering::Relaxed));
        self.unread(Unread { outcome: TunnelOutcome::Unreachable { why }, bytes });
    }

    /// Who the client is, where no host is named.
    pub(super) fn came_from(&self, client: IpAddr) {
        self.facts().client = Some(client);
    }

    /// It is passed on unread.
    pub(super) fn passes(&self, because: PassReason) {
        let mut facts = self.facts();
        facts.passed_because = Some(because);
        facts.outcome.get_or_insert(TunnelOutcome::PassedThrough);
        let undecided = because == PassReason::OutsideScope && facts.name == Name::Undecided;
        if undecided {
            facts.name = Name::Withheld;
        }
        let name = facts.sni.clone();
        drop(facts);
        if undecided {
            self.begin_outside(name);
        }
        self.decided();
    }

    /// Tells its beginning under a number. What it is called, if it names itself, counts it to others of that name.
    fn begin_outside(&self, sni: Option<String>) {
        let host = self.recorder.outside_host(sni.as_deref().unwrap_or(&self.host));
        self.recorder.tell_end(self.beginning(host, 0));
    }

    /// A request in it named a host outside the scope. It was passed on, and counted for that host.
    pub(super) fn carried_outside(&self) {
        let mut facts = self.facts();
        facts.carried_outside = true;
        facts.passed_because = Some(PassReason::NamesOutside);
        facts.outcome.get_or_insert(TunnelOutcome::PassedThrough);
        drop(facts);
        self.decided();
    }

    /// What was to be passed on could not be.
    pub(super) fn failed(&self, why: String) {
        self.facts().outcome = Some(TunnelOutcome::Unreachable { why });
    }

    /// Names the protocol that is spoken in it.
    pub(super) fn speaks(&self, protocol: Option<String>) {
        let mut facts = self.facts();
        facts.protocol = facts.protocol.take().or(protocol);
    }

    /// Bytes came from the client.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes went to the client.
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The client will send nothing more, and said so.
    pub(super) fn said_goodbye(&self) {
        self.left(LeftBy::CloseNotify);
    }

    /// The connection to the client broke off.
    pub(super) fn broke_off(&self, error: &io::Error) {
        // Of one that was not heard of any more, nobody saw that it closed anything.
        self.left(if Broke::of(error) == Broke::Lost { LeftBy::Us } else { LeftBy::Cut });
        if let Some(rustls::Error::AlertReceived(alert)) = tls_error(error)
            && is_about_the_certificate(*alert)
        {
            self.settle(outcome_of_alert(*alert));
        }
        if matches!(tls_error(error), Some(error) if !matches!(error, rustls::Error::AlertReceived(_)))
            && matches!(self.facts().stage, Stage::Finished(_))
        {
            self.unread(Unread { outcome: TunnelOutcome::NotTls, bytes: None });
        }
    }

    /// Counts a request, whose exchange holds the clock from here on.
    pub(super) fn request_began(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.decided();
    }

    /// Whether a request was read.
    pub(super) fn was_read(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 0
    }

    /// No request is to be expected soon: an idle tunnel must not stop simulated time.
    pub(super) fn decided(&self) {
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether the client has refused our certificate, in whatever way.
    pub(super) fn was_refused(&self) -> bool {
        if self.was_read() {
            return false;
        }
        let sent = self.sent.load(Ordering::Relaxed);
        let facts = self.facts();
        match facts.end() {
            TunnelOutcome::CertificateRefused { .. } | TunnelOutcome::ClosedDuringHandshake => facts.left_by() != LeftBy::Us,
            TunnelOutcome::HandshakeFailed { .. } => facts.stage == Stage::Offered,
            TunnelOutcome::ClosedWithoutRequest => sent == 0 && facts.leaving().is_some_and(|leaving| leaving.looks_like_pinning()),
            _ => false,
        }
    }

    fn left(&self, by: LeftBy) {
        self.facts().left.get_or_insert_with(|| (by, Instant::now()));
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let mut facts = std::mem::take(&mut *self.facts());
        match facts.name {
            Name::Told => {}
            Name::Withheld => facts.withhold(),
            Name::Undecided => {
                self.begin_outside(facts.sni.take());
                facts.withhold();
            }
        }
        let requests = self.requests.load(Ordering::SeqCst);
        let bytes = PassedBytes { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) };
        let outcome = if requests > 0 { TunnelOutcome::Read { requests } } else { facts.end() };
        // A request that was passed on for a host outside the scope is no end of what a tunnel carries, as one that was read is none.
        let unread = facts.unread.take().filter(|unread| requests > 0 || facts.carried_outside || unread.outcome == outcome);
        // What the client got of HTTP that could not be read was not its server's.
        let of_unread = unread.as_ref().map(|unread| unread.bytes.map(|sent| PassedBytes { sent, received: 0 }));
        let counted =
            matches!(outcome, TunnelOutcome::NotTls | TunnelOutcome::OwnProtocol | TunnelOutcome::PassedThrough) && !facts.carried_outside;
        // An HTTP/2 client greets the server without asking for anything; an HTTP/1 client that says something has begun a request.
        let greeted = facts.protocol.as_deref() == Some("h2") || facts.alpn.iter().any(|offer| offer == "h2");
        let begun = outcome == TunnelOutcome::ClosedWithoutRequest && bytes.sent > 0 && !greeted;
        let nothing_unread = outcome == TunnelOutcome::ClosedWithoutRequest && !begun && unread.is_none();
        let leaving = if nothing_unread { facts.leaving() } else { None };
        let evidence = TunnelEvidence {
            passed_because: facts.passed_because,
            bytes: match of_unread {
                Some(bytes) => bytes,
                None if begun => Some(PassedBytes { received: 0, ..bytes }),
                None => counted.then_some(bytes),
            },
            afterwards: unread.map(|unread| unread.outcome).filter(|rest| requests > 0 || *rest != outcome),
            client: facts.client,
            leaving,
            protocol: facts.protocol,
        };
        let (sni, alpn) = (facts.sni, facts.alpn);
        self.recorder.tell_end(TrafficEvent::TunnelEnded { id: self.id, at: self.recorder.clock.now(), sni, alpn, outcome, evidence });
    }
}
