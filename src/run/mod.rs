//! A scenario on a rig to a capture: steps in order, events numbered by one writer, the phone put back on every way out.
//! What the capture means is the core's; this module never looks inside a body.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    model::{self, AppVersion, CaptureSource, ControlRun, Provenance, RunEnding, RunEvent, Target, capture::CAPTURE_FORMAT},
    phone::{
        Counted, Outside, Phone, PhoneError, Route, RouteWatch,
        adb::LOOK_EACH,
        operator::{Operator, Task, have_done},
    },
    scenario::{
        Impossible, PlacedStep, Scenario, Secrets, StepFailure,
        rig::{Course, Stage, StageLog as _},
        steps,
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
    /// Scenarios ask for something this rig cannot do; told before anything is done.
    #[error("run {}: this rig cannot do that ({phone})", joined(.what))]
    Impossible {
        /// What, all of it.
        what: Vec<Impossible>,
        /// The phone, in words.
        phone: String,
    },
    /// A person stopped it before it began.
    #[error("run: stopped before it began")]
    Interrupted,
    /// It could not begin, and what had been changed on the phone by then could not be put back either.
    #[error("{why}; and put the phone back as it was: failed to {not_restored}")]
    NotRestored {
        /// Why it could not begin.
        why: Box<RunError>,
        /// What could not be put back.
        not_restored: PhoneError,
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
    if let Script::Scenario(scenario) = script {
        refuse_impossible(&rig, [scenario])?;
    }
    let started = rig.clock.now();
    tokio::pin!(interrupted);
    let installed = tokio::select! {
        biased;
        () = &mut interrupted => Err(RunError::Interrupted),
        installed = rig.phone.install(order.version) => installed.map_err(RunError::from),
    };
    let version = match installed {
        Ok(version) => version,
        Err(error) => return Err(give_up(&mut *rig.phone, &*rig.source, error).await),
    };
    let mut kind = rig.kind.clone();
    if let (model::Rig::Real { about }, Some(app)) = (&mut kind, rig.phone.app_about()) {
        *about = format!("{about}; {app}");
    }
    rig.kind = kind;
    // From the first connection on, also while the self-check lasts: what was opened before the run may live on into it.
    let provenance = Provenance { started, ..provenance(&rig, &script, order, version.clone()) };
    let source = Arc::clone(&rig.source);
    let recording = recorder::start(order.captures, provenance, rig.clock.clone(), rig.traffic, source, order.watchers.clone());
    let (recorder, writing) = match recording {
        Ok(recording) => recording,
        Err(error) => return Err(give_up(&mut *rig.phone, &*rig.source, error.into()).await),
    };
    let checked = tokio::select! {
        biased;
        () = &mut interrupted => Err(RunEnding::Interrupted),
        error = rig.source.failed() => Err(RunEnding::InstrumentFailed { why: error.to_string() }),
        why = recorder.failed() => Err(RunEnding::InstrumentFailed { why }),
        checked = prepare(&mut rig.phone, &*rig.operator, rig.way.as_ref(), &rig.probe) => checked,
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
    let began = checked.is_ok();
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
    // However it ended: what went past the proxy until then went there.
    let outside = if began { Some(rig.phone.outside().await) } else { None };
    // A script that ended by itself is known at the latest when the app is stopped.
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
    // Only now everything is told that came by the source.
    for event in outside.map(|outside| past_the_proxy(outside, recorder.passed())).into_iter().flatten() {
        recorder.write(event).await;
    }
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
    let prepared = prepare(&mut rig.phone, &*rig.operator, rig.way.as_ref(), &rig.probe).await;
    let not_restored = rig.phone.restore().await.err();
    let stopped = rig.source.stop().await;
    let ended = prepared.and_then(|()| stopped.map_err(|error| RunEnding::InstrumentFailed { why: error.to_string() }));
    (ended, not_restored)
}

/// Brings the phone to the source, and proves it. Where only a person can have it trust the authority, they are asked to, and it is looked
/// at again. An error says how the run ends.
async fn prepare(
    phone: &mut Box<dyn Phone>,
    operator: &dyn Operator,
    way: Option<&Way>,
    probe: &self_check::Probe,
) -> Result<(), RunEnding> {
    let failed = |error: PhoneError| RunEnding::InstrumentFailed { why: error.with_help() };
    if let Some(way) = way {
        phone.route_through(way.proxy).await.map_err(failed)?;
        phone.trust(&way.authority).await.map_err(failed)?;
    }
    let checked = self_check::check(&mut **phone, probe, way.is_none_or(|way| way.reads)).await;
    if let (Err(RunEnding::SelfCheckFailed { .. }), Some(way)) = (&checked, way)
        && operator.is_there()
        && probe.was_refused()
        && let Some(what) = phone.ask_for_trust(&way.authority).await.map_err(failed)?
    {
        let task = Task { name: "certificate", what: &what, within: TRUSTED_WITHIN, word_counts: false };
        let done = have_done(operator, &task, &mut self_check::Trusts { phone: &mut **phone, probe }).await;
        return done.map(drop).map_err(|error| RunEnding::SelfCheckFailed { why: format!("failed to {error}") });
    }
    checked
}

/// A person has this long to have the phone trust the authority.
const TRUSTED_WITHIN: Duration = Duration::from_secs(15 * 60);

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

/// Puts the phone back and ends the source of a run that could not begin. Gives why it could not, and what is still to be put back.
async fn give_up(phone: &mut dyn Phone, source: &dyn RunningSource, why: RunError) -> RunError {
    let not_restored = phone.restore().await.err();
    // What the phone or the disk said first is worth more than that the source did not end well.
    let _ = source.stop().await;
    match not_restored {
        Some(not_restored) => RunError::NotRestored { why: Box::new(why), not_restored },
        None => why,
    }
}

/// Refuses scenarios that ask for something a rig cannot do: all of it at once.
///
/// # Errors
/// [`RunError::Impossible`].
pub fn refuse_impossible<'a>(rig: &Rig, scenarios: impl IntoIterator<Item = &'a Scenario>) -> Result<(), RunError> {
    let what: Vec<Impossible> =
        scenarios.into_iter().flat_map(|scenario| scenario.impossible_on(&*rig.phone, rig.band.is_some())).collect();
    if what.is_empty() { Ok(()) } else { Err(RunError::Impossible { what, phone: rig.phone.about() }) }
}

fn joined(what: &[Impossible]) -> String {
    what.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What a capture says of what went past the proxy. Where what came by the proxy was counted as well, only what is more than that is
/// said to have gone past it, and that the rest cannot be told.
fn past_the_proxy(outside: Outside, passed: recorder::Passed) -> Vec<RunEvent> {
    let (bytes, with_proxied, gap) = match outside {
        Outside::NoWay => return Vec::new(),
        Outside::NotCounted(why) => return vec![RunEvent::OutsideUncounted { why }],
        Outside::Counted { bytes, with_proxied, gap } => (bytes, with_proxied, gap),
    };
    let explained = |http: u64| http.saturating_add(http / 10).saturating_add(passed.connections.saturating_mul(A_CONNECTION));
    let past = match with_proxied {
        false => bytes,
        true => Counted {
            sent: bytes.sent.saturating_sub(explained(passed.sent)),
            received: bytes.received.saturating_sub(explained(passed.received)),
        },
    };
    let mut events = Vec::new();
    if past != Counted::default() {
        events.push(RunEvent::OutsideProxy { sent: past.sent, received: past.received });
    }
    if with_proxied && bytes != Counted::default() {
        events.push(RunEvent::OutsideUncounted { why: OVER_WIFI.to_owned() });
    }
    events.extend(gap.map(|why| RunEvent::OutsideUncounted { why }));
    events
}

/// What TLS adds to a connection at most, bytes: its handshake with a long chain of certificates, and the records around what follows,
/// for which a tenth is reckoned beside it.
const A_CONNECTION: u64 = 16 * 1024;
/// Why nothing is known over Wi-Fi where the counters do not exceed what came by the proxy.
const OVER_WIFI: &str = "over Wi-Fi the phone counts what goes to the proxy as well, and other apps' traffic comes there too: only what the \
                         app had above all of that is certain";

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
    if let Some(position) = scenario.location
        && let Err(error) = steps::place(stage, position).await
    {
        let why = format!("the position at the start: failed to {error}");
        return if error.is_unfulfilled() { RunEnding::StepFailed { why } } else { RunEnding::InstrumentFailed { why } };
    }
    if let Err(failure) = scenario.perform(stage).await {
        return ending_of(&failure, stage.course.secrets);
    }
    // What broke while the last step lasted is a hole as any other.
    match stage.phone.check_route().await {
        Ok(Route::Whole) => RunEnding::Complete,
        Ok(Route::Broken(why)) => RunEnding::InstrumentFailed { why },
        Err(error) => RunEnding::InstrumentFailed { why: error.with_help() },
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
mod tests;
