//! A scenario on a rig to a capture: steps in order, events numbered by one writer, the phone put back on every way out.
//! What the capture means is the core's; this module never looks inside a body.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    model::{self, AppVersion, CaptureSource, ControlRun, Provenance, RunEnding, RunEvent, Target, capture::CAPTURE_FORMAT},
    phone::{Phone, PhoneError, Route, RouteWatch, adb::LOOK_EACH},
    scenario::{
        PlacedStep, Scenario, Secrets, StepFailure,
        rig::{Course, Stage, StageLog as _},
    },
    store::StoreError,
    traffic::{RunningSource, TrafficError},
};

mod altered;
pub mod authority;
pub mod bench;
pub mod by_hand;
pub mod control;
pub mod recorder;
pub mod rig;
pub mod self_check;

pub use authority::{Obtained, RigAuthority};
pub use bench::{AdbBench, Bench};
pub use by_hand::{ManualBench, ManualParts};
pub use recorder::Watcher;
pub use rig::{Fault, Rig, SimulatedBench, Way};

/// Scenario name under which a control run is kept. No scenario file may have it.
pub const CONTROL: &str = "control";

/// How long a control run watches the phone, on the rig's clock.
const CONTROL_TIME: Duration = Duration::from_secs(30 * 60);

/// What is to be run.
#[derive(Clone)]
pub struct Order<'a> {
    /// App name.
    pub app: &'a str,
    /// App version; `None` takes what is installed (on the simulated rig: the baseline version).
    pub version: Option<&'a AppVersion>,
    /// Which run of the audit, from 1.
    pub run: u32,
    /// Of how many.
    pub runs: u32,
    /// What the control run saw.
    pub control: Option<&'a ControlRun>,
    /// Where captures go.
    pub captures: &'a Path,
    /// Who watches.
    pub watchers: Vec<Watcher>,
}

/// What came of a run. The capture is readable whatever the ending.
#[derive(Debug)]
pub struct RunOutcome {
    /// Folder of the capture.
    pub capture: PathBuf,
    /// How it ended.
    pub ending: RunEnding,
    /// What could not be put back on the phone, for the person to do.
    pub not_restored: Option<PhoneError>,
}

