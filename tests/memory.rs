//! Memory does not grow with the capture (R15): a generated capture of one gigabyte is audited in less than 200 MiB.

mod support;

use jiff::Timestamp;
use support::Place;
use tattletale::{
    model::{
        AppVersion, Body, CaptureSource, Captured, Exchange, ExchangeId, Header, Platform, Provenance, Request, Response, Rig, RunEnding,
        RunEvent, Target, Url, capture::CAPTURE_FORMAT,
    },
    store::capture::CaptureWriter,
};

const GIGABYTE: u64 = 1_000_000_000;

/// Bodies of the kinds that apps send, of invented content that differs from one to the next.
fn body(number: u64, bytes: usize) -> (&'static str, Vec<u8>) {
    let mut rng = fastrand::Rng::with_seed(number);
    let noise: String = std::iter::repeat_with(|| rng.alphanumeric()).take(64).collect();
    match number % 10 {
        0..4 => {
            let items = bytes / 120;
            let list: Vec<String> =
                (0..items).map(|n| format!(r#"{{"time":{},"steps":{},"session":"{noise}{n}"}}"#, 1_773_442_800 + n, rng.u8(..))).collect();
            ("application/json", format!("[{}]", list.join(",")).into_bytes())
        }
        4..7 => {
            use base64::Engine as _;
            let minutes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(bytes * 3 / 4).collect();
            let json = format!(r#"[{{"data_hr":"{}"}}]"#, base64::engine::general_purpose::STANDARD.encode(minutes));
            let form: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
            ("application/x-www-form-urlencoded", format!("userid=1000000001&data_json={form}").into_bytes())
        }
        _ => ("application/octet-stream", std::iter::repeat_with(|| rng.u8(..)).take(bytes).collect()),
    }
}

fn exchange(number: u64, kind: &str, body: Body) -> Exchange {
    let at = Timestamp::from_second(1_773_442_800).expect("in range");
    Exchange {
        id: ExchangeId(number),
        phase: "sync".to_owned(),
        tunnel: None,
        began: at,
        ended: Some(at),
        request: Request {
            method: "POST".to_owned(),
            url: Url {
                scheme: "https".to_owned(),
                host: "upload.test".to_owned(),
                port: 443,
                path_and_query: Captured::new(format!("/v1/part?t={}", 1_773_442_800_000 + number)),
            },
            http_version: "HTTP/1.1".to_owned(),
            headers: vec![Header { name: "content-type".to_owned(), value: Captured::new(kind.to_owned()) }],
            body,
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

#[test]
fn a_gigabyte_is_audited_in_less_than_200_mib() {
    let place = Place::empty();
    let at = Timestamp::from_second(1_773_442_800).expect("in range");
    let provenance = Provenance {
        format: CAPTURE_FORMAT,
        tool: "test".to_owned(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "example".to_owned(),
            platform: Platform::Lab,
            version: AppVersion::named("1.0"),
            scenario: "generated".to_owned(),
            claimed: false,
        },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Real { about: "generated".to_owned() },
        started: at,
        planted: Vec::new(),
        expectations: Vec::new(),
        control: None,
    };
    let mut capture = CaptureWriter::create(place.path(), &provenance, at).expect("the folder is writable");
    let (mut written, mut number) = (0, 0);
    while written < GIGABYTE {
        number += 1;
        // Mostly small, every fiftieth a few megabytes, and one that is larger than the audit may hold.
        let size = match number {
            77 => 250_000_000,
            n if n % 50 == 0 => 4_000_000,
            _ => 40_000,
        };
        let (kind, bytes) = body(number, size);
        let mut writer = capture.body();
        writer.piece(&bytes).expect("room on the disk");
        written += bytes.len() as u64;
        drop(bytes);
        let body = writer.finish(true).expect("room on the disk");
        capture.append(at, &RunEvent::Exchange(Box::new(exchange(number, kind, body)))).expect("room on the disk");
    }
    capture.append(at, &RunEvent::RunEnded { ending: RunEnding::Complete }).expect("room on the disk");
    let folder = capture.finish().expect("room on the disk");

    let (ended, peak) = support::peak_memory(place.command(&["audit", &folder.to_string_lossy()]));
    assert_eq!(ended.code, Some(4), "no baseline: {}", ended.err);
    assert!(ended.out.contains("upload.test"), "{}", ended.out);
    assert!(peak < 200 * 1024 * 1024, "peak {} MiB", peak / 1024 / 1024);
}
