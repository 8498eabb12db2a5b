//! What `tattletale schema` prints, held against what the program writes: every line of real captures, a real report, real
//! snapshots. A key that is added, renamed or left out fails here.

mod support;

use std::{collections::BTreeSet, fs};

use serde_json::{Map, Value, json};
use support::Place;
use tattletale::model::{Alteration, PassedBytes, Tunnel, TunnelEvidence, TunnelOutcome};

/// A schema and the definitions it refers to.
struct Schema(Value);

impl Schema {
    fn printed(place: &Place, name: &str) -> Self {
        let (ended, schema) = place.json(&["schema", name]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string() && schema["description"].is_string());
        Self(schema)
    }

    /// What is wrong with a value, at which place; empty when nothing is.
    fn problems(&self, value: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        self.look(value, &self.0, "", &mut problems);
        problems
    }

    fn look(&self, value: &Value, schema: &Value, at: &str, problems: &mut Vec<String>) {
        let Some(schema) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                problems.push(format!("{at}: not allowed"));
            }
            return;
        };
        for (keyword, wants) in schema {
            let fine = match keyword.as_str() {
                "$defs" | "$schema" | "contentEncoding" | "default" | "description" | "examples" | "title" => true,
                // Told below, with the places inside.
                "additionalProperties" | "items" | "prefixItems" | "properties" => true,
                "$ref" => {
                    let name = wants.as_str().and_then(|path| path.strip_prefix("#/$defs/")).expect("a reference within the document");
                    self.look(value, &self.0["$defs"][name], at, problems);
                    self.0["$defs"][name].is_object()
                }
                "const" => value == wants,
                "enum" => wants.as_array().expect("a list").contains(value),
                "format" => value.as_str().is_some_and(|text| is_time(text, wants.as_str() == Some("date-time"))),
                "maximum" => value.as_f64() <= wants.as_f64(),
                "minimum" => value.as_f64() >= wants.as_f64(),
                "minItems" => value.as_array().is_some_and(|items| items.len() as u64 >= wants.as_u64().expect("a count")),
                "oneOf" => {
                    let fitting = |choice: &&Value| {
                        let mut wrong = Vec::new();
                        self.look(value, choice, at, &mut wrong);
                        wrong.is_empty()
                    };
                    wants.as_array().expect("a list").iter().filter(fitting).count() == 1
                }
                "pattern" => value.as_str().is_some_and(|text| fits(text, wants.as_str().expect("a pattern"))),
                "required" => wants.as_array().expect("a list").iter().all(|key| value.get(key.as_str().expect("a key")).is_some()),
                "type" => match wants.as_str().expect("one type") {
                    "array" => value.is_array(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "null" => value.is_null(),
                    "number" => value.is_number(),
                    "object" => value.is_object(),
                    "string" => value.is_string(),
                    other => panic!("no JSON Schema type: {other}"),
                },
                other => panic!("this checker does not know {other}"),
            };
            if !fine {
                problems.push(format!("{at}: {keyword} {wants}"));
            }
        }
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for (key, inner) in value.as_object().unwrap_or(&none) {
            let inside = format!("{at}/{key}");
            if let Some(schema) = known.get(key).or_else(|| schema.get("additionalProperties")) {
                self.look(inner, schema, &inside, problems);
            }
        }
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, inner) in value.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
            if let Some(schema) = first.get(index).or_else(|| schema.get("items")) {
                self.look(inner, schema, &format!("{at}/{index}"), problems);
            }
        }
    }

    fn accepts(&self, value: &Value, what: &str) {
        let problems = self.problems(value);
        assert!(problems.is_empty(), "{what}: {problems:#?}");
    }

    /// The schema is strict: with a key more, or any one key less than must be there, a value is refused.
    fn is_strict_about(&self, value: &Value, may_be_left_out: &[&str]) {
        let object = value.as_object().expect("an object");
        for key in object.keys() {
            let mut less = object.clone();
            less.shift_remove(key);
            let optional = may_be_left_out.contains(&key.as_str());
            assert_eq!(self.problems(&Value::Object(less)).is_empty(), optional, "without {key}");
        }
        let mut more = object.clone();
        more.insert("surprise".to_owned(), json!(1));
        assert!(!self.problems(&Value::Object(more)).is_empty(), "a key that nobody knows");
    }
}

