//! What is fuzzed: for each target one plain function over bytes, which must come back, whatever the bytes. libFuzzer calls them from
//! `fuzz/targets/`, and `tests/fuzz.rs` calls the same ones as ordinary tests.

use std::io::Read as _;

use tattletale::{
    decode::{Observer, body_leaves, leaves_of},
    model::{
        App, AppVersion, Bodies, Body, BodyContent, CaptureSource, Exchange, ExchangeId, Header, NoBodies, Planted, PlantedSource,
        PlantedValue, Platform, Provenance, Recording, Request, Response, Rig, RunEnding, RunEvent, Target, Url, capture::CAPTURE_FORMAT,
    },
    scenario::parse,
    snapshot,
    traffic::{har, import::ImportedFile},
};

/// A target: its name, which is that of its folder of seeds, and what it does with bytes.
pub(crate) type Entry = (&'static str, fn(&[u8]));

/// Every target, sorted.
pub(crate) const ENTRIES: &[Entry] =
    &[("body", body), ("exchange", exchange), ("flows", import), ("har", import), ("scenario", scenario), ("snapshot", parse_snapshot)];

/// Decodes a body. The first byte chooses what the request says of its type.
pub(crate) fn body(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let content_type = CONTENT_TYPES[usize::from(*choice) % CONTENT_TYPES.len()];
    let (leaves, _) = body_leaves(bytes, content_type);
    for leaf in leaves {
        assert!(leaf.bytes.is_none_or(|range| range.start <= range.end && range.end <= bytes.len() as u64), "a leaf outside its body");
    }
}

/// Decodes a whole exchange, with planted values to be found: a request line, header lines, an empty line, and the body.
pub(crate) fn exchange(data: &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = data.split_at(end.unwrap_or(data.len()));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap_or_default().split_once(' ').unwrap_or(("GET", "/"));
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| Header { name: name.into(), value: value.to_owned().into() });
    let url = Url { scheme: "https".into(), host: "api.test".into(), port: 443, path_and_query: path.to_owned().into() };
    let at = jiff::Timestamp::UNIX_EPOCH;
    let exchange = Exchange {
        id: ExchangeId(1),
        phase: "sync".into(),
        tunnel: None,
        began: at,
        ended: Some(at),
        request: Request {
            method: method.into(),
            url,
            http_version: "HTTP/2".into(),
            headers: headers.collect(),
            body: Body::inline(body.get(2..).unwrap_or_default().to_vec()),
            trailers: Vec::new(),
        },
        response: Some(Response {
            status: 200,
            http_version: "HTTP/2".into(),
            headers: Vec::new(),
            body: Body::default(),
            trailers: Vec::new(),
        }),
        error: None,
    };
    let app = App::default();
    leaves_of(&exchange, &NoBodies, &app);
    let mut observer = Observer::new(&app, &provenance());
    for event in [
        RunEvent::PhaseBegan { name: "sync".into(), explains: Vec::new() },
        RunEvent::ExchangeBegan { id: exchange.id, method: method.into(), host: "api.test".into(), tunnel: None },
        RunEvent::Exchange(Box::new(exchange)),
        RunEvent::RunEnded { ending: RunEnding::Complete },
    ] {
        observer.absorb(&event, &NoBodies);
    }
    for facts in observer.finish().endpoints.values() {
        assert_eq!(facts.ledger.total(), facts.uploaded_bytes, "a byte that is in no state, or in two");
    }
}

/// Imports a HAR or a flow file. What can be imported can be exported and imported again, and is the same.
pub(crate) fn import(data: &[u8]) {
    let Ok(imported) = ImportedFile::of_bytes("fuzzed", data.to_vec(), Some(target())) else { return };
    let first = traffic(&imported);
    let mut exported = Vec::new();
    har::write(&imported, &mut exported).expect("what was read through once is read again, and memory takes it");
    let again = ImportedFile::of_bytes("exported.har", exported, None).expect("our own export is a HAR");
    assert!(first == traffic(&again), "an import changed by being exported");
}

/// Reads the files that people write: as an app, and as a scenario, a policy and a rig.
pub(crate) fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let app = parse::app("app.yaml", "fuzzed", text).unwrap_or_default();
    let _ = parse::scenario("scenario.yaml", "fuzzed", text, &app);
    let _ = parse::policy("policy.yaml", text, &["new-field", "never"]);
    let _ = parse::rig("rig.yaml", text);
}

/// Reads a snapshot. What can be read is printed so that it reads the same.
pub(crate) fn parse_snapshot(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = snapshot::parse_file(text) else { return };
    let again = snapshot::parse(&snapshot::description(&read), &snapshot::body(&read));
    assert!(again.as_ref() == Ok(&read), "a snapshot changed by being printed");
}

/// Exchanges, messages and tunnels in order, as JSON, with every body in memory.
fn traffic(recording: &dyn Recording) -> Vec<serde_json::Value> {
    let mut traffic = Vec::new();
    recording
        .replay(&mut |event, bodies| {
            let mut event = event.event.clone();
            let parts = match &mut event {
                RunEvent::Exchange(exchange) => {
                    vec![Some(&mut exchange.request.body), exchange.response.as_mut().map(|response| &mut response.body)]
                }
                RunEvent::Message(message) => vec![Some(&mut message.body)],
                RunEvent::Tunnel(_) => vec![],
                _ => return,
            };
            parts.into_iter().flatten().for_each(|body| in_memory(body, bodies));
            traffic.push(serde_json::to_value(event).expect("events are JSON"));
        })
        .expect("what was read through once is read again");
    // A message whose exchange never came is exported at the end.
    traffic.sort_by_key(|event| event.get("message").is_some());
    traffic
}

fn in_memory(body: &mut Body, bodies: &dyn Bodies) {
    if body.content == BodyContent::Spilled {
        let mut bytes = Vec::new();
        body.open(bodies).expect("it is there").expect("it has bytes").read_to_end(&mut bytes).expect("memory");
        body.content = BodyContent::Inline(bytes.into());
    }
}

fn target() -> Target {
    Target { app: "app".into(), platform: Platform::Android, version: AppVersion::named("1.0"), scenario: "fuzzed".into(), claimed: true }
}

fn provenance() -> Provenance {
    let value = |name: &str, value: Planted| PlantedValue {
        name: name.into(),
        category: tattletale::model::Category::Location,
        value,
        source: PlantedSource::Scenario,
        confirmed: true,
    };
    Provenance {
        format: CAPTURE_FORMAT,
        tool: "fuzz".into(),
        source: CaptureSource::Proxy,
        target: target(),
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Simulated { seed: 1 },
        started: jiff::Timestamp::UNIX_EPOCH,
        planted: vec![
            value("band.mac", Planted::Mac([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56])),
            value("band.serial", Planted::Text("QX9900TEST01".into())),
            value("profile.height", Planted::Integer(171)),
        ],
        expectations: Vec::new(),
        control: None,
    }
}

const CONTENT_TYPES: [Option<&str>; 12] = [
    None,
    Some("application/json"),
    Some("application/x-www-form-urlencoded"),
    Some("multipart/form-data; boundary=x"),
    Some("application/x-protobuf"),
    Some("application/grpc"),
    Some("application/msgpack"),
    Some("application/cbor"),
    Some("application/xml"),
    Some("application/x-plist"),
    Some("application/gzip"),
    Some("text/plain"),
];
