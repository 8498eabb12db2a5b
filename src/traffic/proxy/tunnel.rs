//! One CONNECT while it lasts, and how its outcome is learned. The engine tells nothing of a failed handshake but one
//! `tracing` event whose error value is typed; a layer catches it and finds the tunnel by the task that sent it.

use std::{
    collections::HashMap,
    error::Error as StdError,
    fmt, io,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rustls::AlertDescription;
use tokio::task;
use tracing::{Event, Level, Subscriber, field::Visit, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, layer::Context, registry::LookupSpan};

use super::exchange::{Busy, Recorder};
use crate::{
    model::{TunnelEvidence, TunnelId, TunnelOutcome},
    traffic::TrafficEvent,
};

/// The layer that learns what became of tunnels. `main` puts it into the global subscriber, once; it serves every proxy of
/// the process, brings its own filter and prints nothing.
pub fn tunnel_layer<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl Layer<S> {
    TunnelLayer.with_filter(Targets::new().with_target("hudsucker", LevelFilter::WARN))
}

/// One CONNECT while it lasts. Held by the engine's task for the tunnel and by its exchanges; the last drop tells its end.
pub(super) struct Tunnel {
    pub(super) id: TunnelId,
    pub(super) host: String,
    pub(super) port: u16,
    recorder: Arc<Recorder>,
    requests: AtomicU64,
    facts: Mutex<Facts>,
    /// Holds the clock until the first request began.
    undecided: Mutex<Option<Busy>>,
    _open: Busy,
}

/// What is known of a tunnel that has had no request.
#[derive(Debug, Default)]
struct Facts {
    /// The engine's task, under which this tunnel is found.
    task: Option<task::Id>,
    hello: Option<Hello>,
    /// A certificate was made for it.
    minted: bool,
    failure: Option<Failure>,
    alert: Option<AlertDescription>,
}

#[derive(Debug, Default)]
struct Hello {
    sni: Option<String>,
    alpn: Vec<String>,
}

/// What the engine said went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The connection ended, or broke the protocol, before the handshake was done.
    Handshake,
    /// What came first was not TLS.
    NotTls,
    /// Nothing came.
    Silence,
}

impl Tunnel {
    pub(super) fn new(id: TunnelId, host: String, port: u16, recorder: Arc<Recorder>, open: Busy, undecided: Busy) -> Self {
        Self {
            id,
            host,
            port,
            recorder,
            requests: AtomicU64::new(0),
            facts: Mutex::default(),
            undecided: Mutex::new(Some(undecided)),
            _open: open,
        }
    }

    /// The tunnel that the current task serves.
    pub(super) fn current() -> Option<Arc<Self>> {
        let id = task::try_id()?;
        tunnels().get(&id).and_then(Weak::upgrade)
    }

    /// Makes the tunnel known under the current task.
    pub(super) fn enter(self: &Arc<Self>) {
        if let Some(id) = task::try_id() {
            self.facts().task = Some(id);
            tunnels().insert(id, Arc::downgrade(self));
        }
    }

    /// Notes what the client offered.
    pub(super) fn hello(&self, sni: Option<&str>, alpn: Vec<String>) {
        self.facts().hello = Some(Hello { sni: sni.map(str::to_owned), alpn });
    }

    /// Server name of the ClientHello.
    pub(super) fn sni(&self) -> Option<String> {
        self.facts().hello.as_ref().and_then(|hello| hello.sni.clone())
    }

    /// Notes that a certificate was made for it.
    pub(super) fn minted(&self) {
        self.facts().minted = true;
    }

    /// Counts a request, whose exchange holds the clock from here on.
    pub(super) fn request_began(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let facts = std::mem::take(&mut *self.facts());
        if let Some(task) = facts.task {
            tunnels().remove(&task);
        }
        let outcome = outcome(self.requests.load(Ordering::SeqCst), &facts, LISTENING.load(Ordering::SeqCst));
        let Hello { sni, alpn } = facts.hello.unwrap_or_default();
        self.recorder.tell_end(TrafficEvent::TunnelEnded {
            id: self.id,
            at: self.recorder.clock.now(),
            sni,
            alpn,
            outcome,
            evidence: TunnelEvidence::default(),
        });
    }
}

/// What became of a tunnel. Without the layer, failures are not heard of, so nothing better than the worst is claimed.
fn outcome(requests: u64, facts: &Facts, listening: bool) -> TunnelOutcome {
    if requests > 0 {
        return TunnelOutcome::Read { requests };
    }
    match (&facts.hello, facts.alert, facts.failure) {
        (Some(_), Some(alert), _) if is_about_the_certificate(alert) => TunnelOutcome::CertificateRefused { alert: format!("{alert:?}") },
        (Some(_), _, None) if facts.minted && listening => TunnelOutcome::ClosedWithoutRequest,
        (Some(_), ..) | (None, _, Some(Failure::Handshake)) => TunnelOutcome::ClosedDuringHandshake,
        (None, _, Some(Failure::Silence)) => TunnelOutcome::ClosedWithoutRequest,
        (None, ..) => TunnelOutcome::NotTls,
    }
}

