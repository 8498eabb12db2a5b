//! The simulated rig's instruments put together: band, stand-in app, real proxy, cloud. Says what went over the wire and when; what
//! an audit makes of it is left to the tests of the commands.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use tattletale::{
    band::{
        Access,
        huami::{BandContents, MI_BAND_3, SimulatedBand},
    },
    clock::{Clock, Hold},
    link::simulated::SimulatedCentral,
    model::{AppVersion, ExchangeId, Position, TunnelOutcome, text::sha256_hex},
    phone::{
        Key, Launch, Permission, Phone, Target,
        simulated::{BandAccess, Cloud, Profile, Received, SimulatedPhone, SimulatedPhoneSetup, Vocabulary},
    },
    traffic::{
        RunningSource, Side, TrafficEvent,
        authority::Authority,
        proxy::{LocalUpstream, OpenGate, Proxy, ProxySetup, RunningProxy, Upstream},
        queue,
    },
};

const HOME: Position = Position { lat: 52.374_03, lon: 4.889_69 };
const PARK: Position = Position { lat: 52.092_51, lon: 5.118_23 };

/// One request as the proxy told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    at: Timestamp,
    host: String,
    http_version: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What one run left behind.
struct Recording {
    sent: Vec<Sent>,
    refused: Vec<String>,
    received: Vec<Received>,
    /// When each step was over, on the rig's clock.
    synced: Timestamp,
    in_park: Timestamp,
}

struct Run {
    version: &'static str,
    seed: u64,
    vocabulary: Vocabulary,
    band: BandContents,
}

fn run(version: &'static str, seed: u64) -> Run {
    let band = BandContents::invented("2026-03-14".parse().expect("a date"));
    Run { version, seed, vocabulary: Vocabulary::default(), band }
}

/// The parts that live on real time, and the phone on them.
struct Rig {
    clock: Clock,
    phone: SimulatedPhone,
    proxy: RunningProxy,
    cloud: Cloud,
    events: tokio::task::JoinHandle<(Vec<Sent>, Vec<String>)>,
}

async fn rig(run: Run) -> Rig {
    let clock = Clock::simulated("2026-03-14T09:00:00Z".parse().expect("a time"));
    let now = Timestamp::now();
    let cloud = Cloud::start(now).await.expect("a free port");
    let authority = Arc::new(Authority::generate("Test run", now).expect("a key"));
    let trusted = authority.certificate_der();
    let address = cloud.address();
    let upstream = Upstream::Local(LocalUpstream::new(move |_, _| Some(address), vec![cloud.ca_der()]));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let (sender, mut receiver) = queue::queue();
    let proxy = Proxy::new(ProxySetup { listen, authority, upstream, gate: Arc::new(OpenGate), clock: clock.clone() })
        .launch(sender)
        .expect("a free port");
    let events = tokio::spawn(async move {
        let (mut sent, mut refused) = (BTreeMap::<ExchangeId, Sent>::new(), Vec::new());
        let mut hosts = BTreeMap::new();
        while let Some(event) = receiver.next().await {
            match event {
                TrafficEvent::Began { id, at, method, url, http_version, headers, .. } => {
                    let headers = headers.into_iter().map(|header| (header.name, header.value.into_exposed())).collect();
                    let (path, query) = (url.path().to_owned(), url.query().to_owned());
                    sent.insert(id, Sent { at, host: url.host, http_version, method, path, query, headers, body: Vec::new() });
                }
                TrafficEvent::BodyPiece { id, side: Side::Request, bytes } => {
                    sent.get_mut(&id).expect("it began").body.extend(bytes.expose());
                }
                TrafficEvent::TunnelBegan { id, host, .. } => {
                    hosts.insert(id, host);
                }
                TrafficEvent::TunnelEnded { id, outcome: TunnelOutcome::CertificateRefused { .. }, .. } => {
                    refused.push(hosts.get(&id).cloned().unwrap_or_default());
                }
                _ => {}
            }
        }
        (sent.into_values().collect(), refused)
    });
    let band = BandAccess { model: &MI_BAND_3, address: run.band.address, access: Access::Key(run.band.key.clone()) };
    let mut phone = SimulatedPhone::new(SimulatedPhoneSetup {
        clock: clock.clone(),
        seed: run.seed,
        central: Arc::new(SimulatedCentral::new(SimulatedBand::new(run.band), clock.clone())),
        band,
        proxy: proxy.address().expect("it listens"),
        trusted,
        cloud_ca: cloud.ca_der(),
        vocabulary: run.vocabulary,
        profile: Profile::default(),
    })
    .expect("good certificates");
    phone.install(Some(&AppVersion::named(run.version))).await.expect("there is one");
    Rig { clock, phone, proxy, cloud, events }
}

