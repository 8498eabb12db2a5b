//! Where the rigs of an audit come from, one for each run: the simulated bench, a real phone over adb with a proxy of its own, or a
//! phone that a person works (`by_hand`).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{CONTROL_TIME, ManualBench, Rig, RunError, SimulatedBench, Watcher, Way, rig::Fault, self_check::Probe};
use crate::{
    clock::Clock,
    link::{Advertisement, Central, GattLink, LinkError},
    model::{self, PlantedValue},
    phone::{
        Phone as _,
        adb::{AdbPhone, AdbSetup, RouteKind},
        operator::Nobody,
    },
    scenario::rig::BandPlan,
    traffic::{
        RunningSource, TrafficError, TrafficSource as _,
        authority::Authority,
        proxy::{Gate, LocalUpstream, Page, Proxy, ProxySetup, Upstream, Visit},
        queue::queue,
    },
};

/// Where the rigs of an audit come from.
pub enum Bench {
    /// A real phone.
    Adb(AdbBench),
    /// A real phone that a person works.
    Manual(ManualBench),
    /// Everything in software, but a real band at most.
    Simulated(SimulatedBench),
}

/// A real phone over adb. Each run gets a proxy of its own, and the phone is put back after each.
pub struct AdbBench {
    /// Which phone, and how it is used.
    pub setup: AdbSetup,
    /// Whom the phone is told to trust.
    pub authority: Arc<Authority>,
    /// Where requests go.
    pub upstream: Upstream,
    /// Where the proxy listens.
    pub listen: SocketAddr,
    /// A real band, and how it is reached; `None` for a rig without one.
    pub band: Option<(BandPlan, Arc<dyn Central>)>,
    /// How long a control run watches; half an hour when `None`.
    pub control_time: Option<Duration>,
}

impl Bench {
    /// A rig for one run. What cannot be had on this bench is left out: a seed on a real one, a rehearsed failure too.
    ///
    /// # Errors
    /// When the proxy cannot be started, or the phone not be reached.
    pub async fn rig(&self, seed: u64, planted: &[PlantedValue], fault: Option<Fault>) -> Result<Rig, RunError> {
        match self {
            Self::Adb(bench) => bench.rig(fault).await,
            Self::Manual(bench) => bench.rig().await,
            Self::Simulated(bench) => bench.rig(seed, planted, fault).await,
        }
    }

    /// A rig for a control run.
    ///
    /// # Errors
    /// As [`Bench::rig`].
    pub async fn control_rig(&self, seed: u64) -> Result<Rig, RunError> {
        match self {
            Self::Adb(bench) => bench.rig(None).await,
            Self::Manual(bench) => bench.rig().await,
            Self::Simulated(bench) => bench.control_rig(seed).await,
        }
    }

    /// Who has to watch its runs; `None` where nobody has to.
    pub fn watcher(&self) -> Option<Watcher> {
        match self {
            Self::Manual(bench) => Some(bench.watcher()),
            Self::Adb(_) | Self::Simulated(_) => None,
        }
    }
}

/// The servers of a lab: every host that ends in `.test` is dialled at `cloud`, and has to show a certificate that one in `pem` has
/// signed. `name` is that file's, for errors.
///
/// # Errors
/// [`RunError::Traffic`] when the text holds no certificate.
pub fn lab_upstream(cloud: SocketAddr, name: &str, pem: &str) -> Result<Upstream, RunError> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let problem = || TrafficError::File { name: name.to_owned(), problem: "it holds no certificate in PEM".to_owned() };
    let roots = roots.ok().filter(|roots| !roots.is_empty()).ok_or_else(problem)?;
    Ok(Upstream::Local(LocalUpstream::new(move |_, _| Some(cloud), roots)))
}

impl AdbBench {
    /// A rig for one run.
    ///
    /// # Errors
    /// When the proxy cannot be started, or the phone not be reached.
    pub async fn rig(&self, fault: Option<Fault>) -> Result<Rig, RunError> {
        let phone = AdbPhone::connect(self.setup.clone()).await?;
        let addresses = match self.setup.route {
            RouteKind::Reverse => Vec::new(),
            RouteKind::Wifi => phone.addresses().await?,
        };
        let clock = Clock::real();
        let (events, traffic) = queue();
        let probe = Probe::new();
        let proxy = Proxy::new(ProxySetup {
            listen: self.listen,
            authority: Arc::clone(&self.authority),
            upstream: self.upstream.clone(),
            gate: probe.gate(Arc::new(OnlyThePhone(addresses))),
            clock: clock.clone(),
        });
        let source: Arc<dyn RunningSource> = Arc::from(Box::new(proxy).start(events).await?);
        let proxy = source.address().ok_or_else(|| RunError::Rig("the proxy has no address".to_owned()))?;
        let kind = real(phone.about(), self.band.as_ref());
        let (band, central) = band_of(self.band.as_ref(), || Arc::new(NoRadio));
        let way = Way { proxy, authority: Arc::clone(&self.authority), reads: self.setup.trust.reads_any_app() };
        Ok(Rig {
            hold: clock.hold(),
            clock,
            phone: Box::new(phone),
            operator: Arc::new(Nobody),
            central,
            band,
            source,
            traffic,
            kind,
            probe,
            fault,
            way: Some(way),
            control_time: self.control_time.unwrap_or(CONTROL_TIME),
        })
    }
}

/// A rig's band and who connects to it.
pub(super) fn band_of(
    band: Option<&(BandPlan, Arc<dyn Central>)>,
    none: impl FnOnce() -> Arc<dyn Central>,
) -> (Option<BandPlan>, Arc<dyn Central>) {
    band.map_or_else(|| (None, none()), |(plan, central)| (Some(plan.clone()), Arc::clone(central)))
}

/// What a report calls a real phone, and the real band with it.
pub(super) fn real(phone: String, band: Option<&(BandPlan, Arc<dyn Central>)>) -> model::Rig {
    let about = match band {
        Some((plan, _)) => format!("{phone}; {} by radio", plan.model.label()),
        None => phone,
    };
    model::Rig::Real { about }
}

/// Admits the phone, and nobody else in its network: from these addresses over Wi-Fi, from this machine over the cable.
#[derive(Debug)]
struct OnlyThePhone(Vec<IpAddr>);

impl Gate for OnlyThePhone {
    fn admits(&self, client: IpAddr) -> bool {
        client.is_loopback() || self.0.contains(&client)
    }

    fn reads(&self, _host: &str) -> bool {
        true
    }

    fn page(&self, _visit: &Visit<'_>) -> Option<Page> {
        None
    }
}

/// The radio of a rig without a band: nobody asks it for anything, because its steps are refused before the run.
pub(super) struct NoRadio;

#[async_trait]
impl Central for NoRadio {
    async fn scan_each(&self, _: Duration, _: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        Err(LinkError::NotFound)
    }

    async fn connect(&self, _: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        Err(LinkError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_in_the_phone_s_network_is_admitted() {
        let [phone, neighbour]: [IpAddr; 2] = ["192.0.2.7", "192.0.2.8"].map(|address| address.parse().expect("an address"));
        let gate = OnlyThePhone(vec![phone]);
        assert!(gate.admits(phone) && gate.admits([127, 0, 0, 1].into()) && !gate.admits(neighbour));
    }

    #[test]
    fn a_lab_needs_a_certificate() {
        let cloud = ([127, 0, 0, 1], 9).into();
        let error = lab_upstream(cloud, "cloud.pem", "no certificate").expect_err("it holds none");
        assert_eq!(error.to_string(), "read cloud.pem: it holds no certificate in PEM");
    }
}
