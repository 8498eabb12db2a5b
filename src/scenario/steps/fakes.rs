//! Stand-ins for phone, band and record, so that each step can be tested alone on a simulated clock that starts at 1970-01-01.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Step, StepError};
use crate::{
    band::{Access, ActivityToday, Band, BandClock, BandError, BandModel, DeviceInfo, History, Key as BandKey, Workout},
    clock::{Clock, Hold},
    link::{Advertisement, Central, GattLink, LinkError, Notification, Presence, WriteKind},
    model::{App, AppVersion, AttachmentKind, ExchangeId, Platform, Position, RunEvent},
    phone::{
        Action, Element, Key, Launch, Permission, PermissionChange, Phone, PhoneError, Screen, Swipe, Target,
        operator::{Nobody, Operator},
    },
    scenario::{
        PlacedStep, ScenarioFiles, Secrets, parse,
        rig::{BandPlan, Course, SeenRequest, Stage, StageLog},
    },
};

/// A stage of fakes.
pub(crate) struct Fakes {
    pub(crate) phone: FakePhone,
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) band: FakeBand,
    pub(crate) log: FakeLog,
    pub(crate) no_band: bool,
    /// What we may do on the band.
    pub(crate) access: Access,
    pub(crate) secrets: Secrets,
    installed: Option<AppVersion>,
    recording: Option<String>,
    kept: Option<Box<dyn Band>>,
    heard: Option<Timestamp>,
    clock: Clock,
    hold: Hold,
}

impl Fakes {
    pub(crate) fn new() -> Self {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        Self {
            phone: FakePhone { clock: Some(clock.clone()), ..FakePhone::default() },
            operator: Box::new(Nobody),
            band: FakeBand { clock: Some(clock.clone()), ..FakeBand::default() },
            log: FakeLog {
                clock: clock.clone(),
                requests: Vec::new(),
                in_flight: 0,
                written: Mutex::default(),
                attached: Mutex::default(),
            },
            no_band: false,
            access: Access::Key(BandKey::new([0; 16])),
            secrets: Secrets::default(),
            installed: Some(AppVersion::named("1.0")),
            recording: None,
            kept: None,
            heard: None,
            hold: clock.hold(),
            clock,
        }
    }

    pub(crate) fn seconds_passed(&self) -> i64 {
        self.clock.now().as_second()
    }

    pub(crate) async fn run(&mut self, step: Box<dyn Step>) -> Result<String, StepError> {
        self.run_until(step, std::future::pending()).await.expect("nobody breaks it off")
    }

    async fn run_until(&mut self, step: Box<dyn Step>, broken_off: impl Future<Output = ()>) -> Option<Result<String, StepError>> {
        // The plan wants a model that lives for ever; a test leaks one.
        let model: &'static dyn BandModel = Box::leak(Box::new(self.band.clone()));
        let mut course = Course::new(AppVersion::named("1.0"), &self.secrets, &|_: &PlacedStep| ());
        (course.installed, course.recording) = (self.installed.take(), self.recording.take());
        let mut stage = Stage {
            phone: &mut self.phone,
            operator: &*self.operator,
            central: &self.band,
            band: (!self.no_band).then_some(BandPlan { model, address: [0; 6], access: self.access.clone() }),
            kept: self.kept.take(),
            band_heard: self.heard,
            acted_at: self.clock.now(),
            hold: &mut self.hold,
            log: &self.log,
            course,
        };
        let done = tokio::select! {
            biased;
            done = step.run(&mut stage) => Some(done),
            () = broken_off => None,
        };
        (self.kept, self.heard) = (stage.kept.take(), stage.band_heard);
        (self.installed, self.recording) = (stage.course.installed.take(), stage.course.recording.take());
        done
    }

    /// Runs a step, and drops it where the band takes for ever. Whether it was so.
    pub(crate) async fn break_off(&mut self, step: Box<dyn Step>) -> bool {
        // It is polled as far as it comes; then this is ready.
        self.run_until(step, std::future::ready(())).await.is_none()
    }

