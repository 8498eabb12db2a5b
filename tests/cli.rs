//! The binary as a shell sees it: each command once as it is meant, exit codes, which stream says what, and a reader that goes
//! away. What the commands do in detail is tested beside them.

mod support;

use std::process::Stdio;

use support::Place;

/// Runs a command that must end with this code, and gives both streams.
fn check(place: &Place, code: i32, line: &[&str]) -> (String, String) {
    let ended = place.run(line);
    assert_eq!(ended.code, Some(code), "{line:?}: {ended:?}");
    (ended.out, ended.err)
}

#[test]
fn help_is_an_answer_and_a_wrong_command_is_not() {
    let place = Place::empty();
    let (out, err) = check(&place, 0, &["--help"]);
    assert_eq!(err, "");
    for word in ["Exit codes:", "130", "Examples:", "check", "audit", "fields", "diff", "show", "review", "report", "import", "export"] {
        assert!(out.contains(word), "{word} is missing in:\n{out}");
    }
    for line in [&["adit"][..], &[], &["diff", "one"], &["audit"], &["captures", "purge", "--older-than", "soon"]] {
        let (out, err) = check(&place, 2, line);
        assert!(out.is_empty() && !err.is_empty(), "{line:?}");
    }
}

#[test]
fn an_empty_folder_has_nothing_and_keeps_nothing() {
    let place = Place::empty();
    for (line, want) in [
        (&["check"][..], 0),
        (&["captures", "list"], 0),
        (&["captures", "verify"], 0),
        (&["review"], 0),
        (&["run", "--dry-run"], 0),
        (&["schema", "scenario"], 0),
        (&["fields"], 2),
        (&["show", "1"], 2),
        (&["show", "T01234567"], 2),
        (&["export"], 2),
        (&["export", "nothing"], 2),
        (&["audit", "nothing.har"], 2),
        (&["audit", "."], 2),
        (&["diff", "1.0", "1.1"], 2),
        (&["import", "nothing.har"], 2),
        (&["run", "--runs", "1", "--break-proxy-after", "1"], 2),
    ] {
        let (_, err) = check(&place, want, line);
        assert_eq!(want == 2, err.contains("failed to"), "{line:?}: {err}");
    }
    assert_eq!(std::fs::read_dir(place.path()).expect("readable").count(), 0, "looking leaves nothing behind");
}

#[test]
fn a_dry_run_prints_the_plan_as_data_and_does_nothing() {
    let place = Place::empty();
    let (out, err) = check(&place, 0, &["run", "passive-sync", "--runs", "2", "--seed", "7", "--dry-run"]);
    assert_eq!(err, "");
    for word in
        ["says nothing about the real", "seed 7", "passive-sync 2 times", "sim-1.0 (embedded)", "waitForUpload: { host:", "pressKey: home"]
    {
        assert!(out.contains(word), "{word} is missing in:\n{out}");
    }
    assert!(!out.contains('#'), "comments are left out: {out}");
}

#[test]
fn a_run_tells_its_progress_on_standard_error_and_quiet_silences_it() {
    let place = Place::empty();
    let (out, err) = check(&place, 0, &["run", "first-launch", "--runs", "3", "--seed", "7", "--baseline", "sim-1.0"]);
    assert!(out.contains("VERDICT") && !out.contains("run 1 of 3"), "{out}");
    for word in ["control run, app stopped", "first-launch: run 1 of 3", "first-launch: run 3 of 3", "--seed 7"] {
        assert!(err.contains(word), "{word} is missing in:\n{err}");
    }
    let (_, err) = check(&place, 0, &["run", "first-launch", "--runs", "3", "--seed", "7", "--quiet"]);
    assert_eq!(err, "");
}