/// Why there was no run at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scenario asks for something this rig cannot do; told before anything is done.
    #[error("run {place}, {step}: this rig cannot do that ({phone})")]
    Impossible {
        /// Where the step stands, in words.
        place: String,
        /// The step's name.
        step: &'static str,
        /// The phone, in words.
        phone: String,
    },
    /// The phone could not be made ready.
    #[error("{0}")]
    Phone(#[from] PhoneError),
    /// The rig could not be set up.
    #[error("set up the rig: {0}")]
    Rig(String),
    /// The capture could not be written.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The traffic source failed.
    #[error("{0}")]
    Traffic(#[from] TrafficError),
}

/// Runs a scenario once. `interrupted` resolves when a person wants to stop.
///
/// # Errors
/// When the run could not begin. Once it has begun, whatever happens is told by [`RunOutcome::ending`].
pub async fn run(rig: Rig, scenario: &Scenario, order: &Order<'_>, interrupted: impl Future<Output = ()>) -> Result<RunOutcome, RunError> {
    perform(rig, Script::Scenario(scenario), order, interrupted).await.map(|(outcome, _)| outcome)
}

/// The control run (R1): the same phone with the app stopped. Tells the hosts that this phone talks to anyway.
///
/// # Errors
/// As [`run`].
pub async fn control_run(rig: Rig, order: &Order<'_>, interrupted: impl Future<Output = ()>) -> Result<(RunOutcome, ControlRun), RunError> {
    perform(rig, Script::Control, order, interrupted).await
}

enum Script<'a> {
    Control,
    Scenario(&'a Scenario),
}

async fn perform(
    mut rig: Rig,
    script: Script<'_>,
    order: &Order<'_>,
    interrupted: impl Future<Output = ()>,
) -> Result<(RunOutcome, ControlRun), RunError> {
    if let Script::Scenario(scenario) = script
        && let Some(placed) = scenario.impossible_on(&*rig.phone, rig.band.is_some()).first()
    {
        return Err(RunError::Impossible { place: placed.place(), step: placed.name, phone: rig.phone.about() });
    }
    let started = rig.clock.now();
    let version = match rig.phone.install(order.version).await {
        Ok(version) => version,
        Err(error) => {
            // What was begun is put back; what the phone said first is worth more than what else it says.
            let _ = rig.phone.restore().await;
            let _ = rig.source.stop().await;
            return Err(error.into());
        }
    };
    let mut kind = rig.kind.clone();
    if let (model::Rig::Real { about }, Some(app)) = (&mut kind, rig.phone.app_about()) {
        *about = format!("{about}; {app}");
    }
    rig.kind = kind;
    // From the first connection on, also while the self-check lasts: what was opened before the run may live on into it.
    let provenance = Provenance { started, ..provenance(&rig, &script, order, version.clone()) };
    let (recorder, writing) =
        recorder::start(order.captures, provenance, rig.clock.clone(), rig.traffic, Arc::clone(&rig.source), order.watchers.clone())?;
    tokio::pin!(interrupted);
    let checked = tokio::select! {
        biased;
        () = &mut interrupted => Err(RunEnding::Interrupted),
        error = rig.source.failed() => Err(RunEnding::InstrumentFailed { why: error.to_string() }),
        why = recorder.failed() => Err(RunEnding::InstrumentFailed { why }),
        checked = prepare(&mut rig.phone, rig.way.as_ref(), &rig.probe) => checked,
    };
    altered::tell(&mut *rig.phone, &recorder).await;
    let watch = rig.phone.route_watch();
    let capture = writing.folder().to_owned();

    let (no_secrets, fault, source) = (Secrets::default(), rig.fault.clone(), Arc::clone(&rig.source));
    let after_step = move |placed: &PlacedStep| {
        if let Some(Fault::StopProxy { after_step }) = &fault
            && (placed.line, &placed.file) == (*after_step, &None)
        {
            source.kill();
        }
    };
    let secrets = if let Script::Scenario(scenario) = script { &scenario.secrets } else { &no_secrets };
    let mut stage = Stage {
        phone: &mut *rig.phone,
        operator: &*rig.operator,
        central: &*rig.central,
        band: rig.band.clone(),
        kept: None,
        band_heard: None,
        acted_at: rig.clock.now(),
        hold: &mut rig.hold,
        log: &recorder,
        course: Course::new(version, secrets, &after_step),
    };
    let ending = match checked {
        // What cannot be read is not begun: the app would have sent its data for nothing.
        Err(ending) => ending,
        Ok(()) => tokio::select! {
            biased;
            () = &mut interrupted => RunEnding::Interrupted,
            error = rig.source.failed() => RunEnding::InstrumentFailed { why: error.to_string() },
            why = recorder.failed() => RunEnding::InstrumentFailed { why },
            why = broken(watch) => RunEnding::InstrumentFailed { why },
            ending = script.perform(&mut stage, rig.control_time) => ending,
        },
    };

    // On every way out: the band is let go, the app is stopped, the phone put back, the source emptied; only then is the run over.
    if let Some(mut band) = stage.kept.take() {
        // It is gone all the same; and what the scenario came to is worth more.
        let _ = band.release().await;
    }
    let ending = match ending {
        RunEnding::Complete => match count_outside(&mut *rig.phone, &recorder).await {
            Ok(()) => RunEnding::Complete,
            Err(error) => RunEnding::InstrumentFailed { why: error.with_help() },
        },
        other => other,
    };
    altered::tell(&mut *rig.phone, &recorder).await;
    let not_restored = rig.phone.restore().await.err();
    altered::keep_output(&mut *rig.phone, &recorder).await;
    let stopped = rig.source.stop().await;
    // A source that died unseen, at the very end, or could not be emptied, may not have told everything: no complete run.
    let ending = match ending {
        RunEnding::Complete => match died(&*rig.source, stopped).await {
            Some(error) => RunEnding::InstrumentFailed { why: error.to_string() },
            None => RunEnding::Complete,
        },
        other => other,
    };
    recorder.write(RunEvent::RunEnded { ending: ending.clone() }).await;
    let control = ControlRun { hosts: recorder.hosts(), seconds: rig.control_time.as_secs(), made: None };
    drop((recorder, after_step, rig.hold, rig.source));
    let ending = match writing.finish().await {
        Ok(()) => ending,
        Err(error) => RunEnding::InstrumentFailed { why: error.to_string() },
    };
    Ok((RunOutcome { capture, ending, not_restored }, control))
}

/// Brings the phone to the source and proves it, without a scenario: what a run would begin with. Gives how that ended, and what could
/// not be put back.
pub async fn rehearse(mut rig: Rig) -> (Result<(), RunEnding>, Option<PhoneError>) {
    let prepared = prepare(&mut rig.phone, rig.way.as_ref(), &rig.probe).await;
    let not_restored = rig.phone.restore().await.err();
    let stopped = rig.source.stop().await;
    let ended = prepared.and_then(|()| stopped.map_err(|error| RunEnding::InstrumentFailed { why: error.to_string() }));
    (ended, not_restored)
}

/// Brings the phone to the source, and proves it. An error says how the run ends.
async fn prepare(phone: &mut Box<dyn Phone>, way: Option<&Way>, probe: &self_check::Probe) -> Result<(), RunEnding> {
    let failed = |error: PhoneError| RunEnding::InstrumentFailed { why: error.with_help() };
    if let Some(way) = way {
        phone.route_through(way.proxy).await.map_err(failed)?;
        phone.trust(&way.authority).await.map_err(failed)?;
    }
    self_check::check(&mut **phone, probe, way.is_none_or(|way| way.reads)).await
}

/// Looks at the phone's route again and again; resolves when it is broken, and says how. A run with a hole in it is none: what the app
/// would have sent meanwhile is not known.
async fn broken(watch: Option<Arc<dyn RouteWatch>>) -> String {
    let Some(watch) = watch else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK_EACH).await;
        match watch.check().await {
            Ok(Route::Whole) => {}
            Ok(Route::Broken(why)) => return why,
            Err(error) => return error.with_help(),
        }
    }
}

