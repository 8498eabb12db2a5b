//! Whole runs on the simulated rig through the library, where a test changes what a command cannot: one minute in the band, the
//! names the app uses, which changes count; and sees what reached the cloud.

mod support;

use std::{path::PathBuf, sync::Arc};

use jiff::{Timestamp, civil::Date};
use support::shipped_app;
use tattletale::{
    audit::{self, Audit, AuditInput, Subject},
    decode,
    diff::Counting,
    model::{
        App, AppVersion, Bodies, Confidence, ControlRun, Exchange, FieldName, NumberedEvent, Observations, Origin, Part, Policy, Recording,
        RunEnding, RunEvent, Severity, Snapshot, Verdict,
    },
    phone::simulated::Vocabulary,
    run::{self, Fault, Order, SimulatedBench},
    scenario::{Scenario, embedded, parse},
    snapshot,
    store::{CaptureReader, EMBEDDED},
};

/// A bench with the shipped app and its scenarios, in a folder of its own.
struct Lab {
    folder: tempfile::TempDir,
    app: App,
    bench: SimulatedBench,
    control: Option<ControlRun>,
}

/// What one run left.
struct Recorded {
    folder: PathBuf,
    ending: RunEnding,
}

impl Lab {
    async fn new() -> Self {
        let app = shipped_app();
        let listen = "127.0.0.1:0".parse().expect("an address");
        let bench = SimulatedBench::start(listen, Timestamp::now()).await.expect("the bench starts");
        Self { folder: tempfile::tempdir().expect("a folder"), app, bench, control: None }
    }