#[test]
fn every_command_on_what_was_recorded() {
    let place = Place::empty();
    let (_, err) = check(&place, 0, &["init"]);
    assert!(err.contains("next: tattletale check"), "{err}");
    let (out, _) = check(&place, 0, &["check"]);
    assert_eq!(out, "5 files are right\n");

    check(&place, 1, &["run", "passive-sync", "--app-version", "sim-1.1", "--seed", "7"]);
    let (listed, _) = check(&place, 0, &["captures", "list"]);
    assert_eq!((listed.matches("passive-sync").count(), listed.matches("control").count()), (3, 1), "{listed}");
    let (out, _) = check(&place, 0, &["captures", "verify"]);
    assert_eq!(out.matches("as written").count(), 4, "{out}");
    for line in [&["captures", "list"][..], &["show", "1"], &["export", "--output", "-"], &["fields"]] {
        let (out, _) = check(&place, 0, line);
        assert!(out.contains("stand-in app on the simulated rig: says nothing about the real"), "{line:?}: {out:.600}");
    }

    let (out, err) = check(&place, 1, &["audit", "runs"]);
    assert!(out.contains("passive-location") && !out.contains("simulated: control"), "{out}");
    assert!(err.contains("1 control run left out"), "{err}");
    let id = out.split_whitespace().find(|word| word.len() == 9 && word.starts_with('T')).expect("a finding's id");
    let (out, _) = check(&place, 0, &["show", id]);
    assert!(out.contains("The first time, in") && out.contains("shown at a terminal only"), "{out}");
    let (out, _) = check(&place, 0, &["fields"]);
    assert!(out.contains("band_data.json") && out.contains("bytes[1440]"), "{out}");
    check(&place, 0, &["report", "runs", "--format", "markdown", "--output", "report.md"]);
    assert!(std::fs::read_to_string(place.path().join("report.md")).expect("written").contains("passive-location"));

    let (out, _) = check(&place, 0, &["review", "--list"]);
    assert!(out.starts_with("mifit/simulated/passive-sync@sim-1.1"), "{out}");
    check(&place, 0, &["review", "--accept"]);
    let (out, _) = check(&place, 1, &["diff", "sim-1.0", "sim-1.1"]);
    assert!(out.contains("new-receiver") && out.contains("tracker.test"), "{out}");

    let name = listed.split_whitespace().find(|word| word.ends_with("passive-sync-1")).expect("a capture");
    check(&place, 0, &["export", name, "--output", "one.har"]);
    let exported = std::fs::read_to_string(place.path().join("one.har")).expect("written");
    let mut noted: serde_json::Value = serde_json::from_str(&exported).expect("JSON");
    let block = &mut noted["log"]["entries"][0]["_tattletale"];
    let (id, mut event) = (block["id"].to_string(), block["before"][0].clone());
    event["event"] = serde_json::json!({ "exchange-noted": { "id": block["id"], "note": "sent twice" } });
    block["before"].as_array_mut().expect("events").push(event);
    place.write("noted.har", noted.to_string());
    let (out, _) = check(&place, 0, &["show", &id, "--capture", "noted.har"]);
    assert!(out.ends_with("note: sent twice\n"), "{out}");
    let (out, _) = check(&place, 0, &["import", "one.har"]);
    let imported = out.trim();
    assert_eq!(check(&place, 0, &["diff", &format!("runs/{name}"), imported]).0.matches("No difference").count(), 1);
    check(&place, 0, &["captures", "purge", name]);
    check(&place, 0, &["captures", "verify", name]);
    check(&place, 0, &["captures", "rm", name]);
    check(&place, 2, &["captures", "rm", name]);
}

#[test]
fn captures_of_several_versions_are_audited_one_by_one() {
    let place = Place::empty();
    for version in ["sim-1.1", "sim-1.0"] {
        place.run(&["run", "passive-sync", "first-launch", "--runs", "1", "--app-version", version, "--quiet"]);
    }
    let (_, audits) = place.json(&["audit", "runs", "runs", "--format", "json"]);
    let told: Vec<String> = audits["reports"]
        .as_array()
        .expect("reports")
        .iter()
        .map(|one| format!("{} {} {}", one["target"]["version"]["name"], one["target"]["scenario"], one["coverage"]["complete_runs"]))
        .collect();
    assert_eq!(
        told,
        [
            r#""sim-1.0" "first-launch" 1"#,
            r#""sim-1.0" "passive-sync" 1"#,
            r#""sim-1.1" "first-launch" 1"#,
            r#""sim-1.1" "passive-sync" 1"#
        ],
        "by version, and a folder named twice is read once"
    );
    let (_, err) = check(&place, 2, &["audit", "runs", "--app-version", "6.14.0"]);
    assert!(err.contains("mifit sim-1.0 on simulated, passive-sync") && err.contains("--app-version"), "{err}");
}

#[test]
fn two_hars_are_compared_as_two_claimed_versions() {
    let place = Place::empty();
    let har = |path: &str| {
        format!(
            r#"{{"log":{{"version":"1.2","creator":{{"name":"test","version":"1"}},"entries":[{{"request":{{"method":"GET","url":"https://a.test{path}"}}}}]}}}}"#
        )
    };
    place.write("old.har", har("/one"));
    place.write("new.har", har("/two"));
    // One run a side: nothing can be told from chance, so every difference is told and none is passed over.
    let (out, _) = check(&place, 1, &["diff", "old.har", "new.har", "--old-version", "6.13.0", "--new-version", "6.14.0"]);
    assert!(out.contains("fewer than 3 runs"), "{out}");
    assert!(out.contains("6.13.0 on android (claimed)") && out.contains("6.14.0 on android (claimed)"), "{out}");
    assert!(out.contains("a.test/two"), "{out}");
}

