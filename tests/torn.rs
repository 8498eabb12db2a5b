//! A capture that broke off, wherever: it is read up to there, it says what it lacks, and no audit of it is ever clean.

mod support;

use std::{fs, path::Path};

use support::Place;

#[test]
fn a_log_cut_off_anywhere_is_imported_and_audited_inconclusive() {
    let place = Place::empty();
    assert_eq!(place.run(&["run", "passive-sync", "--runs", "1"]).code, Some(4), "too few runs to be clean");
    let logs = place.files("events.jsonl");
    let whole = logs.iter().map(|log| fs::read(log).expect("there")).find(|log| !contains(log, "\"scenario\":\"control\"")).expect("a run");
    let first = whole.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    for share in [0, 3, 5, 8] {
        let torn = Place::empty();
        let length = first + (whole.len() - first) * share / 10;
        torn.write("torn/events.jsonl", &whole[..length]);
        let ended = torn.run(&["import", "torn"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains("the recording breaks off"), "{ended:?}");
        // Each connection that the phone had opened by then is still open: they end with the run.
        let text = String::from_utf8_lossy(&whole[..length]).into_owned();
        let opened = text.matches("{\"tunnel-began\":").count() - text.matches("{\"tunnel\":").count();
        let open = |told: &str| told.contains("still open when the recording broke off");
        assert_eq!(open(&ended.err), opened > 0, "{opened} open: {ended:?}");
        assert!(share < 3 || opened > 0, "the run has tunnels");
        let kept = ended.out.trim();
        assert_private(&torn.path().join(kept));
        let audited = torn.run(&["audit", kept]);
        assert_eq!(audited.code, Some(4), "{audited:?}");
        let all = format!("{}{}", audited.out, audited.err);
        assert!(all.contains("inconclusive") && all.contains("the recording breaks off"), "{audited:?}");
        assert_eq!(open(&all), opened > 0, "{opened} open: {audited:?}");
        // The file as it is can be audited without having been imported, and says the same.
        assert_eq!(torn.run(&["audit", "torn"]).code, Some(4));
    }
    // Not even one whole line: nothing says whose capture it was.
    let nothing = Place::empty();
    nothing.write("torn/events.jsonl", &whole[..first / 2]);
    for command in ["import", "audit"] {
        let ended = nothing.run(&[command, "torn"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("its log is empty: the run ended before it began"), "{ended:?}");
    }
}

#[test]
fn a_log_under_any_name_is_imported_with_the_bodies_beside_it_and_audited() {
    let place = Place::empty();
    assert_eq!(place.run(&["run", "passive-sync", "--runs", "1"]).code, Some(4), "too few runs to be clean");
    let log = |path: &&std::path::PathBuf| !contains(&fs::read(path).expect("there"), "\"scenario\":\"control\"");
    let logs = place.files("events.jsonl");
    let log = fs::read(logs.iter().find(log).expect("a run")).expect("there");
    for name in ["sent-by-a-friend.txt", "log.har", "copy.jsonl"] {
        let other = Place::empty();
        other.write(name, &log);
        let ended = other.run(&["import", name]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains("is the log of a capture"), "{ended:?}");
        let kept = other.path().join(ended.out.trim());
        assert_eq!(fs::read(kept.join("events.jsonl")).expect("there"), log);
        assert_private(&kept);
        let (audited, again) = (other.run(&["audit", name]), other.run(&["audit", ended.out.trim()]));
        // Only the name of what was audited is another.
        let said = |out: &str| out.lines().filter(|line| !line.starts_with("Captures: ")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((audited.code, said(&audited.out)), (again.code, said(&again.out)));
        // Half a log under another name is read up to there as well.
        other.write("half", &log[..log.len() / 2]);
        let ended = other.run(&["import", "half"]);
        assert!(ended.code == Some(0) && ended.err.contains("the recording breaks off"), "{ended:?}");
    }
    // What only looks a little like one is still refused.
    let place = Place::empty();
    for text in ["{\"n\":1,\"at\":\"now\"}\n", "{\"n\":1}\n{\"event\":{\"run-started\":{\"format\":1}}}\n"] {
        place.write("lines.jsonl", text);
        let ended = place.run(&["import", "lines.jsonl"]);
        assert!(ended.code == Some(2) && ended.err.contains("failed to read lines.jsonl: not "), "{ended:?}");
    }
}

#[test]
fn a_log_of_the_first_format_is_read_and_torn_says_that_it_knows_no_tunnels() {
    let log = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/capture-1.jsonl")).expect("there");
    for (lines, whole) in [(usize::MAX, true), (17, false)] {
        let place = Place::empty();
        let text: String = log.split_inclusive('\n').take(lines).collect();
        place.write("old/events.jsonl", &text);
        let ended = place.run(&["import", "old"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.err.contains("which tunnels were open then is not known"), !whole, "{ended:?}");
        let fields = place.run(&["fields", ended.out.trim()]);
        assert!(fields.code == Some(0) && fields.out.contains("weather-widget.test"), "{fields:?}");
        let kept = fs::read_to_string(place.path().join(ended.out.trim()).join("events.jsonl")).expect("there");
        assert_eq!(kept, text, "its lines stay as they were");
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

#[cfg(unix)]
fn assert_private(capture: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for (path, mode) in [(capture.to_owned(), 0o700), (capture.join("events.jsonl"), 0o600), (capture.join("bodies"), 0o700)] {
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[cfg(not(unix))]
fn assert_private(_capture: &Path) {}