/// Asks the phone what went past the proxy, and records it.
async fn count_outside(phone: &mut dyn Phone, recorder: &recorder::Recorder) -> Result<(), PhoneError> {
    if let Some(outside) = phone.bytes_outside().await?
        && (outside.sent, outside.received) != (0, 0)
    {
        recorder.write(RunEvent::OutsideProxy { sent: outside.sent, received: outside.received }).await;
    }
    Ok(())
}

/// Why a source that has been stopped may not have told everything; `None` when it has.
async fn died(source: &dyn RunningSource, stopped: Result<(), TrafficError>) -> Option<TrafficError> {
    tokio::select! {
        biased;
        error = source.failed() => Some(error),
        () = std::future::ready(()) => stopped.err(),
    }
}

impl Script<'_> {
    async fn perform(&self, stage: &mut Stage<'_>, control_time: Duration) -> RunEnding {
        match self {
            Self::Control => {
                if let Err(error) = stage.phone.stop_app().await {
                    return instrument_failed(&error.to_string());
                }
                stage.hold.sleep(control_time).await;
                RunEnding::Complete
            }
            Self::Scenario(scenario) => perform_steps(scenario, stage).await,
        }
    }
}

async fn perform_steps(scenario: &Scenario, stage: &mut Stage<'_>) -> RunEnding {
    if let Some(position) = scenario.location {
        match stage.phone.set_location(position).await {
            Ok(position) => {
                let confirmed = !stage.phone.is_by_hand();
                stage.log.write(RunEvent::PhoneMoved { position, confirmed }).await;
            }
            Err(error @ PhoneError::ByHand(_)) => {
                return RunEnding::StepFailed { why: format!("the position at the start: failed to {error}") };
            }
            Err(error) => return instrument_failed(&error.to_string()),
        }
    }
    match scenario.perform(stage).await {
        Ok(()) => RunEnding::Complete,
        Err(failure) => ending_of(&failure, stage.course.secrets),
    }
}

/// How a run ends in which a step was not done. What a phone says may repeat what it was told: no secret stands in it.
fn ending_of(failure: &StepFailure, secrets: &Secrets) -> RunEnding {
    let why = secrets.mask(&failure.to_string());
    if failure.error.is_unfulfilled() { RunEnding::StepFailed { why } } else { RunEnding::InstrumentFailed { why } }
}

fn instrument_failed(why: &str) -> RunEnding {
    RunEnding::InstrumentFailed { why: why.to_owned() }
}

