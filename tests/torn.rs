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
        let kept = ended.out.trim();
        assert_private(&torn.path().join(kept));
        let audited = torn.run(&["audit", kept]);
        assert_eq!(audited.code, Some(4), "{audited:?}");
        let all = format!("{}{}", audited.out, audited.err);
        assert!(all.contains("inconclusive") && all.contains("the recording breaks off"), "{audited:?}");
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