    /// The band that is on the stage.
    pub(crate) fn kept(&mut self) -> Option<&mut Box<dyn Band>> {
        self.kept.as_mut()
    }
}

/// The step that a line of a scenario describes, for an app without stand-in hosts.
pub(crate) fn step(line: &str) -> Box<dyn Step> {
    step_of(line, &App { name: "demo".into(), ..App::default() })
}

/// The step that a line of a scenario describes.
pub(crate) fn step_of(line: &str, app: &App) -> Box<dyn Step> {
    let text = format!("name: one\napp: demo\nabout: One step.\nruns: 1\nsteps:\n  - {line}\nexpect: []\n");
    let end = if line.starts_with("startRecording") { text.replacen("expect:", "  - stopRecording\nexpect:", 1) } else { text };
    let mut scenario = parse::scenario_among("one.yaml", "one", &end, app, &OneFolder).expect("the line is valid");
    scenario.steps.remove(0).step
}

/// A line that no scenario may have.
pub(crate) fn wrong(line: &str) {
    let text = format!("name: one\napp: demo\nabout: One step.\nruns: 1\nsteps:\n  - {line}\nexpect: []\n");
    let app = App { name: "demo".into(), ..App::default() };
    parse::scenario_among("one.yaml", "one", &text, &app, &OneFolder).expect_err(line);
}

/// A folder in which one part lies.
pub(crate) struct OneFolder;

impl ScenarioFiles for OneFolder {
    fn scenario(&self, path: &str) -> Result<(String, String), String> {
        let text = "name: sign-in\napp: demo\nabout: A part.\nsteps:\n  - tapOn: Sign in\n";
        if path == "parts/sign-in.yaml" { Ok((path.to_owned(), text.to_owned())) } else { Err("it is not there".to_owned()) }
    }

    fn place(&self, path: &str) -> Option<std::path::PathBuf> {
        Some(std::path::Path::new("app-folder").join(path))
    }
}

/// A request seen at this second; `ended` is second and status.
pub(crate) fn request(id: u64, method: &str, host: &str, path: &str, began: i64, ended: Option<(i64, Option<u16>)>) -> SeenRequest {
    let at = |second| Timestamp::from_second(second).expect("in range");
    SeenRequest {
        id: ExchangeId(id),
        method: method.into(),
        host: host.into(),
        path: path.into(),
        began: at(began),
        ended: ended.map(|(second, status)| (at(second), status)),
        said: None,
    }
}

/// A phone that writes down what it was asked.
#[derive(Default)]
pub(crate) struct FakePhone {
    pub(crate) done: Vec<String>,
    /// How far north of where it was placed it says it is.
    pub(crate) off_by_degrees: f64,
    /// Whether a person works it.
    pub(crate) by_hand: bool,
    /// Texts that are seen, one screen after the other; the last one stays.
    pub(crate) screens: Vec<&'static str>,
    /// What it says to the next things that it is asked, one after the other.
    pub(crate) fails: Vec<PhoneError>,
    /// What it says to the thing of this number that it is asked, from 1.
    pub(crate) fails_at: Option<(usize, PhoneError)>,
    /// What is on its screen, from which second on.
    pub(crate) shows: Vec<(i64, Screen)>,
    /// Which one it is.
    pub(crate) identity: Option<&'static str>,
    /// What it cannot do.
    pub(crate) lacks: Vec<Action>,
    pub(crate) asked: usize,
    pub(crate) clock: Option<Clock>,
}

impl FakePhone {
    /// Writes down what it was asked, unless it fails.
    fn does(&mut self, what: impl Into<String>) -> Result<(), PhoneError> {
        self.asked += 1;
        if let Some((_, error)) = self.fails_at.take_if(|(number, _)| *number == self.asked) {
            return Err(error);
        }
        if !self.fails.is_empty() {
            return Err(self.fails.remove(0));
        }
        self.done.push(what.into());
        Ok(())
    }
}

#[async_trait]
impl Phone for FakePhone {
    fn about(&self) -> String {
        "a fake phone".into()
    }

