//! mitmproxy flow files as mitmproxy really writes them, read by tattletale, by an independent small Python reader, and as the
//! HAR that was made of the same flows. The files are found through `TATTLETALE_CORPUS`.

mod support;

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use support::Place;
use tattletale::{
    model::{AppVersion, Bodies, Body, Exchange, Header, Platform, Recording, RunEvent, Target},
    traffic::import::ImportedFile,
};

#[test]
fn every_flow_file_of_the_corpus_reads_as_an_independent_reader_reads_it() {
    let Some(files) = corpus("flows") else { return };
    let mut compared = 0;
    for file in files.iter().filter(|file| is_flows(file)) {
        let (ours, theirs) = (read_by_us(file), read_by_python(file));
        assert_eq!(ours.tunnels, theirs.iter().filter(|flow| flow["kind"] != "http").count(), "{}", file.display());
        let theirs: Vec<_> = theirs.into_iter().filter(|flow| flow["kind"] == "http").collect();
        assert_eq!(ours.exchanges.len(), theirs.len(), "{}", file.display());
        for (n, ((exchange, _), theirs)) in ours.exchanges.iter().zip(&theirs).enumerate() {
            // What is not equal is told by its name: values of the corpus are somebody's.
            let (ours, theirs) = (told(exchange), theirs.as_object().expect("an object"));
            let unequal: Vec<_> = theirs.iter().filter(|(key, value)| ours[key.as_str()] != **value).map(|(key, _)| key).collect();
            assert!(unequal.is_empty(), "flow {n} of {}: {unequal:?}", name(file));
        }
        compared += theirs.len();
    }
    assert!(compared > 0, "the corpus holds no flow file");
}

#[test]
fn a_flow_file_and_the_har_made_of_it_hold_the_same_requests() {
    let Some(files) = corpus("flows") else { return };
    let mut pairs = 0;
    for file in files.iter().filter(|file| is_flows(file)) {
        let har = file.with_extension("har");
        if !har.exists() {
            continue;
        }
        let (flows, har) = (read_by_us(file), read_by_us(&har));
        assert_eq!(flows.exchanges.len(), har.exchanges.len(), "{}", file.display());
        let mut lost: BTreeMap<&str, usize> = BTreeMap::new();
        for (n, ((flow, flow_bodies), (entry, entry_bodies))) in flows.exchanges.iter().zip(&har.exchanges).enumerate() {
            let place = format!("request {n} of {}", name(file));
            let status = |exchange: &Exchange| exchange.response.as_ref().map_or(0, |response| response.status);
            let headers = |exchange: &Exchange| exchange.response.as_ref().map(|response| response.headers.clone()).unwrap_or_default();
            for (what, equal) in [
                ("method", flow.request.method == entry.request.method),
                ("URL", flow.request.url == entry.request.url),
                ("HTTP version", flow.request.http_version == entry.request.http_version),
                ("request headers", flow.request.headers == entry.request.headers),
                ("time", flow.began == entry.began),
                ("status", status(flow) == status(entry)),
                ("response headers", headers(flow) == headers(entry)),
            ] {
                assert!(equal, "{what} of {place}");
            }
            for (side, flow_body, entry_body, headers) in [
                ("request", &flow_bodies.0, &entry_bodies.0, flow.request.headers.clone()),
                ("response", &flow_bodies.1, &entry_bodies.1, headers(flow)),
            ] {
                let decoded = decoded(flow_body, &headers);
                assert!(&decoded == entry_body, "the {side} body of {place} after content decoding");
                if &decoded != flow_body {
                    *lost.entry("content encoding of a body").or_default() += 1;
                }
            }
            *lost.entry("when the response ended, to the microsecond").or_default() += usize::from(flow.ended != entry.ended);
        }
        *lost.entry("connections that carry no HTTP").or_default() += flows.tunnels;
        tell(&format!("{}: {} requests equal; a HAR does not hold {lost:?}", name(file), flows.exchanges.len()));
        pairs += 1;
    }
    assert!(pairs > 0, "the corpus holds no pair");
}

