//! What one run holds, put together: a band, a phone, a traffic source, a clock. The simulated rig is made here from the
//! pieces that `link`, `band`, `phone` and `traffic` give.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};

use super::{CONTROL_TIME, RunError, authority, self_check::Probe};
use crate::{
    band::{
        Access,
        huami::{BandContents, MI_BAND_3, SimulatedBand},
    },
    clock::{Clock, Hold},
    link::{Central, simulated::SimulatedCentral},
    model::{self, Planted, PlantedValue, Platform},
    phone::{
        Phone,
        operator::{Nobody, Operator},
        simulated::{BandAccess, Cloud, Profile, SimulatedPhone, SimulatedPhoneSetup, Vocabulary},
    },
    scenario::rig::BandPlan,
    traffic::{
        RunningSource, TrafficReceiver, TrafficSource,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, Upstream},
        queue::queue,
    },
};

/// What one run holds.
pub struct Rig {
    /// The clock.
    pub clock: Clock,
    /// Keeps time from running before the run begins: what is on the phone already lives by the clock.
    pub hold: Hold,
    /// The phone.
    pub phone: Box<dyn Phone>,
    /// Who is beside it, for what is done by hand.
    pub operator: Arc<dyn Operator>,
    /// Who connects to the band.
    pub central: Arc<dyn Central>,
    /// Which band.
    pub band: Option<BandPlan>,
    /// The traffic source, at work.
    pub source: Arc<dyn RunningSource>,
    /// What it delivers.
    pub traffic: TrafficReceiver,
    /// What it is, for the capture.
    pub kind: model::Rig,
    /// What the phone has to bring through before a run; its gate is the traffic source's.
    pub probe: Probe,
    /// What is to break, for rehearsing.
    pub fault: Option<Fault>,
    /// How the phone is brought to the traffic source; `None` where it was made so.
    pub way: Option<Way>,
    /// How long a control run watches this phone, on the rig's clock.
    pub control_time: Duration,
}

/// How a phone is brought to the traffic source.
pub struct Way {
    /// The source's address on this machine.
    pub proxy: SocketAddr,
    /// Whom the phone has to trust.
    pub authority: Arc<Authority>,
    /// Whether anything inside connections can be read: not with `ca: none`.
    pub reads: bool,
}

/// Something that breaks on purpose, so that people can rehearse how their CI takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The phone is not pointed at the proxy.
    PhoneAstray,
    /// The phone does not trust the run's authority.
    PhoneDistrusts,
    /// The proxy dies after the step on this line of the scenario.
    StopProxy {
        /// Line of the scenario file.
        after_step: u32,
    },
}

/// What simulated runs share: the local cloud and the certificate authority. Each run gets a band, a phone, a proxy and a
/// clock of its own, all made from its seed.
pub struct SimulatedBench {
    cloud: Cloud,
    authority: Arc<Authority>,
    listen: SocketAddr,
    contents: BandContents,
    vocabulary: Vocabulary,
    /// A real band in place of the simulated one, and how it is reached.
    band: Option<(BandPlan, Arc<dyn Central>)>,
}

impl Rig {
    /// What its runs are of: a simulated phone with a real band is a test bench, and no simulated rig any more.
    pub fn platform(&self) -> Platform {
        match (self.phone.platform(), &self.kind) {
            (Platform::Simulated, model::Rig::Real { .. }) => Platform::Lab,
            (platform, _) => platform,
        }
    }
}

impl SimulatedBench {
    /// Starts the cloud and makes the certificate authority, which lives in memory and dies with the bench: nobody outside
    /// this program ever trusts it, so there is nothing to keep. `listen` is the proxy's address (port 0: any free one), `now` the
    /// wall clock's time, for certificates.
    ///
    /// # Errors
    /// When no local port can be had or no certificate be made.
    pub async fn start(listen: SocketAddr, now: Timestamp) -> Result<Self, RunError> {
        let authority = Authority::generate(&authority::name(now), now)?;
        let cloud = Cloud::start(now).await.map_err(|error| RunError::Rig(error.to_string()))?;
        Ok(Self {
            cloud,
            authority: Arc::new(authority),
            listen,
            contents: BandContents::invented(BAND_DAY),
            vocabulary: Vocabulary::default(),
            band: None,
        })
    }

    /// Puts a real band on the bench in place of the simulated one: the stand-in app reads it over the same central as the steps of a
    /// scenario, one after the other. From then on runs take real time, because a radio does (R14), and are of the platform `lab`.
    pub fn put_band(&mut self, plan: BandPlan, central: Arc<dyn Central>) {
        self.band = Some((plan, central));
    }

    /// The cloud: what reached it.
    pub const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// What the band holds, to be changed before a run.
    pub const fn contents_mut(&mut self) -> &mut BandContents {
        &mut self.contents
    }

    /// Other words for the app's hosts and keys.
    pub fn rename(&mut self, vocabulary: Vocabulary) {
        self.vocabulary = vocabulary;
    }

