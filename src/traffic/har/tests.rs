//! Tests of HAR as a recording: what goes out comes back.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::*;
use crate::model::{
    AppVersion, Body, BodyContent, Captured, Exchange, ExchangeId, Header, Platform, Request, Response, Tunnel, TunnelId, TunnelOutcome,
    Url, text::sha256_hex,
};

/// A recording in memory; its spilled bodies are the bytes `spilled`.
struct Memory {
    provenance: Provenance,
    events: Vec<NumberedEvent>,
}

impl Recording for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        self.events.iter().for_each(|event| each(event, &Spilled));
        Ok(())
    }
}

struct Spilled;

impl Bodies for Spilled {
    fn open(&self, sha256: &str) -> io::Result<Box<dyn Read + '_>> {
        assert_eq!(sha256, sha256_hex(&spilled()));
        Ok(Box::new(io::Cursor::new(spilled())))
    }
}

fn spilled() -> Vec<u8> {
    (0..100_001_u32).map(|n| n.to_le_bytes()[0]).collect()
}

fn target() -> Target {
    Target {
        app: "mifit".to_owned(),
        platform: Platform::Lab,
        version: AppVersion::named("1.0"),
        scenario: "passive-sync".to_owned(),
        claimed: false,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

fn exchange(id: u64, body: Body, content_type: &str, response: Option<Body>) -> Exchange {
    let headers = |content_type: &str| {
        vec![
            Header { name: "Content-Type".to_owned(), value: Captured::new(content_type.to_owned()) },
            Header { name: "x-twice".to_owned(), value: Captured::new("a".to_owned()) },
            Header { name: "x-twice".to_owned(), value: Captured::new("\u{1b}[31m".to_owned()) },
        ]
    };
    Exchange {
        id: ExchangeId(id),
        phase: "sync".to_owned(),
        tunnel: Some(TunnelId(1)),
        began: at(10),
        ended: response.is_some().then(|| at(11)),
        request: Request {
            method: "POST".to_owned(),
            url: split("https://api.test/v1?q=%20a&b"),
            http_version: "HTTP/2".to_owned(),
            headers: headers(content_type),
            body,
            trailers: Vec::new(),
        },
        error: response.is_none().then(|| "the connection ended".to_owned()),
        response: response.map(|body| Response {
            status: 200,
            http_version: "HTTP/1.1".to_owned(),
            headers: [headers("text/html"), vec![Header { name: "content-encoding".to_owned(), value: Captured::new("gzip".to_owned()) }]]
                .concat(),
            body,
            trailers: vec![Header { name: "grpc-status".to_owned(), value: Captured::new("0".to_owned()) }],
        }),
    }
}

fn split(url: &str) -> Url {
    entry::split_url(url)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn recording() -> Memory {
    let provenance = Provenance { source: CaptureSource::Proxy, ..imported(target(), "", Some(at(0))) };
    let provenance = Provenance { target: target(), scenario_hash: Some("ab".repeat(32)), ..provenance };
    let torn = Body { bytes: 3, sha256: None, content: BodyContent::Torn(Captured::new(b"\xff\0x".to_vec())) };
    let absent = Body { bytes: 70, sha256: None, content: BodyContent::Absent("the disk was full".to_owned()) };
    let in_file = Body { bytes: 100_001, sha256: Some(sha256_hex(&spilled())), content: BodyContent::Spilled };
    let options = Exchange {
        request: Request {
            url: Url { path_and_query: Captured::new("*".to_owned()), ..split("https://api.test/") },
            ..exchange(8, Body::default(), "", None).request
        },
        ..exchange(8, Body::default(), "", None)
    };
    let exchanges = vec![
        exchange(1, Body::inline(b"plain".to_vec()), "text/plain", Some(Body::inline(gzip("caf\u{e9}")))),
        exchange(2, Body::inline("é".as_bytes().to_vec()), "application/octet-stream", Some(Body::inline(b"not gzip".to_vec()))),
        exchange(3, Body::inline(vec![0x1f, 0x8b, 0xff]), "application/json", Some(Body::default())),
        exchange(4, torn, "", None),
        exchange(5, absent.clone(), "", Some(absent)),
        exchange(6, in_file.clone(), "image/png", Some(in_file)),
        exchange(7, Body::inline("é".as_bytes().to_vec()), "", Some(Body::inline(vec![0xff]))),
        options,
    ];
    let mut events =
        vec![RunEvent::RunStarted(Box::new(provenance.clone())), RunEvent::PhaseBegan { name: "sync".to_owned(), explains: Vec::new() }];
    for exchange in exchanges {
        let (id, method, host) = (exchange.id, exchange.request.method.clone(), exchange.request.url.host.clone());
        events.push(RunEvent::ExchangeBegan { id, method, host });
        events.push(RunEvent::Exchange(Box::new(exchange)));
    }
    events.push(RunEvent::Tunnel(Tunnel {
        id: TunnelId(1),
        phase: "sync".to_owned(),
        host: "pinned.test".to_owned(),
        port: 443,
        sni: Some("pinned.test".to_owned()),
        alpn: vec!["h2".to_owned()],
        began: at(12),
        ended: Some(at(13)),
        outcome: TunnelOutcome::CertificateRefused { alert: "UnknownCA".to_owned() },
    }));
    events.push(RunEvent::RunEnded { ending: RunEnding::Complete });
    let events = (1..).zip(events).map(|(n, event)| NumberedEvent { n, at: at(n.cast_signed()), event }).collect();
    Memory { provenance, events }
}

fn written(recording: &dyn Recording) -> Vec<u8> {
    let mut out = Vec::new();
    write(recording, &mut out).expect("memory");
    out
}

fn events_of(recording: &dyn Recording) -> Vec<NumberedEvent> {
    let mut events = Vec::new();
    recording.replay(&mut |event, _| events.push(event.clone())).expect("readable");
    events
}

fn opened(bytes: &[u8], claimed: Option<Target>) -> (tempfile::TempDir, Result<HarRecording, TrafficError>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.har");
    std::fs::write(&path, bytes).expect("written");
    let opened = HarRecording::open(&path, claimed);
    (folder, opened)
}

#[test]
fn what_is_exported_comes_back_event_by_event() {
    let original = recording();
    let (_folder, restored) = opened(&written(&original), None);
    let restored = restored.expect("our own export");
    let says = restored.provenance().clone();
    let creator = format!("tattletale {}", env!("CARGO_PKG_VERSION"));
    assert_eq!((says.target.claimed, &says.source), (true, &CaptureSource::Har { creator }), "anybody can have edited it");
    let recorded = &original.provenance;
    let target = Target { claimed: false, ..says.target.clone() };
    assert_eq!(Provenance { target, source: recorded.source.clone(), ..says.clone() }, *recorded, "the rest is as it was");
    assert_eq!(restored.summary().entries, 8);
    let mut expected = original.events;
    expected[0].event = RunEvent::RunStarted(Box::new(says));
    for event in &mut expected {
        if let RunEvent::Exchange(exchange) = &mut event.event {
            let response = exchange.response.as_mut().map(|response| &mut response.body);
            for body in [Some(&mut exchange.request.body), response].into_iter().flatten() {
                if body.content == BodyContent::Spilled {
                    *body = Body::inline(spilled());
                }
            }
        }
    }
    let restored = events_of(&restored);
    for (restored, expected) in restored.iter().zip(&expected) {
        let json = |event| serde_json::to_value(event).expect("events are JSON");
        assert_eq!(json(restored), json(expected));
        assert_eq!(restored, expected);
    }
    assert_eq!(restored.len(), expected.len());
}

#[test]
fn an_export_has_every_field_that_har_requires_and_readable_text() {
    let har: Value = serde_json::from_slice(&written(&recording())).expect("JSON");
    let entries = har["log"]["entries"].as_array().expect("a list");
    for entry in entries {
        for (part, keys) in [
            (entry, &["startedDateTime", "time", "request", "response", "cache", "timings"][..]),
            (&entry["request"], &["method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"]),
            (
                &entry["response"],
                &["status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize"],
            ),
            (&entry["response"]["content"], &["size", "mimeType"]),
            (&entry["timings"], &["send", "wait", "receive"]),
        ] {
            for key in keys {
                assert!(!part[*key].is_null(), "{key}");
            }
        }
    }
    assert_eq!(entries[0]["response"]["content"]["text"], "caf\u{e9}");
    assert_eq!(entries[0]["request"]["queryString"], json!([{"name": "q", "value": " a"}, {"name": "b", "value": ""}]));
    assert_eq!(entries[2]["request"]["postData"]["encoding"], "base64");
}

#[test]
fn a_value_edited_out_of_an_export_is_gone() {
    let mut har: Value = serde_json::from_slice(&written(&recording())).expect("JSON");
    har["log"]["entries"][0]["request"].as_object_mut().expect("an object").remove("postData");
    let (_folder, restored) = opened(&serde_json::to_vec(&har).expect("JSON"), None);
    let first = events_of(&restored.expect("still a HAR")).into_iter().find_map(|event| match event.event {
        RunEvent::Exchange(exchange) => Some(exchange),
        _ => None,
    });
    let absent = BodyContent::Absent("it was taken out of the HAR".to_owned());
    assert_eq!(first.expect("an exchange").request.body.content, absent);
}

#[test]
fn a_file_of_another_program_is_unscripted_claimed_and_complete() {
    let har = json!({"log": {
        "entries": [{"startedDateTime": "2024-05-01T10:00:00Z", "time": 5, "request": {"method": "GET", "url": "https://a.test/"}, "response": {"status": 200}}],
        "creator": {"name": "Someone's", "version": "7"},
    }});
    let bytes = serde_json::to_vec(&har).expect("JSON");
    let (_folder, recording) = opened(&bytes, Some(target()));
    let recording = recording.expect("a HAR");
    assert!(recording.provenance().target.claimed);
    assert_eq!(recording.provenance().source, CaptureSource::Har { creator: "Someone's 7".to_owned() });
    assert_eq!(recording.summary().missing["request.headers"], 1);
    let events = events_of(&recording);
    assert_eq!(events.iter().map(|event| event.n).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(matches!(&events[1].event, RunEvent::PhaseBegan { name, .. } if name == "unscripted"));
    assert!(matches!(&events[3].event, RunEvent::Exchange(exchange) if exchange.phase == "unscripted"));
    assert!(matches!(&events[4].event, RunEvent::RunEnded { ending: RunEnding::Complete }));
    let error = opened(&bytes, None).1.expect_err("nobody says what it is of");
    assert!(error.to_string().contains("--app"), "{error}");
}

#[test]
fn a_claim_wins_over_what_an_export_says() {
    let mut original = recording();
    original.provenance.target.platform = Platform::Android;
    let claimed = Target { app: "other".to_owned(), ..target() };
    let (_folder, recording) = opened(&written(&original), Some(claimed));
    let recording = recording.expect("our own export");
    let target = &recording.provenance().target;
    assert_eq!((target.app.as_str(), target.claimed), ("other", true));
    assert!(matches!(&events_of(&recording)[0].event, RunEvent::RunStarted(provenance) if provenance.target.app == "other"));
}

#[test]
fn an_export_of_a_test_bench_or_a_simulated_rig_cannot_be_called_anything_else() {
    let refuse = |platform: Platform, claimed: Target| {
        let mut original = recording();
        original.provenance.target.platform = platform;
        let error = opened(&written(&original), Some(claimed)).1.expect_err("it says what it is of").to_string();
        assert!(error.contains("cannot be of anything else") && error.contains(platform.word()), "{error}");
    };
    for platform in [Platform::Lab, Platform::Simulated] {
        refuse(platform, Target { platform: Platform::Android, ..target() });
        refuse(platform, Target { platform, version: AppVersion::named("6.14.0"), ..target() });
        refuse(platform, Target { platform, app: "other".to_owned(), ..target() });
    }
    opened(&written(&recording()), Some(Target { claimed: true, ..target() })).1.expect("the claim is what it says");
    let har: Value = serde_json::from_slice(&written(&recording())).expect("JSON");
    for comment in [&har["log"]["comment"], &har["log"]["creator"]["comment"]] {
        assert_eq!(comment.as_str(), Platform::Lab.disclaimer(), "other programs show it");
    }
}

#[test]
fn a_truncated_export_is_an_error_that_says_where() {
    let mut bytes = written(&recording());
    bytes.truncate(bytes.len() / 2);
    let error = opened(&bytes, None).1.expect_err("truncated").to_string();
    assert!(error.contains("cut off") && error.contains("line") && error.contains("entries were read"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = HarRecording::open(Path::new("/nowhere/x.har"), None).expect_err("missing");
    assert!(error.to_string().starts_with("read x.har: "), "{error}");
}