    fn platform(&self) -> Platform {
        Platform::Lab
    }

    fn identity(&self) -> Option<String> {
        self.identity.map(str::to_owned)
    }

    fn supports(&self, action: Action) -> bool {
        !self.lacks.contains(&action)
    }

    fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    async fn install(&mut self, version: Option<&AppVersion>) -> Result<AppVersion, PhoneError> {
        Ok(version.cloned().unwrap_or_else(|| AppVersion::named("1.0")))
    }

    async fn install_file(&mut self, file: &std::path::Path) -> Result<AppVersion, PhoneError> {
        self.does(format!("install {}", file.display()))?;
        Ok(AppVersion::named(file.file_stem().unwrap_or_default().to_string_lossy()))
    }

    async fn uninstall_app(&mut self) -> Result<(), PhoneError> {
        self.does("uninstall")
    }

    async fn clear_state(&mut self) -> Result<(), PhoneError> {
        self.does("clear state")
    }

    async fn set_permissions(&mut self, changes: &[PermissionChange]) -> Result<(), PhoneError> {
        let told =
            |change: &PermissionChange| format!("{:?} {}", change.which, if change.to == Permission::Allow { "Allow" } else { "Deny" });
        self.does(format!("permissions {}", changes.iter().map(told).collect::<Vec<_>>().join(", ")))
    }

    async fn set_airplane_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        self.does(format!("airplane {on}"))
    }

    async fn swipe(&mut self, swipe: &Swipe) -> Result<(), PhoneError> {
        self.does(format!("swipe {swipe:?}"))
    }

    async fn input_text(&mut self, text: &str) -> Result<(), PhoneError> {
        self.does(format!("type {text}"))
    }

    /// Looking is not written down.
    async fn screen(&mut self) -> Result<Screen, PhoneError> {
        if !self.fails.is_empty() {
            return Err(self.fails.remove(0));
        }
        if !self.screens.is_empty() {
            let text = if self.screens.len() > 1 { self.screens.remove(0) } else { self.screens[0] };
            return Ok(Screen { elements: vec![Element { text: text.to_owned(), ..Element::default() }] });
        }
        let now = self.clock.as_ref().map_or(0, |clock| clock.now().as_second());
        Ok(self.shows.iter().rfind(|(from, _)| *from <= now).map(|(_, screen)| screen.clone()).unwrap_or_default())
    }

    async fn screenshot(&mut self) -> Result<Vec<u8>, PhoneError> {
        Ok(b"PNG".to_vec())
    }

    async fn start_recording(&mut self) -> Result<(), PhoneError> {
        self.does("start recording")
    }

    async fn stop_recording(&mut self) -> Result<Vec<u8>, PhoneError> {
        self.does("stop recording")?;
        Ok(b"MP4".to_vec())
    }

    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError> {
        self.done.push(format!("launch {} {:?}", launch.clear_state, launch.location));
        Ok(())
    }

    async fn stop_app(&mut self) -> Result<(), PhoneError> {
        self.done.push("stop".into());
        Ok(())
    }

    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError> {
        self.done.push("pull".into());
        Ok(())
    }

    async fn tap_on(&mut self, target: &Target) -> Result<(), PhoneError> {
        self.does(match target {
            Target::Text(text) => format!("tap {text}"),
            other => format!("tap {other}"),
        })
    }

    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError> {
        self.does(format!("press {key:?}"))
    }

    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError> {
        Ok(Position { lat: position.lat + self.off_by_degrees, lon: position.lon })
    }

    async fn restore(&mut self) -> Result<(), PhoneError> {
        Ok(())
    }
}