#[test]
fn what_is_imported_exported_and_imported_again_is_the_same() {
    let Some(mut files) = corpus("flows") else { return };
    files.extend(corpus("har").into_iter().flatten().filter(|file| name(file) != "broken.har"));
    for file in files {
        let place = Place::empty();
        let path = file.to_str().expect("the corpus has plain names");
        let imported = place.run(&["import", path, "--app", "app", "--platform", "android", "--app-version", "1.0"]);
        assert_eq!(imported.code, Some(0), "{}: {}", name(&file), imported.err);
        let capture = imported.out.trim();
        assert_eq!(place.run(&["captures", "verify"]).code, Some(0));
        assert_eq!(place.run(&["export", capture, "--output", "again.har"]).code, Some(0));
        let again = place.run(&["import", "again.har"]);
        assert_eq!(again.code, Some(0), "{}: {}", name(&file), again.err);
        let (first, last) = (read_by_us(&file), read_by_us(&place.path().join("again.har")));
        assert!(first.traffic == last.traffic, "{}", name(&file));
        // All of them are the same run, so it is counted once.
        let audited = place.run(&["fields", path, "again.har", capture, again.out.trim()]);
        assert_eq!(audited.err.matches("is the same run as").count(), 3, "{}: {}", name(&file), audited.err);
    }
}

#[test]
fn a_packed_har_of_the_corpus_is_read() {
    let Some(files) = corpus("flows") else { return };
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "zhar")) {
        assert!(!read_by_us(file).exchanges.is_empty(), "{}", name(file));
    }
}

#[test]
fn a_flow_file_is_audited_and_never_called_clean() {
    let place = Place::empty();
    for version in ["0.11", "3.0", "21"] {
        let file = format!("{}/fuzz/seeds/flows/{version}.mitm", env!("CARGO_MANIFEST_DIR"));
        let ended = place.run(&["audit", &file, "--app", "mifit", "--platform", "android", "--app-version", "1.0"]);
        assert_eq!(ended.code, Some(4), "version {version}: {ended:?}");
        for words in ["api.test", "claimed", "does not say which hosts, tunnels and phases it missed"] {
            assert!(ended.out.contains(words), "version {version}: {words}: {}", ended.out);
        }
    }
}

#[test]
fn a_flow_of_100_megabytes_is_imported_in_little_memory() {
    let place = Place::empty();
    let seed = std::fs::read(format!("{}/fuzz/seeds/flows/21.mitm", env!("CARGO_MANIFEST_DIR"))).expect("a seed");
    let long = "steps and more steps, ".repeat(5_000_000);
    place.write("long.mitm", with_request_body(&seed, long.as_bytes()));
    let (ended, peak) = support::peak_memory(place.command(&["import", "long.mitm"]));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(peak < 64 * 1024 * 1024, "peak {} MiB", peak / 1024 / 1024);
}

/// A flow file of one flow, with another body in place of the seed's `steps=12`.
fn with_request_body(seed: &[u8], body: &[u8]) -> Vec<u8> {
    let find = |text: &[u8], words: &[u8]| text.windows(words.len()).position(|window| window == words).expect("the seed has it");
    let item = |payload: &[u8], tag: u8| [format!("{}:", payload.len()).as_bytes(), payload, &[tag]].concat();
    // The request is a table in the table that the flow is, so three lengths change.
    let flow = &seed[find(seed, b":") + 1..seed.len() - 1];
    let named = find(flow, b"7:request;");
    let (before, rest) = flow.split_at(named + b"7:request;".len());
    let length: usize = std::str::from_utf8(&rest[..find(rest, b":")]).expect("digits").parse().expect("a length");
    let start = find(rest, b":") + 1;
    let (request, after) = (&rest[start..start + length], &rest[start + length + 1..]);
    let content = find(request, b"8:steps=12,");
    let request = [&request[..content], &item(body, b','), &request[content + b"8:steps=12,".len()..]].concat();
    item(&[before, &item(&request, b'}'), after].concat(), b'}')
}

#[test]
fn a_file_of_no_kind_that_is_read_is_refused_by_what_it_looks_like() {
    let place = Place::empty();
    place.write("session.saz", b"PK\x03\x04\x14\0");
    place.write("trace.pcapng", b"\x0a\x0d\x0d\x0a\x1c\0\0\0");
    place.write("cut.mitm", b"99999999999:4:type;");
    for (file, words) in
        [("session.saz", "a ZIP archive"), ("trace.pcapng", "a packet capture"), ("cut.mitm", "at byte 0; 0 flows were read")]
    {
        for command in ["audit", "import", "fields"] {
            let ended = place.run(&[command, file]);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.err.contains(words) && ended.err.contains(file), "{}", ended.err);
        }
    }
}