#[test]
fn an_exported_run_is_never_called_clean_and_keeps_its_phases() {
    let place = Place::empty();
    place.run(&["run", "first-launch", "--runs", "3", "--seed", "7", "--quiet"]);
    let folders = captures(&place);
    for (n, folder) in folders.iter().enumerate() {
        check(&place, 0, &["export", folder, "--output", &format!("{n}.har")]);
    }
    let (ended, audits) = place.json(&["audit", "0.har", "1.har", "2.har", "--format", "json"]);
    assert_ne!(ended.code, Some(0), "an export cannot prove that it holds everything: {ended:?}");
    let report = &audits["reports"][0];
    assert_eq!((&report["target"]["claimed"], &report["coverage"]["known"]), (&true.into(), &false.into()), "{report:#}");
    assert!(report["doubts"].to_string().contains("cannot tell what it missed"), "{}", report["doubts"]);
    assert!(report["endpoints"].to_string().contains("\"launch\""), "phases are restored: {}", report["endpoints"]);
    let (_, err) = check(&place, 2, &["audit", "0.har", "--platform", "android", "--app-version", "6.14.0"]);
    assert!(err.contains("says nothing about the real"), "{err}");
}

#[test]
fn one_run_given_several_times_is_one_run() {
    let place = Place::empty();
    place.run(&["run", "first-launch", "--runs", "2", "--seed", "7", "--quiet"]);
    let folders = captures(&place);
    let one = format!("runs/{}", folders[0]);
    let copy = place.path().join("copy");
    std::fs::create_dir(&copy).expect("a folder");
    std::fs::copy(place.path().join(&one).join("events.jsonl"), copy.join("events.jsonl")).expect("copied");
    for har in ["a.har", "b.har"] {
        check(&place, 0, &["export", &folders[0], "--output", har]);
    }
    for (line, runs) in
        [(&["audit", &one, "copy", &one, "a.har"][..], 1), (&["audit", "a.har", "b.har"], 1), (&["audit", "runs", "copy"], 2)]
    {
        let (ended, audits) = place.json(&[line, &["--format", "json", "--no-snapshot"]].concat());
        let reports = audits["reports"].as_array().expect("reports");
        assert_eq!((reports.len(), &reports[0]["coverage"]["complete_runs"]), (1, &runs.into()), "{line:?}");
        assert!(ended.err.contains("is the same run as"), "{line:?}: {}", ended.err);
    }
}

#[test]
fn a_capture_that_was_changed_is_not_audited() {
    let place = Place::empty();
    place.run(&["run", "first-launch", "--runs", "1", "--seed", "7", "--quiet"]);
    let log = place.path().join("runs").join(&captures(&place)[0]).join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("text");
    let line = 1 + text.lines().position(|line| line.contains("\"method\":\"POST\"")).expect("something is posted");
    std::fs::write(&log, text.replacen("\"method\":\"POST\"", "\"method\":\"PUT\"", 1)).expect("written");
    let (out, err) = check(&place, 2, &["audit", "runs"]);
    assert!(out.is_empty() && err.contains(&format!("events.jsonl line {line}: it is not what was written")), "{err}");
}

/// Names of the captures of scenarios, in the order of their runs.
fn captures(place: &Place) -> Vec<String> {
    let (listed, _) = check(place, 0, &["captures", "list"]);
    listed.split_whitespace().filter(|word| word.contains("-sim-") && !word.contains("-control-")).map(str::to_owned).collect()
}

#[test]
fn every_schema_is_json() {
    let place = Place::empty();
    for name in ["app", "capture", "policy", "report", "rig", "scenario", "snapshot"] {
        let (ended, schema) = place.json(&["schema", name]);
        assert_eq!((ended.code, schema["type"].as_str()), (Some(0), Some("object")), "{name}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::empty();
    let mut child =
        place.command(&["schema", "scenario"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_misspelt_log_level_is_told_and_nothing_is_logged() {
    let place = Place::empty();
    let mut command = place.command(&["captures", "list"]);
    command.env("TATTLETALE_LOG", "a=b=c");
    let ended = support::finish(command);
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("TATTLETALE_LOG"), "{}", ended.err);
}

#[test]
fn a_phone_whose_traffic_cannot_be_read_ends_in_4_with_what_arrived_instead() {
    let place = Place::empty();
    for (option, reason) in [("--break-trust", "refused its certificate (UnknownCA)"), ("--break-route", "nothing of its probe arrived")] {
        let (out, err) = check(&place, 4, &["run", "passive-sync", "first-launch", "--runs", "2", "--seed", "7", option]);
        assert!(err.contains("the phone's traffic cannot be read, so nothing was run") && err.contains(reason), "{err}");
        assert!(err.contains("not made: 1 run of passive-sync, 2 runs of first-launch"), "{err}");
        let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(reason) && out.contains("VERDICT inconclusive"), "{out}");
    }
    check(&place, 2, &["run", "--break-trust", "--break-route"]);
    let (out, _) = check(&place, 0, &["captures", "list"]);
    assert_eq!(out.matches("self-check failed").count(), 2, "{out}");
}
