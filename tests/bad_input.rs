//! What people and machines get wrong: each ends with a message that names the thing at fault, with the right exit code, and
//! what was already recorded stays readable.

mod support;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

use support::{Place, finish};

fn har(entries: &str) -> String {
    format!(r#"{{"log":{{"version":"1.2","creator":{{"name":"test","version":"1"}},"entries":[{entries}]}}}}"#)
}

fn entry(url: &str, body: &str) -> String {
    format!(
        r#"{{"startedDateTime":"2026-03-14T10:00:00Z","time":1,"request":{{"method":"POST","url":{url},"httpVersion":"HTTP/1.1","headers":[],"queryString":[],"cookies":[],"headersSize":-1,"bodySize":-1,"postData":{{"mimeType":"application/json","text":{body}}}}},"response":{{"status":200,"statusText":"","httpVersion":"HTTP/1.1","headers":[],"cookies":[],"content":{{"size":0,"mimeType":""}},"redirectURL":"","headersSize":-1,"bodySize":-1}},"cache":{{}},"timings":{{"send":0,"wait":0,"receive":0}}}}"#,
        url = serde_json::Value::from(url),
        body = serde_json::Value::from(body),
    )
}

const CLAIM: [&str; 8] = ["--app", "example", "--platform", "android", "--app-version", "1.0", "--scenario", "by-hand"];

fn audit(place: &Place, file: &str, more: &[&str]) -> support::Ended {
    place.run(&[&["audit", file], CLAIM.as_slice(), more].concat())
}

#[test]
fn every_problem_of_a_scenario_is_told_at_once_with_its_line() {
    let place = Place::empty();
    assert_eq!(place.run(&["init"]).code, Some(0));
    place.write(
        "scenarios/mifit/wrong.yaml",
        "name: wrong\napp: mifit\nabout: Three mistakes.\nruns: 3\nsteps:\n  - lanchApp\n  - waitForQuiet: { idle: 20, max: 5m }\nexpect:\n  - never: locaton\n",
    );
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for word in ["launchApp", "wrong.yaml", "6", "7", "9", "20s", "location"] {
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
    }
}

#[test]
fn a_scenario_of_an_app_that_is_not_there() {
    let place = Place::empty();
    place.write("scenarios/nobody/alone.yaml", "name: alone\napp: nobody\nsteps:\n  - launchApp\n");
    let refused = |line: &[&str]| {
        let ended = place.run(line);
        assert_eq!(ended.code, Some(2), "{line:?}: {ended:?}");
        assert!(ended.err.contains("scenarios/nobody/app.yaml is missing"), "{line:?}: {}", ended.err);
    };
    for line in [&["check"][..], &["run"], &["run", "--dry-run"], &["check", "scenarios"], &["check", "scenarios/nobody"]] {
        refused(line);
    }
    assert_eq!(place.run(&["init"]).code, Some(0));
    refused(&["check"]);
    refused(&["run"]);
}

#[test]
fn a_scenario_called_control_is_refused() {
    let place = Place::empty();
    assert_eq!(place.run(&["init"]).code, Some(0));
    place.write("scenarios/mifit/control.yaml", "name: control\napp: mifit\nsteps:\n  - launchApp\n");
    for line in [&["check"][..], &["run"], &["run", "control"]] {
        let ended = place.run(line);
        assert_eq!(ended.code, Some(2), "{line:?}: {ended:?}");
        assert!(ended.err.contains("no scenario can be called control"), "{}", ended.err);
    }
    assert_eq!(place.run(&["run", "first-launch", "--dry-run"]).code, Some(0), "others are not stopped by it");
}

#[cfg(unix)]
#[test]
fn a_rig_file_is_refused_while_others_can_read_it_and_a_real_rig_without_consent() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::empty();
    let written = |text: &str, mode: u32| {
        let path = place.write("rig.yaml", text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let check = |code: i32, word: &str| {
        for line in [&["check", "rig.yaml"][..], &["run", "--rig", "rig.yaml", "--dry-run"]] {
            let ended = place.run(line);
            assert_eq!(ended.code, Some(code), "{line:?}: {ended:?}");
            assert!(ended.err.contains(word), "{line:?}: {}", ended.err);
        }
    };
    let agreed = "phone: { kind: android }\nconsent: { owner: Quillon, date: 2026-03-14 }\n";
    for mode in [0o644, 0o640, 0o604] {
        written(agreed, mode);
        check(2, "chmod 600 rig.yaml");
    }
    written("phone: { kind: android }\n", 0o600);
    check(2, "consent");
    written("phone: { kind: simulated }\n", 0o600);
    check(0, "");
    written(agreed, 0o600);
    assert_eq!(place.run(&["check", "rig.yaml"]).code, Some(0));
    written("phone: { kind: ios }\nconsent: { owner: Quillon, date: 2026-03-14 }\n", 0o600);
    let ended = place.run(&["run", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("no iPhone is driven over a cable") && ended.err.contains("kind: manual"), "{}", ended.err);
}

#[test]
fn a_proxy_that_dies_leaves_no_verdict_but_inconclusive_and_says_what_is_missing() {
    let place = Place::empty();
    // Line 15 of the shipped scenario is pullToRefresh, whose upload is on its way when the proxy dies.
    let ended = place.run(&["run", "passive-sync", "--break-proxy-after", "15"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for word in ["an instrument failed", "is kept in runs/", "not made: 2 runs of passive-sync", "broke off"] {
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
    }
    for word in ["inconclusive", "no run was complete", "incomplete: run 1: an instrument failed"] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    assert!(place.files(".snap.new").is_empty(), "half a run is no baseline");
    let ended = place.run(&["audit", "runs"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
}

#[test]
fn a_proxy_that_dies_with_the_last_step_gives_no_complete_run() {
    let place = Place::empty();
    let last = place.run(&["run", "passive-sync", "--break-proxy-after", "9999"]);
    assert_eq!(last.code, Some(2), "a rehearsal that breaks nothing is refused: {last:?}");
    assert!(last.err.contains("no step of passive-sync begins there") && last.err.contains(", 22, 23\n"), "{}", last.err);
    let ended = place.run(&["run", "passive-sync", "--runs", "1", "--break-proxy-after", "23"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("an instrument failed") && ended.out.contains("no run was complete"), "{ended:?}");
}

#[test]
fn scenarios_that_a_failure_left_unmade_are_inconclusive_in_the_report() {
    let place = Place::empty();
    // On line 13 of each shipped scenario a step begins, and the first scenario breaks there.
    let (ended, report) = place.json(&["run", "--break-proxy-after", "13", "--format", "json"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let told: Vec<_> = report["reports"]
        .as_array()
        .expect("reports")
        .iter()
        .map(|one| {
            (
                one["target"]["scenario"].clone(),
                one["verdict"].to_string().contains("inconclusive"),
                one["doubts"].to_string().contains("no run was made"),
            )
        })
        .collect();
    assert_eq!(told.len(), 3, "{report:#}");
    assert!(told.iter().all(|(_, inconclusive, _)| *inconclusive), "{told:?}");
    assert_eq!(told.iter().filter(|(_, _, unmade)| *unmade).count(), 2, "{told:?}");
}

#[test]
fn a_rig_file_of_the_simulated_phone_gives_seed_and_address() {
    let place = Place::empty();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address");
    let rig = place.write("rig.yaml", format!("phone: {{ kind: simulated }}\nproxy: {{ listen: \"{address}\" }}\nseed: 4711\n"));
    owner_only(&rig);
    let ended = place.run(&["run", "--rig", "rig.yaml", "--dry-run"]);
    assert!(ended.code == Some(0) && ended.out.contains("seed 4711 "), "{ended:?}");
    let ended = place.run(&["run", "--rig", "rig.yaml", "--dry-run", "--seed", "5"]);
    assert!(ended.out.contains("seed 5 "), "the command line wins: {ended:?}");
    let ended = place.run(&["run", "first-launch", "--runs", "1", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains(&address.to_string()), "{}", ended.err);
}

/// What rig files must be (R18).
fn owner_only(path: &std::path::Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[test]
fn a_rig_file_that_is_not_there_is_no_silent_simulation() {
    let place = Place::empty();
    let ended = place.run(&["run", "--rig", "nowhere.yaml"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("nowhere.yaml"), "{}", ended.err);
}

#[test]
fn an_unknown_version_names_the_versions_there_are() {
    let place = Place::empty();
    let ended = place.run(&["run", "--app-version", "6.14.0"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("sim-1.0") && ended.err.contains("sim-1.2"), "{}", ended.err);
}

#[test]
fn a_truncated_har_names_the_place() {
    let place = Place::empty();
    let whole = har(&[entry("https://a.test/", "{}"), entry("https://b.test/", "{}")].join(","));
    place.write("cut.har", &whole[..whole.len() - 40]);
    let ended = audit(&place, "cut.har", &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("cut.har") && ended.err.contains("line 1"), "{}", ended.err);
}

#[test]
fn a_har_with_a_byte_order_mark_and_missing_fields_is_read() {
    let place = Place::empty();
    let bare = r#"{"request":{"method":"GET","url":"https://bare.test/path?lat=52.37403&lon=4.88969"}}"#;
    place.write("bare.har", format!("\u{feff}{}", har(bare)));
    let ended = audit(&place, "bare.har", &[]);
    assert_eq!(ended.code, Some(4), "an import is never clean: {ended:?}");
    assert!(ended.out.contains("bare.test"), "{}", ended.out);
    assert!(ended.out.contains("claimed"), "{}", ended.out);
}

#[test]
fn a_har_of_200_megabytes_is_audited_in_little_memory() {
    let place = Place::empty();
    let body = format!(r#"{{"data":"{}"}}"#, "steps and more steps, ".repeat(45_000));
    let one = entry("https://big.test/upload", &body);
    let entries = vec![one; 200].join(",");
    place.write("big.har", har(&entries));
    let (ended, peak) = support::peak_memory(place.command(&[&["audit", "big.har"], CLAIM.as_slice()].concat()));
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(peak < 200 * 1024 * 1024, "peak {} MiB", peak / 1024 / 1024);
}

#[test]
fn a_snapshot_edited_into_nonsense_names_the_line() {
    let place = Place::empty();
    assert_eq!(place.run(&["run", "passive-sync", "--app-version", "sim-1.1"]).code, Some(1));
    assert_eq!(place.run(&["review", "--accept"]).code, Some(0));
    let snapshot = place.files(".snap").pop().expect("one was accepted");
    let good = std::fs::read_to_string(&snapshot).expect("readable");
    let bad = good.replacen("3/3", "three of three", 1);
    assert_ne!(good, bad, "the fixture has a count to spoil");
    std::fs::write(&snapshot, bad).expect("writable");
    let ended = place.run(&["run", "passive-sync", "--app-version", "sim-1.1"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("passive-sync@sim-1.1.snap") && ended.err.contains("line"), "{}", ended.err);
}

#[test]
fn a_port_in_use_is_an_instrument_that_failed() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let place = Place::empty();
    let ended = place.run(&["run", "passive-sync", "--listen", &address]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains(&address) && ended.err.contains("--listen"), "{}", ended.err);
}

#[test]
fn a_full_disk_is_an_instrument_that_failed_and_the_capture_stays_readable() {
    let place = Place::empty();
    // A file-size limit stands in for a full disk: writes beyond it fail, and only this process is hurt.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 24; exec \"$0\" run passive-sync", env!("CARGO_BIN_EXE_tattletale")])
        .current_dir(place.path())
        .env_remove("CI")
        .stdin(Stdio::null());
    let ended = finish(shell);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(place.files("events.jsonl").iter().any(|log| std::fs::metadata(log).is_ok_and(|meta| meta.len() > 0)));
    let listed = place.run(&["captures", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.contains("incomplete"), "{}", listed.out);
}

#[test]
fn an_interrupted_run_leaves_a_readable_capture() {
    let place = Place::empty();
    let mut child =
        place.command(&["run", "passive-sync", "--runs", "900"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut progress = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while progress.read_line(&mut line).expect("stderr is text") > 0 && !line.contains("run 2") {
        line.clear();
    }
    let stopped = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().expect("a shell is there");
    assert!(stopped.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut progress, &mut rest).expect("stderr is text");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{rest}");
    assert_eq!(place.run(&["captures", "verify"]).code, Some(0));
    assert!(place.run(&["captures", "list"]).out.contains("interrupted"));
}

#[test]
fn names_with_escape_sequences_reach_no_terminal() {
    let place = Place::empty();
    let body = "{\"\\u001b[31mred\\u202egnp.exe\": 1234567890123}";
    place.write("odd.har", har(&entry("https://odd.test/\u{1b}]0;title\u{7}", body)));
    for args in [vec!["audit", "odd.har"], vec!["audit", "odd.har", "--format", "markdown"], vec!["diff", "odd.har", "odd.har"]] {
        let ended = place.run(&[args.as_slice(), CLAIM.as_slice()].concat());
        assert!(!ended.out.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{ended:?}");
        assert!(!ended.err.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{ended:?}");
    }
}
