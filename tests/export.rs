//! What `export` writes, held against HAR 1.2 as its specification has it, key by key, and against mitmproxy's own reader and the
//! network panel of Chromium where those are installed.

#[path = "support/chromium.rs"]
#[allow(dead_code, reason = "what this browser opens is its own")]
mod browser;
#[path = "support/devtools.rs"]
mod devtools;
mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use devtools::DevTools;
use jiff::Timestamp;
use serde_json::{Value, json};
use support::Place;
use tattletale::{
    model::{
        AppVersion, Body, CaptureSource, Captured, Exchange, ExchangeId, Platform, Provenance, Request, Rig, RunEnding, RunEvent, Target,
        Url, capture::CAPTURE_FORMAT,
    },
    store::CaptureWriter,
};

/// Keys of each object of HAR 1.2 (<http://www.softwareishard.com/blog/har-12-spec/>): required, then optional. Others must
/// begin with an underscore.
const OBJECTS: [(&str, &[&str], &[&str]); 10] = [
    ("log", &["version", "creator", "entries"], &["browser", "pages", "comment"]),
    ("creator", &["name", "version"], &["comment"]),
    (
        "entry",
        &["startedDateTime", "time", "request", "response", "cache", "timings"],
        &["pageref", "serverIPAddress", "connection", "comment"],
    ),
    (
        "request",
        &["method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"],
        &["postData", "comment"],
    ),
    (
        "response",
        &["status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize"],
        &["comment"],
    ),
    ("pair", &["name", "value"], &["comment"]),
    ("postData", &["mimeType", "text"], &["params", "comment"]),
    ("content", &["size", "mimeType"], &["compression", "text", "encoding", "comment"]),
    ("cache", &[], &["beforeRequest", "afterRequest", "comment"]),
    ("timings", &["send", "wait", "receive"], &["blocked", "dns", "connect", "ssl", "comment"]),
];

#[test]
fn an_export_is_har_1_2_to_the_last_key() {
    let place = exported();
    for file in place.files(".har") {
        let har: Value = serde_json::from_slice(&fs::read(&file).expect("written")).expect("JSON");
        assert_eq!(har.as_object().expect("an object").keys().collect::<Vec<_>>(), ["log"]);
        let log = &har["log"];
        check("log", log);
        assert_eq!(log["version"], "1.2");
        check("creator", &log["creator"]);
        let entries = list(&log["entries"]);
        assert!(!entries.is_empty());
        for entry in entries {
            check("entry", entry);
            let (request, response) = (&entry["request"], &entry["response"]);
            check("request", request);
            check("response", response);
            check("content", &response["content"]);
            check("cache", &entry["cache"]);
            check("timings", &entry["timings"]);
            for pairs in [&request["headers"], &request["queryString"], &request["cookies"], &response["headers"], &response["cookies"]] {
                list(pairs).iter().for_each(|pair| {
                    check("pair", pair);
                    assert!(pair["name"].is_string() && pair["value"].is_string());
                });
            }
            if let Some(data) = request.get("postData") {
                check("postData", data);
                assert!(data["text"].is_string() && data["mimeType"].is_string());
            }
            let started = entry["startedDateTime"].as_str().expect("text");
            started.parse::<jiff::Timestamp>().expect("ISO 8601 with an offset");
            let timings = entry["timings"].as_object().expect("an object").values().filter_map(Value::as_f64).filter(|part| *part >= 0.0);
            let time = entry["time"].as_f64().expect("a number");
            assert!((timings.sum::<f64>() - time).abs() < 0.001, "time is the sum of the timings");
            assert!(response["status"].is_u64() && request["bodySize"].is_i64() && request["headersSize"].is_i64());
            let url = request["url"].as_str().expect("text");
            assert!(url::Url::parse(url).is_ok() && !url.contains('#'), "absolute and without a fragment");
            assert!([None, Some("base64")].contains(&response["content"].get("encoding").and_then(Value::as_str)));
        }
    }
}

#[test]
fn an_export_holds_bodies_messages_and_tunnels() {
    let place = exported();
    let (mut bodies, mut messages, mut tunnels) = (0, 0, 0);
    for file in place.files(".har") {
        let text = fs::read_to_string(&file).expect("written");
        let har: Value = serde_json::from_str(&text).expect("JSON");
        for entry in list(&har["log"]["entries"]) {
            bodies += usize::from(entry["request"]["postData"]["text"].as_str().is_some_and(|text| !text.is_empty()));
            // As Chrome writes and reads them.
            for message in entry.get("_webSocketMessages").map(list).unwrap_or_default() {
                assert!(["send", "receive"].contains(&message["type"].as_str().expect("text")));
                assert!(message["opcode"].is_u64() && message["time"].is_f64() && message["data"].is_string());
                messages += 1;
            }
        }
        tunnels += text.matches("{\"tunnel\":{").count();
    }
    assert!(bodies > 0 && messages > 0 && tunnels > 0, "{bodies} bodies, {messages} messages, {tunnels} tunnels");
}

