//! The self-check: before a run, one request from the phone must arrive at the proxy and be read there. It proves the route and
//! nothing else: whether the app can be read is decided by what the app sends (R2). The probe itself is in no capture; what else comes
//! while it lasts is recorded like what comes later, because it may go on into the run.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    model::{RunEnding, TunnelOutcome},
    phone::{
        Phone, PhoneError, Probed,
        operator::{Check, Look},
    },
    traffic::proxy::{Gate, Page, Visit},
};

/// The host that the phone is asked to reach. Nobody's (RFC 6761 section 6.2): where no proxy answers, nobody does.
pub const PROBE_HOST: &str = "probe.tattletale.test";

/// The probe of one run: which request it is, and what the proxy has seen of it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Path of the request: another one each time, so that nobody answers from a cache.
    path: String,
    arrival: Arc<watch::Sender<Arrival>>,
}

/// What the proxy has seen of the probe. What says more takes the place of what says less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Arrival {
    /// Nothing.
    #[default]
    Nothing,
    /// Somebody asked for a tunnel to its host.
    Connected,
    /// The tunnel is over, and no request came through it that could be read.
    Left(TunnelOutcome),
    /// It came, and not by a tunnel that was encrypted for us.
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

    /// Whether the phone came to the proxy with it, and left without a request that could be read: it does not trust the authority.
    pub(super) fn was_refused(&self) -> bool {
        matches!(*self.arrival.borrow(), Arrival::Left(_))
    }

    /// What was seen until now says nothing of the next one.
    fn begin_anew(&self) {
        self.arrival.send_replace(Arrival::Nothing);
    }

    /// The same for one that was only just sent: something has to come first.
    async fn arrival_within(&self, limit: Duration) -> Arrival {
        let _ = tokio::time::timeout(limit, self.arrival.subscribe().wait_for(|arrival| *arrival != Arrival::Nothing)).await;
        self.arrival().await
    }

    fn saw(&self, what: Arrival) {
        self.arrival.send_if_modified(|arrival| {
            let more = what.says() > arrival.says();
            if more {
                *arrival = what;
            }
            more
        });
    }

    /// What has been seen of it. What began to come gets a while to come to an end.
    async fn arrival(&self) -> Arrival {
        let mut arrival = self.arrival.subscribe();
        let _ = tokio::time::timeout(OUTCOME_WITHIN, arrival.wait_for(|arrival| *arrival != Arrival::Connected)).await;
        arrival.borrow_and_update().clone()
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl Arrival {
    /// How much it says: the route is proven by what says most.
    const fn says(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Connected => 1,
            Self::Left(_) => 2,
            Self::Plain => 3,
            Self::Decrypted => 4,
        }
    }
}

impl Gate for ProbeGate {
    fn admits(&self, client: IpAddr) -> bool {
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
            self.probe.saw(if visit.decrypted { Arrival::Decrypted } else { Arrival::Plain });
        }
        let headers = vec![("content-type", "text/plain".to_owned()), ("cache-control", "no-store".to_owned())];
        Some(Page { status: 200, headers, body: b"What this phone sends goes through tattletale.\n".to_vec() })
    }

    /// Asked when a client wants a tunnel.
    fn owns(&self, host: &str) -> bool {
        if host == PROBE_HOST {
            self.probe.saw(Arrival::Connected);
            return true;
        }
        self.inner.owns(host)
    }

    fn left(&self, client: IpAddr, host: &str, outcome: &TunnelOutcome) {
        if host == PROBE_HOST {
            self.probe.saw(Arrival::Left(outcome.clone()));
        } else {
            self.inner.left(client, host, outcome);
        }
    }
}

/// Has the phone send the probe and looks for it at the proxy. `Ok` when it was read there; where nothing can be read (`reads` is
/// false), when it arrived.
///
/// # Errors
/// How the run ends: [`RunEnding::SelfCheckFailed`] with what arrived instead, or [`RunEnding::InstrumentFailed`] when the phone
/// could not be made to send it.
pub(super) async fn check(phone: &mut dyn Phone, probe: &Probe, reads: bool) -> Result<(), RunEnding> {
    let url = probe.url();
    // The phone's time is real time: sockets know no other (R14).
    let within = phone.probe_within();
    let probed = tokio::time::timeout(within, phone.probe(&url)).await;
    let probed = match probed {
        Err(_) => Probed::Unanswered(format!("no answer within {} s", within.as_secs())),
        Ok(Ok(probed)) => probed,
        // What was not proven is not taken for granted.
        Ok(Err(PhoneError::Unsupported(why))) => return Err(RunEnding::SelfCheckFailed { why }),
        Ok(Err(error @ PhoneError::ByHand(_))) => return Err(RunEnding::SelfCheckFailed { why: format!("failed to {error}") }),
        Ok(Err(error)) => return Err(RunEnding::InstrumentFailed { why: error.to_string() }),
    };
    let arrival = match probed {
        // The phone has sent it, and nobody knows when it will be here.
        Probed::Sent => probe.arrival_within(PROBE_WITHIN).await,
        _ => probe.arrival().await,
    };
    match failure(&arrival, &probed) {
        Some(_) if !reads && arrival != Arrival::Nothing => Ok(()),
        None => Ok(()),
        Some(why) => Err(RunEnding::SelfCheckFailed { why }),
    }
}

/// Looks whether a phone trusts the authority by now.
pub(super) struct Trusts<'a> {
    pub(super) phone: &'a mut dyn Phone,
    pub(super) probe: &'a Probe,
}

