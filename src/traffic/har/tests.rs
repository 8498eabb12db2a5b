//! Tests of HAR as a recording: what goes out comes back.

use std::io::{self, Read, Write};

use serde_json::{Value, json};

use super::*;
use crate::model::{
    AppVersion, Body, BodyContent, Captured, Exchange, ExchangeId, Header, Message, Platform, Request, Response, Tunnel, TunnelEvidence,
    TunnelId, TunnelOutcome, Url, text::sha256_hex,
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
    let provenance = Provenance { source: CaptureSource::Proxy, ..provenance(target(), CaptureSource::Proxy, Some(at(0))) };
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
        events.push(RunEvent::ExchangeBegan { id, method, host, tunnel: None });
        if id == ExchangeId(2) {
            events.push(RunEvent::ExchangeNoted { id, note: "sent twice".to_owned() });
        }
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
        evidence: TunnelEvidence::default(),
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

/// A HAR in memory.
fn held(bytes: &[u8], claimed: Option<Target>) -> Result<HarRecording, TrafficError> {
    HarRecording::read(Input::memory("x.har", bytes.to_vec()), claimed)
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

fn message(exchange: u64, number: u64, text: bool, body: Body) -> RunEvent {
    RunEvent::Message(Box::new(Message {
        exchange: ExchangeId(exchange),
        number,
        phase: "sync".to_owned(),
        at: "2024-05-01T10:00:00.123456789Z".parse().expect("a time"),
        sent: number % 2 == 1,
        text,
        url: split("https://api.test/v1?q=%20a&b"),
        body,
    }))
}

/// The recording with two WebSockets: one whose exchange is over, and one that a crash tore.
fn with_messages() -> Memory {
    let mut recording = recording();
    let in_file = Body { bytes: 100_001, sha256: Some(sha256_hex(&spilled())), content: BodyContent::Spilled };
    let messages = vec![
        message(2, 1, true, Body::inline("caf\u{e9}".into())),
        message(2, 2, false, in_file.clone()),
        message(99, 1, true, in_file),
        message(2, 3, true, Body::inline(vec![0xff])),
        message(2, 4, true, Body::default()),
    ];
    let mut events = std::mem::take(&mut recording.events);
    let place = events.iter().position(|event| matches!(&event.event, RunEvent::Exchange(exchange) if exchange.id.0 == 2)).expect("there");
    events.splice(place..place, messages.into_iter().map(|event| NumberedEvent { n: 0, at: at(9), event }));
    recording.events = (1..).zip(events).map(|(n, event)| NumberedEvent { n, ..event }).collect();
    recording
}

/// Exchanges, messages and tunnels of a recording, each with its body in memory, as JSON.
fn traffic(recording: &dyn Recording) -> Vec<Value> {
    let mut traffic = Vec::new();
    recording
        .replay(&mut |event, _| {
            let mut event = event.event.clone();
            let bodies = match &mut event {
                RunEvent::Exchange(exchange) => {
                    vec![Some(&mut exchange.request.body), exchange.response.as_mut().map(|response| &mut response.body)]
                }
                RunEvent::Message(message) => vec![Some(&mut message.body)],
                RunEvent::Tunnel(_) => vec![],
                _ => return,
            };
            for body in bodies.into_iter().flatten().filter(|body| body.content == BodyContent::Spilled) {
                *body = Body::inline(spilled());
            }
            traffic.push(serde_json::to_value(event).expect("events are JSON"));
        })
        .expect("readable");
    traffic
}

#[test]
fn web_socket_messages_come_back_word_for_word() {
    let original = with_messages();
    let exported = written(&original);
    let restored = held(&exported, None).expect("our own export");
    let (mut restored, mut expected) = (traffic(&restored), traffic(&original));
    // The message whose exchange never came is told at the end.
    for list in [&mut restored, &mut expected] {
        list.sort_by_key(|event| event["message"]["exchange"] == 99);
    }
    assert_eq!(restored, expected);
    let har: Value = serde_json::from_slice(&exported).expect("JSON");
    let entry = &har["log"]["entries"][1];
    assert_eq!(entry["_resourceType"], "websocket");
    let said: Vec<_> = entry["_webSocketMessages"].as_array().expect("messages").iter().map(|m| (&m["type"], &m["opcode"])).collect();
    assert_eq!(json!(said), json!([["send", 1], ["receive", 2], ["send", 1], ["receive", 1]]));
    assert_eq!(entry["_webSocketMessages"][0]["data"], "caf\u{e9}", "other programs show it");
    assert!(har["log"]["entries"][0].get("_webSocketMessages").is_none());
}

#[test]
fn a_message_edited_out_of_an_export_is_gone() {
    let mut har: Value = serde_json::from_slice(&written(&with_messages())).expect("JSON");
    har["log"]["entries"][1]["_webSocketMessages"].as_array_mut().expect("messages").remove(0);
    har["log"]["entries"][1]["_webSocketMessages"][0]["data"] = json!("");
    let restored = held(&serde_json::to_vec(&har).expect("JSON"), None).expect("still a HAR");
    let messages: Vec<_> = traffic(&restored).into_iter().filter(|event| event["message"]["exchange"] == 2).collect();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0]["message"]["body"]["content"]["absent"], "it was taken out of the HAR");
}