#[test]
fn reasons_for_missing_answers_survive_an_export_and_are_taken_from_nobody_else() {
    let place = Place::empty();
    let reasons = ["the server refused the connection", "no such name"];
    let capture = unanswered(place.path(), &reasons);
    let capture = capture.to_string_lossy();
    let told = |place: &Place, what: &str| -> BTreeSet<String> {
        let (_, report) = place.json(&["audit", what, "--format", "json"]);
        let spots = list(&report["reports"][0]["coverage"]["blind_spots"]);
        let unanswered = spots.iter().filter(|spot| spot["kind"] == "unanswered");
        unanswered.map(|spot| spot["sentence"].as_str().expect("text").to_owned()).collect()
    };
    let recorded = told(&place, &capture);
    assert!(reasons.iter().all(|reason| recorded.iter().any(|sentence| sentence.contains(reason))), "{recorded:?}");
    assert_eq!(place.run(&["export", &capture, "--output", "out.har"]).code, Some(0));
    let other = Place::empty();
    other.write("out.har", fs::read(place.path().join("out.har")).expect("written"));
    assert_eq!(told(&other, "out.har"), recorded);
    let imported = other.run(&["import", "out.har"]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert_eq!(told(&other, imported.out.trim()), recorded);

    // The reason stands where Chrome writes it; and of a file without our block, it is another program's word.
    let mut har: Value = serde_json::from_slice(&fs::read(place.path().join("out.har")).expect("written")).expect("JSON");
    let written: Vec<_> = list(&har["log"]["entries"]).iter().filter_map(|entry| entry["response"]["_error"].as_str()).collect();
    assert_eq!(written, reasons);
    har["log"].as_object_mut().expect("an object").remove("_tattletale");
    other.write("foreign.har", har.to_string());
    let foreign = told(&other, "foreign.har");
    assert!(!foreign.is_empty() && foreign.iter().all(|sentence| reasons.iter().all(|reason| !sentence.contains(reason))), "{foreign:?}");
}

/// A capture in a folder, with a request to a host of its own for each reason why there was no answer.
fn unanswered(folder: &Path, reasons: &[&str]) -> PathBuf {
    let started: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
    let target = Target {
        app: "mifit".into(),
        platform: Platform::Simulated,
        version: AppVersion::named("sim-1.0"),
        scenario: "passive-sync".into(),
        claimed: false,
    };
    let provenance = Provenance {
        format: CAPTURE_FORMAT,
        tool: "test".into(),
        source: CaptureSource::Proxy,
        target,
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Simulated { seed: 1 },
        started,
        planted: Vec::new(),
        expectations: Vec::new(),
        control: None,
    };
    let mut writer = CaptureWriter::create(folder, &provenance, started).expect("there is room");
    for (id, reason) in (1..).zip(reasons) {
        let url = Url { scheme: "https".into(), host: format!("down{id}.test"), port: 443, path_and_query: Captured::new("/v1/up".into()) };
        let body = Body::inline(b"{\"steps\":7411}".to_vec());
        let request =
            Request { method: "POST".into(), url, http_version: "HTTP/1.1".into(), headers: Vec::new(), body, trailers: Vec::new() };
        let exchange = Exchange {
            id: ExchangeId(id),
            phase: "sync".into(),
            tunnel: None,
            began: started,
            ended: Some(started),
            request,
            response: None,
            error: Some((*reason).to_owned()),
        };
        writer.append(started, &RunEvent::Exchange(Box::new(exchange))).expect("there is room");
    }
    writer.append(started, &RunEvent::RunEnded { ending: RunEnding::Complete }).expect("there is room");
    writer.finish().expect("there is room")
}

#[test]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn mitmproxy_reads_an_export_with_every_text_as_it_was() {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv/bin/python");
    if !installed.is_file() {
        eprintln!("skipped: no mitmproxy (benches/peers/run installs it)");
        return;
    }
    let place = exported();
    for file in place.files(".har") {
        let out = Command::new(&installed).args(["-c", READER]).arg(&file).output().expect("it starts");
        let (told, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{}: {err}", file.display());
        let har: Value = serde_json::from_slice(&fs::read(&file).expect("written")).expect("JSON");
        let read: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let entries = list(&har["log"]["entries"]);
        assert_eq!(read.len(), entries.len(), "{err}");
        for (read, entry) in read.iter().zip(entries) {
            let (request, response) = (&entry["request"], &entry["response"]);
            assert_eq!((&read["method"], &read["status"]), (&request["method"], &response["status"]));
            if let Some(data) = request.get("postData") {
                assert_eq!(read["request"], data["text"]);
            }
            if response["content"].get("encoding").is_none() {
                assert_eq!(read["response"].as_str(), response["content"].get("text").map_or(Some(""), Value::as_str));
            }
        }
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn the_network_panel_of_chromium_shows_every_entry_of_an_export() {
    if !browser::is_there() {
        assert!(std::env::var_os("TATTLETALE_NOTHING_MISSING").is_none(), "chromium, or certutil, is not installed");
        eprintln!("skipped: no chromium");
        return;
    }
    let place = exported();
    let capture = unanswered(place.path(), &["the server refused the connection"]).to_string_lossy().into_owned();
    assert_eq!(place.run(&["export", &capture]).code, Some(0));
    let home = place.path().join("home");
    let mut devtools = DevTools::open(browser::command(&home, "direct://"), &home);
    let files = place.files(".har");
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("written");
        let har: Value = serde_json::from_str(&text).expect("JSON");
        let entries = list(&har["log"]["entries"]);
        let shown = in_network_panel(&mut devtools, &text, entries.len());
        for (shown, entry) in list(&shown["requests"]).iter().zip(entries) {
            let (request, response) = (&entry["request"], &entry["response"]);
            let messages = entry.get("_webSocketMessages").map_or(0, |messages| list(messages).len());
            // An empty text is shown as none.
            let body = request.get("postData").map_or(json!(null), |data| data["text"].clone());
            let kind = if messages > 0 { "websocket" } else { shown["kind"].as_str().expect("a word") };
            let expected = json!({
                "method": request["method"],
                "url": request["url"],
                "status": response["status"],
                "headers": list(&request["headers"]).len(),
                "body": body,
                "messages": messages,
                "kind": kind,
            });
            assert_eq!(*shown, expected, "{}", file.display());
        }
    }
}

/// Loads a HAR into the network panel as its "Import HAR file" does, and gives its rows' requests.
fn in_network_panel(devtools: &mut DevTools, har: &str, entries: usize) -> Value {
    let script = format!("({PANEL})({})", json!(har));
    let began = Instant::now();
    // The front end takes its time to come up, and loading a file again takes the place of what was loaded.
    loop {
        let shown = devtools.run(&script);
        let there = |shown: &Value| shown["rows"] == entries && list(&shown["requests"]).len() == entries;
        match shown {
            Ok(shown) if there(&shown) => return shown,
            other => assert!(began.elapsed() < PATIENCE, "{entries} entries: {other:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What DevTools' own modules make of a HAR's text.
const PANEL: &str = r#"
async text => {
    const { ViewManager } = await import('./ui/legacy/legacy.js');
    const { NetworkPanel } = await import('./panels/network/network.js');
    const { NetworkLog } = await import('./models/logs/logs.js');
    await ViewManager.ViewManager.instance().showView('network');
    const view = NetworkPanel.NetworkPanel.instance().networkLogView;
    await view.onLoadFromFile(new File([text], 'export.har', { type: 'application/json' }));
    view.refresh();
    const requests = NetworkLog.NetworkLog.instance().requests();
    return {
        rows: view.flatNodesList().length,
        requests: await Promise.all(requests.map(async request => ({
            method: request.requestMethod,
            url: request.url(),
            status: request.statusCode,
            headers: request.requestHeaders().length,
            body: (await request.requestFormData()) ?? null,
            messages: request.frames().length,
            kind: request.resourceType().name(),
        }))),
    };
}
"#;

/// How long a browser may take, on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Prints, a line of JSON for each flow, what mitmproxy made of a HAR.
const READER: &str = r#"
import json, sys
from mitmproxy.io import FlowReader

with open(sys.argv[1], "rb") as file:
    for flow in FlowReader(file).stream():
        print(json.dumps({
            "method": flow.request.method,
            "status": flow.response.status_code,
            "request": flow.request.raw_content.decode("utf-8", "replace"),
            "response": flow.response.content.decode("utf-8", "replace"),
        }))
"#;

/// A run of the simulated rig and an import with WebSocket messages, exported.
fn exported() -> Place {
    let place = Place::empty();
    assert_eq!(place.run(&["run", "passive-sync", "--runs", "1"]).code, Some(4), "too few runs to be clean");
    let socket = format!("{}/fuzz/seeds/har/socket.har", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(place.run(&["import", &socket, "--app", "mifit"]).code, Some(0));
    for log in place.files("events.jsonl") {
        let capture = log.parent().expect("a folder").to_string_lossy().into_owned();
        let ended = place.run(&["export", &capture]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    place
}

/// Every required key is there, and every other is optional or begins with an underscore.
fn check(object: &str, value: &Value) {
    let (_, required, optional) = OBJECTS.iter().find(|(name, ..)| *name == object).expect("it is in the table");
    let keys: BTreeSet<&str> = value.as_object().unwrap_or_else(|| panic!("{object} is no object")).keys().map(String::as_str).collect();
    for key in *required {
        assert!(keys.contains(key) && !value[*key].is_null(), "{object} has no {key}");
    }
    for key in keys {
        assert!(required.contains(&key) || optional.contains(&key) || key.starts_with('_'), "{object} has a key {key}, which HAR has not");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).expect("a list")
}