fn provenance(rig: &Rig, script: &Script<'_>, order: &Order<'_>, version: AppVersion) -> Provenance {
    let (scenario, hash, planted, expectations) = match *script {
        Script::Control => (CONTROL, None, Vec::new(), Vec::new()),
        Script::Scenario(scenario) => {
            let mut planted = scenario.plant.clone();
            // The simulated phone was made with this profile; any other phone has not been asked.
            let made_with_it = rig.phone.platform() == model::Platform::Simulated;
            planted.iter_mut().for_each(|value| value.confirmed |= made_with_it);
            (scenario.name.as_str(), Some(scenario.hash.clone()), planted, scenario.expect.clone())
        }
    };
    Provenance {
        format: CAPTURE_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        source: CaptureSource::Proxy,
        target: Target {
            app: order.app.to_owned(),
            platform: rig.platform(),
            version,
            scenario: scenario.to_owned(),
            claimed: rig.phone.is_by_hand(),
        },
        scenario_hash: hash,
        run: order.run,
        runs: order.runs,
        rig: rig.kind.clone(),
        started: rig.clock.now(),
        planted,
        expectations,
        control: order.control.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use async_trait::async_trait;
    use tokio::sync::Notify;
    use uuid::Uuid;

    use super::*;
    use crate::{
        band::huami::characteristics::HEART_RATE_CONTROL,
        link::{Advertisement, Central, GattLink, LinkError, Notification, WriteKind},
        model::App,
        scenario::parse,
    };

    /// A central over whose links no pulse is ever told. It writes down what is written to the sensor.
    struct Pulseless {
        inner: Arc<dyn Central>,
        heard: Arc<Heard>,
    }

    #[derive(Default)]
    struct Heard {
        control: Mutex<Vec<Vec<u8>>>,
        /// Somebody waits for a pulse.
        waits: Notify,
    }

    struct PulselessLink {
        inner: Box<dyn GattLink>,
        heard: Arc<Heard>,
        measures: bool,
    }

    #[async_trait]
    impl Central for Pulseless {
        async fn scan_each(&self, listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
            self.inner.scan_each(listen_for, seen).await
        }

        async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
            let inner = self.inner.connect(address).await?;
            Ok(Box::new(PulselessLink { inner, heard: Arc::clone(&self.heard), measures: false }))
        }
    }

    #[async_trait]
    impl GattLink for PulselessLink {
        async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
            self.inner.read(characteristic).await
        }

        async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
            if characteristic == HEART_RATE_CONTROL {
                self.heard.control.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_vec());
                self.measures = value == [0x15, 0x02, 0x01];
            }
            self.inner.write(characteristic, value, kind).await
        }

        async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
            self.inner.subscribe(characteristic).await
        }

        async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
            self.inner.unsubscribe(characteristic).await
        }

        async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
            if self.measures {
                self.heard.waits.notify_one();
                std::future::pending::<()>().await;
            }
            self.inner.notification(within).await
        }

        async fn disconnect(&mut self) -> Result<(), LinkError> {
            self.inner.disconnect().await
        }
    }

    #[tokio::test]
    async fn a_run_that_is_stopped_while_the_band_measures_switches_the_sensor_off() {
        // Certificates are checked by the wall clock.
        let now = jiff::Timestamp::now();
        let bench = SimulatedBench::start(std::net::SocketAddr::from(([127, 0, 0, 1], 0)), now).await.expect("a free port");
        let mut rig = bench.rig(7, &[], None).await.expect("a free port");
        let heard = Arc::<Heard>::default();
        rig.central = Arc::new(Pulseless { inner: Arc::clone(&rig.central), heard: Arc::clone(&heard) });
        let text = "name: one\napp: demo\nabout: Measures.\nruns: 1\nsteps:\n  - measureHeartRate\nexpect: []\n";
        let scenario = parse::scenario("one.yaml", "one", text, &App { name: "demo".into(), ..App::default() }).expect("it is valid");
        let captures = tempfile::tempdir().expect("a folder");
        let order = Order { app: "demo", version: None, run: 1, runs: 1, control: None, captures: captures.path(), watchers: Vec::new() };
        let outcome = run(rig, &scenario, &order, heard.waits.notified()).await.expect("it begins");
        assert_eq!(outcome.ending, RunEnding::Interrupted);
        let control = heard.control.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(control.contains(&vec![0x15, 0x02, 0x01]), "it was on: {control:02x?}");
        assert_eq!(control.last().map(Vec::as_slice), Some(&[0x15, 0x02, 0x00][..]), "it is off: {control:02x?}");
    }
}
