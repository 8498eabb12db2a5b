//! A phone that a person works, from start to report in a pseudo-terminal: the person presses Enter, the phone is curl. Each check is made
//! to fail once before it passes. And what becomes of runs with nobody at the terminal.
#![cfg(unix)]

mod support;

#[path = "by_hand/terminal.rs"]
mod terminal;

use std::process::Command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::Place;
use tattletale::{
    model::{NumberedEvent, Recording as _, RunEnding, RunEvent},
    phone::simulated::Cloud,
    store::CaptureReader,
};
use terminal::Terminal;

const APP: &str = "\
name: demo
title: Demo
ids: [test.demo.app]
first_party: [api.demo.test]
";

const SCENARIO: &str = "\
name: by-hand
app: demo
about: Log in and sync by hand.
runs: 1
plant:
  location: { lat: 52.37403, lon: 4.88969 }
steps:
  - launchApp: { permissions: { location: allow } }
  - prompt:
      name: log-in
      text: \"Log in with ${env:DEMO_PASSWORD}\"
      check: { upload: { host: api.demo.test, path: /v1/login, within: 2s } }
  - phase: { name: sync }
  - pullToRefresh
  - waitForUpload: { host: api.demo.test, path: /v1/data, within: 60s }
  - stopApp
expect:
  - never: location
";

/// The phone, played by curl.
struct Phone {
    port: u16,
    authority: std::path::PathBuf,
}

impl Phone {
    fn curl(&self, args: &[&str]) -> (Option<i32>, String) {
        let ended = Command::new("curl").args(["-s", "-S", "-m", "60", "-w", "\n%{http_code}"]).args(args).output().expect("curl is there");
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).into_owned())
    }

    /// Asks for something by way of the proxy; `trusting` as after the certificate was installed.
    fn ask(&self, trusting: bool, args: &[&str]) -> (Option<i32>, String) {
        let proxy = format!("http://127.0.0.1:{}", self.port);
        let authority = self.authority.display().to_string();
        let trust: &[&str] = if trusting { &["--cacert", &authority] } else { &[] };
        self.curl(&[&["-x", &proxy], trust, args].concat())
    }

    /// An upload of the app's.
    #[track_caller]
    fn upload(&self, path: &str, body: &str) {
        let (code, said) = self.ask(true, &["--json", body, &format!("https://api.demo.test{path}")]);
        assert_eq!(code, Some(0), "{said}");
    }
}

fn lab(place: &Place, rig: &str) -> (tokio::runtime::Runtime, Cloud) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let cloud = runtime.block_on(Cloud::start(jiff::Timestamp::now())).expect("a cloud");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(cloud.ca_der()));
    place.write("cloud.pem", pem);
    write_rig(place, &format!("{rig}lab: {{ cloud: \"{}\", authority: cloud.pem, control: 100ms }}\n", cloud.address()));
    (runtime, cloud)
}

fn write_rig(place: &Place, text: &str) {
    let file = place.write("rig.yaml", text);
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
}

const RIG: &str = "\
consent: { owner: Somebody, date: 2026-03-14 }
phone: { kind: manual, system: ios }
proxy: { listen: \"0.0.0.0:0\" }
";

const RUN: [&str; 9] = ["run", "by-hand", "--app", "demo", "--rig", "rig.yaml", "--app-version", "7.1", "--quiet"];

/// A place with the app and one scenario.
fn place(scenario: &str) -> Place {
    let place = Place::empty();
    place.write("scenarios/demo/app.yaml", APP);
    place.write("scenarios/demo/by-hand.yaml", scenario);
    place
}

#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn skip(why: &str) {
    println!("\nskipped: {why}");
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split(before).nth(1).and_then(|rest| rest.split(after).next()).unwrap_or_else(|| panic!("no {before:?} in {text}")).trim()
}

