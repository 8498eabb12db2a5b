//! Whole runs on the simulated rig of scenarios that repeat steps, try them again and run each other, through the command: what is in
//! the capture, and what a person sees beforehand and when it fails.

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::Place;

const MAIN: &str = "name: nested
app: mifit
about: Steps in steps, of two files.
runs: 1
plant:
  location: { lat: 52.37403, lon: 4.88969 }
steps:
  - runScenario: parts/start.yaml
  - repeat:
      times: 2
      commands:
        - swipe: { direction: DOWN }
        - waitForUpload: { path: /v1/data/band_data.json, within: 90s }
  - retry:
      maxRetries: 2
      commands:
        - tapOn: { id: workout }
        - waitForVisible: { text: Workout, within: 5s }
  - screenshot: before-home
  - pressKey: lock
";

const START: &str = "name: start
app: mifit
about: The beginning of others.
steps:
  - uninstallApp
  - installApp
  - launchApp: { permissions: { location: allow } }
  - phase: { name: sync, explains: [location] }
  - setPermissions: { permissions: { backgroundLocation: deny } }
  - launchApp: { permissions: { location: allow } }
";

/// A folder with the shipped app, a scenario of this text, and a part of it.
fn place(main: &str, start: &str) -> Place {
    let place = Place::empty();
    place.write("scenarios/mifit/app.yaml", include_str!("../scenarios/mifit/app.yaml"));
    place.write("scenarios/mifit/nested.yaml", main);
    place.write("scenarios/mifit/parts/start.yaml", start);
    place
}

/// The capture of the scenario, and its events.
fn capture(place: &Place) -> (PathBuf, Vec<Value>) {
    let logs = place.files("events.jsonl");
    let log = logs.iter().rfind(|log| log.to_string_lossy().contains("-nested-")).expect("one is of the scenario");
    let text = std::fs::read_to_string(log).expect("a log");
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"].clone()).collect();
    (log.parent().expect("a folder").to_owned(), events)
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600, "{}", path.display());
}

#[cfg(not(unix))]
fn assert_private(_: &Path) {}