/// Alerts by which clients refuse a certificate (RFC 8446 section 6.2).
const fn is_about_the_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::BadCertificateHashValue
            | AlertDescription::BadCertificateStatusResponse
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::NoCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

/// Tunnels of every proxy of the process by the task that serves them.
static TUNNELS: LazyLock<Mutex<HashMap<task::Id, Weak<Tunnel>>>> = LazyLock::new(Mutex::default);

/// Whether the layer is part of a subscriber.
static LISTENING: AtomicBool = AtomicBool::new(false);

fn tunnels() -> MutexGuard<'static, HashMap<task::Id, Weak<Tunnel>>> {
    TUNNELS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct TunnelLayer;

impl<S: Subscriber> Layer<S> for TunnelLayer {
    fn on_register_dispatch(&self, _subscriber: &tracing::Dispatch) {
        LISTENING.store(true, Ordering::SeqCst);
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(tunnel) = Tunnel::current() else { return };
        let mut said = Said::default();
        event.record(&mut said);
        let mut facts = tunnel.facts();
        facts.alert = facts.alert.or(said.alert);
        let failure = said.failure(*event.metadata().level(), facts.hello.is_some());
        facts.failure = facts.failure.or(failure);
    }
}

/// What one event of the engine says.
#[derive(Default)]
struct Said {
    message: String,
    alert: Option<AlertDescription>,
    /// The connection ended, as opposed to nonsense having come.
    end_of_stream: bool,
}

impl Said {
    /// The messages are those of hudsucker 0.25.0, `src/proxy/internal.rs`; `tests/proxy.rs` holds them to it. An unknown
    /// message counts as a failure of the handshake, the outcome that claims least.
    fn failure(&self, level: Level, hello: bool) -> Option<Failure> {
        if level == Level::WARN {
            return Some(if self.message.contains("'[]'") { Failure::Silence } else { Failure::NotTls });
        }
        match self.message.as_str() {
            "HTTPS connect error" => None,
            _ if hello || self.end_of_stream => Some(Failure::Handshake),
            _ => Some(Failure::NotTls),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }

    fn record_error(&mut self, _field: &tracing::field::Field, value: &(dyn StdError + 'static)) {
        let mut next = Some(value);
        while let Some(error) = next {
            if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref() {
                self.alert = Some(*alert);
            }
            let io_error = error.downcast_ref::<io::Error>();
            self.end_of_stream |= io_error.is_some_and(|error| {
                matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            });
            // `source` of an `io::Error` skips the error that it wraps.
            next = match io_error.and_then(io::Error::get_ref) {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        hello: bool,
        minted: bool,
        failure: Option<Failure>,
        alert: Option<AlertDescription>,
        listening: bool,
        expected: TunnelOutcome,
    ) {
        let facts = Facts { task: None, hello: hello.then(Hello::default), minted, failure, alert };
        assert_eq!(outcome(0, &facts, listening), expected, "{facts:?}");
        assert_eq!(outcome(2, &facts, listening), TunnelOutcome::Read { requests: 2 }, "a request was read");
    }

    #[test]
    fn what_the_engine_said_decides_the_outcome() {
        let refused = |alert: &str| TunnelOutcome::CertificateRefused { alert: alert.to_owned() };
        let handshake = Some(Failure::Handshake);
        check(true, true, handshake, Some(AlertDescription::UnknownCA), true, refused("UnknownCA"));
        check(true, true, handshake, Some(AlertDescription::ProtocolVersion), true, TunnelOutcome::ClosedDuringHandshake);
        check(true, true, handshake, None, true, TunnelOutcome::ClosedDuringHandshake);
        check(true, true, None, None, true, TunnelOutcome::ClosedWithoutRequest);
        check(false, false, Some(Failure::Silence), None, true, TunnelOutcome::ClosedWithoutRequest);
        check(false, false, Some(Failure::NotTls), None, true, TunnelOutcome::NotTls);
        check(false, false, handshake, None, true, TunnelOutcome::ClosedDuringHandshake);
    }

    #[test]
    fn without_the_layer_nothing_good_is_claimed() {
        check(true, true, None, None, false, TunnelOutcome::ClosedDuringHandshake);
        check(false, false, None, None, false, TunnelOutcome::NotTls);
    }
}
