//! The bench of a phone that a person works: a proxy with pages for the phone, and what they and the record tell of the phone given to
//! it, so that the person's word is checked. What the pages say and how the person is asked is `cli`'s.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use super::{
    CONTROL_TIME, Rig, RunError, Watcher,
    bench::{self, NoRadio},
    self_check::{PROBE_HOST, Probe},
};
use crate::{
    clock::Clock,
    link::Central,
    model::{App, NumberedEvent, Platform, RunEvent, TunnelOutcome},
    phone::{
        Phone as _,
        manual::{ManualPhone, ManualSetup, ONE_LOOK, PATIENCE, PROBE_PAGE, System, Way, sightings::Sightings},
        operator::Operator,
    },
    scenario::rig::BandPlan,
    traffic::{
        RunningSource, TrafficSource as _,
        authority::Authority,
        proxy::{Gate, Page, Proxy, ProxySetup, Upstream, Visit},
        queue::queue,
    },
};

/// Tells how a phone gets to a proxy that listens at this address.
pub type WayTo = Box<dyn Fn(SocketAddr) -> Way + Send + Sync>;

/// A phone that a person works. Each run gets a proxy of its own at the same address, so that nothing is set on the phone twice.
pub struct ManualBench {
    parts: ManualParts,
    /// A real band, and how it is reached; `None` for a rig without one.
    pub band: Option<(BandPlan, Arc<dyn Central>)>,
    /// How long a control run watches; half an hour when `None`.
    pub control_time: Option<Duration>,
    state: State,
}

/// What its runs have in common.
struct State {
    sightings: Arc<Sightings>,
    prepared: Arc<AtomicBool>,
    /// Where the first run's proxy listened.
    bound: OnceLock<SocketAddr>,
}

/// What a bench by hand is made of, beside what has a default.
pub struct ManualParts {
    /// What it counts as.
    pub platform: Platform,
    /// The phone's system.
    pub system: System,
    /// The app, whose own hosts tell that it is open.
    pub app: App,
    /// Who works it.
    pub operator: Arc<dyn Operator>,
    /// Whom the phone is told to trust.
    pub authority: Arc<Authority>,
    /// Where requests go.
    pub upstream: Upstream,
    /// Where the proxy listens.
    pub listen: SocketAddr,
    /// Who may use the proxy, and the pages for the phone.
    pub pages: Arc<dyn Gate>,
    /// How the phone gets there.
    pub way: WayTo,
}

impl ManualBench {
    /// A bench without a band, whose control runs take half an hour.
    pub fn new(parts: ManualParts) -> Self {
        let sightings = Arc::new(Sightings::new(parts.app.clone()));
        let state = State { sightings, prepared: Arc::default(), bound: OnceLock::new() };
        Self { parts, band: None, control_time: None, state }
    }

    /// Has to watch every run: what is recorded is what the person's word is checked by.
    pub fn watcher(&self) -> Watcher {
        let sightings = Arc::clone(&self.state.sightings);
        Arc::new(move |event: &NumberedEvent| {
            if let RunEvent::ExchangeBegan { host, .. } | RunEvent::TunnelBegan { host, .. } = &event.event {
                sightings.connected(host);
            }
        })
    }

    pub(super) async fn rig(&self) -> Result<Rig, RunError> {
        let ManualParts { platform, system, app, operator, authority, upstream, listen, pages, way } = &self.parts;
        let State { sightings, prepared, bound } = &self.state;
        let clock = Clock::real();
        let (events, traffic) = queue();
        let probe = Probe::new();
        let gate = HandGate { inner: probe.gate(Arc::clone(pages)), probe: probe.url(), sightings: Arc::clone(sightings) };
        let proxy = Proxy::new(ProxySetup {
            listen: bound.get().copied().unwrap_or(*listen),
            authority: Arc::clone(authority),
            upstream: upstream.clone(),
            gate: Arc::new(gate),
            clock: clock.clone(),
        });
        let source: Arc<dyn RunningSource> = Arc::from(Box::new(proxy).start(events).await?);
        let address = source.address().ok_or_else(|| RunError::Rig("the proxy has no address".to_owned()))?;
        let phone = ManualPhone::new(ManualSetup {
            platform: *platform,
            system: *system,
            app: if app.title.is_empty() { app.name.clone() } else { app.title.clone() },
            operator: Arc::clone(operator),
            sightings: Arc::clone(sightings),
            way: way(*bound.get_or_init(|| address)),
            prepared: Arc::clone(prepared),
            patience: PATIENCE,
            one_look: ONE_LOOK,
        });
        let kind = bench::real(phone.about(), self.band.as_ref());
        let (band, central) = bench::band_of(self.band.as_ref(), || Arc::new(NoRadio));
        Ok(Rig {
            hold: clock.hold(),
            clock,
            phone: Box::new(phone),
            operator: Arc::clone(operator),
            central,
            band,
            source,
            traffic,
            kind,
            probe,
            fault: None,
            // The operator brings it there, and the probe comes at the end of that.
            way: None,
            control_time: self.control_time.unwrap_or(CONTROL_TIME),
        })
    }
}