/// A band, its model and the central that finds it; without contents it hangs up when asked for them.
#[derive(Clone, Default)]
pub(crate) struct FakeBand {
    pub(crate) contents: Option<(DeviceInfo, History)>,
    /// From which second to which it advertises.
    pub(crate) advertises: std::ops::Range<i64>,
    /// From which second to which the system only remembers it.
    pub(crate) remembered: std::ops::Range<i64>,
    /// How many strangers advertise.
    pub(crate) crowd: usize,
    /// Whether the next reading of minutes breaks after the first minute.
    pub(crate) breaks: Arc<AtomicBool>,
    /// What it is asked to do takes for ever.
    pub(crate) never_ends: bool,
    /// It has no key, no clock and no minutes.
    pub(crate) is_generic: bool,
    authenticated: bool,
    clock: Option<Clock>,
    journal: Arc<Mutex<Vec<String>>>,
}

impl FakeBand {
    pub(crate) fn journal(&self) -> Vec<String> {
        self.journal.lock().expect("no panic while locked").clone()
    }

    fn is_now_in(&self, seconds: &std::ops::Range<i64>) -> bool {
        self.clock.as_ref().is_some_and(|clock| seconds.contains(&clock.now().as_second()))
    }

    async fn take_time(&self) {
        if self.never_ends {
            std::future::pending::<()>().await;
        }
    }

    fn note(&self, what: impl Into<String>) {
        self.journal.lock().expect("no panic while locked").push(what.into());
    }
}

#[async_trait]
impl BandModel for FakeBand {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn is_named(&self, _: &str) -> bool {
        true
    }

