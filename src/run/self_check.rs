//! The self-check: before a run, one request from the phone must arrive at the proxy and be read there. It proves the route and
//! nothing else: whether the app can be read is decided by what the app sends (R2). What comes while it lasts is before the run,
//! so nothing of it is recorded.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::{
    model::{RunEnding, TunnelId, TunnelOutcome},
    phone::{Phone, PhoneError, Probed},
    traffic::{
        TrafficEvent, TrafficReceiver,
        proxy::{Gate, Page, Visit},
    },
};

/// The host that the phone is asked to reach. Nobody's (RFC 6761 section 6.2): where no proxy answers, nobody does.
pub const PROBE_HOST: &str = "probe.tattletale.test";

/// The probe of one run: which request it is, and whether the proxy has answered it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Path of the request: another one each time, so that nobody answers from a cache.
    path: String,
    arrival: Arc<watch::Sender<Arrival>>,
}

/// How far the probe has come, as the proxy saw it when it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    /// It has not come.
    #[default]
    Nothing,
    /// It came without TLS, or through a tunnel that was not read.
    Plain,
    /// It was read inside a tunnel of ours: the phone trusts the authority.
    Decrypted,
}

/// A gate that answers the probe, and leaves everything else to another gate.
#[derive(Debug)]
pub struct ProbeGate {
    probe: Probe,
    inner: Arc<dyn Gate>,
}

impl Probe {
    /// A probe that nobody has sent yet.
    pub fn new() -> Self {
        Self { path: format!("/{:032x}", fastrand::u128(..)), arrival: Arc::new(watch::Sender::new(Arrival::Nothing)) }
    }

    /// The gate for the proxy through which the probe is to come.
    pub fn gate(&self, inner: Arc<dyn Gate>) -> Arc<dyn Gate> {
        Arc::new(ProbeGate { probe: self.clone(), inner })
    }

    /// What the phone is asked to fetch.
    pub fn url(&self) -> String {
        format!("https://{PROBE_HOST}{}", self.path)
    }

    /// Notes how it arrived; the best counts, whatever came first.
    fn arrived(&self, how: Arrival) {
        self.arrival.send_modify(|arrival| *arrival = how.max(*arrival));
    }