/// The pages for the phone, with one more that leads to the probe; and notes what the phone has shown by asking for them.
#[derive(Debug)]
struct HandGate {
    /// The probe's gate, and the pages' behind it.
    inner: Arc<dyn Gate>,
    /// The URL of the probe.
    probe: String,
    sightings: Arc<Sightings>,
}

impl Gate for HandGate {
    fn admits(&self, client: IpAddr) -> bool {
        self.inner.admits(client)
    }

    fn reads(&self, host: &str) -> bool {
        self.inner.reads(host)
    }

    fn owns(&self, host: &str) -> bool {
        self.inner.owns(host)
    }

    fn page(&self, visit: &Visit<'_>) -> Option<Page> {
        let page = self.inner.page(visit)?;
        // Of a stranger nothing is noted.
        if !self.inner.admits(visit.client) {
            return Some(page);
        }
        if visit.host == PROBE_HOST {
            if visit.decrypted && self.probe.ends_with(visit.path_and_query) && visit.path_and_query.len() > 1 {
                self.sightings.read_the_probe();
            }
            return Some(page);
        }
        if visit.proxied {
            self.sightings.came_by_proxy();
        }
        if visit.path_and_query.trim_start_matches('/') == PROBE_PAGE {
            let headers = vec![("location", self.probe.clone()), ("cache-control", "no-store".to_owned())];
            return Some(Page { status: 303, headers, body: Vec::new() });
        }
        Some(page)
    }

    fn left(&self, client: IpAddr, host: &str, outcome: &TunnelOutcome) {
        if self.inner.admits(client) {
            self.sightings.left_the_probe(match outcome {
                TunnelOutcome::CertificateRefused { .. } | TunnelOutcome::ClosedDuringHandshake => {
                    "the phone refused our certificate, or does not trust it yet"
                }
                _ => "the phone left it without a request",
            });
        }
        self.inner.left(client, host, outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::phone::manual::sightings::Fact;

    /// One page for whoever has the right address.
    #[derive(Debug)]
    struct Pages;

    impl Gate for Pages {
        fn admits(&self, client: IpAddr) -> bool {
            client == IpAddr::V4(Ipv4Addr::LOCALHOST)
        }

        fn reads(&self, _: &str) -> bool {
            true
        }

        fn page(&self, visit: &Visit<'_>) -> Option<Page> {
            (visit.host == "pages.test").then(|| Page { status: 404, headers: Vec::new(), body: Vec::new() })
        }
    }

    fn visit<'a>(client: Ipv4Addr, host: &'a str, path: &'a str, decrypted: bool) -> Visit<'a> {
        Visit { client: client.into(), method: "GET", host, path_and_query: path, user_agent: None, decrypted, proxied: true }
    }

    #[tokio::test]
    async fn a_browser_is_led_to_the_probe_and_only_a_decrypted_one_is_trust() {
        let probe = Probe::new();
        let sightings = Arc::new(Sightings::new(App::default()));
        let gate = HandGate { inner: probe.gate(Arc::new(Pages)), probe: probe.url(), sightings: Arc::clone(&sightings) };
        let (phone, stranger) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 9));
        let seen = async |fact, since| sightings.wait(since, fact, Duration::ZERO).await.is_ok();
        let start = sightings.mark();

        let page = gate.page(&visit(stranger, "pages.test", "/probe", false)).expect("a page");
        assert_eq!(page.status, 404);
        assert!(!seen(Fact::ByProxy, start).await, "of a stranger nothing is noted");
        let page = gate.page(&visit(phone, "pages.test", "/probe", false)).expect("a page");
        assert!(page.status == 303 && page.headers.contains(&("location", probe.url())), "{page:?}");
        assert!(seen(Fact::ByProxy, start).await && !seen(Fact::Trust, start).await);

        let path = probe.url().rsplit_once('/').map(|(_, name)| format!("/{name}")).expect("a path");
        for (path, decrypted) in [(path.as_str(), false), ("/", true), ("/another", true)] {
            gate.page(&visit(phone, PROBE_HOST, path, decrypted)).expect("a page");
            assert!(!seen(Fact::Trust, start).await, "{path}");
        }
        gate.left(phone.into(), PROBE_HOST, &TunnelOutcome::ClosedDuringHandshake);
        let instead = sightings.wait(start, Fact::Trust, Duration::ZERO).await.expect_err("not yet");
        assert!(instead.ends_with("the phone refused our certificate, or does not trust it yet"), "{instead}");
        gate.page(&visit(phone, PROBE_HOST, &path, true)).expect("a page");
        assert!(seen(Fact::Trust, start).await);
        assert_eq!(gate.page(&visit(phone, "api.test", "/", false)), None);
    }
}