#[async_trait]
impl Check for Trusts<'_> {
    async fn look(&mut self) -> Look {
        self.probe.begin_anew();
        match check(self.phone, self.probe, true).await {
            Ok(()) => Look::Seen("the phone's probe was read at the proxy".to_owned()),
            Err(RunEnding::SelfCheckFailed { why } | RunEnding::InstrumentFailed { why }) => Look::NotSeen(why),
            Err(_) => Look::NotSeen("no probe".to_owned()),
        }
    }
}

/// Why the route is not proven, as a sentence that says what arrived; `None` when it is.
fn failure(arrival: &Arrival, probed: &Probed) -> Option<String> {
    let what = match (arrival, probed) {
        (Arrival::Decrypted, _) => return None,
        (Arrival::Plain, _) => "its probe arrived at the proxy, but not encrypted for it".to_owned(),
        (Arrival::Nothing, Probed::Answered(_)) => {
            "nothing of its probe arrived at the proxy, so that its traffic takes another way".to_owned()
        }
        (Arrival::Nothing, Probed::Sent | Probed::Unanswered(_)) => {
            "nothing of its probe arrived at the proxy: is the phone pointed at it?".to_owned()
        }
        (Arrival::Connected, _) => "it reached the proxy, and then nothing came".to_owned(),
        (Arrival::Left(outcome), _) => match outcome {
            TunnelOutcome::CertificateRefused { alert } => {
                format!("it reached the proxy and refused its certificate ({alert}): the phone does not trust this rig's authority")
            }
            TunnelOutcome::ClosedDuringHandshake => {
                "it reached the proxy and closed the connection when it had the certificate: the phone seems not to trust this rig's \
                 authority"
                    .to_owned()
            }
            TunnelOutcome::ClosedWithoutRequest => "it reached the proxy, and closed the connection without a request".to_owned(),
            TunnelOutcome::HandshakeFailed { why } => format!("it reached the proxy, and they could not speak TLS: {why}"),
            _ => "it reached the proxy, and what it sent there could not be read".to_owned(),
        },
    };
    let phone = match probed {
        Probed::Answered(status) => format!("the phone was answered with status {status}"),
        Probed::Unanswered(why) => format!("the phone says: {why}"),
        Probed::Sent => "the phone does not say how it went".to_owned(),
    };
    Some(format!("{what} ({phone})"))
}

/// What a phone says that it has sent is at the proxy by then.
const PROBE_WITHIN: Duration = Duration::from_secs(30);
/// The proxy has this long to tell how the probe's connection ended.
const OUTCOME_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::traffic::proxy::OpenGate;

    fn visit<'a>(host: &'a str, path: &'a str, decrypted: bool) -> Visit<'a> {
        let client = Ipv4Addr::LOCALHOST.into();
        Visit { client, method: "GET", host, path_and_query: path, user_agent: None, decrypted, proxied: true }
    }

    fn seen(probe: &Probe) -> Arrival {
        probe.arrival.borrow().clone()
    }

    #[test]
    fn the_gate_answers_the_probe_and_only_this_one_counts() {
        let probe = Probe::new();
        let gate = probe.gate(Arc::new(OpenGate));
        assert!(gate.page(&visit("api.test", "/", true)).is_none() && !gate.owns("api.test") && gate.reads("api.test"));
        assert_eq!(gate.page(&visit(PROBE_HOST, "/somebody-else", true)).map(|page| page.status), Some(200));
        assert_eq!(seen(&probe), Arrival::Nothing);
        assert!(gate.owns(PROBE_HOST));
        assert_eq!(seen(&probe), Arrival::Connected);
        gate.left(Ipv4Addr::LOCALHOST.into(), "api.test", &TunnelOutcome::NotTls);
        assert_eq!(seen(&probe), Arrival::Connected, "that was another host");
        gate.left(Ipv4Addr::LOCALHOST.into(), PROBE_HOST, &TunnelOutcome::NotTls);
        assert_eq!(seen(&probe), Arrival::Left(TunnelOutcome::NotTls));
        gate.page(&visit(PROBE_HOST, &probe.path, false));
        assert_eq!(seen(&probe), Arrival::Plain);
        gate.page(&visit(PROBE_HOST, &probe.path, true));
        gate.left(Ipv4Addr::LOCALHOST.into(), PROBE_HOST, &TunnelOutcome::ClosedWithoutRequest);
        assert_eq!(seen(&probe), Arrival::Decrypted, "what was read was read, whatever else came");
        assert_ne!(probe.url(), Probe::new().url(), "each is another");
    }

    #[test]
    fn a_reason_says_what_arrived() {
        let refused = TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() };
        let failed = TunnelOutcome::HandshakeFailed { why: "they have no TLS version in common".to_owned() };
        let (answered, unanswered) = (Probed::Answered(200), Probed::Unanswered("no route".to_owned()));
        for (arrival, probed, part) in [
            (Arrival::Nothing, &unanswered, "arrived at the proxy: is the phone pointed at it? (the phone says: no route)"),
            (Arrival::Nothing, &answered, "takes another way (the phone was answered with status 200)"),
            (Arrival::Connected, &unanswered, "and then nothing came"),
            (Arrival::Left(refused), &unanswered, "refused its certificate (UnknownCA): the phone does not trust"),
            (Arrival::Left(TunnelOutcome::ClosedDuringHandshake), &unanswered, "when it had the certificate"),
            (Arrival::Left(TunnelOutcome::ClosedWithoutRequest), &unanswered, "without a request"),
            (Arrival::Left(failed), &unanswered, "could not speak TLS: they have no TLS version in common"),
            (Arrival::Left(TunnelOutcome::NotTls), &unanswered, "could not be read"),
            (Arrival::Plain, &answered, "not encrypted"),
        ] {
            let why = failure(&arrival, probed).expect("not proven");
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(failure(&Arrival::Decrypted, &unanswered), None, "what the proxy has read, it has read");
    }
}