#[test]
fn messages_and_failed_handshakes_of_other_programs_are_read() {
    let har = json!({"log": {
        "creator": {"name": "HTTP Toolkit", "version": "1"},
        "entries": [
            {
                "startedDateTime": "2024-05-01T10:00:00Z", "time": 5000,
                "request": {"method": "GET", "url": "wss://socket.test/s", "headers": []}, "response": {"status": 101, "headers": []},
                "_resourceType": "websocket",
                "_webSocketMessages": [
                    {"type": "send", "opcode": 1, "data": "hello", "time": 1_714_557_601.5},
                    {"type": "receive", "opcode": 2, "data": "/w==", "time": 1_714_557_602.25},
                    {"type": "error", "opcode": -1, "data": "x", "time": 1},
                ],
            },
            {"request": {"method": "CONNECT", "url": "http://pinned.test:443", "headers": []}, "response": {"status": 200, "headers": []}},
            {"request": {"method": "CONNECT", "url": "https://socket.test", "headers": []}, "response": {"status": 200, "headers": []}},
        ],
        "_tlsErrors": [
            {"startedDateTime": "2024-05-01T10:00:07Z", "time": 3, "hostname": "Refused.test", "cause": "cert-rejected"},
            {"startedDateTime": "2024-05-01T10:00:08Z", "time": 3, "cause": "reset"},
        ],
    }});
    let recording = held(&serde_json::to_vec(&har).expect("JSON"), Some(target())).expect("a HAR");
    let (mut messages, mut tunnels, mut exchanges) = (Vec::new(), Vec::new(), 0);
    for event in events_of(&recording) {
        match event.event {
            RunEvent::Message(message) => {
                messages.push((message.exchange.0, message.number, message.sent, message.text, message.body.bytes))
            }
            RunEvent::Tunnel(tunnel) => tunnels.push((tunnel.host, tunnel.outcome)),
            RunEvent::Exchange(_) => exchanges += 1,
            _ => {}
        }
    }
    assert_eq!((exchanges, messages), (1, vec![(1, 1, true, true, 5), (1, 2, false, false, 1)]));
    let expected = [
        ("pinned.test", TunnelOutcome::PassedThrough),
        ("socket.test", TunnelOutcome::Read { requests: 1 }),
        ("refused.test", TunnelOutcome::CertificateRefused { alert: "not told".to_owned() }),
        ("unknown", TunnelOutcome::ClosedDuringHandshake),
    ];
    assert_eq!(tunnels, expected.map(|(host, outcome)| (host.to_owned(), outcome)));
    let notes = recording.summary().notes();
    assert!(notes.iter().any(|note| note == "2 entries are CONNECT requests: they are told as tunnels"), "{notes:?}");
}

#[test]
fn a_packed_har_is_read_like_the_one_in_it() {
    let plain = written(&recording());
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(&plain).expect("memory");
    let packed = held(&zlib.finish().expect("memory"), None).expect("a packed HAR");
    assert_eq!(events_of(&packed), events_of(&held(&plain, None).expect("a HAR")));
    let mut cut = gzip(std::str::from_utf8(&plain).expect("JSON is UTF-8"));
    cut.truncate(cut.len() / 2);
    held(&cut, None).expect_err("it is cut off");
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
    assert_eq!(entries[2]["request"]["postData"]["_encoding"], "base64");
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
        "entries": [{
            "startedDateTime": "2024-05-01T10:00:00Z", "time": 5,
            "request": {"method": "GET", "url": "https://a.test/"}, "response": {"status": 200},
        }],
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
fn what_is_no_entry_is_left_out_and_told() {
    let (request, response) = (json!({"method": "GET", "url": "https://a.test/", "headers": []}), json!({"status": 200, "headers": []}));
    let entry = json!({"startedDateTime": "2024-05-01T10:00:00Z", "request": request, "response": response});
    let har = json!({"log": {"entries": [entry, 5, null, {}, entry]}});
    let recording = held(&serde_json::to_vec(&har).expect("JSON"), Some(target())).expect("a HAR");
    let exchanges = events_of(&recording).iter().filter(|event| matches!(event.event, RunEvent::Exchange(_))).count();
    assert_eq!((exchanges, recording.summary().notes()), (2, vec!["3 entries hold no request: left out".to_owned()]));
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
