//! Runs whose phone, band or disk does something odd: how they end, and what is put back.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;
use crate::{
    band::huami::characteristics::HEART_RATE_CONTROL,
    link::{Advertisement, Central, GattLink, LinkError, Notification, WriteKind},
    model::{App, NumberedEvent, Position},
    phone::{
        Action, Key, Launch, Probed, Target as On,
        operator::{Nobody, NobodyThere},
    },
    scenario::parse,
    traffic::{
        authority::Authority,
        proxy::{Gate, OpenGate, Visit},
    },
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

/// The stand-in phone, but for what is said here.
struct Odd {
    inner: Box<dyn Phone>,
    /// How far north of where it was placed it says it is, degrees.
    off_by: f64,
    /// What it says of what went past the proxy.
    outside: Outside,
    /// It never comes to the end of an installation.
    installs_for_ever: bool,
    lacks: Option<Action>,
    /// How often its route is whole.
    whole: u32,
    restored: Arc<AtomicU32>,
}

#[async_trait]
impl Phone for Odd {
    fn about(&self) -> String {
        self.inner.about()
    }

    fn platform(&self) -> model::Platform {
        self.inner.platform()
    }

    fn supports(&self, action: Action) -> bool {
        self.lacks != Some(action) && self.inner.supports(action)
    }

    async fn install(&mut self, version: Option<&AppVersion>) -> Result<AppVersion, PhoneError> {
        if self.installs_for_ever {
            std::future::pending::<()>().await;
        }
        self.inner.install(version).await
    }

    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError> {
        self.inner.launch_app(launch).await
    }

    async fn stop_app(&mut self) -> Result<(), PhoneError> {
        self.inner.stop_app().await
    }

    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError> {
        self.inner.pull_to_refresh().await
    }

    async fn tap_on(&mut self, target: &On) -> Result<(), PhoneError> {
        self.inner.tap_on(target).await
    }

    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError> {
        self.inner.press_key(key).await
    }

    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError> {
        let is = self.inner.set_location(position).await?;
        Ok(Position { lat: is.lat + self.off_by, ..is })
    }

    async fn check_route(&mut self) -> Result<Route, PhoneError> {
        self.whole = self.whole.saturating_sub(1);
        Ok(if self.whole == 0 { Route::Broken("the tunnel is gone".to_owned()) } else { Route::Whole })
    }

    async fn outside(&mut self) -> Outside {
        self.outside.clone()
    }

    async fn probe(&mut self, url: &str) -> Result<Probed, PhoneError> {
        self.inner.probe(url).await
    }

    async fn restore(&mut self) -> Result<(), PhoneError> {
        self.restored.fetch_add(1, Ordering::Relaxed);
        self.inner.restore().await
    }
}

/// One run on the stand-in phone, made odd. Gives what came of it, its events, and how often the phone was put back.
async fn odd_run(steps: &str, captures: &Path, make: impl FnOnce(&mut Odd)) -> (Result<RunOutcome, RunError>, Vec<RunEvent>, u32) {
    let bench = SimulatedBench::start(([127, 0, 0, 1], 0).into(), jiff::Timestamp::now()).await.expect("a free port");
    let mut rig = bench.rig(7, &[], None).await.expect("a free port");
    let restored = Arc::<AtomicU32>::default();
    let inner = rig.phone;
    let mut odd = Odd {
        inner,
        off_by: 0.0,
        outside: Outside::NoWay,
        installs_for_ever: false,
        lacks: None,
        whole: 1000,
        restored: Arc::clone(&restored),
    };
    make(&mut odd);
    let waits = odd.installs_for_ever;
    rig.phone = Box::new(odd);
    let text = format!(
        "name: one\napp: demo\nabout: Waits.\nruns: 1\nplant:\n  location: {{ lat: 52.37403, lon: 4.88969 }}\nsteps:\n{steps}expect: []\n"
    );
    let scenario = parse::scenario("one.yaml", "one", &text, &App { name: "demo".into(), ..App::default() }).expect("it is valid");
    let told = Arc::<Mutex<Vec<RunEvent>>>::default();
    let watcher = {
        let told = Arc::clone(&told);
        Arc::new(move |event: &NumberedEvent| told.lock().unwrap_or_else(PoisonError::into_inner).push(event.event.clone()))
    };
    let order = Order { app: "demo", version: None, run: 1, runs: 1, control: None, captures, watchers: vec![watcher] };
    let interrupted = async {
        if !waits {
            std::future::pending::<()>().await;
        }
    };
    let outcome = run(rig, &scenario, &order, interrupted).await;
    let events = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (outcome, events, restored.load(Ordering::Relaxed))
}

const WAITS: &str = "  - wait: { for: 1s }\n";

#[tokio::test]
async fn a_phone_that_says_it_is_elsewhere_at_the_start_is_no_run() {
    let captures = tempfile::tempdir().expect("a folder");
    let (outcome, events, _) = odd_run(WAITS, captures.path(), |odd| odd.off_by = 0.1).await;
    let RunEnding::InstrumentFailed { why } = outcome.expect("it begins").ending else { panic!("the position is not the planted one") };
    assert_eq!(why, "the position at the start: failed to control the phone: it says it is 11120 m away from where it was placed");
    assert!(!events.iter().any(|event| matches!(event, RunEvent::PhoneMoved { .. })), "where it really is is written nowhere");
}

#[tokio::test]
async fn a_route_that_broke_during_the_last_step_is_a_hole() {
    let captures = tempfile::tempdir().expect("a folder");
    let (outcome, ..) = odd_run(WAITS, captures.path(), |odd| odd.whole = 2).await;
    let ending = outcome.expect("it begins").ending;
    assert_eq!(ending, RunEnding::InstrumentFailed { why: "the tunnel is gone".to_owned() });
    let (outcome, ..) = odd_run(WAITS, captures.path(), |odd| odd.whole = 3).await;
    assert_eq!(outcome.expect("it begins").ending, RunEnding::Complete);
}

#[tokio::test]
async fn what_went_past_the_proxy_is_told_however_the_run_ended() {
    let captures = tempfile::tempdir().expect("a folder");
    for (steps, complete) in [(WAITS, true), ("  - waitForUpload: { host: nobody.test, path: /, within: 1s }\n", false)] {
        let uncounted = Outside::NotCounted("this phone does not tell".to_owned());
        let (outcome, events, _) = odd_run(steps, captures.path(), |odd| odd.outside = uncounted).await;
        let ending = outcome.expect("it begins").ending;
        assert_eq!(ending == RunEnding::Complete, complete, "{ending:?}");
        assert!(events.contains(&RunEvent::OutsideUncounted { why: "this phone does not tell".to_owned() }), "{steps}");
        assert!(matches!(events.last(), Some(RunEvent::RunEnded { .. })), "nothing comes after the end");
    }
}

/// A person who does what they are asked for the second time only.
struct Slow;

#[async_trait]
impl Operator for Slow {
    fn is_there(&self) -> bool {
        true
    }

    fn has_confirmed(&self, _: &str) -> bool {
        false
    }

    fn tell(&self, _: &str) {}

    async fn answer(&self, question: &str) -> Result<String, NobodyThere> {
        assert!(question.contains("certificate"), "{question}");
        Ok(String::new())
    }
}

#[tokio::test]
async fn a_person_is_asked_to_trust_the_authority_and_it_is_looked_at_until_the_probe_is_read() {
    let authority = Arc::new(Authority::generate("Lab", jiff::Timestamp::now()).expect("a key"));
    let way = Way { proxy: ([127, 0, 0, 1], 9).into(), authority, reads: true };
    for (operator, asks, asked, well) in
        [(&Slow as &dyn Operator, true, 3, true), (&Nobody, true, 1, false), (&Slow as &dyn Operator, false, 1, false)]
    {
        let probe = self_check::Probe::new();
        let phone = Distrusts { gate: probe.gate(Arc::new(OpenGate)), asks, probed: Arc::default() };
        let probed = Arc::clone(&phone.probed);
        let mut phone: Box<dyn Phone> = Box::new(phone);
        let prepared = prepare(&mut phone, operator, Some(&way), &probe).await;
        assert_eq!((prepared.is_ok(), probed.load(Ordering::Relaxed)), (well, asked), "{prepared:?}");
    }
}

/// A phone that refuses the certificate the first two times.
struct Distrusts {
    gate: Arc<dyn Gate>,
    asks: bool,
    probed: Arc<AtomicU32>,
}

#[async_trait]
impl Phone for Distrusts {
    fn about(&self) -> String {
        "a phone".to_owned()
    }

    fn platform(&self) -> model::Platform {
        model::Platform::Lab
    }

    fn supports(&self, _: Action) -> bool {
        true
    }

    async fn install(&mut self, _: Option<&AppVersion>) -> Result<AppVersion, PhoneError> {
        Ok(AppVersion::named("1.0"))
    }

    async fn launch_app(&mut self, _: &Launch) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn stop_app(&mut self) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn tap_on(&mut self, _: &On) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn press_key(&mut self, _: Key) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError> {
        Ok(position)
    }

    async fn route_through(&mut self, _: std::net::SocketAddr) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn trust(&mut self, _: &Authority) -> Result<(), PhoneError> {
        Ok(())
    }

    async fn ask_for_trust(&mut self, _: &Authority) -> Result<Option<String>, PhoneError> {
        Ok(self.asks.then(|| "Install the certificate.".to_owned()))
    }

    async fn probe(&mut self, url: &str) -> Result<Probed, PhoneError> {
        let client = std::net::Ipv4Addr::LOCALHOST.into();
        if self.probed.fetch_add(1, Ordering::Relaxed) < 2 {
            let refused = model::TunnelOutcome::CertificateRefused { alert: "CertificateUnknown".to_owned() };
            self.gate.left(client, self_check::PROBE_HOST, &refused);
        } else {
            let path =
                url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map(|(_, path)| format!("/{path}")).expect("a path");
            let host = self_check::PROBE_HOST;
            let visit = Visit { client, method: "GET", host, path_and_query: &path, user_agent: None, decrypted: true, proxied: true };
            self.gate.page(&visit);
        }
        Ok(Probed::Sent)
    }

    async fn restore(&mut self) -> Result<(), PhoneError> {
        Ok(())
    }
}

#[test]
fn over_wi_fi_only_what_exceeds_the_proxied_bytes_went_past_the_proxy() {
    let passed = recorder::Passed { sent: 100_000, received: 1000, connections: 2 };
    let counted = |sent, with_proxied, gap: Option<&str>| Outside::Counted {
        bytes: Counted { sent, received: 0 },
        with_proxied,
        gap: gap.map(str::to_owned),
    };
    let past = |sent| RunEvent::OutsideProxy { sent, received: 0 };
    let uncounted = |why: &str| RunEvent::OutsideUncounted { why: why.to_owned() };
    for (outside, want) in [
        (Outside::NoWay, vec![]),
        (counted(0, false, None), vec![]),
        (counted(1200, false, None), vec![past(1200)]),
        (counted(1200, false, Some("it was restarted")), vec![past(1200), uncounted("it was restarted")]),
        // Over Wi-Fi: 110,000 and twice 16 KiB are explained by what came.
        (counted(0, true, None), vec![]),
        (counted(140_000, true, None), vec![uncounted(OVER_WIFI)]),
        (counted(200_000, true, None), vec![past(200_000 - 110_000 - 32 * 1024), uncounted(OVER_WIFI)]),
    ] {
        assert_eq!(past_the_proxy(outside.clone(), passed), want, "{outside:?}");
    }
}

#[tokio::test]
async fn ctrl_c_is_heard_while_the_app_is_installed_and_the_phone_is_put_back() {
    let captures = tempfile::tempdir().expect("a folder");
    let (outcome, events, restored) = odd_run(WAITS, captures.path(), |odd| odd.installs_for_ever = true).await;
    assert!(matches!(outcome, Err(RunError::Interrupted)) && events.is_empty() && restored == 1, "{outcome:?}");
}

#[tokio::test]
async fn a_disk_that_takes_no_capture_leaves_the_phone_as_it_was() {
    let captures = tempfile::NamedTempFile::new().expect("a file");
    let (outcome, events, restored) = odd_run(WAITS, captures.path(), |_| {}).await;
    assert!(matches!(outcome, Err(RunError::Store(_))) && events.is_empty() && restored == 1, "{outcome:?}");
}

#[tokio::test]
async fn a_start_that_the_phone_cannot_be_placed_at_is_named_before_the_run() {
    let captures = tempfile::tempdir().expect("a folder");
    let (outcome, events, _) = odd_run(WAITS, captures.path(), |odd| odd.lacks = Some(Action::SetLocation)).await;
    let error = outcome.expect_err("it cannot be done").to_string();
    assert!(error.starts_with("run one, plant, location: this rig cannot do that (simulated phone") && events.is_empty(), "{error}");
}
