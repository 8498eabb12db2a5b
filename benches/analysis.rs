//! How fast uploads are decoded: megabytes of request bodies a second, on one worker and on two, with 200 planted values. Reads
//! nothing and writes nothing but its numbers; `docs/measured/analysis.md` keeps them.
//!
//! `cargo bench --bench analysis`

#![allow(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::{cell::RefCell, io::Write as _, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use jiff::Timestamp;
use tattletale::{
    decode::{Observer, merge},
    model::{
        App, AppVersion, Body, CaptureSource, Captured, Category, Exchange, ExchangeId, Header, NoBodies, Observations, Planted,
        PlantedSource, PlantedValue, Platform, Position, Provenance, Request, Response, Rig, RunEnding, RunEvent, Target, Url,
        capture::CAPTURE_FORMAT,
    },
};

/// Bytes of bodies in each of the two runs that are analysed.
const RUN_BYTES: usize = 16_000_000;
/// Each number is the median of so many measurements; those on one worker and on two take turns.
const ROUNDS: usize = 5;
/// Uploads have the sizes of an app's: a kilobyte of telemetry up to a day of minutes.
const SIZES: [usize; 6] = [1_000, 2_000, 4_000, 8_000, 20_000, 60_000];

fn main() {
    let mixed = [run(1, &MIX), run(2, &MIX)];
    let mut walls = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        walls[0].push(measure(|| mixed.iter().map(observe).collect()));
        walls[1].push(measure(|| {
            std::thread::scope(|scope| {
                let workers: Vec<_> = mixed.iter().map(|run| scope.spawn(|| observe(run))).collect();
                workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect()
            })
        }));
    }
    let bytes = (mixed[0].bytes + mixed[1].bytes) as f64;
    let fields: u64 = mixed.iter().map(|run| occurrences(&observe(run))).sum();
    let [one, two] = walls.map(median);
    let speed = |seconds: f64| format!("{:7.0} MB/s {:7.2} million fields/s", bytes / 1e6 / seconds, fields as f64 / 1e6 / seconds);
    println!("the mix, one worker    {}", speed(one));
    println!("the mix, two workers   {}  ({:.2} times one)", speed(two), one / two);
    for kind in [Kind::Json, Kind::Form, Kind::Gzip, Kind::Opaque] {
        let run = run(3, &[kind]);
        let speed = run.bytes as f64 / 1e6 / median((0..ROUNDS).map(|_| measure(|| vec![observe(&run)])).collect());
        println!("{:<22} {speed:7.0} MB/s  ({:.1} bytes decoded for each sent)", kind.title(), kind.decoded_for_each_sent());
    }
    if let Some(peak) = peak_memory() {
        println!("peak memory            {peak}, of which {:.0} MB are the uploads", bytes / 1e6);
    }
}

/// Fields read, each as often as it was sent.
fn occurrences(seen: &Observations) -> u64 {
    seen.endpoints.values().flat_map(|facts| facts.fields.values()).map(|field| field.occurrences).sum()
}

/// The most memory this process had, as the kernel counts it; `None` where it does not say.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|peak| peak.trim().to_owned())
}

/// Seconds that some observing takes, with the merging of what was observed.
fn measure(observe: impl FnOnce() -> Vec<Observations>) -> f64 {
    let start = Instant::now();
    let mut all = Observations::default();
    observe().into_iter().for_each(|observations| merge(&mut all, observations));
    let seconds = start.elapsed().as_secs_f64();
    assert!(all.endpoints.values().any(|facts| facts.fields.len() >= 3), "something was decoded");
    seconds
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// One recorded run.
struct Run {
    provenance: Provenance,
    events: Vec<RunEvent>,
    bytes: usize,
}

fn observe(run: &Run) -> Observations {
    let app = App::default();
    let mut observer = Observer::new(&app, &run.provenance);
    run.events.iter().for_each(|event| observer.absorb(event, &NoBodies));
    observer.finish()
}

/// What an upload is, from outside in.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Json,
    Form,
    Gzip,
    Opaque,
}