/// Bytes of the request's body and of the response's.
type Bytes = (Vec<u8>, Vec<u8>);

/// Everything that one file gives.
#[derive(Default)]
struct Seen {
    exchanges: Vec<(Exchange, Bytes)>,
    tunnels: usize,
    /// Exchanges, messages and tunnels in order, as JSON, with long bodies as their digests.
    traffic: Vec<Value>,
}

fn read_by_us(file: &Path) -> Seen {
    let mut seen = Seen::default();
    let recording = match ImportedFile::open(file, None) {
        Ok(own) => own,
        Err(_) => ImportedFile::open(file, Some(target())).expect("readable"),
    };
    recording
        .replay(&mut |event, bodies| {
            let mut kept = event.event.clone();
            match &mut kept {
                RunEvent::Exchange(exchange) => {
                    let request = bytes(&exchange.request.body, bodies);
                    let response = exchange.response.as_ref().map(|response| bytes(&response.body, bodies)).unwrap_or_default();
                    seen.exchanges.push(((**exchange).clone(), (request.clone(), response.clone())));
                    exchange.request.body.content = tattletale::model::BodyContent::Inline(request.into());
                    if let Some(answer) = &mut exchange.response {
                        answer.body.content = tattletale::model::BodyContent::Inline(response.into());
                    }
                }
                RunEvent::Tunnel(_) => seen.tunnels += 1,
                RunEvent::Message(_) => {}
                _ => return,
            }
            seen.traffic.push(serde_json::to_value(kept).expect("events are JSON"));
        })
        .expect("readable to its end");
    seen
}

fn bytes(body: &Body, bodies: &dyn Bodies) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut source) = body.open(bodies).expect("it is there") {
        source.read_to_end(&mut bytes).expect("readable");
    }
    bytes
}

/// An exchange as the Python reader tells a flow.
fn told(exchange: &Exchange) -> Value {
    let pairs = |headers: &[Header]| -> Vec<(String, String)> {
        headers.iter().map(|header| (header.name.clone(), header.value.expose().clone())).collect()
    };
    let (request, response) = (&exchange.request, exchange.response.as_ref());
    json!({
        "kind": "http",
        "method": request.method,
        "path": request.url.path_and_query.expose(),
        "port": request.url.port,
        "began": exchange.began.as_microsecond(),
        "status": response.map(|response| response.status),
        "request_headers": pairs(&request.headers),
        "response_headers": response.map(|response| pairs(&response.headers)).unwrap_or_default(),
        "request_sha256": request.body.sha256,
        "response_sha256": response.and_then(|response| response.body.sha256.clone()),
    })
}

fn read_by_python(file: &Path) -> Vec<Value> {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flow_reader.py");
    let output = Command::new("python3").arg(reader).arg(file).output().expect("python3 is on the path");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON value a line")).collect()
}

/// A body without its content encoding; one that is damaged stays as it is, as mitmproxy leaves it in a HAR.
fn decoded(body: &[u8], headers: &[Header]) -> Vec<u8> {
    let encoding = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-encoding"));
    let mut out = Vec::new();
    let read = match encoding.map(|header| header.value.expose().as_str()) {
        Some("gzip") => flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out),
        Some("br") => brotli_decompressor::Decompressor::new(body, 4096).read_to_end(&mut out),
        Some("zstd") => zstd::stream::read::Decoder::new(body).and_then(|mut decoder| decoder.read_to_end(&mut out)),
        _ => return body.to_vec(),
    };
    if read.is_ok() { out } else { body.to_vec() }
}

/// The files of a folder of the corpus; `None`, and a word about it, when there is none.
fn corpus(folder: &str) -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("TATTLETALE_CORPUS") else {
        tell("skipped: no corpus");
        return None;
    };
    let entries = std::fs::read_dir(Path::new(&root).join(folder)).expect("the corpus has this folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    Some(files)
}

fn is_flows(file: &Path) -> bool {
    file.extension().is_none_or(|extension| extension == "mitm")
}

fn name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[allow(clippy::print_stderr, reason = "a test says what it skipped and what it found, in shapes")]
fn tell(words: &str) {
    eprintln!("{words}");
}

fn target() -> Target {
    Target {
        app: "app".to_owned(),
        platform: Platform::Android,
        version: AppVersion::named("1.0"),
        scenario: "unscripted".to_owned(),
        claimed: true,
    }
}