    fn label(&self) -> &'static str {
        "a fake band"
    }

    async fn open(&self, _: Box<dyn GattLink>, access: &Access) -> Result<Box<dyn Band>, BandError> {
        self.note("open");
        Ok(Box::new(Self { authenticated: matches!(access, Access::Key(_)) && !self.is_generic, ..self.clone() }))
    }

    async fn pair(&self, _: Box<dyn GattLink>, _: BandKey, _: &AtomicBool) -> Result<Box<dyn Band>, BandError> {
        self.note("pair");
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Band for FakeBand {
    async fn device_info(&mut self) -> Result<DeviceInfo, BandError> {
        self.note("info");
        Ok(self.contents.clone().ok_or(LinkError::Lost)?.0)
    }

    fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    async fn clock(&mut self) -> Result<BandClock, BandError> {
        if self.is_generic {
            return Err(BandError::Unsupported("say what time it is"));
        }
        let history = self.contents.clone().ok_or(LinkError::Lost)?.1;
        Ok(BandClock { now: history.start, utc_offset_s: history.utc_offset_s })
    }

    async fn activity_today(&mut self) -> Result<ActivityToday, BandError> {
        Err(BandError::Unsupported("count"))
    }

    async fn measure_heart_rate(&mut self, within: std::time::Duration) -> Result<u8, BandError> {
        self.note("measure heart rate");
        self.take_time().await;
        let history = self.contents.clone().ok_or(LinkError::Lost)?.1;
        Ok(history.samples.last().and_then(|sample| sample.beats()).ok_or(LinkError::Silent(within))?)
    }

    async fn history(&mut self, since: Timestamp, into: &mut History) -> Result<(), BandError> {
        if self.is_generic {
            return Err(BandError::Unsupported("keep minutes"));
        }
        if !self.authenticated {
            return Err(BandError::NeedsKey);
        }
        self.take_time().await;
        self.note(format!("history since {}", into.end().unwrap_or(since)));
        *into = self.contents.clone().ok_or(LinkError::Lost)?.1;
        if self.breaks.swap(false, Ordering::SeqCst) {
            into.samples.truncate(1);
            return Err(LinkError::Lost.into());
        }
        Ok(())
    }

    async fn workouts(&mut self, _: Timestamp) -> Result<Vec<Workout>, BandError> {
        Err(BandError::Unsupported("record workouts"))
    }

    async fn vibrate(&mut self) -> Result<(), BandError> {
        self.note("vibrate");
        self.take_time().await;
        Ok(())
    }

    async fn release(&mut self) -> Result<(), BandError> {
        self.note("release");
        Ok(())
    }
}

#[async_trait]
impl Central for FakeBand {
    /// Takes no time, as on the simulated link. The crowd is heard first.
    async fn scan_each(&self, _: std::time::Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        let said = |address| {
            let (manufacturer_data, service_data) = (Vec::new(), Vec::new());
            Advertisement { address, name: None, manufacturer_data, service_data, rssi: None }
        };
        for stranger in 0..self.crowd {
            let [.., a, b, c, d] = stranger.to_be_bytes();
            seen(said([2, 0, a, b, c, d]));
        }
        if self.is_now_in(&self.advertises) {
            seen(said([0; 6]));
        }
        Ok(())
    }

    async fn listen_to(
        &self,
        address: [u8; 6],
        listen_for: std::time::Duration,
        heard: &mut (dyn FnMut(Advertisement) -> ControlFlow<()> + Send),
    ) -> Result<Presence, LinkError> {
        let mut presence = Presence::Silent;
        self.scan_each(listen_for, &mut |advertisement| {
            if advertisement.address == address {
                presence = Presence::Heard;
                let _ = heard(advertisement);
            }
        })
        .await?;
        let is_remembered = presence == Presence::Silent && self.is_now_in(&self.remembered);
        Ok(if is_remembered { Presence::Remembered } else { presence })
    }

    async fn connect(&self, _: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        Ok(Box::new(NoLink))
    }
}

/// A link that nobody uses.
struct NoLink;

#[async_trait]
impl GattLink for NoLink {
    async fn read(&mut self, _: uuid::Uuid) -> Result<Vec<u8>, LinkError> {
        Err(LinkError::Lost)
    }

    async fn write(&mut self, _: uuid::Uuid, _: &[u8], _: WriteKind) -> Result<(), LinkError> {
        Err(LinkError::Lost)
    }

    async fn subscribe(&mut self, _: uuid::Uuid) -> Result<(), LinkError> {
        Err(LinkError::Lost)
    }

    async fn unsubscribe(&mut self, _: uuid::Uuid) -> Result<(), LinkError> {
        Err(LinkError::Lost)
    }

    async fn notification(&mut self, _: std::time::Duration) -> Result<Notification, LinkError> {
        Err(LinkError::Lost)
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        Ok(())
    }
}

/// A record that knows requests of the future and shows each when its time has come.
pub(crate) struct FakeLog {
    clock: Clock,
    pub(crate) requests: Vec<SeenRequest>,
    pub(crate) in_flight: usize,
    written: Mutex<Vec<RunEvent>>,
    attached: Mutex<Vec<(AttachmentKind, String, Vec<u8>)>>,
}

impl FakeLog {
    /// What was written, but for the beginnings and ends of steps that another holds.
    pub(crate) fn written(&self) -> Vec<RunEvent> {
        let is_step = |event: &RunEvent| matches!(event, RunEvent::StepBegan { .. } | RunEvent::StepEnded { .. });
        self.written.lock().expect("no panic while locked").iter().filter(|event| !is_step(event)).cloned().collect()
    }

    /// What was put beside it: kind, name and bytes.
    pub(crate) fn attached(&self) -> Vec<(AttachmentKind, String, Vec<u8>)> {
        self.attached.lock().expect("no panic while locked").clone()
    }
}

#[async_trait]
impl StageLog for FakeLog {
    async fn write(&self, event: RunEvent) {
        self.written.lock().expect("no panic while locked").push(event);
    }

    async fn attach(&self, kind: AttachmentKind, name: &str, bytes: Vec<u8>) -> Option<String> {
        let mut attached = self.attached.lock().expect("no panic while locked");
        attached.push((kind, name.to_owned(), bytes));
        Some(format!("attachments/{}-{name}.{}", attached.len(), kind.ending()))
    }

    fn requests(&self) -> Vec<SeenRequest> {
        let now = self.clock.now();
        let mut seen: Vec<_> = self.requests.iter().filter(|request| request.began <= now).cloned().collect();
        for request in &mut seen {
            request.ended = request.ended.filter(|(ended, _)| *ended <= now);
            request.said = request.said.filter(|said| *said <= now);
        }
        seen
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    async fn settle(&self, _: std::time::Duration) -> bool {
        self.in_flight == 0
    }
}
