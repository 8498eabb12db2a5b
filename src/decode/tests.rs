//! Whole requests and whole runs through the public interface.

mod judged;
mod opaque;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{Leaf, Observer, body_leaves, leaves_of, merge};
use crate::model::{
    Alteration, App, AppVersion, BlindSpotKind, Bodies, Body, BodyContent, ByteRange, CaptureSource, Captured, Category, ControlRun,
    Endpoint, Exchange, ExchangeId, FieldType, Header, HostPattern, KnownLeaf, Ledger, NoBodies, Observations, Origin, Part, Party,
    PathTemplate, Planted, PlantedSource, PlantedValue, Platform, Position, Provenance, Reason, Request, Response, Rig, RunEnding,
    RunEvent, Target, Tunnel, TunnelEvidence, TunnelId, TunnelOutcome, Url,
};

const HOME: Position = Position { lat: 52.37403, lon: 4.88969 };
const TRACK: Position = Position { lat: 52.52, lon: 13.405 };

/// An invented day of a band, as a form body: asleep until 07:00, one heart rate in the night and one in the morning.
fn band_data() -> Vec<u8> {
    let mut heart = vec![0xff_u8; 1440];
    heart[300] = 55;
    heart[485] = 72;
    heart[720..].fill(0xfe);
    let sample = |minute: usize| match minute {
        0..420 => [0x70, 5, 0],
        420..480 => [0x50, 0x14, 0],
        480..490 => [1, 0x28, 0x5a],
        490..720 => [0x50, 10, 0],
        _ => [0x7e, 0, 0],
    };
    let value: Vec<u8> = (0..1440).flat_map(sample).collect();
    let summary = concat!(
        r#"{"v":6,"slp":{"st":1773442800,"ed":1773468000,"usrSt":-1440,"stage":[{"start":1440,"stop":1534,"mode":5}]},"#,
        r#""stp":{"ttl":900,"dis":640},"goal":8000,"tz":"3600","sn":"563412eeffc0"}"#,
    );
    let day = serde_json::json!([{
        "data_hr": STANDARD.encode(heart),
        "date": "2026-03-14",
        "data": [{"start": 0, "stop": 1439, "value": STANDARD.encode(value), "tz": 4, "did": "C0FFEEFFFE123456", "src": 24}],
        "summary": summary,
        "source": 24,
        "type": 0,
    }]);
    let json = day.to_string().replace('/', "\\/");
    let encoded = percent_encoding::utf8_percent_encode(&json, percent_encoding::NON_ALPHANUMERIC);
    format!("userid=1000000001&last_sync_data_time=1773486000&device_type=0&last_deviceid=C0FFEEFFFE123456&data_json={encoded}")
        .into_bytes()
}

fn app() -> App {
    App {
        stand_ins: Vec::new(),
        without_adapters: false,
        protobuf: Vec::new(),
        name: "mifit".into(),
        title: "Mi Fit".into(),
        ids: vec!["com.example.hm.health".into()],
        first_party: vec![HostPattern("api-mifit*.huami.test".into())],
        receivers: vec![(HostPattern("maps.receiver.test".into()), "Maps Ltd".into())],
        endpoints: vec![Endpoint {
            method: "POST".into(),
            path: PathTemplate("/v1/data/band_data.json".into()),
            about: "the upload".into(),
        }],
        leaves: vec![KnownLeaf {
            endpoint: None,
            leaf: "form data_json[].summary.goal".into(),
            category: Category::Profile,
            why: "the goal that the person set".into(),
        }],
    }
}

fn provenance(run: u32) -> Provenance {
    let value = |name: &str, category, value, confirmed| PlantedValue {
        name: name.into(),
        category,
        value,
        source: PlantedSource::Scenario,
        confirmed,
    };
    Provenance {
        format: 1,
        tool: "0.1.0".into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.0"),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        scenario_hash: None,
        run,
        runs: 3,
        rig: Rig::Simulated { seed: 1 },
        started: Timestamp::UNIX_EPOCH,
        planted: vec![
            value("location", Category::Location, Planted::Position(HOME), true),
            value("profile.nickname", Category::PersonName, Planted::Text("Quillon".into()), true),
            value("band.mac", Category::BandMac, Planted::Mac([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56]), true),
            value("account.email", Category::EmailAddress, Planted::Text("quillon@example.test".into()), false),
        ],
        expectations: Vec::new(),
        control: Some(ControlRun { hosts: vec!["phone.test".into()], seconds: 60, made: None }),
    }
}