async fn pause(hold: &mut Hold, seconds: u64) {
    hold.sleep(Duration::from_secs(seconds)).await;
}

/// At home: launch, sync, half an hour in the background. In the park: a workout.
async fn record(run: Run) -> Recording {
    let mut rig = rig(run).await;
    let mut hold = rig.clock.hold();
    let launch = Launch { clear_state: true, location: Permission::Allow };
    rig.phone.set_location(HOME).await.expect("it moves");
    rig.phone.launch_app(&launch).await.expect("it starts");
    pause(&mut hold, 5).await;
    rig.phone.pull_to_refresh().await.expect("it is in front");
    pause(&mut hold, 20).await;
    let synced = rig.clock.now();
    rig.phone.press_key(Key::Home).await.expect("it works always");
    pause(&mut hold, 31 * 60).await;
    let in_park = rig.clock.now();
    rig.phone.set_location(PARK).await.expect("it moves");
    rig.phone.launch_app(&Launch { clear_state: false, ..launch }).await.expect("it comes back");
    rig.phone.tap_on(&Target::Text("Workout".into())).await.expect("it is in front");
    for step in 1..=3 {
        pause(&mut hold, 10).await;
        rig.phone.set_location(Position { lat: PARK.lat + 0.0001 * f64::from(step), ..PARK }).await.expect("it moves");
    }
    pause(&mut hold, 1).await;
    rig.phone.tap_on(&Target::Text("Stop".into())).await.expect("it is in front");
    pause(&mut hold, 5).await;
    rig.phone.restore().await.expect("all ends");
    rig.proxy.stop().await.expect("it stops in good order");
    let received = rig.cloud.journal();
    drop(rig.proxy);
    let (sent, refused) = rig.events.await.expect("no panic");
    Recording { sent, refused, received, synced, in_park }
}

impl Sent {
    fn everything(&self) -> String {
        let mut text = format!("{}?{}\n{:?}\n", self.path, self.query, self.headers);
        text.push_str(&String::from_utf8_lossy(&self.body));
        form_urlencoded::parse(&self.body).for_each(|(key, value)| text.push_str(&format!("\n{key}={value}")));
        text
    }

    /// The days of a `band_data` upload.
    fn days(&self) -> Vec<serde_json::Value> {
        let (_, data) = form_urlencoded::parse(&self.body).find(|(key, _)| key == "data_json").expect("an upload has days");
        serde_json::from_str(&data).expect("JSON")
    }
}

impl Recording {
    fn of_app(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|sent| !["weather-widget.test", "news.test"].contains(&sent.host.as_str()))
    }

    fn uploads(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.path == "/v1/data/band_data.json").collect()
    }
}

/// Latitudes to the digit that tells home from park, as any of the app's encodings would show them.
const AT_HOME: [&str; 2] = ["52.374", "5237403"];
const IN_PARK: [&str; 2] = ["52.092", "52.093"];

fn mentions(sent: &Sent, needles: &[&str]) -> bool {
    let text = sent.everything();
    needles.iter().any(|needle| text.contains(needle))
}

#[tokio::test]
async fn what_the_proxy_saw_is_what_the_cloud_got() {
    let recording = record(run("sim-1.0", 1)).await;
    let mut seen: Vec<_> =
        recording.sent.iter().map(|sent| (sent.host.clone(), sent.method.clone(), sent.path.clone(), sha256_hex(&sent.body))).collect();
    let mut got: Vec<_> =
        recording.received.iter().cloned().map(|received| (received.host, received.method, received.path, received.body_sha256)).collect();
    seen.sort();
    got.sort();
    assert_eq!(seen, got);
    assert!(seen.len() > 15, "{seen:#?}");
    for host in ["api-mifit-de.huami.test", "account.huami.test", "api-user.huami.test", "api-analytics.huami.test", "news.test"] {
        assert!(seen.iter().any(|(seen, ..)| seen == host), "{host}");
    }
    assert!(recording.refused.is_empty(), "{:?}", recording.refused);
    for version in ["HTTP/1.1", "HTTP/2"] {
        assert!(recording.of_app().any(|sent| sent.http_version.starts_with(version)), "{version}");
    }
}

