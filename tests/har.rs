//! HAR files as other programs really write them, read by tattletale and by an independent small Python reader: method, URL,
//! header pairs and body digests of every entry must be equal. The files are found through `TATTLETALE_CORPUS`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tattletale::{
    model::{AppVersion, Body, BodyContent, Header, Platform, Recording, RunEvent, Target, text::sha256_hex},
    traffic::har::HarRecording,
};

#[test]
fn every_har_of_the_corpus_reads_as_an_independent_reader_reads_it() {
    let Some(files) = corpus() else { return };
    let mut compared = 0;
    for file in files.iter().filter(|file| !is_broken(file)) {
        let ours = read_by_us(file);
        let theirs = read_by_python(file);
        assert!(!ours.is_empty(), "{}", file.display());
        for (n, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "entry {n} of {}", file.display());
        }
        assert_eq!(ours.len(), theirs.len(), "{}", file.display());
        compared += ours.len();
    }
    assert!(compared > 0, "the corpus holds no HAR");
}

#[test]
fn the_broken_har_of_the_corpus_is_an_error_that_says_where() {
    let Some(files) = corpus() else { return };
    for file in files.iter().filter(|file| is_broken(file)) {
        let error = HarRecording::open(file, Some(target())).expect_err("it is broken").to_string();
        assert!(error.contains("line") && error.contains("column") && error.contains("0 entries"), "{error}");
    }
}

/// The HAR files of the corpus; `None`, and a word about it, when there is none.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn corpus() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("TATTLETALE_CORPUS") else {
        eprintln!("skipped: no corpus");
        return None;
    };
    let mut files: Vec<_> = std::fs::read_dir(Path::new(&root).join("har"))
        .expect("the corpus has a folder har")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "har"))
        .collect();
    files.sort();
    Some(files)
}

fn is_broken(file: &Path) -> bool {
    file.file_stem().is_some_and(|stem| stem == "broken")
}

fn read_by_us(file: &Path) -> Vec<Value> {
    let pairs = |headers: &[Header]| -> Vec<(String, String)> {
        headers.iter().map(|header| (header.name.clone(), header.value.expose().clone())).collect()
    };
    let mut entries = Vec::new();
    let recording = HarRecording::open(file, Some(target())).expect("readable");
    let mut absorb = |event: &RunEvent| {
        if let RunEvent::Exchange(exchange) = event {
            let (request, response) = (&exchange.request, exchange.response.as_ref());
            entries.push(json!({
                "method": request.method,
                "url": request.url.to_text().expose(),
                "request_headers": pairs(&request.headers),
                "response_headers": response.map(|response| pairs(&response.headers)).unwrap_or_default(),
                "request_sha256": digest(&request.body),
                "response_sha256": response.and_then(|response| response.body.sha256.clone()),
            }));
        }
    };
    recording.replay(&mut |event, _| absorb(&event.event)).expect("readable to its end");
    entries
}

/// Digest of what the file holds of a body, be it all that was sent or not.
fn digest(body: &Body) -> Option<String> {
    match &body.content {
        BodyContent::Torn(bytes) => Some(sha256_hex(bytes.expose())),
        _ => body.sha256.clone(),
    }
}

fn read_by_python(file: &Path) -> Vec<Value> {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/har_reader.py");
    let output = Command::new("python3").arg(reader).arg(file).output().expect("python3 is on the path");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON value a line")).collect()
}

fn target() -> Target {
    Target {
        app: "app".to_owned(),
        platform: Platform::Android,
        version: AppVersion::named("1.0"),
        scenario: "by-hand".to_owned(),
        claimed: true,
    }
}