/// Tenths of the uploaded bytes (design, section 11).
const MIX: [Kind; 10] = {
    use Kind::{Form, Gzip, Json, Opaque};
    [Json, Form, Json, Gzip, Json, Form, Opaque, Json, Form, Gzip]
};

impl Kind {
    const fn title(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Form => "form > JSON > base64",
            Self::Gzip => "gzip > JSON",
            Self::Opaque => "opaque",
        }
    }

    /// Bytes after inflating for each byte sent, of the largest bodies.
    fn decoded_for_each_sent(self) -> f64 {
        let sent = self.body(SIZES[5], &mut fastrand::Rng::with_seed(5)).len() as f64;
        if self == Self::Gzip { SIZES[5] as f64 * GZIP_RATIO / sent } else { 1.0 }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Gzip => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Opaque => "application/octet-stream",
        }
    }

    /// About so many bytes, as they are sent.
    fn body(self, bytes: usize, random: &mut fastrand::Rng) -> Vec<u8> {
        match self {
            Self::Json => events(bytes, random).into_bytes(),
            Self::Form => {
                let minutes: Vec<u8> = std::iter::repeat_with(|| random.u8(50..110)).take(bytes * 2 / 3).collect();
                let json = format!(
                    r#"[{{"date":"2026-03-14","data_hr":"{}","summary":"{{\"stp\":{{\"ttl\":{}}}}}"}}]"#,
                    STANDARD.encode(minutes),
                    random.u16(..)
                );
                let json: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
                format!("userid=1000000001&device_type=0&data_json={json}").into_bytes()
            }
            Self::Gzip => gzip(events((bytes as f64 * GZIP_RATIO) as usize, random).as_bytes()),
            Self::Opaque => std::iter::repeat_with(|| random.u8(..)).take(bytes).collect(),
        }
    }
}

/// One gzip member. Its encoder is kept: thousands of them, each with a quarter of a megabyte between two uploads that stay, would
/// be most of the memory that this program is seen to use.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    thread_local! {
        static ENCODER: RefCell<DeflateEncoder<Vec<u8>>> = RefCell::new(DeflateEncoder::new(Vec::new(), Compression::default()));
    }
    // RFC 1952 section 2.3: no flags, no time, no statement on the compressor or the system.
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    ENCODER.with_borrow_mut(|encoder| {
        encoder.write_all(bytes).expect("memory takes it");
        member.extend(encoder.reset(Vec::new()).expect("memory takes it"));
    });
    member.extend(crc32fast::hash(bytes).to_le_bytes());
    member.extend((bytes.len() as u32).to_le_bytes());
    member
}

/// What gzip makes of [`events`].
const GZIP_RATIO: f64 = 4.5;