#[tokio::test]
async fn the_baseline_tells_the_position_of_a_workout_and_of_nothing_else() {
    let recording = record(run("sim-1.0", 2)).await;
    assert!(recording.of_app().all(|sent| !mentions(sent, &AT_HOME)), "nobody worked out at home");
    let tracks: Vec<_> = recording.of_app().filter(|sent| mentions(sent, &IN_PARK)).collect();
    assert_eq!(tracks.iter().map(|sent| sent.path.as_str()).collect::<Vec<_>>(), ["/v1/sport/run/track.json"]);
    assert!(tracks[0].at > recording.in_park);
    let form: BTreeMap<_, _> = form_urlencoded::parse(&tracks[0].body).collect();
    assert_eq!(form["longitude_latitude"], "5209251000,511823000;10000,0;10000,0;10000,0;");
    assert_eq!((&*form["start_latitude"], &*form["start_longitude"]), ("52.09251", "5.11823"));
    assert!(recording.sent.iter().any(|sent| sent.host == "weather-widget.test" && sent.everything().contains("lat=52.3740")));
}

#[tokio::test]
async fn one_version_tells_the_position_passively_and_a_third_party_about_the_phone() {
    let recording = record(run("sim-1.1", 3)).await;
    let weather: Vec<_> = recording.sent.iter().filter(|sent| sent.path == "/weather/v2/forecast").collect();
    assert!(weather.len() >= 2, "at once and half an hour later");
    assert!(weather.iter().all(|sent| sent.at >= recording.synced && sent.at <= recording.in_park), "in the background only");
    assert!(weather.iter().all(|sent| sent.everything().contains("locationKey=52.374%2C4.890%2Cxiaomi_accu%3A")));
    let today = recording.uploads()[0].days().pop().expect("two days");
    let summary: serde_json::Value = serde_json::from_str(today["summary"].as_str().expect("text")).expect("JSON");
    assert_eq!(summary["location"], serde_json::json!({ "latitude": 52.37403, "longitude": 4.88969 }));
    assert!(recording.sent.iter().any(|sent| sent.host == "tracker.test" && sent.path == "/collect"));
}

#[tokio::test]
async fn one_version_encrypts_its_upload_and_refuses_our_certificate_on_one_host() {
    let recording = record(run("sim-1.2", 4)).await;
    for upload in recording.uploads() {
        assert!(upload.headers.contains(&("x-hm-ekv".to_owned(), "1".to_owned())));
        assert!(!String::from_utf8_lossy(&upload.body).contains("data_json"));
    }
    assert!(!recording.uploads().is_empty());
    assert!(recording.refused.iter().all(|host| host == "api-analytics.huami.test") && !recording.refused.is_empty());
    // After three refusals it is passed on unread, so that the app goes on working; before, nothing reaches the server.
    assert!(recording.sent.iter().all(|sent| sent.host != "api-analytics.huami.test"), "nothing of it is read");
    let received = recording.received.iter().any(|received| received.host == "api-analytics.huami.test");
    assert_eq!((recording.refused.len(), received), (3, true), "{:?}", recording.refused);
}

#[tokio::test]
async fn a_seed_repeats_every_request_byte_for_byte() {
    let requests = async |seed| {
        let mut sent = record(run("sim-1.1", seed)).await.sent;
        sent.sort();
        sent
    };
    let (first, second, other) = (requests(5).await, requests(5).await, requests(6).await);
    assert_eq!(first.len(), second.len());
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first, second);
    }
    assert_ne!(first, other);
}