    fn arrival(&self) -> Arrival {
        *self.arrival.borrow()
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate for ProbeGate {
    fn admits(&self, client: std::net::IpAddr) -> bool {
        self.inner.admits(client)
    }

    fn reads(&self, host: &str) -> bool {
        host == PROBE_HOST || self.inner.reads(host)
    }

    fn page(&self, visit: &Visit<'_>) -> Option<Page> {
        if visit.host != PROBE_HOST {
            return self.inner.page(visit);
        }
        if visit.path_and_query == self.probe.path {
            self.probe.arrived(if visit.decrypted { Arrival::Decrypted } else { Arrival::Plain });
        }
        let headers = vec![("content-type", "text/plain".to_owned()), ("cache-control", "no-store".to_owned())];
        Some(Page { status: 200, headers, body: b"This phone's traffic goes through tattletale, and can be read.\n".to_vec() })
    }
}

/// What the events of the proxy tell of the probe.
#[derive(Debug, Default)]
struct Seen {
    tunnel: Option<TunnelId>,
    outcome: Option<TunnelOutcome>,
}

/// Has the phone send the probe and looks for it at the proxy. `Ok` when it was read there, or when this phone cannot be asked.
///
/// # Errors
/// How the run ends: [`RunEnding::SelfCheckFailed`] with what arrived instead, or [`RunEnding::InstrumentFailed`] when the phone
/// could not be made to send it.
pub(super) async fn check(phone: &mut dyn Phone, probe: &Probe, traffic: &mut TrafficReceiver) -> Result<(), RunEnding> {
    let mut seen = Seen::default();
    let url = probe.url();
    let asked = tokio::time::timeout(PROBE_WITHIN, phone.probe(&url));
    tokio::pin!(asked);
    let probed = loop {
        tokio::select! {
            biased;
            event = traffic.next() => match event {
                Some(event) => seen.note(event, probe),
                None => return Err(RunEnding::InstrumentFailed { why: "the proxy is gone".to_owned() }),
            },
            probed = &mut asked => break probed,
        }
    };
    let probed = match probed {
        Err(_) => Probed::Unanswered(format!("no answer within {} s", PROBE_WITHIN.as_secs())),
        Ok(Ok(probed)) => probed,
        Ok(Err(PhoneError::Unsupported(_))) => return Ok(()),
        Ok(Err(error)) => return Err(RunEnding::InstrumentFailed { why: error.to_string() }),
    };
    // The phone may know that it was refused before the proxy has told so.
    while probe.arrival() == Arrival::Nothing && seen.tunnel.is_some() && seen.outcome.is_none() {
        match tokio::time::timeout(OUTCOME_WITHIN, traffic.next()).await {
            Ok(Some(event)) => seen.note(event, probe),
            Ok(None) | Err(_) => break,
        }
    }
    while let Some(Some(event)) = traffic.next().now_or_never() {
        seen.note(event, probe);
    }
    match failure(probe.arrival(), &seen, &probed) {
        None => Ok(()),
        Some(why) => Err(RunEnding::SelfCheckFailed { why }),
    }
}

impl Seen {
    fn note(&mut self, event: TrafficEvent, probe: &Probe) {
        match event {
            TrafficEvent::Began { tunnel, url, .. } if url.host == PROBE_HOST && *url.path_and_query.expose() == probe.path => {
                probe.arrived(if tunnel.is_some() && url.scheme == "https" { Arrival::Decrypted } else { Arrival::Plain });
            }
            TrafficEvent::TunnelBegan { id, host, .. } if host == PROBE_HOST => (self.tunnel, self.outcome) = (Some(id), None),
            TrafficEvent::TunnelEnded { id, outcome, .. } if self.tunnel == Some(id) => self.outcome = Some(outcome),
            _ => {}
        }
    }
}

/// Why the route is not proven, as a sentence that says what arrived; `None` when it is.
fn failure(arrival: Arrival, seen: &Seen, probed: &Probed) -> Option<String> {
    let phone = match probed {
        Probed::Answered(status) => format!("the phone was answered with status {status}"),
        Probed::Unanswered(why) => format!("the phone says: {why}"),
    };
    let what = match (arrival, seen.tunnel, &seen.outcome) {
        (Arrival::Decrypted, ..) => return None,
        (Arrival::Plain, ..) => "its probe arrived at the proxy, but not encrypted for it".to_owned(),
        (Arrival::Nothing, None, _) => match probed {
            Probed::Answered(_) => "nothing of its probe arrived at the proxy, so that its traffic takes another way".to_owned(),
            Probed::Unanswered(_) => "nothing of its probe arrived at the proxy: is the phone pointed at it?".to_owned(),
        },
        (Arrival::Nothing, Some(_), None) => "it reached the proxy and then sent nothing".to_owned(),
        (Arrival::Nothing, Some(_), Some(outcome)) => match outcome {
            TunnelOutcome::CertificateRefused { alert, .. } => {
                format!("it reached the proxy and refused its certificate ({alert}): the phone does not trust this rig's authority")
            }
            TunnelOutcome::ClosedDuringHandshake => {
                "it reached the proxy and closed the connection when it had the certificate: the phone seems not to trust this rig's \
                 authority"
                    .to_owned()
            }
            TunnelOutcome::ClosedWithoutRequest => "it reached the proxy, and closed the connection without a request".to_owned(),
            _ => "it reached the proxy, and what it sent there could not be read".to_owned(),
        },
    };
    Some(format!("{what} ({phone})"))
}

/// The phone has this long for its probe, in real time: sockets know no other (R14).
const PROBE_WITHIN: Duration = Duration::from_secs(30);
/// The proxy has this long to tell how the probe's connection ended.
const OUTCOME_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::proxy::OpenGate;

    fn visit<'a>(host: &'a str, path: &'a str, decrypted: bool) -> Visit<'a> {
        let client = std::net::Ipv4Addr::LOCALHOST.into();
        Visit { client, method: "GET", host, path_and_query: path, user_agent: None, decrypted }
    }

    #[test]
    fn the_gate_answers_the_probe_and_only_this_one_counts() {
        let probe = Probe::new();
        let gate = probe.gate(Arc::new(OpenGate));
        assert!(gate.page(&visit("api.test", "/", true)).is_none());
        assert_eq!(gate.page(&visit(PROBE_HOST, "/somebody-else", true)).map(|page| page.status), Some(200));
        assert_eq!(probe.arrival(), Arrival::Nothing);
        gate.page(&visit(PROBE_HOST, &probe.path, false));
        assert_eq!(probe.arrival(), Arrival::Plain);
        gate.page(&visit(PROBE_HOST, &probe.path, true));
        gate.page(&visit(PROBE_HOST, &probe.path, false));
        assert_eq!(probe.arrival(), Arrival::Decrypted);
        assert_ne!(probe.url(), Probe::new().url(), "each is another");
    }

    #[test]
    fn a_reason_says_what_arrived() {
        let tunnel = Some(TunnelId(1));
        let refused = TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() };
        let (answered, unanswered) = (Probed::Answered(200), Probed::Unanswered("connection refused".to_owned()));
        for (arrival, tunnel, outcome, probed, part) in [
            (
                Arrival::Nothing,
                None,
                None,
                &unanswered,
                "nothing of its probe arrived at the proxy: is the phone pointed at it? (the phone says: conn",
            ),
            (Arrival::Nothing, None, None, &answered, "takes another way (the phone was answered with status 200)"),
            (Arrival::Nothing, tunnel, None, &unanswered, "then sent nothing"),
            (Arrival::Nothing, tunnel, Some(refused), &unanswered, "refused its certificate (UnknownCA): the phone does not trust"),
            (Arrival::Nothing, tunnel, Some(TunnelOutcome::ClosedDuringHandshake), &unanswered, "when it had the certificate"),
            (Arrival::Nothing, tunnel, Some(TunnelOutcome::ClosedWithoutRequest), &unanswered, "without a request"),
            (Arrival::Nothing, tunnel, Some(TunnelOutcome::NotTls), &unanswered, "could not be read"),
            (Arrival::Plain, None, None, &answered, "not encrypted"),
        ] {
            let why = failure(arrival, &Seen { tunnel, outcome }, probed).expect("not proven");
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(failure(Arrival::Decrypted, &Seen::default(), &unanswered), None, "what the proxy has read, it has read");
    }
}
