//! The main job as a newcomer does it: one command on the simulated rig, at each version of the stand-in app.

mod support;

use serde_json::Value;
use support::Place;

const DISCLAIMER: &str = "stand-in app on the simulated rig: says nothing about the real Mi Fit";

fn findings(report: &Value) -> Vec<&Value> {
    report["reports"].as_array().expect("a list of reports").iter().flat_map(|one| one["findings"].as_array().expect("findings")).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn the_baseline_version_is_clean_and_coverage_comes_first() {
    let place = Place::empty();
    let ended = place.run(&["run"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains(DISCLAIMER), "{}", ended.out);
    for scenario in ["first-launch", "passive-sync", "workout"] {
        assert!(ended.out.contains(scenario), "{scenario}: {}", ended.out);
    }
    assert!(ended.out.contains("nothing new in what could be read"), "{}", ended.out);
    let coverage = ended.out.to_lowercase().find("coverage").expect("coverage is printed");
    let endpoints = ended.out.to_lowercase().find("endpoint").expect("endpoints are printed");
    assert!(coverage < endpoints, "coverage comes first: {}", ended.out);
    assert!(ended.out.contains("seed") || ended.err.contains("seed"), "the seed is printed: {ended:?}");
}

#[test]
fn one_request_uploads_most_of_it() {
    let place = Place::empty();
    let (ended, report) = place.json(&["run", "passive-sync", "--format", "json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let first = &report["reports"][0]["endpoints"][0];
    assert!(text(first, "endpoint").ends_with("/v1/data/band_data.json"), "{first}");
    assert!(report["reports"][0]["coverage"].is_object());
}

#[test]
fn a_passive_position_and_a_new_receiver_are_named() {
    let place = Place::empty();
    let (ended, report) = place.json(&["run", "--app-version", "sim-1.1", "--format", "json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let findings = findings(&report);

    let passive: Vec<&&Value> = findings.iter().filter(|finding| text(finding, "rule") == "passive-location").collect();
    let weather = passive.iter().find(|finding| text(finding, "sentence").contains("locationKey")).expect("the weather request is flagged");
    assert_eq!(weather["endpoint"]["phase"], "background", "{weather}");
    assert!(text(&weather["endpoint"], "path").contains("/weather/v2/forecast"), "{weather}");
    assert!(weather["distance_m"].as_f64().expect("a distance") < 200.0, "{weather}");
    assert!(
        passive.iter().any(|finding| text(finding, "sentence").contains("summary.location")),
        "the day's summary is flagged: {passive:#?}"
    );
    assert!(findings.iter().any(|finding| text(finding, "rule") == "new-receiver" && text(finding, "host") == "tracker.test"));

    for finding in &findings {
        let sentence = finding.to_string();
        assert!(!sentence.contains("longitude_latitude"), "the workout's track is expected: {sentence}");
        assert!(!sentence.contains("weather-widget.test") && !sentence.contains("news.test"), "another app's traffic: {sentence}");
    }

    let table = place.run(&["run", "passive-sync", "--app-version", "sim-1.1"]);
    assert_eq!(table.code, Some(1));
    for word in ["passive-location", "/weather/v2/forecast", "locationKey", "background", "tracker.test", DISCLAIMER, " m"] {
        assert!(table.out.contains(word), "{word} is in the table:\n{}", table.out);
    }
}

#[test]
fn a_body_that_went_dark_is_never_clean() {
    let place = Place::empty();
    let (ended, report) = place.json(&["run", "passive-sync", "--app-version", "sim-1.2", "--format", "json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let dark = findings(&report)
        .into_iter()
        .any(|finding| text(finding, "rule") == "went-dark" && text(&finding["endpoint"], "path").contains("band_data.json"));
    assert!(dark, "{report:#}");
    let spots = report["reports"][0]["coverage"]["blind_spots"].as_array().expect("blind spots").clone();
    assert!(spots.iter().any(|spot| text(spot, "kind") == "certificate-refused"), "{spots:#?}");

    let table = place.run(&["run", "passive-sync", "--app-version", "sim-1.2"]);
    assert_eq!(table.code, Some(1));
    assert!(!table.out.to_lowercase().contains("clean"), "{}", table.out);
    assert!(table.out.contains("no longer readable"), "{}", table.out);
}

#[test]
fn accepting_a_snapshot_accepts_changes_but_never_a_passive_position() {
    let place = Place::empty();
    let run = || place.json(&["run", "passive-sync", "--app-version", "sim-1.1", "--seed", "21", "--format", "json"]);
    assert_eq!(run().0.code, Some(1));
    assert_eq!(place.files(".snap.new").len(), 1, "a pending snapshot waits for review");

    let accepted = place.run(&["review", "--accept"]);
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert!(place.files(".snap.new").is_empty());

    let (ended, report) = run();
    assert_eq!(ended.code, Some(1), "the position is still there: {ended:?}");
    assert_eq!(report["reports"][0]["changes"].as_array().map(Vec::len), Some(0), "{}", report["reports"][0]["changes"]);

    let policy = |expires: &str| {
        let entries: String = findings(&report)
            .iter()
            .map(|finding| format!("  - finding: {}\n    reason: agreed with the maker\n    expires: {expires}\n", text(finding, "id")))
            .collect();
        format!("accepted:\n{entries}")
    };
    place.write("policy.yaml", policy("2999-01-01"));
    // The same seed again: against a baseline of three runs, another seed's noise may count.
    let ended = place.run(&["run", "passive-sync", "--app-version", "sim-1.1", "--seed", "21"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("agreed with the maker"), "the entry is printed: {}", ended.out);

    place.write("policy.yaml", policy("2020-01-01"));
    assert_eq!(run().0.code, Some(1), "an expired entry accepts nothing");
}

#[test]
fn ci_never_writes_an_accepted_snapshot() {
    let place = Place::empty();
    let in_ci = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("CI", "true");
        support::finish(command)
    };
    assert_eq!(in_ci(&["run", "passive-sync", "--app-version", "sim-1.1"]).code, Some(1));
    let ended = in_ci(&["review", "--accept"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(place.files(".snap").is_empty(), "{:?}", place.files(".snap"));
}

#[test]
fn a_seed_repeats_a_run() {
    let uploads = |seed: &str| {
        let place = Place::empty();
        let (_, report) = place.json(&["run", "passive-sync", "--seed", seed, "--format", "json"]);
        report["reports"][0]["endpoints"].clone()
    };
    assert_eq!(uploads("7"), uploads("7"));
    assert_ne!(uploads("7"), uploads("8"), "noise differs between seeds");
}