#[tokio::test]
async fn one_minute_in_the_band_is_one_byte_in_the_upload() {
    let before = record(run("sim-1.0", 7)).await;
    let mut changed = run("sim-1.0", 7);
    changed.band.samples[1440 + 485].heart_rate = 131;
    let after = record(changed).await;
    let (before, after) = (before.uploads()[0].days(), after.uploads()[0].days());
    let rates = |days: &[serde_json::Value]| -> Vec<u8> {
        days.iter().flat_map(|day| STANDARD.decode(day["data_hr"].as_str().expect("text")).expect("base64")).collect()
    };
    let (old, new) = (rates(&before), rates(&after));
    let differing: Vec<_> = (0..old.len()).filter(|minute| old[*minute] != new[*minute]).collect();
    assert_eq!((differing, new[1440 + 485]), (vec![1440 + 485], 131));
    for (mut before, mut after) in before.into_iter().zip(after) {
        before["data_hr"].take();
        after["data_hr"].take();
        assert_eq!(before, after, "nothing else changed");
    }
}

#[tokio::test]
async fn with_the_proxy_gone_the_cloud_gets_nothing_more() {
    let mut rig = rig(run("sim-1.1", 8)).await;
    let mut hold = rig.clock.hold();
    rig.phone.launch_app(&Launch { clear_state: true, location: Permission::Allow }).await.expect("it starts");
    pause(&mut hold, 5).await;
    rig.proxy.kill();
    let received = rig.cloud.received();
    assert!(received > 5, "the launch went through");
    rig.phone.pull_to_refresh().await.expect("it is in front");
    pause(&mut hold, 3600).await;
    assert_eq!(rig.cloud.received(), received);
    rig.phone.restore().await.expect("all ends");
}

#[tokio::test]
async fn renamed_the_app_does_the_same_under_other_names() {
    let mut renamed = run("sim-1.1", 9);
    renamed.vocabulary = Vocabulary::renamed(9);
    let recording = record(renamed).await;
    assert!(recording.of_app().all(|sent| !sent.host.contains("huami") && sent.host.ends_with(".test")));
    assert!(recording.of_app().all(|sent| !sent.everything().contains("locationKey")));
    assert!(recording.of_app().any(|sent| sent.path == "/weather/v2/forecast" && mentions(sent, &AT_HOME)));
    assert!(recording.sent.iter().any(|sent| sent.host == "news.test"), "the other app keeps its name");
}

/// What each phase of a hurried run contacted, but for the calls that only some launches make.
async fn endpoints_by_phase(seed: u64) -> BTreeSet<(usize, String, String)> {
    const SOME_LAUNCHES: [&str; 5] =
        ["/badge/summary", "/users/messageCenter", "/devices/ALL/hasNewVersion", "/banner/home.json", "/api/v5/app/experiments"];
    let mut rig = rig(run("sim-1.0", seed)).await;
    let mut hold = rig.clock.hold();
    let mut phases = Vec::new();
    let launch = Launch { clear_state: true, location: Permission::Allow };
    rig.phone.launch_app(&launch).await.expect("it starts");
    hold.sleep(Duration::from_millis(1)).await;
    phases.push(rig.clock.now());
    rig.phone.pull_to_refresh().await.expect("it is in front");
    hold.sleep(Duration::from_millis(1)).await;
    phases.push(rig.clock.now());
    rig.phone.press_key(Key::Home).await.expect("it works always");
    pause(&mut hold, 20).await;
    rig.phone.restore().await.expect("all ends");
    rig.proxy.stop().await.expect("it stops in good order");
    drop(rig.proxy);
    let (sent, _) = rig.events.await.expect("no panic");
    sent.into_iter()
        .filter(|sent| sent.host.ends_with("huami.test") && !SOME_LAUNCHES.contains(&sent.path.as_str()))
        .map(|sent| (phases.iter().filter(|began| **began <= sent.at).count(), sent.host, sent.path))
        .collect()
}

/// Otherwise an audit would take one seed's noise for another version's news.
#[tokio::test]
async fn seeds_differ_in_nothing_but_the_calls_that_some_launches_make() {
    let first = endpoints_by_phase(100).await;
    assert_eq!(first.iter().map(|(phase, ..)| *phase).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    for seed in 101..112 {
        assert_eq!(endpoints_by_phase(seed).await, first, "seed {seed}");
    }
}