#[test]
fn steps_in_steps_of_two_files_are_done_in_order_and_recorded() {
    let place = place(MAIN, START);
    let planned = place.run(&["run", "nested", "--dry-run"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    for line in [
        "  line 8: runScenario: parts/start.yaml\n    line 5 of parts/start.yaml: uninstallApp\n",
        "  line 9: repeat:\n    line 12: swipe: { direction: DOWN }\n",
        "  line 14: retry:\n    line 17: tapOn: { id: workout }\n",
    ] {
        assert!(planned.out.contains(line), "{}", planned.out);
    }

    let ended = place.run(&["run", "nested", "--seed", "5"]);
    // One run and no baseline: nothing can be said, and nothing failed.
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let (folder, events) = capture(&place);
    let steps: Vec<String> = events
        .iter()
        .filter_map(|event| event.get("step-began"))
        .map(|step| {
            format!("{} {}{}", step["line"], step["step"].as_str().unwrap_or_default(), if step["file"].is_null() { "" } else { " *" })
        })
        .collect();
    let start =
        ["8 runScenario", "5 uninstallApp *", "6 installApp *", "7 launchApp *", "8 phase *", "9 setPermissions *", "10 launchApp *"];
    let once = ["12 swipe", "13 waitForUpload"];
    let tried = ["17 tapOn", "18 waitForVisible"];
    let all = [&start[..], &["9 repeat"], &once, &once, &["14 retry"], &tried, &tried, &["19 screenshot", "20 pressKey"]].concat();
    assert_eq!(steps, all);
    let notes: Vec<&str> = events.iter().filter_map(|event| event.pointer("/step-ended/note")?.as_str()).collect();
    for note in [
        "the app is removed",
        "installed version sim-1.0",
        "backgroundLocation denied",
        "did the steps of parts/start.yaml",
        "done 2 times",
        "kept in attachments/3-before-home.png",
    ] {
        assert!(notes.contains(&note), "{note} in {notes:#?}");
    }
    let retried = notes
        .iter()
        .find(|note| note.starts_with("done at try 2 of 3; try 1: line 18, waitForVisible: failed to wait"))
        .expect("it is told");
    let kept = "the last screen is kept in the capture's attachments/1-last-screen-waitforvisible.txt and attachments/2-";
    assert!(retried.contains("within 5s there was 1 text and the id workout on the screen") && retried.contains(kept), "{retried}");

    // Uploads of both times came through, and the pictures lie beside the log.
    let uploads = events.iter().filter_map(|event| event.pointer("/exchange/request/url/path_and_query")?.as_str());
    assert_eq!(uploads.filter(|path| path.starts_with("/v1/data/band_data.json")).count(), 2);
    let attached: Vec<&Value> = events.iter().filter_map(|event| event.get("attached")).collect();
    assert_eq!(
        attached.iter().map(|attached| attached["kind"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["screen", "screenshot", "screenshot"]
    );
    for attached in attached {
        let path = folder.join("attachments").join(attached["file"].as_str().expect("a name"));
        assert_private(&path);
        assert_eq!(path.metadata().expect("it is there").len(), attached["bytes"].as_u64().expect("a length"));
    }
    let screen = std::fs::read_to_string(folder.join("attachments/1-last-screen-waitforvisible.txt")).expect("text");
    assert!(screen.contains("\"test.standin:id/workout\" \"Stop\""), "{screen}");
}

#[test]
fn a_step_of_another_file_that_fails_is_named_with_its_file_and_the_last_screen() {
    let start = START.replace("  - phase: { name: sync, explains: [location] }\n", "  - waitForVisible: { text: Synced, within: 5s }\n");
    let place = place(MAIN, &start);
    let ended = place.run(&["run", "nested"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let told = "the scenario did not happen as written: line 8, runScenario: failed to do what it holds: line 8 of parts/start.yaml, \
                waitForVisible: failed to wait for \"Synced\" to be visible: within 5s there was 1 text and the id workout on the screen; the \
                last screen is kept in the capture's attachments/1-";
    assert!(ended.err.contains(told), "{}", ended.err);
    assert!(!format!("{}{}", ended.out, ended.err).contains("\"Workout\""), "what the screen shows stays in the capture");
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is() {
    let typed = START.replace("  - uninstallApp\n", "  - inputText: \"${env:TATTLETALE_TEST_PASSWORD}\"\n");
    let place = place(MAIN, &typed);
    let ended = place.run(&["run", "nested"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let told = "line 5 of parts/start.yaml, inputText: the environment variable TATTLETALE_TEST_PASSWORD is not set (nested)";
    assert!(ended.err.contains(told), "{}", ended.err);
    let mut command = place.command(&["run", "nested"]);
    command.env("TATTLETALE_TEST_PASSWORD", "hunter22");
    let ended = support::finish(command);
    let told = "line 5 of parts/start.yaml, inputText: this rig cannot do that (simulated phone";
    assert!(ended.err.contains(told) && !ended.err.contains("hunter22"), "{}", ended.err);
    assert!(place.files("events.jsonl").iter().all(|log| !log.to_string_lossy().contains("-nested-")), "no run began");
}

#[test]
fn a_mistake_in_another_file_is_drawn_once_with_its_own_lines() {
    let place = place(MAIN, &START.replace("installApp", "instalApp"));
    let checked = place.run(&["check"]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    for part in ["run \"parts/start.yaml\"", "use the step \"instalApp\"", "did you mean \"installApp\"?"] {
        assert_eq!(checked.err.matches(part).count(), 1, "{part}\n{}", checked.err);
    }
}

#[test]
fn a_run_that_installs_another_version_says_nothing_of_its_own() {
    let place = place(MAIN, &START.replace("  - installApp\n", "  - installApp: { version: sim-1.1 }\n"));
    let ended = place.run(&["run", "nested", "--seed", "5"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let doubt = "a step installed another version of the app (sim-1.1): which version sent what cannot be told";
    assert!(ended.out.contains(doubt), "{}", ended.out);
}