/// Telemetry as apps send it: a list of events with a name, a time, a session and some properties.
fn events(bytes: usize, random: &mut fastrand::Rng) -> String {
    const NAMES: [&str; 6] = ["screen_view", "sync_finished", "button_pressed", "band_connected", "push_received", "crash_free_session"];
    let session = random.u128(..);
    let mut text = String::from(r#"{"device":{"model":"PHONE-1","os":"14","locale":"en_US","tz":"Europe/Berlin"},"events":["#);
    let mut time = 1_773_442_800_000_u64;
    while text.len() < bytes {
        time += random.u64(1..90_000);
        let name = random.choice(NAMES).expect("there are names");
        let (steps, rate, took) = (random.u16(..20_000), random.u8(50..150), random.f32());
        text.push_str(&format!(
            r#"{{"id":"{:032x}","name":"{name}","time":{time},"session":"{session:032x}","foreground":{},"properties":{{"steps":{steps},"heart_rate":{rate},"seconds":{took:.3},"screen":"home/{name}"}}}},"#,
            random.u128(..),
            random.bool()
        ));
    }
    text.pop();
    text.push_str("]}");
    text
}

fn run(number: u32, kinds: &[Kind]) -> Run {
    let mut random = fastrand::Rng::with_seed(u64::from(number));
    let mut by_kind = vec![0_usize; kinds.len()];
    let mut events = Vec::new();
    let mut bytes = 0;
    while bytes < RUN_BYTES {
        // The kind that lags behind its share is next, so that shares are of bytes.
        let (at, _) = by_kind.iter().enumerate().min_by_key(|(_, bytes)| **bytes).expect("there are kinds");
        let body = kinds[at].body(*random.choice(&SIZES).expect("there are sizes"), &mut random);
        by_kind[at] += body.len();
        bytes += body.len();
        events.push(RunEvent::Exchange(Box::new(exchange(events.len() as u64, kinds[at], body))));
    }
    events.push(RunEvent::RunEnded { ending: RunEnding::Complete });
    Run { provenance: provenance(number), events, bytes }
}

fn exchange(number: u64, kind: Kind, body: Vec<u8>) -> Exchange {
    let at = Timestamp::from_second(1_773_442_800).expect("in range");
    Exchange {
        id: ExchangeId(number),
        phase: "start".to_owned(),
        tunnel: None,
        began: at,
        ended: Some(at),
        request: Request {
            method: "POST".to_owned(),
            url: Url {
                scheme: "https".to_owned(),
                host: "upload.test".to_owned(),
                port: 443,
                path_and_query: Captured::new(format!("/{}?t={}", kind.content_type(), 1_773_442_800_000 + number)),
            },
            http_version: "HTTP/1.1".to_owned(),
            headers: vec![
                Header { name: "content-type".to_owned(), value: Captured::new(kind.content_type().to_owned()) },
                Header { name: "user-agent".to_owned(), value: Captured::new("Example/6.14.0 (PHONE-1; Android 14)".to_owned()) },
            ],
            body: Body::inline(body),
            trailers: Vec::new(),
        },
        response: Some(Response {
            status: 200,
            http_version: "HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body: Body::default(),
            trailers: Vec::new(),
        }),
        error: None,
    }
}

fn provenance(number: u32) -> Provenance {
    let at = Timestamp::from_second(1_773_442_800).expect("in range");
    Provenance {
        format: CAPTURE_FORMAT,
        tool: "bench".to_owned(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "example".to_owned(),
            platform: Platform::Lab,
            version: AppVersion::named("1.0"),
            scenario: "generated".to_owned(),
            claimed: false,
        },
        scenario_hash: None,
        run: number,
        runs: 2,
        rig: Rig::Real { about: "generated".to_owned() },
        started: at,
        planted: planted(),
        expectations: Vec::new(),
        control: None,
    }
}

/// 200 values that are in none of the uploads: every one is looked for in vain everywhere.
fn planted() -> Vec<PlantedValue> {
    let mut random = fastrand::Rng::with_seed(200);
    (0..200)
        .map(|number| {
            let (category, value) = match number % 10 {
                0..4 => (Category::Profile, Planted::Text(std::iter::repeat_with(|| random.alphabetic()).take(9).collect())),
                4 => (Category::Identifier, Planted::Mac(std::array::from_fn(|_| random.u8(..)))),
                5 => (Category::Profile, Planted::Date(jiff::civil::date(1930 + number as i16 / 10, 3, 7))),
                6 => (Category::Profile, Planted::Integer(random.i64(150..200))),
                7 => (Category::Profile, Planted::Decimal(format!("{}.4", random.u8(50..120)))),
                8 => (Category::Location, Planted::Position(Position { lat: f64::from(number) / 4.0, lon: 4.889 })),
                _ => (Category::HeartRate, Planted::Series(std::iter::repeat_with(|| random.u8(50..110)).take(240).collect())),
            };
            let name = format!("planted.{number}");
            PlantedValue { name, category, value, source: PlantedSource::Scenario, confirmed: true }
        })
        .collect()
}