    /// A shipped scenario, its hosts left out where a test renames them.
    fn scenario(&self, name: &str, change: impl Fn(&str) -> String) -> Scenario {
        let shipped = embedded::apps()[0].scenarios.iter().find(|(is, _)| *is == name).expect("it is shipped");
        parse::scenario(name, name, &change(shipped.1), &self.app).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    async fn run(&mut self, scenario: &Scenario, version: &str, seed: u64, number: u32, fault: Option<Fault>) -> Recorded {
        let version = AppVersion::named(version);
        let mut order = Order {
            app: &self.app.name,
            version: Some(&version),
            run: number,
            runs: 3,
            control: None,
            captures: self.folder.path(),
            watchers: Vec::new(),
        };
        if self.control.is_none() {
            let rig = self.bench.rig(seed, &[], None).await.expect("a rig");
            let (outcome, control) = run::control_run(rig, &order, std::future::pending()).await.expect("a control run");
            assert_eq!(outcome.ending, RunEnding::Complete);
            self.control = Some(control);
        }
        order.control = self.control.as_ref();
        let rig = self.bench.rig(seed, &scenario.plant, fault).await.expect("a rig");
        let outcome = run::run(rig, scenario, &order, std::future::pending()).await.expect("a run");
        Recorded { folder: outcome.capture, ending: outcome.ending }
    }

    /// An audit of several runs; each seed is one run.
    async fn audit(&mut self, scenario: &Scenario, version: &str, seeds: &[u64], baseline: Option<&Snapshot>, counting: Counting) -> Audit {
        let mut readers = Vec::new();
        for (number, seed) in (1..).zip(seeds) {
            let recorded = self.run(scenario, version, *seed, number, None).await;
            assert_eq!(recorded.ending, RunEnding::Complete, "seed {seed}");
            readers.push(CaptureReader::open(&recorded.folder).expect("readable"));
        }
        let mut observations = Observations::default();
        for reader in &readers {
            decode::merge(&mut observations, audit::observe(reader, &self.app).expect("readable"));
        }
        let subject = Subject::of(readers.iter().map(|reader| (reader.name(), reader.provenance()))).expect("there are runs");
        audit::audit(&AuditInput {
            observations: &observations,
            subject: &subject,
            about: "",
            baseline: baseline.map(|snapshot| (snapshot, "the test's")),
            // The strictest there is: whatever a rule says fails.
            policy: &Policy { fail_level: Severity::Note, ..Policy::default() },
            today: Date::constant(2026, 11, 23),
            counting,
            tool: "test",
        })
    }
}

fn as_shipped(text: &str) -> String {
    text.to_owned()
}

/// Every exchange of a capture with its whole request body, in the order in which they began: the log has them in the order in
/// which they ended, which differs on a busy machine.
fn exchanges(recorded: &Recorded) -> Vec<(Exchange, Vec<u8>)> {
    let reader = CaptureReader::open(&recorded.folder).expect("readable");
    let mut found = Vec::new();
    let mut keep = |event: &NumberedEvent, bodies: &dyn Bodies| {
        if let RunEvent::Exchange(exchange) = &event.event {
            let mut body = Vec::new();
            if let Some(mut reader) = exchange.request.body.open(bodies).expect("readable") {
                std::io::Read::read_to_end(&mut reader, &mut body).expect("readable");
            }
            found.push(((**exchange).clone(), body));
        }
    };
    reader.replay(&mut keep).expect("readable");
    found.sort_by_key(|(exchange, _)| exchange.id);
    found
}

/// The decoded minutes of heart rate in the last day of an upload, and all the rest of the upload.
fn heart_rate_and_rest(body: &[u8]) -> (Vec<u8>, String) {
    use base64::Engine as _;
    let mut form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let json = &mut form.iter_mut().find(|(name, _)| name == "data_json").expect("a form field").1;
    let mut days: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let day = days.as_array_mut().expect("days").last_mut().expect("a day");
    let minutes = base64::engine::general_purpose::STANDARD.decode(day["data_hr"].take().as_str().expect("text")).expect("base64");
    *json = days.to_string();
    (minutes, format!("{form:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_minute_in_the_band_is_one_changed_byte_in_the_capture() {
    let mut lab = Lab::new().await;
    let scenario = lab.scenario("passive-sync", as_shipped);
    let before = lab.run(&scenario, "sim-1.0", 11, 1, None).await;
    let contents = lab.bench.contents_mut();
    let day_before = 24 * 60;
    let minute = (day_before..day_before + 720)
        .find(|minute| contents.samples[*minute].heart_rate == 255)
        .expect("a minute of the morning without a reading");
    contents.samples[minute].heart_rate = 99;
    let after = lab.run(&scenario, "sim-1.0", 11, 1, None).await;

    let (before, after) = (exchanges(&before), exchanges(&after));
    assert_eq!(before.len(), after.len());
    let mut changed = 0;
    for ((one, old), (two, new)) in before.iter().zip(&after) {
        assert_eq!(one.request.url, two.request.url);
        assert_eq!(one.request.headers.len(), two.request.headers.len());
        if old == new {
            continue;
        }
        assert!(one.request.url.path().ends_with("band_data.json"), "{}", one.place());
        let ((old, rest_of_old), (new, rest_of_new)) = (heart_rate_and_rest(old), heart_rate_and_rest(new));
        assert!(rest_of_old == rest_of_new, "nothing else changed");
        let differing: Vec<usize> = (0..old.len()).filter(|at| old[*at] != new[*at]).collect();
        assert_eq!(differing, [minute - day_before], "exactly that minute");
        assert_eq!(new[minute - day_before], 99);
        changed += 1;
    }
    assert!(changed > 0, "the day was uploaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_proxy_dies_the_run_fails_and_the_cloud_receives_nothing_more() {
    let mut lab = Lab::new().await;
    let scenario = lab.scenario("passive-sync", as_shipped);
    let home = scenario.steps.iter().find(|placed| placed.name == "pressKey").expect("it goes to the background").line;
    let recorded = lab.run(&scenario, "sim-1.0", 5, 1, Some(Fault::StopProxy { after_step: home })).await;
    assert!(matches!(recorded.ending, RunEnding::InstrumentFailed { .. }), "{:?}", recorded.ending);
    let through_proxy: usize = exchanges(&recorded).iter().filter(|(exchange, _)| exchange.response.is_some()).count();
    assert!(through_proxy > 0);
    let received = lab.bench.cloud().received();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(lab.bench.cloud().received(), received);

    // What reached the cloud is what the capture holds: the control run's and this run's, and nothing went round.
    let recorded_hosts: Vec<String> = exchanges(&recorded).into_iter().map(|(exchange, _)| exchange.request.url.host).collect();
    for arrival in lab.bench.cloud().journal().iter().filter(|arrival| arrival.host.contains("huami")) {
        assert!(recorded_hosts.contains(&arrival.host), "{} went round the proxy", arrival.host);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_whose_traffic_cannot_be_read_is_told_before_the_app_is_started() {
    let mut lab = Lab::new().await;
    let scenario = lab.scenario("passive-sync", as_shipped);
    for (fault, reason) in [
        (Fault::PhoneDistrusts, "refused its certificate (UnknownCA): the phone does not trust this rig's authority"),
        (Fault::PhoneAstray, "nothing of its probe arrived at the proxy: is the phone pointed at it?"),
    ] {
        let recorded = lab.run(&scenario, "sim-1.0", 5, 1, Some(fault)).await;
        let RunEnding::SelfCheckFailed { why } = &recorded.ending else { panic!("{:?}", recorded.ending) };
        assert!(why.contains(reason), "{why}");
        let reader = CaptureReader::open(&recorded.folder).expect("readable");
        let mut events = Vec::new();
        reader.replay(&mut |event, _| events.push(event.event.clone())).expect("as written");
        assert!(matches!(&events[..], [RunEvent::RunStarted(_), RunEvent::RunEnded { .. }]), "nothing was done: {events:?}");
        let observations = audit::observe(&reader, &lab.app).expect("readable");
        assert_eq!(observations.coverage.complete_runs, 0);
        assert!(
            observations.coverage.incomplete_runs.iter().any(|run| run.contains(reason)),
            "{:?}",
            observations.coverage.incomplete_runs
        );
    }
    assert!(lab.bench.cloud().journal().iter().all(|arrival| !arrival.host.contains("huami")), "the app was never started");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_is_in_no_capture_and_reaches_no_server() {
    let mut lab = Lab::new().await;
    let scenario = lab.scenario("passive-sync", as_shipped);
    let recorded = lab.run(&scenario, "sim-1.0", 5, 1, None).await;
    assert_eq!(recorded.ending, RunEnding::Complete);
    let control = lab.control.as_ref().expect("made with the first run");
    assert!(!control.hosts.is_empty() && control.hosts.iter().all(|host| host != run::self_check::PROBE_HOST), "{:?}", control.hosts);
    let log = std::fs::read_to_string(recorded.folder.join("events.jsonl")).expect("text");
    assert!(!log.contains("probe.tattletale"), "the probe is recorded");
    assert!(lab.bench.cloud().journal().iter().all(|arrival| arrival.host != run::self_check::PROBE_HOST));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_opened_before_a_run_and_lives_on_into_it_is_in_its_capture_and_in_what_the_control_run_knows() {
    let mut lab = Lab::new().await;
    let rig = lab.bench.rig(1, &[], None).await.expect("a rig");
    let address = rig.source.address().expect("it listens");
    // Before the self-check, and to the end: what it sends is of no protocol that can be read.
    let early = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        std::io::Write::write_all(&mut stream, b"CONNECT early.test:5228 HTTP/1.1\r\nHost: early.test:5228\r\n\r\n").expect("taken");
        let mut answer = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut answer).expect("an answer");
        let _ = std::io::Write::write_all(&mut stream, &[0; 1000]);
        (stream, answer)
    });
    let (stream, answer) = early.join().expect("no panic");
    assert_eq!(&answer, b"HTTP/1.1 200");
    let version = AppVersion::named("sim-1.0");
    let order = Order {
        app: &lab.app.name,
        version: Some(&version),
        run: 1,
        runs: 1,
        control: None,
        captures: lab.folder.path(),
        watchers: Vec::new(),
    };
    let (outcome, control) = run::control_run(rig, &order, std::future::pending()).await.expect("a control run");
    drop(stream);
    assert_eq!(outcome.ending, RunEnding::Complete);
    assert!(control.hosts.iter().any(|host| host == "early.test"), "what cannot be read is the phone's all the same: {control:?}");
    let (mut began, mut ended) = (None, None);
    let reader = CaptureReader::open(&outcome.capture).expect("readable");
    let mut look = |event: &NumberedEvent, _: &dyn Bodies| match &event.event {
        RunEvent::TunnelBegan { id, host, .. } if host == "early.test" => began = Some(*id),
        RunEvent::Tunnel(tunnel) if tunnel.host == "early.test" => ended = Some(tunnel.id),
        _ => {}
    };
    reader.replay(&mut look).expect("as written");
    assert!(began.is_some() && began == ended, "it is told, and so is what became of it: {began:?} {ended:?}");
    let observations = audit::observe(&reader, &lab.app).expect("readable");
    let spots = &observations.coverage.blind_spots;
    assert!(spots.iter().any(|spot| spot.host == "early.test"), "{spots:?}");

    // In a run that knows of it, it is the phone's and not the app's.
    lab.control = Some(control);
    let scenario = lab.scenario("passive-sync", as_shipped);
    let version = AppVersion::named("sim-1.0");
    let order = Order {
        app: &lab.app.name,
        version: Some(&version),
        run: 1,
        runs: 1,
        control: lab.control.as_ref(),
        captures: lab.folder.path(),
        watchers: Vec::new(),
    };
    let rig = lab.bench.rig(2, &scenario.plant, None).await.expect("a rig");
    let mut stream = std::net::TcpStream::connect(rig.source.address().expect("it listens")).expect("it listens");
    std::io::Write::write_all(&mut stream, b"CONNECT early.test:5228 HTTP/1.1\r\nHost: early.test:5228\r\n\r\n").expect("taken");
    let outcome = run::run(rig, &scenario, &order, std::future::pending()).await.expect("a run");
    drop(stream);
    let reader = CaptureReader::open(&outcome.capture).expect("readable");
    let coverage = audit::observe(&reader, &lab.app).expect("readable").coverage;
    assert_eq!(coverage.hosts.get("early.test").map(|host| host.origin), Some(Origin::Phone), "{:?}", coverage.hosts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passive_position_is_found_whatever_hosts_and_keys_are_called() {
    let mut lab = Lab::new().await;
    let seed = fastrand::u64(..);
    lab.bench.rename(Vocabulary::renamed(seed));
    let anywhere = |text: &str| text.replace("host: \"api-mifit*.huami.com\", ", "").replace("host: \"account*.huami.com\", ", "");
    let scenario = lab.scenario("passive-sync", anywhere);
    let audit = lab.audit(&scenario, "sim-1.1", &[1, 2, 3], None, Counting::R7).await;
    let passive: Vec<_> = audit.report.findings.iter().filter(|finding| finding.rule == "passive-location").collect();
    let background = passive.iter().any(|finding| finding.endpoint.as_ref().is_some_and(|endpoint| endpoint.phase == "background"));
    assert!(background, "vocabulary {seed}: {passive:#?}");
    assert!(passive.iter().all(|finding| !finding.host.contains("huami") && !finding.host.contains("widget")), "{passive:#?}");
    assert!(matches!(audit.report.verdict, Verdict::Finding { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_fresh_seeds_are_clean_against_other_seeds_and_noise_is_why_changes_must_count() {
    let mut lab = Lab::new().await;
    let scenario = lab.scenario("passive-sync", as_shipped);
    let baseline_seeds: Vec<u64> = (0..30).map(|_| fastrand::u64(..)).collect();
    let baseline = lab.audit(&scenario, "sim-1.0", &baseline_seeds, None, Counting::R7).await.snapshot;
    let mut flagged_without_r7 = 0;
    for _ in 0..10 {
        let seeds = [fastrand::u64(..), fastrand::u64(..), fastrand::u64(..)];
        let judged = lab.audit(&scenario, "sim-1.0", &seeds, Some(&baseline), Counting::R7).await;
        assert_eq!(judged.report.verdict, Verdict::Clean, "seeds {seeds:?} against {baseline_seeds:?}: {:#?}", judged.report.verdict);
        let all = lab.audit(&scenario, "sim-1.0", &seeds, Some(&baseline), Counting::EveryRun).await;
        flagged_without_r7 += usize::from(all.report.verdict != Verdict::Clean);
    }
    assert!(flagged_without_r7 > 0, "with R7 switched off the noise is taken for changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_band_holds_is_found_in_the_upload() {
    let mut lab = Lab::new().await;
    let scenario = lab.scenario("passive-sync", as_shipped);
    let audit = lab.audit(&scenario, "sim-1.0", &[4, 5, 6], None, Counting::R7).await;
    let day = audit
        .snapshot
        .endpoints
        .iter()
        .find(|(key, _)| key.path.ends_with("band_data.json") && key.phase == "sync")
        .map(|(_, endpoint)| &endpoint.fields)
        .expect("the day is uploaded while syncing");
    for (path, kind, chain) in [
        ("data_json[].data_hr", "bytes[1440]", 2),
        ("data_json[].data[].value", "bytes[4320]", 2),
        ("data_json[].summary.slp.st", "timestamp-s", 2),
        ("data_json[].data[].did", "mac", 1),
    ] {
        let field =
            day.get(&FieldName { part: Part::Form, path: path.to_owned() }).unwrap_or_else(|| panic!("{path} in {:#?}", day.keys()));
        assert_eq!(field.shape.kind.to_string(), kind, "{path}");
        assert_eq!(field.shape.chain.len(), chain, "{path}: {:?}", field.shape.chain);
    }
    for (name, fate) in &audit.report.planted {
        if ["band.serial", "band.mac", "band.heart_rate"].contains(&name.as_str()) {
            assert!(fate.starts_with("found"), "{name}: {fate}");
        }
    }
}

/// Fails when the decoder, the stand-in app or a scenario changed and the snapshots that come with the program did not.
#[tokio::test(flavor = "multi_thread")]
async fn the_snapshots_that_come_with_the_program_are_those_of_fresh_runs() {
    let mut lab = Lab::new().await;
    for embedded in EMBEDDED {
        let baseline = snapshot::parse_file(embedded.text).expect("it reads");
        let scenario = lab.scenario(embedded.scenario, as_shipped);
        let audit = lab.audit(&scenario, embedded.version, &[31, 32, 33], Some(&baseline), Counting::R7).await;
        let counted: Vec<_> = audit.report.changes.iter().filter(|change| change.confidence == Confidence::Counts).collect();
        assert!(counted.is_empty(), "{}: {counted:#?}", embedded.scenario);
        assert_eq!(audit.report.doubts, [""; 0], "{}", embedded.scenario);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_is_told_in_the_order_of_the_log() {
    let lab = Lab::new().await;
    let scenario = lab.scenario("first-launch", as_shipped);
    let (told, heard) = std::sync::mpsc::channel();
    let version = AppVersion::named("sim-1.0");
    let order = Order {
        app: &lab.app.name,
        version: Some(&version),
        run: 1,
        runs: 1,
        control: None,
        captures: lab.folder.path(),
        watchers: vec![Arc::new(move |event: &NumberedEvent| told.send(event.n).expect("the test listens"))],
    };
    let rig = lab.bench.rig(3, &scenario.plant, None).await.expect("a rig");
    let outcome = run::run(rig, &scenario, &order, std::future::pending()).await.expect("a run");
    let numbers: Vec<u64> = heard.try_iter().collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let reader = CaptureReader::open(&outcome.capture).expect("readable");
    let mut logged = 0;
    reader.replay(&mut |_, _| logged += 1).expect("readable");
    assert_eq!(numbers.len(), logged);
}