    /// A rig for one run, with the scenario's planted profile in the app.
    ///
    /// # Errors
    /// When the proxy cannot be started: the port is in use.
    pub async fn rig(&self, seed: u64, planted: &[PlantedValue], fault: Option<Fault>) -> Result<Rig, RunError> {
        let Some((plan, central)) = &self.band else { return self.simulated(seed, planted, fault).await };
        // With which access it is read, its own events tell.
        let key = if plan.access == Access::Anyone { "no key is given" } else { "its key is given" };
        let about = format!("stand-in app on a simulated phone; {} by radio, {key}", plan.model.label());
        self.set_up(Clock::real(), (plan.clone(), Arc::clone(central)), seed, planted, fault, model::Rig::Real { about }).await
    }

    /// A rig for a control run. The phone is simulated, and its app is stopped: no band is touched, and no half hour has to pass.
    ///
    /// # Errors
    /// As [`SimulatedBench::rig`].
    pub async fn control_rig(&self, seed: u64) -> Result<Rig, RunError> {
        self.simulated(seed, &[], None).await
    }

    async fn simulated(&self, seed: u64, planted: &[PlantedValue], fault: Option<Fault>) -> Result<Rig, RunError> {
        let clock = Clock::simulated(begin_of(&self.contents, seed));
        let plan = BandPlan { model: &MI_BAND_3, address: self.contents.address, access: Access::Key(self.contents.key.clone()) };
        let central: Arc<dyn Central> = Arc::new(SimulatedCentral::new(SimulatedBand::new(self.contents.clone()), clock.clone()));
        self.set_up(clock, (plan, central), seed, planted, fault, model::Rig::Simulated { seed }).await
    }

    async fn set_up(
        &self,
        clock: Clock,
        (band, central): (BandPlan, Arc<dyn Central>),
        seed: u64,
        planted: &[PlantedValue],
        fault: Option<Fault>,
        kind: model::Rig,
    ) -> Result<Rig, RunError> {
        let hold = clock.hold();
        let (events, traffic) = queue();
        let cloud = self.cloud.address();
        let upstream = Upstream::Local(LocalUpstream::new(move |_, _| Some(cloud), [self.cloud.ca_der()]));
        let probe = Probe::new();
        let proxy = Proxy::new(ProxySetup {
            listen: self.listen,
            authority: Arc::clone(&self.authority),
            upstream,
            gate: probe.gate(Arc::new(OpenGate)),
            clock: clock.clone(),
        });
        let source: Arc<dyn RunningSource> = Arc::from(Box::new(proxy).start(events).await?);
        let address = source.address().ok_or_else(|| RunError::Rig("the proxy has no address".to_owned()))?;

        let phone = SimulatedPhone::new(SimulatedPhoneSetup {
            clock: clock.clone(),
            seed,
            central: Arc::clone(&central),
            band: BandAccess { model: band.model, address: band.address, access: band.access.clone() },
            // A port of this machine that nobody listens on (RFC 6335 section 6: reserved).
            proxy: if fault == Some(Fault::PhoneAstray) { SocketAddr::from((Ipv4Addr::LOCALHOST, 1)) } else { address },
            trusted: if fault == Some(Fault::PhoneDistrusts) { self.cloud.ca_der() } else { self.authority.certificate_der() },
            cloud_ca: self.cloud.ca_der(),
            vocabulary: self.vocabulary.clone(),
            profile: profile(planted),
        })?;
        let (phone, band, way) = (Box::new(phone), Some(band), None);
        let operator = Arc::new(Nobody);
        Ok(Rig { clock, hold, phone, operator, probe, central, band, source, traffic, kind, fault, way, control_time: CONTROL_TIME })
    }
}

/// The band's day: its history ends there.
const BAND_DAY: Date = Date::constant(2026, 3, 14);

/// The profile that the scenario plants; what it leaves open is nobody's.
fn profile(planted: &[PlantedValue]) -> Profile {
    let mut profile = Profile::default();
    for PlantedValue { name, value, .. } in planted {
        match (name.as_str(), value) {
            ("profile.nickname", Planted::Text(nickname)) => profile.nickname.clone_from(nickname),
            ("profile.birth", Planted::Date(birth)) => profile.birth = *birth,
            ("profile.height_cm", Planted::Integer(height)) => profile.height_cm = u16::try_from(*height).unwrap_or(profile.height_cm),
            ("profile.weight_kg", Planted::Integer(weight)) => profile.weight_kg = f64::from(i32::try_from(*weight).unwrap_or_default()),
            ("profile.weight_kg", Planted::Decimal(weight)) => profile.weight_kg = weight.parse().unwrap_or(profile.weight_kg),
            _ => {}
        }
    }
    profile
}

/// When a run with this seed begins: somewhere in the afternoon of the band's day, by its own clock.
fn begin_of(contents: &BandContents, seed: u64) -> Timestamp {
    let offset = Offset::from_seconds(contents.utc_offset_s).unwrap_or(Offset::UTC);
    let noon = offset.to_timestamp(BAND_DAY.at(13, 0, 0, 0)).unwrap_or_default();
    let minutes = fastrand::Rng::with_seed(seed).i64(0..4 * 60);
    noon.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(noon)
}
