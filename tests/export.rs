//! What `export` writes, held against HAR 1.2 as its specification has it, key by key, and against mitmproxy's own reader where
//! that is installed.

mod support;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use support::Place;

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
