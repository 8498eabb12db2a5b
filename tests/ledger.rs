//! The ledger of real uploads: every byte of every endpoint is in exactly one state, whatever is known of vendors. The files are
//! found through `TATTLETALE_CORPUS`.

use std::path::{Path, PathBuf};

use tattletale::{
    audit,
    model::{App, AppVersion, Ledger, Platform, Target},
    traffic::har::HarRecording,
};

#[test]
fn the_ledger_of_every_capture_of_the_corpus_adds_up() {
    let Some(files) = corpus("har") else { return };
    let mut seen = 0;
    for file in files {
        let Ok(recording) = HarRecording::open(&file, Some(target())) else { continue };
        let observations = audit::observe(&recording, &App::default()).expect("readable to its end");
        let mut whole = Ledger::default();
        for (key, facts) in &observations.endpoints {
            let place = format!("{} of {}", key.method, file.display());
            assert_eq!(facts.ledger.total(), facts.uploaded_bytes, "{place}");
            assert_eq!(facts.ledger_unaided.total(), facts.uploaded_bytes, "{place}, unaided");
            whole += facts.ledger;
        }
        let by_host: u64 = observations.coverage.hosts.values().map(|host| host.ledger.total()).sum();
        assert_eq!((by_host, observations.coverage.ledger), (whole.total(), whole), "{}", file.display());
        seen += observations.endpoints.len();
    }
    assert!(seen > 0, "the corpus holds no capture");
}

/// The files of a folder of the corpus; `None`, and a word about it, when there is none.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn corpus(folder: &str) -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("TATTLETALE_CORPUS") else {
        eprintln!("skipped: no corpus");
        return None;
    };
    let folder = std::fs::read_dir(Path::new(&root).join(folder)).expect("the corpus has this folder");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    Some(files)
}

fn target() -> Target {
    let version = AppVersion::named("1.0");
    Target { app: "app".to_owned(), platform: Platform::Android, version, scenario: "by-hand".to_owned(), claimed: true }
}
