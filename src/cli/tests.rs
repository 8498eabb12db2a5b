//! Commands on one invented HAR, from reading it to publishing what it says.

use std::{fs, path::Path};

use clap::CommandFactory as _;

use super::{surroundings::testing::command, *};

/// Values that were captured, and must be shown to nobody but a person at a terminal.
const VALUES: [&str; 3] = ["7f000001c0ffee42", "Quillon-Zweig", "6178291"];

/// A HAR as another program writes it: a form post to the app's own host, and a GET elsewhere.
fn har(folder: &Path) -> String {
    let [id, name, number] = VALUES;
    let request = |method: &str, url: &str, post: &str| {
        format!(
            r#"{{"startedDateTime":"2026-03-01T10:00:00.000Z","time":12,
            "request":{{"method":"{method}","url":"{url}","httpVersion":"HTTP/1.1","cookies":[],"queryString":[],"headersSize":-1,"bodySize":-1,
            "headers":[{{"name":"Content-Type","value":"application/x-www-form-urlencoded"}},{{"name":"apptoken","value":"{id}"}}]{post}}},
            "response":{{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","cookies":[],"headers":[],"redirectURL":"","headersSize":-1,
            "bodySize":2,"content":{{"size":2,"mimeType":"application/json","text":"{{}}"}}}},"cache":{{}},"timings":{{"send":1,"wait":1,"receive":1}}}}"#
        )
    };
    let post = format!(r#","postData":{{"mimeType":"application/x-www-form-urlencoded","text":"nickname={name}&userid={number}"}}"#);
    let entries = [
        request("POST", "https://api-mifit-de.huami.test/v1/data/band_data.json?t=1772359200000", &post),
        request("GET", &format!("https://cdn.test/users/{number}/picture.png"), ""),
    ];
    let text = format!(r#"{{"log":{{"version":"1.2","creator":{{"name":"invented","version":"1"}},"entries":[{}]}}}}"#, entries.join(","));
    fs::write(folder.join("phone.har"), &text).expect("written");
    text
}

/// No captured value stands in a text.
fn holds_no_value(text: &str) {
    for value in VALUES {
        assert!(!text.contains(value), "{value} stands in:\n{text}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn a_har_is_audited_as_claimed_and_never_called_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    har(folder.path());
    let run = |line: &[&str]| command(folder.path(), line, |_| ());
    let claims = ["--app", "mifit", "--app-version", "6.14.0", "--scenario", "passive-sync"];
    let (exit, out, err) = run(&[&["audit", "phone.har"], &claims[..]].concat());
    assert_eq!(exit, Exit::Inconclusive, "{err}");
    assert!(out.contains("(claimed)") && out.contains("first-party"), "{out}");
    holds_no_value(&(out + &err));
    assert!(err.contains("snapshots/mifit/android/passive-sync@6.14.0.snap.new"), "{err}");
    assert_eq!(run(&["review", "--accept"]).0, Exit::Clean);
    let (exit, out, _) = run(&[&["audit", "phone.har"], &claims[..]].concat());
    assert_eq!(exit, Exit::Inconclusive, "an import does not know what it missed: {out}");
    assert_eq!(run(&["review", "--list"]).1, "", "nothing changed, so nothing waits");
}

#[test]
fn a_report_does_not_depend_on_the_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = har(folder.path());
    let files: Vec<String> = (0..7).map(|run| format!("{run}.har")).collect();
    for (run, file) in files.iter().enumerate() {
        // No two runs are alike: another field, other values, another host.
        let text = text.replace("nickname", &format!("nickname{}", run % 3)).replace(VALUES[2], &format!("617828{run}"));
        fs::write(folder.path().join(file), text.replace("cdn.test", &format!("cdn{}.test", run % 2))).expect("written");
    }
    let line: Vec<&str> = ["audit", "--app", "mifit", "--format", "json"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let reports = [1, 2, 7].map(|workers| command(folder.path(), &line, |surroundings| surroundings.workers = workers).1);
    assert!(reports[0].contains(r#""complete_runs": 7"#), "{}", reports[0]);
    assert!(reports.iter().all(|report| *report == reports[0]), "1, 2 and 7 workers say the same");
}

#[test]
fn looking_writes_no_snapshot() {
    let folder = tempfile::tempdir().expect("a folder");
    har(folder.path());
    for line in [&["audit", "phone.har", "--app-version", "1", "--no-snapshot"][..], &["audit", "phone.har"], &["fields", "phone.har"]] {
        command(folder.path(), line, |_| ());
        assert!(!folder.path().join("snapshots").exists(), "{line:?}");
    }
}

#[test]
fn a_har_that_is_cut_off_ends_in_2_and_names_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = har(folder.path());
    for end in [1, text.len() / 2, text.len() - 1] {
        fs::write(folder.path().join("phone.har"), &text[..end]).expect("written");
        let (exit, out, err) = command(folder.path(), &["audit", "phone.har"], |_| ());
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{end}");
        assert!(err.contains("phone.har") && err.contains("line"), "{err}");
        holds_no_value(&err);
    }
}

#[test]
fn a_capture_goes_out_and_comes_back_the_same() {
    use crate::{model::Recording as _, store::CaptureReader};
    let folder = tempfile::tempdir().expect("a folder");
    har(folder.path());
    let run = |line: &[&str]| command(folder.path(), line, |_| ());
    let (exit, first, err) = run(&["import", "phone.har", "--app", "mifit", "--app-version", "6.14.0"]);
    assert_eq!(exit, Exit::Clean, "{err}");
    assert!(err.contains("imported 2 exchanges"), "{err}");
    assert_eq!(run(&["export", first.trim(), "--output", "again.har"]).0, Exit::Clean);
    assert_eq!(run(&["export", first.trim(), "--output", "again.har"]).0, Exit::Usage, "a file that is there is never overwritten");
    let (exit, second, err) = run(&["import", "again.har"]);
    assert_eq!(exit, Exit::Clean, "{err}");
    let events = |name: &str| {
        let mut events = Vec::new();
        let reader = CaptureReader::open(&folder.path().join(name.trim())).expect("a capture");
        reader.replay(&mut |event, _| events.push(event.clone())).expect("readable");
        events
    };
    assert_ne!(first, second);
    assert_eq!(events(&first), events(&second));
    assert_eq!(run(&["captures", "verify"]).0, Exit::Clean);
    let (_, out, err) = run(&["fields", "runs"]);
    assert!(out.contains("form nickname") && out.contains("1/1"), "the same again is no second run: {out}");
    assert!(err.contains("is the same run as"), "{err}");
    holds_no_value(&out);
}

#[test]
fn values_are_shown_at_a_terminal_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    har(folder.path());
    let show =
        |terminal| command(folder.path(), &["show", "#1", "--capture", "phone.har"], |surroundings| surroundings.terminal = terminal);
    let (exit, out, err) = show(false);
    assert_eq!(exit, Exit::Clean, "{err}");
    assert!(out.contains("Captured values are shown at a terminal only") && out.contains("form nickname"), "{out}");
    holds_no_value(&out);
    let (_, out, _) = show(true);
    for value in VALUES {
        assert!(out.contains(value), "{value} is missing in:\n{out}");
    }
    let (exit, _, err) = command(folder.path(), &["show", "9", "--capture", "phone.har"], |_| ());
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("find exchange #9"), "{err}");
}

#[test]
fn a_report_is_written_in_every_format_without_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    har(folder.path());
    for format in crate::report::FORMATS {
        let line = ["report", "phone.har", "--app", "mifit", "--format", format.name(), "--output", "report.txt"];
        let (exit, out, err) = command(folder.path(), &line, |_| ());
        assert_eq!((exit, out.as_str()), (Exit::Clean, ""), "{err}");
        let text = fs::read_to_string(folder.path().join("report.txt")).expect("written");
        assert!(text.contains("mifit") && text.contains("unscripted"), "{text}");
        holds_no_value(&text);
    }
}

#[test]
fn one_body_is_taken_apart_without_showing_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("body"), "nickname=Quillon-Zweig&summary=%7B%22slp%22%3A%7B%22st%22%3A1772359200%7D%7D").expect("written");
    let (exit, out, err) = command(folder.path(), &["fields", "--body", "body"], |_| ());
    assert_eq!(exit, Exit::Clean, "{err}");
    assert!(out.contains("nickname") && out.contains("summary.slp.st") && out.contains("timestamp-s"), "{out}");
    holds_no_value(&out);
    assert!(!out.contains("1772359200"), "{out}");
    assert_eq!(command(folder.path(), &["fields", "--body", "nothing"], |_| ()).0, Exit::Usage);
}