/// `2026-03-14T10:00:00Z`, or a date alone.
fn is_time(text: &str, with_time: bool) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.".contains(&byte));
    match text.strip_suffix('Z').and_then(|text| text.split_once('T')) {
        Some((date, time)) => with_time && digits(date) && digits(time),
        None => !with_time && digits(text),
    }
}

/// The patterns of these schemas: perhaps a letter, then so many hex digits.
fn fits(text: &str, pattern: &str) -> bool {
    let pattern = pattern.strip_prefix('^').and_then(|pattern| pattern.strip_suffix("}$")).expect("a whole text");
    let (letter, count) = pattern.split_once("[0-9a-f]{").expect("hex digits");
    let count: usize = count.parse().expect("a count");
    text.strip_prefix(letter)
        .is_some_and(|digits| digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
}

fn lines_of_captures(place: &Place) -> Vec<Value> {
    let logs = place.files("events.jsonl");
    assert!(!logs.is_empty());
    logs.iter()
        .flat_map(|log| {
            let text = fs::read_to_string(log).expect("a log is text");
            text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect::<Vec<Value>>()
        })
        .collect()
}

#[test]
fn every_line_of_a_capture_is_what_its_schema_says() {
    let place = Place::empty();
    assert_eq!(place.run(&["run", "--app-version", "sim-1.2", "--runs", "1"]).code, Some(1));
    // Line 15 is pullToRefresh: its upload is torn, and the run ends with an instrument that failed.
    assert_eq!(place.run(&["run", "passive-sync", "--runs", "1", "--break-proxy-after", "15"]).code, Some(3));
    let bare = r#"{"log":{"version":"1.2","creator":{"name":"test","version":"1"},"entries":[{"request":{"method":"GET","url":"https://bare.test/"}}]}}"#;
    place.write("bare.har", bare);
    assert_eq!(place.run(&["import", "bare.har", "--app", "mifit"]).code, Some(0));
    for seed in ["har/socket.har", "flows/21.mitm"] {
        let file = format!("{}/fuzz/seeds/{seed}", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(place.run(&["import", &file, "--app", "mifit"]).code, Some(0), "{seed}");
    }
    let capture = place.run(&["captures", "list"]).out.lines().find(|line| line.contains("passive-sync-1")).map(str::to_owned);
    let name = capture.as_deref().and_then(|line| line.split_whitespace().next()).expect("a capture").to_owned();
    assert_eq!(place.run(&["captures", "purge", &name]).code, Some(0));

    use tattletale::model::RunEvent;
    let schema = Schema::printed(&place, "capture");
    let mut kinds = BTreeSet::new();
    let mut lines = lines_of_captures(&place);
    // No server of the simulated rig gives a reason for a note, nothing of it goes past the proxy, and its app needs not be altered.
    let digest = "ab".repeat(32);
    for event in [
        RunEvent::ExchangeNoted { id: tattletale::model::ExchangeId(1), note: "sent twice".to_owned() },
        RunEvent::OutsideProxy { sent: 1200, received: 0 },
        RunEvent::OutsideUncounted { why: "this phone does not tell what its apps send".to_owned() },
        RunEvent::AppAltered(Alteration::Repackaged {
            original: digest.clone(),
            repackaged: digest.clone(),
            lifted: vec!["its pins".to_owned()],
        }),
        RunEvent::AppAltered(Alteration::Script { sha256: digest }),
        RunEvent::AppAltered(Alteration::ScriptEnded { why: "it ended".to_owned() }),
    ] {
        let mut line = lines.last().expect("there are some").clone();
        line["event"] = serde_json::to_value(event).expect("plain data");
        lines.push(line);
    }
    for line in lines {
        let event = line["event"].as_object().and_then(|event| event.keys().next()).expect("an event").clone();
        schema.accepts(&line, &event);
        if kinds.insert(event.clone()) {
            schema.is_strict_about(&line, &[]);
        }
    }
    let told: BTreeSet<String> =
        ["app-altered", "exchange", "exchange-began", "exchange-noted", "message", "phase-began", "phone-moved", "planted"]
            .into_iter()
            .chain(["outside-proxy", "outside-uncounted"])
            .chain(["run-ended", "run-started", "step-began", "step-ended", "tunnel", "tunnel-began"])
            .map(str::to_owned)
            .collect();
    assert_eq!(kinds, told, "every kind of event was seen");

    // What no client of the simulated rig sends.
    let mut line = lines_of_captures(&place).into_iter().find(|line| line["event"]["tunnel"].is_object()).expect("a tunnel");
    let malformed = || TunnelOutcome::Malformed { why: "invalid content-length parsed".to_owned() };
    let bytes = Some(PassedBytes { sent: 75, received: 0 });
    let unnamed = TunnelEvidence { bytes, client: Some([192, 0, 2, 7].into()), ..TunnelEvidence::default() };
    let afterwards = TunnelEvidence { bytes, afterwards: Some(malformed()), ..TunnelEvidence::default() };
    for (outcome, evidence) in [(malformed(), unnamed), (TunnelOutcome::Read { requests: 2 }, afterwards)] {
        let tunnel = &mut line["event"]["tunnel"];
        tunnel["outcome"] = serde_json::to_value(&outcome).expect("JSON");
        tunnel["evidence"] = serde_json::to_value(&evidence).expect("JSON");
        schema.accepts(&line, "a tunnel of which something could not be read");
        let read: Tunnel = serde_json::from_value(line["event"]["tunnel"].clone()).expect("what was written is read");
        assert_eq!((read.outcome, read.evidence), (outcome, evidence));
    }
}

#[test]
fn a_report_is_what_its_schema_says() {
    let place = Place::empty();
    let schema = Schema::printed(&place, "report");
    for (version, code) in [("sim-1.0", 0), ("sim-1.1", 1), ("sim-1.2", 1)] {
        let (ended, report) = place.json(&["run", "--app-version", version, "--format", "json"]);
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        schema.accepts(&report, version);
        schema.is_strict_about(&report, &[]);
    }
    let (ended, report) = place.json(&["run", "passive-sync", "--break-proxy-after", "15", "--format", "json"]);
    assert_eq!((ended.code, report["reports"][0]["verdict"]["kind"].as_str()), (Some(3), Some("inconclusive")));
    schema.accepts(&report, "an incomplete run");
}

#[test]
fn fields_as_data_are_what_their_schema_says() {
    let place = Place::empty();
    let schema = Schema::printed(&place, "fields");
    assert_eq!(place.run(&["run", "passive-sync", "--app-version", "sim-1.1", "--runs", "1"]).code, Some(1));
    let capture = place.run(&["captures", "list"]).out.lines().find(|line| line.contains("passive-sync")).map(str::to_owned);
    let name = capture.as_deref().and_then(|line| line.split_whitespace().next()).expect("a capture").to_owned();
    place.write("body.json", r#"{"a1":"Quillon","a2":[1,2,"MDEyMzQ1Njc4OWFiY2RlZg=="]}"#);
    place.write("planted.yaml", "profile: { nickname: Quillon }\n");
    let capture = format!("runs/{name}");
    for line in
        [&["fields", &capture][..], &["fields", "--body", "body.json"], &["fields", "--body", "body.json", "--plant", "planted.yaml"]]
    {
        let (ended, fields) = place.json(&[line, &["--format", "json"]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        schema.accepts(&fields, &line.join(" "));
        schema.is_strict_about(&fields, &[]);
        assert!(fields["seen"][0]["fields"].as_array().is_some_and(|fields| !fields.is_empty()));
    }
}

#[test]
fn the_header_of_a_snapshot_is_what_its_schema_says() {
    let place = Place::empty();
    let schema = Schema::printed(&place, "snapshot");
    assert_eq!(place.run(&["run", "--app-version", "sim-1.2"]).code, Some(1));
    let snapshots = place.files(".snap.new");
    assert!(!snapshots.is_empty());
    for path in snapshots {
        let snapshot = insta::Snapshot::from_file(&path).expect("insta reads it");
        let header: Value = serde_json::from_str(snapshot.metadata().description().expect("a description")).expect("JSON");
        schema.accepts(&header, &path.display().to_string());
        schema.is_strict_about(&header, &["note"]);
    }
}

#[test]
fn a_control_run_that_is_kept_with_a_rig_is_what_its_schema_says() {
    use tattletale::{
        model::{
            ControlRun,
            control::{CONTROL_FORMAT, KeptControl},
        },
        store::{RigFolder, Workspace},
    };
    let place = Place::empty();
    let rig = RigFolder::of(&Workspace { root: place.path().to_owned(), scenarios: None }, "pixel").expect("a good name");
    let kept = KeptControl {
        format: CONTROL_FORMAT,
        tool: "0.0.0".into(),
        made: "2026-03-02T08:00:00Z".parse().expect("a time"),
        app: "mifit".into(),
        phone: "Android 14".into(),
        rig: "ab".repeat(32),
        control: ControlRun { hosts: vec!["weather.test".into()], seconds: 1800, made: None },
    };
    rig.lock().expect("made").keep_control(&kept).expect("written");
    let written = fs::read_to_string(rig.control_file("mifit").expect("a good name")).expect("there");
    let value: Value = serde_json::from_str(&written).expect("JSON");
    let problems = Schema::printed(&place, "control").problems(&value);
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn a_journal_of_a_phone_is_what_its_schema_says() {
    use tattletale::{
        model::{AppVersion, Captured, Journal, JournalEntry, JournalPhone, PhoneChange, journal::JOURNAL_FORMAT},
        store::{RigFolder, Workspace},
    };
    let place = Place::empty();
    let schema = Schema::printed(&place, "journal");
    let package = || "com.example.test".to_owned();
    let (namespace, key) = ("global".to_owned(), "http_proxy".to_owned());
    let changes = vec![
        PhoneChange::AirplaneMode { before: false },
        PhoneChange::App { package: package(), before: None, original: None },
        PhoneChange::App {
            package: package(),
            before: Some(AppVersion { name: "1.0".into(), code: Some(7) }),
            original: Some("ab".repeat(32)),
        },
        PhoneChange::Script { pid: 4321, package: package() },
        PhoneChange::AppOp { package: package(), operation: "android:mock_location".into(), before: "default".into() },
        PhoneChange::File { path: "/sdcard/Download/tattletale-779ebcb6.crt".into() },
        PhoneChange::Permission { package: package(), permission: "android.permission.CAMERA".into(), before: true, decided: None },
        PhoneChange::Permission {
            package: package(),
            permission: "android.permission.CAMERA".into(),
            before: true,
            decided: Some(["USER_SET".to_owned()].into()),
        },
        PhoneChange::Proxy { before: [(key.clone(), "10.0.0.1:3128".to_owned())].into(), set: vec!["127.0.0.1:8080".into()] },
        PhoneChange::Recording { file: "/data/local/tmp/film.mp4".into() },
        PhoneChange::Reverse { to: 8080, others: Vec::new() },
        PhoneChange::Reverse { to: 8080, others: vec![8080] },
        PhoneChange::Setting {
            namespace: namespace.clone(),
            key: key.clone(),
            before: None,
            set: Some("127.0.0.1:8080".into()),
            earlier: Vec::new(),
        },
        PhoneChange::Setting {
            namespace,
            key,
            before: Some("10.0.0.1:3128".into()),
            set: None,
            earlier: vec![None, Some("127.0.0.1:8080".into())],
        },
        PhoneChange::TestProvider { name: "gps".into() },
        PhoneChange::Trust { file: "779ebcb6.0".into() },
    ];
    let at = "2026-03-02T08:00:00Z".parse().expect("a time");
    let entries = changes.into_iter().map(|change| JournalEntry { at, change }).collect();
    let phone = JournalPhone { program: "adb".into(), port: Some(5038), serial: Captured::new("INVENTED01".into()) };
    let journal = Journal { format: JOURNAL_FORMAT, tool: "0.0.0".into(), phone, entries };
    let rig = RigFolder::of(&Workspace { root: place.path().to_owned(), scenarios: None }, "pixel").expect("a good name");
    rig.keep_journal(&journal).expect("written");
    let value: Value = serde_json::from_slice(&fs::read(rig.journal_file()).expect("there")).expect("JSON");
    schema.accepts(&value, "a journal");
    schema.is_strict_about(&value, &[]);
}

#[test]
fn every_line_of_a_transcript_is_what_its_schema_says() {
    use tattletale::link::recorded::Transcript;
    let id = "00002a19-0000-1000-8000-00805f9b34fb";
    let heard = json!({ "after_ms": 3, "address": "C0:FF:EE:12:34:56", "name": "Echo", "manufacturer_data": [[343, "01ff"]],
        "service_data": [[id, ""]], "rssi": -60 });
    let questions = [
        json!({ "scan": { "for_ms": 5000 } }),
        json!({ "connect": { "address": "C0:FF:EE:12:34:56" } }),
        json!({ "read": { "characteristic": id } }),
        json!({ "write": { "characteristic": id, "value": "00ff", "with_response": true } }),
        json!({ "subscribe": { "characteristic": id } }),
        json!({ "unsubscribe": { "characteristic": id } }),
        json!({ "notification": { "within_ms": 10 } }),
        json!("disconnect"),
        json!("drop"),
    ];
    let errors = [
        json!({ "departed": "why" }),
        json!({ "flooded": 4096 }),
        json!("held"),
        json!("lost"),
        json!({ "no_adapter": "why" }),
        json!({ "no_characteristic": id }),
        json!({ "no_permission": "why" }),
        json!("not_found"),
        json!({ "refused": 2 }),
        json!({ "silent": { "ms": 10 } }),
        json!({ "stack": "why" }),
        json!({ "unanswered": { "tries": 3, "why": "why" } }),
    ];
    let mut answers = vec![
        json!("done"),
        json!({ "value": "57" }),
        json!({ "notification": { "characteristic": id, "value": "" } }),
        json!({ "heard": [heard, { "after_ms": 0, "address": "C0:FF:EE:12:34:56" }] }),
        json!({ "link": 1 }),
    ];
    answers.extend(errors.map(|error| json!({ "error": error })));
    let entry = |link: u64, asked: &Value, answered: &Value| {
        let mut entry = json!({ "at_ms": 1, "took_ms": 2, "link": link, "asked": asked, "answered": answered });
        if link == 0 {
            entry.as_object_mut().expect("an object").shift_remove("link");
        }
        entry
    };
    let mut lines = vec![json!({ "format": 1, "record": "gatt", "started": "2026-03-14T11:00:00Z" })];
    for asked in &questions {
        lines.extend(answers.iter().map(|answered| entry(1, asked, answered)));
    }
    lines.push(entry(0, &questions[0], &answers[0]));
    lines.push(json!({ "end": lines.len() - 1 }));

    // What the schema is asked about is what the program reads; that it writes the same is told beside the code.
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(Transcript::read(text.as_bytes()).expect("every line is understood").torn(), None);
    let place = Place::empty();
    let schema = Schema::printed(&place, "transcript");
    for line in &lines {
        schema.accepts(line, "a line of a transcript");
        schema.is_strict_about(line, &["link"]);
    }
    for wrong in
        [json!({}), json!({ "end": -1 }), entry(1, &json!("read"), &answers[0]), entry(1, &questions[0], &json!({ "error": "tired" }))]
    {
        assert!(!schema.problems(&wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn what_is_told_of_a_band_is_what_its_schema_says() {
    let place = Place::empty();
    for name in ["scan", "info", "read"] {
        let schema = Schema::printed(&place, &format!("band-{name}"));
        for mine in [&[][..], &["--mine", "C0:FF:EE:12:34:56"]] {
            let mine = if name == "scan" { mine } else { &[] };
            let (ended, told) = place.json(&[&["band", name, "--simulated", "--format", "json"], mine].concat());
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            schema.accepts(&told, name);
            schema.is_strict_about(&told, &["disclaimer"]);
        }
    }
}