fn exchange(id: u64, phase: &str, method: &str, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Exchange {
    let (host, path) = url.split_once('/').expect("host and path");
    Exchange {
        id: ExchangeId(id),
        phase: phase.into(),
        tunnel: None,
        began: Timestamp::UNIX_EPOCH,
        ended: None,
        request: Request {
            method: method.into(),
            url: Url { scheme: "https".into(), host: host.into(), port: 443, path_and_query: Captured::new(format!("/{path}")) },
            http_version: "HTTP/1.1".into(),
            headers: headers.iter().map(|(name, value)| Header { name: (*name).into(), value: Captured::new((*value).into()) }).collect(),
            body: Body::inline(body),
            trailers: Vec::new(),
        },
        response: Some(Response {
            status: 200,
            http_version: String::new(),
            headers: Vec::new(),
            body: Body::default(),
            trailers: Vec::new(),
        }),
        error: None,
    }
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// Leaves as `part name type categories chain`, one a line.
fn lines(leaves: &[Leaf]) -> Vec<String> {
    let line = |leaf: &Leaf| {
        let words = |words: Vec<&str>, with: &str| words.join(with);
        let categories = words(leaf.shape.categories.iter().map(|category| category.word()).collect(), ",");
        let chain = words(leaf.shape.chain.iter().map(|encoding| encoding.word()).collect(), ">");
        format!("{} | {} | {categories} | {chain}", leaf.name, leaf.shape.kind)
    };
    leaves.iter().map(line).collect()
}

#[track_caller]
fn check_body(body: &[u8], content_type: Option<&str>, want: &[&str]) {
    let (leaves, notes) = body_leaves(body, content_type);
    let mut shown = lines(&leaves);
    shown.extend(notes.iter().map(|note| format!("! {}", note.kind.word())));
    assert_eq!(shown, want, "{}", String::from_utf8_lossy(&body[..body.len().min(200)]));
}

#[test]
fn bodies_are_peeled_to_their_leaves() {
    let json = br#"{"a":{"b":[1,2]},"t":"x"}"#;
    let leaves = ["json a.b[] | integer |  | ", "json a.b[] | integer |  | ", "json t | text |  | "];
    check_body(json, Some("application/json"), &leaves);
    check_body(json, None, &leaves);
    let zipped = leaves.map(|line| format!("{line}gzip"));
    check_body(&gzip(json), None, &zipped.each_ref().map(String::as_str));
    check_body(b"a=1&b=x+y&a=", None, &["form a | integer |  | ", "form b | text |  | ", "form a | empty |  | "]);
    check_body(br#"q=%7B%22k%22%3A%22v%22%7D"#, None, &["form q.k | text |  | json"]);
    check_body(br#"%7B%22k%22%3A%22v%22%7D"#, None, &["json k | text |  | percent"]);
    check_body(br#"{"s":"{\"n\":1}"}"#, None, &["json s.n | integer |  | json-in-string"]);
    let packed = format!(r#"{{"z":"{}"}}"#, STANDARD.encode(gzip(b"{\"lat\":52.374}")));
    check_body(packed.as_bytes(), None, &["json z.lat | latitude | precise-location | base64>gzip>json"]);
    check_body(
        br#"{"z":"YT0xJmxhdD01Mi4z"}"#,
        None,
        &["json z.a | integer |  | base64>form", "json z.lat | latitude | coarse-location | base64>form"],
    );
    check_body(b"hello there", Some("text/plain"), &["body | text |  | "]);
    check_body(br#"{"a":1} oops"#, Some("application/json"), &["json a | integer |  | ", "! body-opaque"]);
    check_body(b"", None, &[]);
    check_body(b"{\"a\":1}\n{\"a\":2}\n", None, &["json a | integer |  | ", "json a | integer |  | "]);
    let parts = b"--X\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n{\"v\":true}\r\n\
        --X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nplain\r\n--X--\r\n";
    check_body(
        parts,
        Some("multipart/form-data; boundary=X"),
        &["form k.v | boolean |  | json", "form f.{filename} | text |  | ", "form f | text |  | "],
    );
}

#[test]
fn base64_with_padding_is_no_form_of_one_key() {
    let form = Some("application/x-www-form-urlencoded");
    let zipped = (0..3)
        .map(|blanks| STANDARD.encode(gzip(format!("{{\"lat\":52.374{}}}", " \t ".get(..blanks).unwrap_or_default()).as_bytes())))
        .find(|text| text.ends_with('='))
        .expect("one of three lengths is padded");
    let mut random = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = (0..5000).map(|_| random.u8(..)).collect();
    for content_type in [form, None] {
        let (leaves, _) = body_leaves(zipped.as_bytes(), content_type);
        assert_eq!(lines(&leaves).len(), 1);
        assert!(lines(&leaves)[0].contains("lat | latitude | precise-location | "), "{:?}", lines(&leaves));
        check_body(STANDARD.encode(&noise).as_bytes(), content_type, &["body | opaque |  | ", "! body-opaque"]);
        check_body(b"ping=", content_type, &["form ping | empty |  | "]);
    }
}

#[test]
fn what_a_limit_kept_from_being_read_is_unexplained_and_listed() {
    let rest = |seen: &Observations| -> BTreeMap<String, u64> {
        let fields = seen.endpoints.values().flat_map(|facts| &facts.fields);
        fields.filter(|(_, field)| field.unexplained > 0).map(|(name, field)| (name.to_string(), field.unexplained)).collect()
    };
    let broken = observe_one("new.test/a", &[JSON], br#"{"a":1} oops, no end"#);
    assert_eq!(rest(&broken), BTreeMap::from([("json {rest}".to_owned(), 12)]));
    assert_eq!(unexplained(&broken, "/a"), 12);

    // One layer of more than 16 MiB: the share that did not come out is unexplained, and one true sentence tells it.
    let large = gzip(format!(r#"{{"a":1,"b":"{}"}}"#, "word ".repeat(4 << 20)).as_bytes());
    let cut = observe_one("new.test/b", &[JSON], &large);
    let told: Vec<&str> = cut.coverage.blind_spots.iter().map(|spot| spot.sentence.as_str()).collect();
    assert_eq!(told, ["one layer of a request decodes to more than 16 MiB: what follows in it was not read"]);
    assert!(unexplained(&cut, "/b") * 10 > large.len() as u64 * 9, "{} of {}", unexplained(&cut, "/b"), large.len());

    // Values behind the last layer that is peeled.
    let mut deep = "the words of a person, one after the other".to_owned();
    for _ in 0..26 {
        deep = STANDARD.encode(deep);
    }
    let nested = observe_one("new.test/c", &[JSON], format!(r#"{{"v":"{deep}"}}"#).as_bytes());
    assert_eq!(unexplained(&nested, "/c"), deep.len() as u64);
}

#[test]
fn many_short_values_cost_little() {
    let mut random = fastrand::Rng::with_seed(25);
    let value = |_| STANDARD.encode((0..25).map(|_| random.u8(..)).collect::<Vec<u8>>());
    let body = serde_json::to_vec(&(0..30_000).map(value).collect::<Vec<String>>()).expect("texts are JSON");
    let (leaves, notes) = body_leaves(&body, None);
    assert_eq!((leaves.len(), notes), (30_000, Vec::new()));
}

#[test]
fn a_line_end_after_a_form_is_structure() {
    let request = |body: &[u8]| exchange(1, "start", "POST", "x.test/", &[], body.to_vec());
    for end in ["", "\n", "\r\n"] {
        let leaves = leaves_of(&request(format!("lat=1&lon=2&q=a%20b{end}").as_bytes()), &NoBodies, &App::default());
        let names: Vec<String> = leaves.iter().map(|leaf| format!("{}={}", leaf.name, leaf.value.expose())).collect();
        assert_eq!(names, ["form lat=1", "form lon=2", "form q=a b"], "{end:?}");
        assert_eq!(leaves[0].bytes, Some(ByteRange { start: 4, end: 5, coarse: false }));
    }
}

#[test]
fn no_byte_of_a_multipart_body_is_dropped() {
    let kind = Some("multipart/form-data; boundary=X");
    let lines = b"--X\nContent-Disposition: form-data; name=\"k\"\n\n{\"v\":true}\n--X--\n";
    check_body(lines, kind, &["form k.v | boolean |  | json"]);
    let around =
        b"hello there\r\n--X\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n1\r\n--X\r\nno blank line\r\n--X--\r\nthe end of it";
    let want = ["form {preamble} | text |  | ", "form k | integer |  | ", "form {part} | text |  | ", "form {epilogue} | text |  | "];
    check_body(around, kind, &want);
    let many = "--X\r\n\r\n1\r\n".repeat(10_050);
    let (leaves, notes) = body_leaves(many.as_bytes(), kind);
    assert_eq!((leaves.len(), leaves.last().map(|leaf| leaf.name.path.as_str())), (9_999, Some("part")));
    assert!(notes.iter().any(|note| note.kind == BlindSpotKind::LimitReached && note.sentence.contains("10,000 parts")), "{notes:?}");
}

#[test]
fn what_nobody_can_decode_is_opaque_and_told() {
    let mut random = fastrand::Rng::with_seed(3);
    let noise: Vec<u8> = (0..2000).map(|_| random.u8(..)).collect();
    check_body(&noise, Some("application/octet-stream"), &["body | opaque |  | ", "! body-opaque"]);
    check_body(&noise, Some("application/x-www-form-urlencoded"), &["body | opaque |  | ", "! body-opaque"]);
    check_body(STANDARD.encode(&noise).as_bytes(), None, &["body | opaque |  | ", "! body-opaque"]);
    let (_, notes) = body_leaves(&noise, None);
    assert!(notes[0].sentence.contains("2000 bytes") && notes[0].sentence.contains("7.9 bits"), "{}", notes[0].sentence);
}

#[test]
fn base64_is_believed_only_where_something_speaks_for_it() {
    let field = |value: &str| {
        let (leaves, _) = body_leaves(format!("{{\"x\":\"{value}\"}}").as_bytes(), None);
        leaves[0].shape.kind.to_string()
    };
    for (value, want) in [
        (STANDARD.encode([7_u8; 300]), "bytes[300]"),
        (STANDARD.encode([200_u8; 25]), "bytes[25]"),
        (STANDARD.encode("hello over there"), "text"),
        ("0b7d0c1b2a3c4d5e0b7d0c1b2a3c4d5e".into(), "token"),
        ("8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c".into(), "uuid"),
        ("q7RtYu1oPaSdFgHjKlZxCvBn".into(), "token"),
        ("1773486000123".into(), "timestamp-ms"),
        ("internationalization".into(), "text"),
        ("com.example.hm.health".into(), "text"),
    ] {
        assert_eq!(field(&value), want, "{value}");
    }
}

#[test]
fn the_days_upload_is_read_to_the_last_field() {
    let body = band_data();
    let leaves = leaves_of(
        &exchange(1, "sync", "POST", "api-mifit-de.huami.test/v1/data/band_data.json?&t=1773486000123", &[FORM], body.clone()),
        &NoBodies,
        &app(),
    );
    let shown = lines(&leaves);
    for want in [
        "query t | timestamp-ms |  | ",
        "form userid | integer | account-id | ",
        "form last_deviceid | mac | band-mac | ",
        "form data_json[].data_hr | bytes[1440] | heart-rate-series | json>base64",
        "form data_json[].data[].value | bytes[4320] | steps | json>base64",
        "form data_json[].data[].did | mac | band-mac | json",
        "form data_json[].date | date |  | json",
        "form data_json[].summary.slp.st | timestamp-s | sleep | json>json-in-string",
        "form data_json[].summary.stp.ttl | integer | steps | json>json-in-string",
        "form data_json[].summary.sn | token | band-serial | json>json-in-string",
        "form data_json[].summary.goal | integer | profile | json>json-in-string",
    ] {
        assert!(shown.iter().any(|line| line == want), "no {want:?} in\n{}", shown.join("\n"));
    }
    let userid = leaves.iter().find(|leaf| leaf.name.path == "userid").expect("seen above");
    let ByteRange { start, end, coarse } = userid.bytes.expect("in the body");
    assert!(!coarse);
    assert_eq!(&body[start as usize..end as usize], b"1000000001");
    assert_eq!(userid.value.expose(), "1000000001");
}

/// Bytes uploaded to a path that nobody can explain. Every byte of every endpoint is in one state.
fn unexplained(seen: &Observations, path: &str) -> u64 {
    for (key, facts) in &seen.endpoints {
        assert_eq!((facts.ledger.total(), facts.ledger_unaided.total()), (facts.uploaded_bytes, facts.uploaded_bytes), "{key:?}");
    }
    seen.endpoints.iter().filter(|(key, _)| key.path == path).map(|(_, facts)| facts.ledger.unexplained).sum()
}

/// What is seen of one request to a host that the app file does not know.
fn observe_one(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Observations {
    let app = App::default();
    let mut observer = Observer::new(&app, &provenance(1));
    let exchange = exchange(1, "start", "POST", url, headers, body.to_vec());
    observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
    observer.absorb(&complete(), &NoBodies);
    observer.finish()
}

/// The ledger of one request to an unknown host.
#[track_caller]
fn check_ledger(url: &str, headers: &[(&str, &str)], body: &[u8], want: [u64; 4]) {
    let Ledger { named, typed, structure, unexplained } = observe_one(url, headers, body).coverage.ledger;
    assert_eq!([named, typed, structure, unexplained], want, "{url} {}", String::from_utf8_lossy(body));
}

#[test]
fn every_byte_is_counted_where_it_was_sent() {
    // `/a?x=` is structure.
    check_ledger("x.test/a?x=12", &[], b"", [0, 2, 5, 0]);
    check_ledger("x.test/a", &[("x-seen", "yes"), ("accept", "*/*")], b"", [0, 3, 2 + 6 + 6 + 3, 0]);
    check_ledger("x.test/a", &[("cookie", "sid=5; steps=900")], b"", [3, 1, 2 + 6 + 4 + 8, 0]);
    check_ledger("x.test/a", &[], br#"{"steps":900,"v":"x"}"#, [3, 1, 2 + 17, 0]);
    // Of the 17 characters inside the string, 6 are values; the string was sent in 21.
    check_ledger("x.test/a", &[], br#"{"s":"{\"v\":true,\"w\":11}"}"#, [0, 7, 2 + 8 + 14, 0]);
}

/// The ledgers, aided and unaided, of one request in which a profile and a band's minutes are looked for.
fn ledgers_with_profile(headers: &[(&str, &str)], body: &[u8]) -> [[u64; 4]; 2] {
    let seen = observe_with_profile(headers, body);
    [seen.coverage.ledger, seen.coverage.ledger_unaided]
        .map(|Ledger { named, typed, structure, unexplained }| [named, typed, structure, unexplained])
}

/// What is seen of one request in which a profile and a band's minutes are looked for.
fn observe_with_profile(headers: &[(&str, &str)], body: &[u8]) -> Observations {
    let value =
        |name: &str, category, value| PlantedValue { name: name.into(), category, value, source: PlantedSource::Scenario, confirmed: true };
    let app = App::default();
    let mut provenance = provenance(1);
    provenance.planted.extend([
        value("profile.height_cm", Category::Height, Planted::Integer(171)),
        value("profile.weight_kg", Category::Weight, Planted::Decimal("63.4".into())),
        value("band.heart_rate", Category::HeartRate, Planted::Series(minutes())),
        value("home.address", Category::PostalAddress, Planted::Text("Rosenstraße 6, 10115 Musterstädt".into())),
    ]);
    let mut observer = Observer::new(&app, &provenance);
    let exchange = exchange(1, "start", "POST", "x.test/a", headers, body.to_vec());
    observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
    observer.absorb(&complete(), &NoBodies);
    let seen = observer.finish();
    assert_eq!(unexplained(&seen, "/a"), seen.coverage.ledger.unexplained);
    let listed: u64 = seen.endpoints.values().flat_map(|facts| facts.fields.values()).map(|field| field.unexplained).sum();
    assert!((listed == 0) == (seen.coverage.ledger.unexplained == 0), "{listed} bytes are listed as unexplained");
    seen
}

fn minutes() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..240).map(|_| random.u8(50..110)).collect()
}

#[test]
fn what_is_found_only_at_the_end_of_a_request_is_named_in_the_ledger() {
    // `/a` and the punctuation are structure.
    let both = |ledger: [u64; 4]| [ledger; 2];
    assert_eq!(ledgers_with_profile(&[], br#"{"a1":63.4,"a2":12}"#), both([0, 6, 2 + 13, 0]), "too short without a name");
    // A nickname that is likely in a small request, plain and inside a longer text; the same value elsewhere is another leaf.
    assert_eq!(ledgers_with_profile(&[], br#"{"a1":"Quillon","a2":12}"#), both([7, 2, 2 + 15, 0]));
    assert_eq!(ledgers_with_profile(&[], br#"{"a":["Quillon","Quillox","Quillon"]}"#), both([14, 7, 2 + 16, 0]));
    // The first half of a position is judged with the second.
    assert_eq!(ledgers_with_profile(&[], br#"{"a1":52.37403,"a2":4.88969,"a3":1.5}"#), both([15, 3, 2 + 19, 0]));
    // A town and its postal code are a sign together.
    assert_eq!(ledgers_with_profile(&[], r#"{"a1":"Musterstädt","a2":"10115"}"#.as_bytes()), both([17, 0, 2 + 17, 0]));
    // A digest and its key: the key is a token, typed.
    let mac = {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"q7RtYu1oPaSdFgHj").expect("any key");
        mac.update(b"quillon@example.test");
        mac.finalize().into_bytes().to_vec()
    };
    let hex = crate::model::text::hex(&mac);
    let body = format!(r#"{{"k":"q7RtYu1oPaSdFgHj","h":"{hex}"}}"#);
    assert_eq!(ledgers_with_profile(&[], body.as_bytes()), both([64, 16, 2 + 15, 0]));
    // As bytes of a MessagePack map of two: nobody could explain them otherwise.
    let packed = [&b"\x82\xa1k\xb0q7RtYu1oPaSdFgHj\xa1h\xc4\x20"[..], &mac].concat();
    let type_of_body = [("content-type", "application/msgpack")];
    let structure = 2 + 31 + 8;
    assert_eq!(ledgers_with_profile(&type_of_body, &packed), both([32, 16, structure, 0]));
    let wrong = [&b"\x82\xa1k\xb0q7RtYu1oPaSdFgHk\xa1h\xc4\x20"[..], &mac].concat();
    assert_eq!(ledgers_with_profile(&type_of_body, &wrong), both([0, 16, structure, 32]));
    // Minutes in an array: all numbers of the field.
    let numbers: Vec<String> = minutes().iter().map(u8::to_string).collect();
    let digits: u64 = numbers.iter().map(|number| number.len() as u64).sum();
    let body = format!(r#"{{"v":[{}],"w":[1,2,3]}}"#, numbers.join(","));
    let structure = 2 + body.len() as u64 - digits - 3;
    assert_eq!(ledgers_with_profile(&[], body.as_bytes()), both([digits, 3, structure, 0]));
    // Inside base64 it is its share of what was sent, to the byte.
    let inner = br#"{"a1":"Quillon","a2":123456}"#;
    let text = STANDARD.encode(inner);
    let body = format!(r#"{{"d":"{text}"}}"#);
    let [[named, typed, structure, unexplained], unaided] = ledgers_with_profile(&[], body.as_bytes());
    assert_eq!(named + typed + structure + unexplained, 2 + body.len() as u64);
    // Of 28 bytes in 40 characters, 7 are the name and 6 the number.
    assert_eq!(([named, typed, unexplained], unaided[0]), ([10, 9, 0], 10));
}

#[test]
fn a_position_in_fixed_fields_of_a_guessed_message_is_found_and_says_so() {
    let east = Position { lat: 52.37403, lon: 104.88969 };
    let found = |held: Position, fields: &[u8]| -> Vec<String> {
        let app = App::default();
        let mut observer = Observer::new(&app, &provenance(1));
        observer.absorb(&RunEvent::PhoneMoved { position: held, confirmed: true }, &NoBodies);
        let body = [&b"\x0a\x0ean invented id\x10\x05"[..], fields].concat();
        let exchange = exchange(1, "start", "POST", "x.test/a", &[], body);
        observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
        observer.absorb(&complete(), &NoBodies);
        observer.finish().positions.iter().map(|sighting| format!("{} {:.0}", sighting.how, sighting.distance_m)).collect()
    };
    let doubles = |held: Position| [&b"\x19"[..], &held.lat.to_le_bytes(), b"\x21", &held.lon.to_le_bytes()].concat();
    let floats = |held: Position| [&b"\x1d"[..], &(held.lat as f32).to_le_bytes(), b"\x25", &(held.lon as f32).to_le_bytes()].concat();
    let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
    let fixed = |held: Position| [&b"\x1d"[..], &e7(held.lat).to_le_bytes(), b"\x25", &e7(held.lon).to_le_bytes()].concat();
    let guess = "; that the bytes are a message is a guess";
    for held in [HOME, east, Position { lat: -33.45012, lon: -70.66034 }] {
        assert_eq!(found(held, &doubles(held)), [format!("decimal degrees, 5 decimals{guess} 0")]);
        assert_eq!(found(held, &fixed(held)), [format!("degrees x 10^7{guess} 0")], "{held:?}");
        let [single] = <[String; 1]>::try_from(found(held, &floats(held))).expect("one");
        assert!(single.starts_with("decimal degrees") && single.contains(guess), "{single}");
        let elsewhere = Position { lat: held.lat + 0.3, lon: held.lon };
        assert_eq!(found(held, &fixed(elsewhere)), [""; 0]);
        assert_eq!(found(held, &doubles(elsewhere)), [""; 0]);
    }
}

#[test]
fn a_key_that_the_answer_or_the_path_gives_away_explains_a_digest() {
    let digest = |salted: &str| {
        use sha2::Digest as _;
        crate::model::text::hex(&sha2::Sha256::digest(salted))
    };
    let found = |url: &str, salted: &str, headers: &[(&str, &str)], answer: &[u8]| -> Vec<String> {
        let app = App::default();
        let mut observer = Observer::new(&app, &provenance(1));
        let mut exchange = exchange(1, "start", "POST", url, &[], format!(r#"{{"h":"{}"}}"#, digest(salted)).into_bytes());
        let response = exchange.response.as_mut().expect("answered");
        response.body = Body::inline(answer.to_vec());
        response.headers =
            headers.iter().map(|(name, value)| Header { name: (*name).into(), value: Captured::new((*value).into()) }).collect();
        observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
        observer.absorb(&complete(), &NoBodies);
        let seen = observer.finish();
        assert!(!seen.coverage.blind_spots.iter().any(|spot| spot.kind == BlindSpotKind::LimitReached), "{url}");
        let fields = seen.endpoints.values().flat_map(|facts| &facts.fields);
        assert_eq!(fields.clone().count(), 1, "nothing of the answer is a field");
        fields.flat_map(|(_, facts)| &facts.reasons).map(|(_, reason)| reason.to_string()).collect()
    };
    let salted = "s4lt:quillon@example.test";
    let answer = br#"{"status":"ok","session":{"x":"s4lt"}}"#;
    let want = |found: Vec<String>| found.iter().any(|reason| reason.contains("after a salt from the same exchange"));
    assert!(want(found("x.test/a", salted, &[], answer)));
    assert!(want(found("x.test/a", salted, &[("content-encoding", "gzip")], &gzip(answer))));
    assert!(want(found("x.test/a", salted, &[("x-salt", "s4lt")], b"")));
    assert!(want(found("x.test/a", salted, &[("set-cookie", "s=s4lt; Path=/")], b"")));
    assert!(want(found("x.test/a", salted, &[("location", "https://y.test/next?s=s4lt#top")], b"")));
    assert!(want(found("x.test/users/s4lt/a", salted, &[], b"")));
    for (url, answer) in [("x.test/a", &br#"{"x":"s4lu"}"#[..]), ("x.test/a", b"\xff\xfe\x00"), ("x.test/s4lu", b"")] {
        assert!(!want(found(url, salted, &[], answer)), "{url}");
    }
    // Also behind a long list.
    let long = format!(r#"{{"list":[{}],"salt":"s4lt"}}"#, vec!["\"an item of the list\""; 10_000].join(","));
    assert!(want(found("x.test/a", salted, &[], long.as_bytes())));
}

/// One run: uploads at home, a workout elsewhere, then the workout's place sent in the background.
fn observe(run: u32, extra: &[RunEvent]) -> Observations {
    let app = app();
    let provenance = provenance(run);
    let mut observer = Observer::new(&app, &provenance);
    let sent = |id, phase: &str, method: &str, url: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        RunEvent::Exchange(Box::new(exchange(id, phase, method, url, headers, body)))
    };
    let mut events = vec![
        RunEvent::RunStarted(Box::new(provenance.clone())),
        RunEvent::PhaseBegan { name: "sync".into(), explains: Vec::new() },
        sent(
            1,
            "sync",
            "POST",
            "api-mifit-de.huami.test/v1/data/band_data.json?t=1773486000123",
            &[FORM, ("apptoken", "q7RtYu1oPaSdFgHjKlZxCvBn")],
            band_data(),
        ),
        sent(2, "sync", "GET", "phone.test/ping?lat=52.37&lon=4.89", &[], Vec::new()),
        RunEvent::PhaseBegan { name: "workout".into(), explains: vec![Category::Location] },
        RunEvent::PhoneMoved { position: TRACK, confirmed: true },
        sent(
            3,
            "workout",
            "POST",
            "api-mifit-de.huami.test/v1/sport/run",
            &[FORM],
            b"longitude_latitude=5252000000,1340500000;12000,15000;&x=1".to_vec(),
        ),
        RunEvent::PhoneMoved { position: HOME, confirmed: true },
        RunEvent::PhaseBegan { name: "background".into(), explains: Vec::new() },
        sent(4, "background", "POST", "new.test/c", &[JSON], br#"{"p":{"u":13.4051,"v":52.5201},"name":"QUILLON"}"#.to_vec()),
        sent(5, "background", "GET", "api-mifit-de.huami.test/weather?locationKey=52.374,4.890,x:1", &[], Vec::new()),
    ];
    events.extend_from_slice(extra);
    for event in &events {
        observer.absorb(event, &NoBodies);
    }
    observer.finish()
}

fn complete() -> RunEvent {
    RunEvent::RunEnded { ending: RunEnding::Complete }
}

#[test]
fn a_position_is_judged_by_where_the_phone_was() {
    let seen = observe(1, &[complete()]);
    let shown: Vec<String> = seen
        .positions
        .iter()
        .map(|sighting| {
            let held: Vec<&str> = sighting.held_in.iter().map(String::as_str).collect();
            let companion = sighting.companion.as_ref().map_or(String::new(), |name| format!("+{}", name.path));
            format!(
                "{} {}: {}{companion} of {} {:?}, {}",
                sighting.endpoint.phase,
                sighting.endpoint.place(),
                sighting.field,
                held.join(","),
                sighting.origin,
                sighting.how
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "workout POST api-mifit*.huami.test/v1/sport/run: form longitude_latitude of workout App, delta-coded track of 2 points (degrees x 10^8), nearest point",
            "background GET api-mifit*.huami.test/weather: query locationKey of background,start,sync,workout App, decimal degrees, 3 decimals",
            "background POST new.test/c: json p.v+p.u of workout App, decimal degrees, 4 decimals",
            "sync GET phone.test/ping: query lat+lon of start,sync Phone, decimal degrees, 2 decimals",
        ]
    );
    assert!(seen.positions.iter().all(|sighting| sighting.distance_m < 500.0 && sighting.runs == 1));
    let fields = &seen
        .endpoints
        .values()
        .find(|facts| facts.first.as_ref().is_some_and(|first| first.exchange == Some(ExchangeId(4))))
        .expect("seen")
        .fields;
    let located: Vec<&str> =
        fields.iter().filter(|(_, facts)| facts.shape.is_a(Category::Location)).map(|(name, _)| name.path.as_str()).collect();
    assert_eq!(located, ["p.u", "p.v"]);
}

#[test]
fn a_planted_coordinate_without_its_other_half_is_a_sign_of_location() {
    let body = br#"{"p":{"x":52.37403},"q":{"w":4.88,"z":52.37}}"#.to_vec();
    let seen = observe(1, &[RunEvent::Exchange(Box::new(exchange(80, "background", "POST", "new.test/half", &[JSON], body))), complete()]);
    let facts = seen.endpoints.iter().find(|(key, _)| key.path == "/half").map(|(_, facts)| facts).expect("seen");
    let located = |facts: &crate::model::FieldFacts| facts.shape.is_a(Category::Location);
    let named: Vec<&str> = facts.fields.iter().filter(|(_, facts)| located(facts)).map(|(name, _)| name.path.as_str()).collect();
    assert!(named.contains(&"p.x"), "{named:?}");
}

#[test]
fn planted_values_are_counted_and_unconfirmed_ones_say_so() {
    let seen = observe(1, &[complete()]);
    let facts = |name: &str| (seen.planted[name].found_in, seen.planted[name].confirmed);
    assert_eq!(facts("profile.nickname"), (1, true));
    assert_eq!(facts("band.mac"), (1, true));
    assert_eq!(facts("location"), (1, true), "the phone's own request does not count");
    assert_eq!(facts("account.email"), (0, false));
}

#[test]
fn origin_party_and_coverage() {
    let seen = observe(1, &[complete()]);
    let facts =
        |host: &str| seen.endpoints.iter().find(|(key, _)| key.host == host).map(|(_, facts)| (facts.party, facts.origin)).expect("seen");
    assert_eq!(facts("api-mifit*.huami.test"), (Party::FirstParty, Origin::App));
    assert_eq!(facts("phone.test"), (Party::ThirdParty, Origin::Phone));
    assert_eq!(facts("new.test"), (Party::ThirdParty, Origin::App));
    let coverage = &seen.coverage;
    assert_eq!((coverage.read_hosts(), coverage.all_hosts(), coverage.first_party_exchanges), (2, 2, 3));
    assert_eq!((coverage.complete_runs, coverage.known, coverage.blind_spots.len()), (1, true, 0), "{:?}", coverage.blind_spots);
    assert_eq!(seen.phases.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["start", "sync", "workout", "background"]);

    let mut app = app();
    app.ids = vec!["com.example.named".into()];
    let mut provenance = provenance(1);
    for (control, header, want) in [
        (None, "", Origin::Unknown),
        (None, "com.example.named", Origin::App),
        (Some("x.test"), "", Origin::Phone),
        (Some("x.test"), "com.example.named", Origin::App),
    ] {
        provenance.control = control.map(|host| ControlRun { hosts: vec![host.into()], seconds: 1, made: None });
        let mut observer = Observer::new(&app, &provenance);
        observer.absorb(&RunEvent::Exchange(Box::new(exchange(1, "start", "GET", "x.test/", &[("x-app", header)], Vec::new()))), &NoBodies);
        assert_eq!(observer.finish().coverage.hosts["x.test"].origin, want, "{control:?} {header}");
    }
}

#[test]
fn the_dot_of_the_root_makes_no_other_host() {
    let app = app();
    let mut provenance = provenance(1);
    provenance.control = Some(ControlRun { hosts: vec!["phone.test".into()], seconds: 60, made: None });
    let mut observer = Observer::new(&app, &provenance);
    let urls = ["api-mifit-de.huami.test./a", "phone.test./a", "new.test./a", "new.test/a"];
    for (number, url) in (1..).zip(urls) {
        observer.absorb(&RunEvent::Exchange(Box::new(exchange(number, "start", "GET", url, &[], Vec::new()))), &NoBodies);
    }
    for (id, host) in [(TunnelId(1), "Gone.test."), (TunnelId(2), "gone.test")] {
        let outcome = TunnelOutcome::Unreachable { why: "refused".into() };
        let tunnel = Tunnel {
            id,
            phase: "start".into(),
            host: host.into(),
            port: 443,
            sni: None,
            alpn: Vec::new(),
            began: Timestamp::UNIX_EPOCH,
            ended: None,
            outcome,
            evidence: TunnelEvidence::default(),
        };
        observer.absorb(&RunEvent::Tunnel(tunnel), &NoBodies);
    }
    observer.absorb(&complete(), &NoBodies);
    let seen = observer.finish();
    let endpoints: Vec<_> =
        seen.endpoints.iter().map(|(key, facts)| (key.host.as_str(), facts.party, facts.origin, facts.exchanges)).collect();
    assert_eq!(
        endpoints,
        [
            ("api-mifit*.huami.test", Party::FirstParty, Origin::App, 1),
            ("new.test", Party::ThirdParty, Origin::App, 2),
            ("phone.test", Party::ThirdParty, Origin::Phone, 1),
        ]
    );
    let hosts: Vec<&str> = seen.coverage.hosts.keys().map(String::as_str).collect();
    assert_eq!(hosts, ["api-mifit-de.huami.test", "gone.test", "new.test", "phone.test"]);
}

#[test]
fn what_is_not_judged_is_told_and_an_id_of_the_app_is_found_inside_gzip() {
    let zipped = gzip(br#"{"pkg":"com.example.hm.health"}"#);
    let nickname = exchange(90, "sync", "POST", "other.test/n", &[JSON], br#"{"n":"Quillon"}"#.to_vec());
    let named = exchange(91, "sync", "POST", "named.test/n", &[JSON, ("Content-Encoding", "gzip")], zipped);
    let (app, mut provenance) = (app(), provenance(1));
    let hosts = ["api-mifit-de.huami.test", "named.test", "other.test"].map(str::to_owned).to_vec();
    provenance.control = Some(ControlRun { hosts, seconds: 60, made: None });
    let mut observer = Observer::new(&app, &provenance);
    for event in [RunEvent::Exchange(Box::new(nickname)), RunEvent::Exchange(Box::new(named)), complete()] {
        observer.absorb(&event, &NoBodies);
    }
    let coverage = observer.finish().coverage;
    let unjudged: Vec<(&str, &BTreeSet<Category>)> = coverage.unjudged_hosts().collect();
    assert_eq!(unjudged, [("other.test", &BTreeSet::from([Category::PersonName]))]);
    assert_eq!(coverage.hosts["named.test"].origin, Origin::App);
    let control = |doubt: &String| doubt.contains("control run") && doubt.contains("api-mifit*.huami.test");
    assert!(coverage.doubts.iter().any(control), "{:?}", coverage.doubts);
}

#[test]
fn a_body_of_which_a_part_is_missing_counts_as_what_was_sent() {
    let mut cut = exchange(1, "sync", "POST", "new.test/t", &[JSON], Vec::new());
    cut.request.body = Body { bytes: 500_000, sha256: None, content: BodyContent::Torn(Captured::new(b"{\"a\":1}".to_vec())) };
    let seen = observe(2, &[RunEvent::Exchange(Box::new(cut))]);
    let spot = seen.coverage.blind_spots.iter().find(|spot| spot.kind == BlindSpotKind::BodyMissing).expect("a blind spot");
    assert_eq!(spot.sentence, "of a body of 500000 bytes only 7 were recorded");
    assert!(seen.coverage.uploaded_bytes >= 500_000 && seen.coverage.ledger.unexplained >= 499_993, "{:?}", seen.coverage.ledger);
}

#[test]
fn gaps_become_blind_spots() {
    let tunnel = |host: &str, outcome| {
        RunEvent::Tunnel(Tunnel {
            id: TunnelId(1),
            phase: "sync".into(),
            host: host.into(),
            port: 443,
            sni: None,
            alpn: Vec::new(),
            began: Timestamp::UNIX_EPOCH,
            ended: None,
            outcome,
            evidence: TunnelEvidence::default(),
        })
    };
    let mut torn = exchange(20, "sync", "POST", "new.test/t", &[JSON], Vec::new());
    torn.request.body = Body { bytes: 9, sha256: None, content: BodyContent::Torn(Captured::new(b"{\"a\":1,\"b".to_vec())) };
    torn.response = None;
    let mut absent = exchange(21, "sync", "POST", "new.test/a", &[], Vec::new());
    absent.request.body = Body { bytes: 10, sha256: None, content: BodyContent::Absent("the disk was full".into()) };
    let spilled = {
        let mut exchange = exchange(22, "sync", "POST", "new.test/s", &[], Vec::new());
        exchange.request.body = Body { bytes: 10, sha256: Some("00".into()), content: BodyContent::Spilled };
        exchange
    };
    let encrypted =
        exchange(23, "sync", "POST", "api-mifit-de.huami.test/v1/data/band_data.json", &[FORM, ("x-hm-ekv", "1")], vec![0x9b; 64]);
    let cipher = exchange(24, "sync", "GET", "api-mifit-de.huami.test/d?cipher_data=q7RtYu1oPaSdFgHjKlZxCvBnM", &[], Vec::new());
    let mut events: Vec<RunEvent> =
        [torn, absent, spilled, encrypted, cipher].into_iter().map(|exchange| RunEvent::Exchange(Box::new(exchange))).collect();
    events.extend([
        tunnel("pinned.test", TunnelOutcome::CertificateRefused { alert: "UnknownCA".into() }),
        tunnel("quiet.test", TunnelOutcome::ClosedWithoutRequest),
        tunnel("new.test", TunnelOutcome::ClosedWithoutRequest),
        tunnel("api-mifit-de.huami.test", TunnelOutcome::Read { requests: 3 }),
        tunnel("phone.test", TunnelOutcome::PassedThrough),
        RunEvent::ExchangeBegan { id: ExchangeId(30), method: "GET".into(), host: "lost.test".into(), tunnel: None },
        RunEvent::TunnelBegan { id: TunnelId(40), phase: "sync".into(), host: "open.test".into(), port: 443 },
        RunEvent::TunnelBegan { id: TunnelId(1), phase: "sync".into(), host: "phone.test".into(), port: 443 },
        tunnel("phone.test", TunnelOutcome::PassedThrough),
        RunEvent::RunEnded { ending: RunEnding::Interrupted },
    ]);
    let seen = observe(2, &events);
    let shown: Vec<String> = seen
        .coverage
        .blind_spots
        .iter()
        .map(|spot| format!("{} {} {} {:?}", spot.kind.word(), spot.host, spot.endpoint, spot.origin))
        .collect();
    for want in [
        "certificate-refused pinned.test  App",
        "closed-without-request quiet.test  App",
        "passed-through phone.test  Phone",
        "still-open open.test  App",
        "unanswered lost.test  App",
        "unanswered new.test POST new.test/t App",
        "body-missing new.test POST new.test/t App",
        "body-missing new.test POST new.test/a App",
        "body-missing new.test POST new.test/s App",
        "body-opaque api-mifit*.huami.test POST api-mifit*.huami.test/v1/data/band_data.json App",
        "body-opaque api-mifit*.huami.test GET api-mifit*.huami.test/d App",
    ] {
        assert!(shown.iter().any(|line| line == want), "no {want:?} in\n{}", shown.join("\n"));
    }
    assert_eq!(shown.len(), 11, "{shown:?}");
    let opaque = seen
        .coverage
        .blind_spots
        .iter()
        .find(|spot| spot.kind == BlindSpotKind::BodyOpaque && spot.endpoint.contains("band_data"))
        .expect("listed above");
    assert!(opaque.sentence.contains("x-hm-ekv"), "{}", opaque.sentence);
    // The torn body is read as far as it goes.
    for (path, bytes) in [("/t", 2), ("/a", 10), ("/s", 10), ("/d", 25)] {
        assert_eq!(unexplained(&seen, path), bytes, "{path}");
    }
    assert_eq!((seen.coverage.complete_runs, seen.coverage.incomplete_runs.as_slice()), (0, &["run 2: interrupted".to_owned()][..]));
    assert!(seen.endpoints.values().all(|facts| facts.runs == 0), "an incomplete run counts for no field");
}

#[test]
fn what_the_phone_counted_past_the_proxy_is_the_app_s_and_a_blind_spot() {
    let app = app();
    let mut observer = Observer::new(&app, &provenance(1));
    observer.absorb(&RunEvent::OutsideProxy { sent: 1200, received: 40 }, &NoBodies);
    observer.absorb(&RunEvent::RunEnded { ending: RunEnding::Complete }, &NoBodies);
    let seen = observer.finish();
    let spot = seen.coverage.blind_spots.first().expect("it is told");
    assert_eq!((spot.kind, spot.origin), (BlindSpotKind::OutsideProxy, Origin::App));
    assert_eq!(spot.sentence, "the phone counted 1200 bytes that the app sent past the proxy, and 40 that it received there");
    assert_eq!(spot.evidence.as_ref().map(|evidence| (evidence.run, evidence.exchange)), Some((1, None)));
}

#[test]
fn what_nobody_counted_past_the_proxy_is_a_blind_spot_too() {
    let app = app();
    let mut observer = Observer::new(&app, &provenance(1));
    observer.absorb(&RunEvent::OutsideUncounted { why: "this phone does not tell".to_owned() }, &NoBodies);
    observer.absorb(&RunEvent::RunEnded { ending: RunEnding::Complete }, &NoBodies);
    let seen = observer.finish();
    let spot = seen.coverage.blind_spots.first().expect("it is told");
    assert_eq!((spot.kind, spot.origin), (BlindSpotKind::OutsideUncounted, Origin::App));
    assert_eq!(spot.sentence, "what the app sent past the proxy is not known, because this phone does not tell");
    assert_eq!(spot.evidence.as_ref().map(|evidence| (evidence.run, evidence.exchange)), Some((1, None)));
}

#[test]
fn an_app_that_was_altered_is_told_and_so_is_the_end_of_what_altered_it() {
    let app = app();
    let mut observer = Observer::new(&app, &provenance(1));
    observer.absorb(&RunEvent::AppAltered(Alteration::Script { sha256: "c3".repeat(32) }), &NoBodies);
    observer.absorb(&RunEvent::AppAltered(Alteration::ScriptEnded { why: "exit 1".into() }), &NoBodies);
    observer.absorb(&RunEvent::RunEnded { ending: RunEnding::Complete }, &NoBodies);
    let spots: Vec<_> = observer.finish().coverage.blind_spots.into_iter().collect();
    let told: Vec<_> = spots.iter().map(|spot| (spot.kind, spot.origin, spot.phases.values().sum::<u32>())).collect();
    assert_eq!(told, [(BlindSpotKind::AppAltered, Origin::App, 1), (BlindSpotKind::ScriptEnded, Origin::App, 1)], "{spots:?}");
    assert!(spots[0].sentence.contains("c3c3") && spots[1].sentence.contains("exit 1"), "{spots:?}");
}

#[test]
fn an_import_says_nothing_about_what_it_missed() {
    let app = app();
    let provenance = Provenance { rig: Rig::Imported, source: CaptureSource::Har { creator: "x".into() }, control: None, ..provenance(1) };
    let mut observer = Observer::new(&app, &provenance);
    observer.absorb(&RunEvent::Exchange(Box::new(exchange(1, "unscripted", "GET", "x.test/", &[], Vec::new()))), &NoBodies);
    observer.absorb(&complete(), &NoBodies);
    let seen = observer.finish();
    assert!(!seen.coverage.known);
    assert!(seen.coverage.blind_spots.iter().any(|spot| spot.kind == BlindSpotKind::NoCoverage));
    assert_eq!(seen.phases.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["unscripted"]);
}

#[test]
fn the_order_of_runs_gives_the_same_result() {
    let more = [
        RunEvent::Exchange(Box::new(exchange(
            9,
            "background",
            "POST",
            "new.test/c",
            &[JSON],
            br#"{"p":{"u":1},"extra":"2026-03-14"}"#.to_vec(),
        ))),
        complete(),
    ];
    let runs = || [observe(1, &[complete()]), observe(2, &more), observe(3, &[])];
    let fold = |order: [usize; 3]| {
        let mut into = Observations::default();
        let mut runs = runs().map(Some);
        for at in order {
            merge(&mut into, runs[at].take().expect("each once"));
        }
        into
    };
    let want = fold([0, 1, 2]);
    let [a, b, c] = runs();
    let mut right = b;
    merge(&mut right, c);
    let mut nested = a;
    merge(&mut nested, right);
    for is in [fold([2, 1, 0]), fold([1, 2, 0]), nested] {
        assert_eq!(is.endpoints, want.endpoints);
        assert_eq!(is.coverage, want.coverage);
        assert_eq!(is.positions, want.positions);
        assert_eq!((is.runs, is.phases, is.planted), (want.runs, want.phases.clone(), want.planted.clone()));
    }
    let extra = want.endpoints.iter().find(|(key, _)| key.path == "/c").map(|(_, facts)| facts).expect("seen");
    let counts: Vec<String> = extra.fields.iter().map(|(name, facts)| format!("{name} {}/{}", facts.runs, want.runs)).collect();
    assert_eq!(counts, ["json extra 1/2", "json name 2/2", "json p.u 2/2", "json p.v 2/2"]);
}

#[test]
fn headers_and_cookies_are_fields_and_h2_gives_the_same() {
    let one = exchange(
        1,
        "s",
        "GET",
        "x.test/",
        &[("Host", "x.test"), ("User-Agent", "App/1.0 (x; y)"), ("X-Consent", "true"), ("Cookie", "a=1; b=2")],
        Vec::new(),
    );
    let two = exchange(
        1,
        "s",
        "GET",
        "x.test/",
        &[("user-agent", "App/1.0 (x; y)"), ("x-consent", "true"), ("cookie", "a=1"), ("cookie", "b=2")],
        Vec::new(),
    );
    let want =
        ["header user-agent | text |  | ", "header x-consent | boolean |  | ", "cookie a | integer |  | ", "cookie b | integer |  | "];
    assert_eq!(lines(&leaves_of(&one, &NoBodies, &App::default())), want);
    assert_eq!(lines(&leaves_of(&two, &NoBodies, &App::default())), want);
}

#[test]
fn a_transport_header_and_a_method_hide_nothing() {
    let (mut random, app, provenance) = (fastrand::Rng::with_seed(3), app(), provenance(1));
    let mut noise = |count: usize| STANDARD.encode((0..count).map(|_| random.u8(..)).collect::<Vec<u8>>());
    let data = noise(90);
    let seen = observe_one("new.test/a", &[("If-None-Match", &data), ("Accept", "text/html, application/xhtml+xml;q=0.9")], b"");
    assert_eq!(unexplained(&seen, "/a"), data.len() as u64);
    let mut observer = Observer::new(&app, &provenance);
    observer.absorb(&RunEvent::Exchange(Box::new(exchange(1, "start", "QUILLON", "new.test/a", &[], Vec::new()))), &NoBodies);
    let seen = observer.finish();
    assert_eq!(seen.planted["profile.nickname"].found_in, 1);
    assert!(seen.endpoints.keys().all(|key| key.method == "{id}"), "{:?}", seen.endpoints.keys());
}

#[test]
fn planted_values_in_base32_are_in_no_name() {
    // Made by Python's base64.b32encode: the e-mail address, and the band's address with colons.
    let (email, mac) = ("OF2WS3DMN5XEAZLYMFWXA3DFFZ2GK43U", "imydursghjcukorrgi5dgnb2gu3a");
    let seen = observe_one(&format!("{mac}.other.test/u/{email}"), &[], format!(r#"{{"m":{{"{email}":1}}}}"#).as_bytes());
    let (key, facts) = seen.endpoints.first_key_value().expect("one endpoint");
    assert_eq!(key.place(), "POST {id}.other.test/u/{id}");
    assert!(facts.fields.keys().any(|name| name.path == "m.{id}"), "{:?}", facts.fields.keys());
    for name in ["account.email", "band.mac"] {
        assert_eq!(seen.planted[name].found_in, 1, "{name}");
    }
    assert!(seen.gate.check(&format!("json m.{email}  integer")).is_err() && seen.gate.check(mac).is_err());
}

#[test]
fn the_leak_gate_knows_the_values_and_lets_a_report_pass() {
    let seen = observe(1, &[complete()]);
    for secret in [
        "Quillon",
        "QUILLON",
        "C0FFEEFFFE123456",
        "c0:ff:ee:12:34:56",
        "1000000001",
        "563412eeffc0",
        "52.374",
        "4.88969",
        "52.5201",
        "q7RtYu1oPaSdFgHjKlZxCvBn",
    ] {
        assert!(seen.gate.check(&format!("value {secret} here")).is_err(), "{secret}");
    }
    let mut report =
        String::from("mifit passive-sync sim-1.0 simulated 2026-03-14T10:00:00Z 15574 bytes 3/3 0.1.0 uuid token phone.test\n");
    for (key, facts) in &seen.endpoints {
        report += &format!("{} {}\n", key.phase, key.place());
        for (name, field) in &facts.fields {
            let reasons: Vec<String> = field.reasons.iter().map(|(_, reason)| reason.to_string()).collect();
            report += &format!("  {name} {} {}\n", field.shape.kind, reasons.join("; "));
        }
    }
    assert_eq!(seen.gate.check(&report), Ok(()), "{report}");
}

#[test]
fn a_planted_text_is_found_wherever_it_stands() {
    const MULTIPART: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=cut");
    let file = b"--cut\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"Quillon.jpg\"\r\n\r\nxyz\r\n--cut--\r\n";
    for (url, headers, body, want) in [
        ("quillon.cloud.test/a", &[][..], &b""[..], "path {host}"),
        ("new.test/a/Quillon/b", &[], b"", "path {id}"),
        ("new.test/a?q=1&friend=Quillon", &[], b"", "query friend"),
        ("new.test/a?Quillon=1", &[], b"", "query {id}"),
        ("new.test/a", &[("user-agent", "App (Quillon's phone)")], b"", "header user-agent"),
        ("new.test/a", &[("cookie", "a=1; who=Quillon")], b"", "cookie who"),
        ("new.test/a", &[("Sec-WebSocket-Protocol", "chat, Quillon")], b"", "header sec-websocket-protocol"),
        ("new.test/a", &[JSON], br#"{"a":["hello Quillon!"]}"#, "json a[]"),
        ("new.test/a", &[JSON], br#"{"a":{"Quillon":1}}"#, "json a.{id}"),
        ("new.test/a", &[MULTIPART], file, "form photo.{filename}"),
        ("new.test/a", &[], b"who=UXVpbGxvbiwgd2hvIGVsc2U%3D&x=1", "form who"),
    ] {
        let seen = observe_one(url, headers, body);
        let mut fields: Vec<String> = Vec::new();
        for facts in seen.endpoints.values() {
            let found = |reason: &Reason| matches!(reason, Reason::PlantedValue { name, .. } if name == "profile.nickname");
            let named = facts.fields.iter().filter(|(_, field)| field.reasons.iter().any(|(_, reason)| found(reason)));
            fields.extend(named.map(|(name, _)| name.to_string()));
        }
        let facts = &seen.planted["profile.nickname"];
        assert_eq!((fields.join(", ").as_str(), facts.found_in + facts.probably_in), (want, 1), "{url} {headers:?}");
    }
}

#[test]
fn a_planted_value_as_a_key_is_never_written() {
    let seen = observe(
        1,
        &[
            RunEvent::Exchange(Box::new(exchange(
                9,
                "background",
                "POST",
                "new.test/k/Quillon",
                &[JSON],
                br#"{"friends":{"Quillon":1,"C0:FF:EE:12:34:56":2}}"#.to_vec(),
            ))),
            complete(),
        ],
    );
    let (key, facts) = seen.endpoints.iter().find(|(key, _)| key.path.starts_with("/k")).expect("seen");
    assert_eq!(key.path, "/k/{id}");
    let names: Vec<String> = facts.fields.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["path {id}", "json friends.{id}"]);
    assert_eq!(seen.planted["profile.nickname"].found_in, 2);
}

#[test]
fn a_captured_value_in_a_host_a_path_or_a_key_is_written_nowhere() {
    let bodies = [
        (
            "new.test/v1/people/Quillonia/photos",
            r#"{"nickname":"Quillonia","email":"jan@example.test","friends":{"Quillonia":2,"jan@example.test":1}}"#,
        ),
        ("janvermeer.cloud.test/u/janvermeer/x?janvermeer=1", r#"{"username":"janvermeer","lastName":"Kees de Vries"}"#),
        ("new.test/v1/city/Oegstgeest", r#"{"city":"Oegstgeest","to":{"Kees de Vries":1},"sleep":{"state":"deep","deep":1}}"#),
    ];
    let mut events: Vec<RunEvent> = (50..)
        .zip(bodies)
        .map(|(id, (url, body))| RunEvent::Exchange(Box::new(exchange(id, "background", "POST", url, &[JSON], body.into()))))
        .collect();
    events.push(complete());
    let seen = observe(1, &events);
    let mut written = String::new();
    for (key, facts) in &seen.endpoints {
        written += &format!("{}\n", key.place());
        facts.fields.keys().for_each(|name| written += &format!("  {name}\n"));
    }
    seen.coverage.hosts.keys().for_each(|host| written += &format!("{host}\n"));
    seen.coverage.blind_spots.iter().for_each(|spot| written += &format!("{} {} {}\n", spot.host, spot.endpoint, spot.sentence));
    for value in ["Quillonia", "jan@", "janvermeer", "Oegstgeest", "Kees"] {
        assert!(!written.contains(value), "{value} in\n{written}");
    }
    for name in [
        "POST new.test/v1/people/{id}/photos",
        "POST {id}.cloud.test/u/{id}/x",
        "new.test/v1/city/{id}",
        "json sleep.deep",
        "json friends.{id}",
    ] {
        assert!(written.contains(name), "{name} not in\n{written}");
    }
    assert_eq!(seen.gate.check(&written), Ok(()));
    assert!(seen.gate.check("hello Oegstgeest").is_err() && seen.gate.check("hello Kees de Vries").is_err());
}

#[test]
fn a_run_without_an_answered_request_to_the_apps_own_hosts_is_told_by_itself() {
    let (app, provenance) = (app(), provenance(2));
    let mut observer = Observer::new(&app, &provenance);
    let mut lost = exchange(1, "start", "POST", "api-mifit-de.huami.test/v1/x", &[JSON], b"{}".to_vec());
    lost.response = None;
    observer.absorb(&RunEvent::Exchange(Box::new(lost)), &NoBodies);
    observer.absorb(&complete(), &NoBodies);
    let mut all = observe(1, &[complete()]);
    merge(&mut all, observer.finish());
    assert_eq!(all.coverage.first_party_exchanges, 3);
    assert_eq!(all.coverage.doubts, ["run 2: no request to the app's own hosts was read and answered"]);
}

#[test]
fn an_encrypted_field_is_a_blind_spot_and_its_bytes_are_counted() {
    let mut random = fastrand::Rng::with_seed(11);
    let noise: Vec<u8> = (0..900).map(|_| random.u8(..)).collect();
    let text = STANDARD.encode(&noise);
    let form = format!("userid=1000000001&data_json={}", text.replace('+', "%2B").replace('/', "%2F"));
    let json = format!(r#"{{"data":"{}"}}"#, crate::model::text::hex(&noise));
    let events = [
        RunEvent::Exchange(Box::new(exchange(60, "sync", "POST", "api-mifit-de.huami.test/v2/form", &[FORM], form.into_bytes()))),
        RunEvent::Exchange(Box::new(exchange(61, "sync", "POST", "new.test/json", &[JSON], json.into_bytes()))),
        complete(),
    ];
    let seen = observe(1, &events);
    let shown: Vec<String> =
        seen.coverage.blind_spots.iter().map(|spot| format!("{} {}: {}", spot.kind.word(), spot.endpoint, spot.sentence)).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(
        shown[0].starts_with("body-opaque POST api-mifit*.huami.test/v2/form: form data_json of 900 bytes could not be decoded: 7."),
        "{shown:?}"
    );
    assert!(shown[1].starts_with("body-opaque POST new.test/json: json data of 900 bytes"), "{shown:?}");
    // Of 1,200 characters of base64, those with an escape took three bytes each.
    let escapes = 2 * text.matches(['+', '/']).count() as u64;
    assert_eq!((unexplained(&seen, "/v2/form"), unexplained(&seen, "/json")), (1200 + escapes, 1800));
    let kinds: Vec<FieldType> = seen
        .endpoints
        .iter()
        .filter(|(key, _)| key.path == "/json")
        .flat_map(|(_, facts)| facts.fields.values())
        .map(|field| field.shape.kind.clone())
        .collect();
    assert_eq!(kinds, [FieldType::Opaque]);
}

#[test]
fn what_passed_after_a_switch_of_protocol_is_a_blind_spot() {
    let mut socket = exchange(70, "sync", "GET", "new.test/socket", &[("Upgrade", "websocket")], Vec::new());
    socket.response.as_mut().expect("answered").status = 101;
    let mut told = exchange(71, "sync", "GET", "new.test/told", &[], Vec::new());
    told.error = Some("it became a WebSocket, whose messages are not recorded".into());
    let seen = observe(1, &[RunEvent::Exchange(Box::new(socket)), RunEvent::Exchange(Box::new(told)), complete()]);
    let shown: Vec<String> = seen.coverage.blind_spots.iter().map(|spot| format!("{} {}", spot.kind.word(), spot.endpoint)).collect();
    assert_eq!(shown, ["body-missing GET new.test/socket", "body-missing GET new.test/told"]);
}

#[test]
fn messages_of_a_web_socket_are_uploads() {
    let message = |number, sent, body: &[u8]| {
        RunEvent::Message(Box::new(crate::model::Message {
            exchange: ExchangeId(70),
            number,
            phase: "background".into(),
            at: Timestamp::UNIX_EPOCH,
            sent,
            text: std::str::from_utf8(body).is_ok(),
            url: Url { scheme: "wss".into(), host: "new.test".into(), port: 443, path_and_query: Captured::new("/socket?v=1".into()) },
            body: Body::inline(body.to_vec()),
        }))
    };
    let mut socket = exchange(70, "sync", "GET", "new.test/socket", &[("Upgrade", "websocket")], Vec::new());
    socket.response.as_mut().expect("answered").status = 101;
    let events = [
        RunEvent::Exchange(Box::new(socket)),
        message(1, true, br#"{"name":"Quillon","lat":52.37403,"lon":4.88969}"#),
        message(2, false, br#"{"name":"an answer"}"#),
        message(3, true, &[0x9b, 0xfe, 3, 4, 5, 0xff, 7, 8, 9, 10]),
        complete(),
    ];
    let seen = observe(1, &events);
    let (key, facts) = seen.endpoints.iter().find(|(key, _)| key.method == "WS").expect("an endpoint for the messages");
    assert_eq!((key.host.as_str(), key.path.as_str(), key.phase.as_str()), ("new.test", "/socket", "background"));
    let names: Vec<String> = facts.fields.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["message", "message lat", "message lon", "message name"]);
    assert_eq!((facts.exchanges, facts.uploaded_bytes, facts.ledger.total()), (2, 57, 57));
    let spots: Vec<String> = seen.coverage.blind_spots.iter().map(|spot| format!("{} {}", spot.kind.word(), spot.endpoint)).collect();
    assert_eq!(spots, ["body-opaque WS new.test/socket"]);
    assert!(seen.positions.iter().any(|sighting| sighting.endpoint.method == "WS"));
}

#[test]
fn bombs_and_nests_end_in_a_limit() {
    let bomb = STANDARD.encode(gzip(&vec![0; 8 << 20]));
    let body = format!("[{}]", vec![format!("\"{bomb}\""); 1000].join(","));
    let (_, notes) = body_leaves(body.as_bytes(), None);
    assert!(notes.iter().any(|note| note.kind == BlindSpotKind::LimitReached && note.sentence.contains("64 MiB")), "{notes:?}");

    let (_, notes) = body_leaves("[".repeat(100_000).as_bytes(), Some("application/json"));
    assert_eq!(notes.len(), 1, "{notes:?}");

    let (leaves, notes) = body_leaves(format!("[{}1]", "1,".repeat(120_000)).as_bytes(), None);
    assert_eq!((leaves.len(), notes.len()), (100_000, 1));

    let mut nested = "\"x\"".to_owned();
    for _ in 0..12 {
        nested = serde_json::to_string(&format!("[{nested}]")).expect("text serialises");
    }
    let (leaves, _) = body_leaves(format!("[{nested}]").as_bytes(), None);
    assert_eq!(leaves.len(), 1);
}

#[test]
fn broken_streams_cannot_cost_time_without_bound() {
    let mut broken = gzip(&vec![b' '; 4 << 20]);
    let last = broken.len() - 6;
    broken[last] ^= 0xff;
    let body = format!("[{}]", vec![format!("\"{}\"", STANDARD.encode(&broken)); 2000].join(","));
    let (leaves, _) = body_leaves(body.as_bytes(), None);
    assert_eq!(leaves.len(), 2000);
}

#[test]
fn a_planted_text_is_found_in_binary_data_and_after_the_first_32_mebibytes() {
    struct Large;
    impl Bodies for Large {
        fn open(&self, _sha256: &str) -> std::io::Result<Box<dyn std::io::Read + '_>> {
            let noise = std::io::repeat(0x9b).take(34 << 20);
            Ok(Box::new(noise.chain(&b"Quillon"[..]).chain(std::io::repeat(0).take(10))))
        }
    }
    let binary = exchange(40, "sync", "POST", "new.test/b", &[], b"\x0a\x07Quillon\x10\xff".to_vec());
    let mut large = exchange(41, "sync", "POST", "new.test/l", &[], Vec::new());
    large.request.body = Body { bytes: (34 << 20) + 17, sha256: Some("00".into()), content: BodyContent::Spilled };
    let (app, provenance) = (app(), provenance(1));
    let mut observer = Observer::new(&app, &provenance);
    for exchange in [binary, large] {
        observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &Large);
    }
    let seen = observer.finish();
    assert_eq!(seen.planted["profile.nickname"].found_in, 2);
    for path in ["/b", "/l"] {
        let facts = seen.endpoints.iter().find(|(key, _)| key.path == path).map(|(_, facts)| facts).expect("seen");
        let body = facts.fields.values().next().expect("a body");
        assert_eq!((body.shape.kind.clone(), body.shape.is_a(Category::Profile)), (FieldType::Opaque, true), "{path}");
    }
    let limits: Vec<&str> = seen
        .coverage
        .blind_spots
        .iter()
        .filter(|spot| spot.kind == BlindSpotKind::LimitReached)
        .map(|spot| spot.sentence.as_str())
        .collect();
    assert!(limits.len() == 1 && limits[0].contains("the first 16 MiB"), "{limits:?}");
}

#[test]
fn random_and_truncated_bytes_never_panic() {
    let mut random = fastrand::Rng::with_seed(5);
    let whole = band_data();
    let zipped = gzip(&whole);
    let types = [
        None,
        Some("application/json"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=-"),
        Some("boundary=ü"),
    ];
    for round in 0..300 {
        let source = if round % 2 == 0 { &whole } else { &zipped };
        let mut bytes = source[..random.usize(..source.len().min(600))].to_vec();
        for _ in 0..random.usize(..4) {
            if !bytes.is_empty() {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
        }
        body_leaves(&bytes, types[round % types.len()]);
        let noise: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
        body_leaves(&noise, types[round % types.len()]);
    }
}

#[test]
fn the_real_upload_of_the_corpus_is_read() {
    let Some(corpus) = corpus() else { return };
    let body = std::fs::read(corpus.join("huami/band_data.data_json.urlencoded.txt")).expect("the corpus is readable");
    let (leaves, notes) = body_leaves(&body, None);
    assert_eq!(notes, []);
    let kind = |suffix: &str| leaves.iter().find(|leaf| leaf.name.path.ends_with(suffix)).map(|leaf| leaf.shape.kind.clone());
    assert!(kind("summary.slp.st").is_some());
    assert_eq!(kind("data_hr"), Some(FieldType::Bytes(Some(1440))));
    assert_eq!(kind("data[].value"), Some(FieldType::Bytes(Some(4320))));
    assert!(kind("data[].did").is_some());
    assert!(leaves.iter().all(|leaf| leaf.name.part == Part::Json));
}

fn corpus() -> Option<std::path::PathBuf> {
    let corpus = std::env::var_os("TATTLETALE_CORPUS").map(std::path::PathBuf::from);
    if corpus.is_none() {
        eprint_skip();
    }
    corpus
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn eprint_skip() {
    eprintln!("skipped: no corpus (TATTLETALE_CORPUS is not set)");
}