#[test]
fn every_check_fails_once_and_then_passes_from_start_to_report() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl is not installed");
    }
    let place = place(SCENARIO);
    let (_runtime, _cloud) = lab(&place, RIG);
    let Some(mut terminal) = Terminal::open(&place, &RUN, &[("DEMO_PASSWORD", "hunter2hunter2")]) else {
        return skip("python3 is not installed");
    };
    terminal.wait_for("install-app: Have Demo 7.1 installed.");
    terminal.enter();

    terminal.wait_for("proxy: Send the phone's traffic");
    terminal.wait_for("Press Enter");
    let shown = terminal.text();
    let port = between(&shown, ", port ", ".").parse().expect("a port");
    let code: String = between(&shown, "enter the code ", " there").split_whitespace().collect();
    let authority = place.files("authority.pem").into_iter().next().expect("the rig has one");
    let phone = Phone { port, authority };
    // A device that has not entered the code is a stranger, and shows nothing.
    assert!(phone.ask(true, &["http://api.demo.test/"]).1.ends_with("407"));
    terminal.enter();
    terminal.wait_for("proxy: not seen yet, there was nothing at all from the phone");
    let entered = phone.curl(&[&format!("http://127.0.0.1:{port}/enter?code={code}")]);
    assert!(entered.1.ends_with("303"), "{entered:?}");
    phone.ask(true, &["http://tattletale.internal/"]);
    terminal.enter();
    terminal.wait_for("seen: the phone sends through the proxy");

    terminal.wait_for("certificate: Trust this rig's authority");
    let probe = ["-L", "http://tattletale.internal/probe"];
    assert_ne!(phone.ask(false, &probe).0, Some(0), "it does not trust the authority yet");
    terminal.enter();
    terminal.wait_for("certificate: not seen yet, there was a connection that could not be read");
    assert!(phone.ask(true, &probe).1.ends_with("200"));
    terminal.enter();
    terminal.wait_for("seen: a request of the phone's was decrypted");
    terminal.wait_for("close-app: Close Demo for good");
    terminal.enter();

    // The run itself: the phone is set already, and shows it.
    terminal.wait_for("certificate: Have the phone as it is to be");
    terminal.enter();
    terminal.wait_times("certificate: not seen yet", 2);
    phone.ask(true, &probe);
    terminal.enter();
    terminal.wait_for("location: Have the phone at 52.37403, 4.88969.");
    terminal.enter();

    terminal.wait_for("open-app: Open Demo.");
    terminal.wait_for("Location Services > Demo: While Using the App");
    phone.ask(true, &["https://news.test/"]);
    terminal.enter();
    terminal.wait_for("open-app: not seen yet, there was traffic to news.test only");
    phone.upload("/v1/start", r#"{"version":"7.1"}"#);
    terminal.enter();
    terminal.wait_for("seen: traffic to api.demo.test");

    terminal.wait_for("log-in: Log in with ${env:DEMO_PASSWORD}");
    terminal.enter();
    terminal.wait_for("log-in: not seen yet, there was no request at all");
    phone.upload("/v1/login", r#"{"name":"somebody"}"#);
    terminal.enter();
    terminal.wait_for("seen: answered with status");

    terminal.wait_for("pull-to-refresh: Pull Demo's main list down");
    terminal.enter();
    terminal.wait_for("pull-to-refresh: not seen yet, there was nothing at all from the phone");
    phone.upload("/v1/data", r#"{"heart_rate":[61,62,63,64]}"#);
    terminal.enter();
    terminal.wait_times("seen: traffic to api.demo.test", 2);
    terminal.wait_times("close-app: Close Demo for good", 2);
    terminal.enter();

    let (told, written) = terminal.end();
    assert!(told.contains("modes same") && told.contains("exit 4"), "one run without a baseline: {told} {written}");
    assert!(!written.contains("hunter2"), "a secret is never shown: {written}");
    for words in ["7.1 on lab: by-hand (claimed)", "iPhone by hand", "set back what you want back", "Remove the certificate from the phone"]
    {
        assert!(written.contains(words), "{words}: {written}");
    }

    let folder = place.files("-by-hand-1/events.jsonl");
    let capture = CaptureReader::open(folder.first().and_then(|file| file.parent()).expect("a capture")).expect("readable");
    let mut notes = Vec::new();
    let mut moved = None;
    let mut ending = None;
    capture
        .replay(&mut |NumberedEvent { event, .. }, _| match event {
            RunEvent::StepEnded { note } => notes.push(note.clone()),
            RunEvent::PhoneMoved { confirmed, .. } => moved = Some(*confirmed),
            RunEvent::RunEnded { ending: how } => ending = Some(how.clone()),
            _ => {}
        })
        .expect("readable to its end");
    assert_eq!((moved, ending), (Some(false), Some(RunEnding::Complete)), "nobody has read back where it is");
    assert!(capture.provenance().target.claimed, "nobody but a person says which version it is");
    for (note, words) in notes.iter().zip([
        "open-app: seen: traffic to api.demo.test; its location permission: not checked",
        "log-in: seen: answered with status",
        "phase sync",
        "pull-to-refresh: seen: traffic to api.demo.test",
        "answered with status",
        "close-app: confirmed by the operator, not checked",
    ]) {
        assert!(note.contains(words), "{words}: {notes:?}");
    }
    assert_eq!(notes.len(), 6, "{notes:?}");
    let audit = place.run(&["audit", "runs", "--app", "demo"]);
    assert!(audit.out.contains("nobody confirmed it"), "the position is not said to be missing: {audit:?}");
}

const PROMPT: &str = "\
name: by-hand
app: demo
about: Log in by hand.
runs: 1
steps:
  - prompt: { name: log-in, text: Log in, within: 500ms }
expect:
  - never: location
";

#[test]
fn with_nobody_at_the_terminal_nothing_is_started_unless_the_rig_file_confirms_it() {
    let place = place(PROMPT);
    let simulated = ["run", "by-hand", "--app", "demo", "--rig", "rig.yaml", "--seed", "7"];
    write_rig(&place, "phone: { kind: simulated }\n");
    let ended = place.run(&simulated);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("log-in (by-hand, line 6)") && ended.err.contains("confirmed: [...]"), "{ended:?}");
    assert!(place.files("events.jsonl").is_empty(), "nothing was started");

    write_rig(&place, "phone: { kind: simulated }\nconfirmed: [log-in]\n");
    let ended = place.run(&simulated);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(!place.files("-by-hand-1/events.jsonl").is_empty(), "it ran: {ended:?}");
    let text = std::fs::read_to_string(&place.files("-by-hand-1/events.jsonl")[0]).expect("readable");
    assert!(text.contains("log-in: confirmed by the rig file, not checked"), "{text}");

    // A phone by hand asks for more.
    let (_runtime, _cloud) = lab(&place, RIG);
    let ended = place.run(&RUN);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for name in ["install-app (before the runs)", "proxy (before the runs)", "certificate", "close-app", "log-in (by-hand, line 6)"] {
        assert!(ended.err.contains(name), "{name}: {ended:?}");
    }
    let dry = place.run(&[&RUN[..], &["--dry-run"]].concat());
    assert!(dry.code == Some(0) && dry.out.contains("iPhone by hand"), "{dry:?}");
}

#[test]
fn a_prompt_that_nobody_answers_fails_within_its_limit_also_in_ci() {
    let place = place(PROMPT);
    let line = ["run", "by-hand", "--app", "demo", "--quiet"];
    let Some(terminal) = Terminal::open(&place, &line, &[("CI", "1")]) else { return skip("python3 is not installed") };
    terminal.wait_for("log-in: Log in");
    let (told, written) = terminal.end();
    assert!(told.contains("exit 4"), "{told} {written}");
    assert!(written.contains("wait for the prompt log-in: within 500ms there was no answer"), "{written}");
}

#[test]
fn whoever_types_what_is_no_text_is_there_all_the_same() {
    let second = "\n  - prompt: { name: again, text: Once more, within: 60s }";
    let place = place(&PROMPT.replace("within: 500ms }", "within: 60s }").replacen("60s }", &format!("60s }}{second}"), 1));
    let Some(mut terminal) = Terminal::open(&place, &["run", "by-hand", "--app", "demo", "--quiet"], &[]) else {
        return skip("python3 is not installed");
    };
    terminal.wait_for("log-in: Log in");
    terminal.wait_for("Press Enter when it is done. ");
    // Alt and a letter, in a Latin-1 terminal.
    terminal.press(b"\xe1\r");
    terminal.wait_for("again: Once more");
    terminal.enter();
    let (told, written) = terminal.end();
    assert!(told.contains("modes same") && !written.contains("nobody at a terminal"), "{told} {written}");
    let log = std::fs::read_to_string(&place.files("-by-hand-1/events.jsonl")[0]).expect("readable");
    for name in ["log-in", "again"] {
        assert!(log.contains(&format!("{name}: confirmed by the operator, not checked")), "{name}: {written}");
    }
}

#[test]
fn ctrl_c_at_a_question_ends_the_run_and_gives_the_terminal_back() {
    let place = place(PROMPT);
    let (_runtime, _cloud) = lab(&place, RIG);
    let Some(mut terminal) = Terminal::open(&place, &RUN, &[]) else { return skip("python3 is not installed") };
    terminal.wait_for("install-app: Have Demo 7.1 installed.");
    terminal.press("\u{3}");
    let (told, written) = terminal.end();
    assert!(told.contains("modes same") && told.contains("exit 130"), "{told} {written}");
    assert!(written.contains("Remove the certificate from the phone"), "{written}");
}

#[test]
fn what_a_rig_by_hand_does_not_say_is_asked_for() {
    let place = place(PROMPT);
    let consent = "consent: { owner: Somebody, date: 2026-03-14 }\n";
    for (rig, args, words) in [
        ("phone: { kind: manual }\n", &RUN[..], "tell the system of the phone"),
        ("phone: { kind: manual, system: ios }\n", &RUN[..], "tell where the phone reaches this computer"),
        ("phone: { kind: manual, system: ios }\n", &RUN[..6], "tell which version of the app is on the phone"),
        ("phone: { kind: ios }\n", &RUN[..], "phone: { kind: manual, system: ios }"),
        ("phone: { kind: android, system: ios }\n", &RUN[..], "only a phone by hand has it"),
    ] {
        write_rig(&place, &format!("{consent}{rig}"));
        let ended = place.run(args);
        assert!(ended.code == Some(2) && ended.err.contains(words), "{words}: {ended:?}");
    }
}
