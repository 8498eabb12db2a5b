//! The ledger of real uploads: every byte of every endpoint is in exactly one state, whatever is known of vendors. The files are
//! found through `TATTLETALE_CORPUS`.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tattletale::{
    audit,
    model::{App, AppVersion, Ledger, Observations, Platform, Target},
    traffic::import::ImportedFile,
};

#[test]
fn the_ledger_of_every_capture_of_the_corpus_adds_up() {
    let (Some(mut files), Some(flows)) = (corpus("har"), corpus("flows")) else { return };
    files.extend(flows);
    let mut seen = 0;
    for file in files {
        let opened = ImportedFile::open(&file, Some(target()));
        let broken = file.file_stem().is_some_and(|stem| stem == "broken");
        assert_eq!(opened.is_err(), broken, "{}: {:?}", file.display(), opened.err());
        let Ok(recording) = ImportedFile::open(&file, Some(target())) else { continue };
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

#[test]
fn what_is_known_of_the_vendor_names_most_of_a_real_day_and_random_bytes_are_named_by_nobody() {
    let Some(files) = corpus("huami") else { return };
    let value = std::fs::read_to_string(&files[0]).expect("readable");
    let day = of_one_upload(value.trim_end());
    tell("the real day", &day);
    let (known, unaided) = (day.coverage.ledger, day.coverage.ledger_unaided);
    let whole = day.coverage.uploaded_bytes;
    assert!(known.named * 100 > whole * 80 && known.unexplained == 0, "{known:?}");
    // `data[].value` means nothing to who does not know the vendor: 4,320 bytes in 5,760 characters, and what escapes add.
    assert!(unaided.unexplained > 5_760 && unaided.named < known.named, "{unaided:?}");

    let decoded = percent_encoding::percent_decode_str(value.trim_end()).decode_utf8().expect("a form value is UTF-8");
    let mut document: serde_json::Value = serde_json::from_str(&decoded).expect("JSON");
    let mut random = fastrand::Rng::with_seed(4320);
    let noise: Vec<u8> = (0..4320).map(|_| random.u8(..)).collect();
    document[0]["data"][0]["value"] = STANDARD.encode(noise).into();
    let text = percent_encoding::utf8_percent_encode(&document.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let noisy = of_one_upload(&text);
    tell("with random bytes in place of value", &noisy);
    assert!(noisy.coverage.ledger.unexplained > 5_760, "an adapter's word is no proof: {:?}", noisy.coverage.ledger);
}

/// What is seen of one upload whose `data_json` is this form value.
fn of_one_upload(value: &str) -> Observations {
    let text = format!("userid=1000000001&data_json={value}");
    let har = json!({ "log": { "version": "1.2", "creator": { "name": "test", "version": "1" }, "entries": [{
        "startedDateTime": "2026-03-14T08:00:00Z", "time": 1,
        "request": { "method": "POST", "url": "https://api-mifit-de.huami.com/v1/data/band_data.json", "httpVersion": "HTTP/1.1",
            "headers": [], "queryString": [], "cookies": [], "headersSize": -1, "bodySize": text.len(),
            "postData": { "mimeType": "application/x-www-form-urlencoded", "text": text } },
        "response": { "status": 200, "statusText": "", "httpVersion": "HTTP/1.1", "headers": [], "cookies": [], "redirectURL": "",
            "headersSize": -1, "bodySize": 0, "content": { "size": 0, "mimeType": "" } },
        "cache": {}, "timings": { "send": 0, "wait": 0, "receive": 0 } }] } });
    let recording = ImportedFile::of_bytes("day.har", har.to_string().into_bytes(), Some(target())).expect("a HAR");
    audit::observe(&recording, &App::default()).expect("readable")
}

/// Numbers of bytes, no values.
#[allow(clippy::print_stderr, reason = "a ledger is what this test shows")]
fn tell(what: &str, seen: &Observations) {
    for (how, Ledger { named, typed, structure, unexplained }) in [("", seen.coverage.ledger), (", unaided", seen.coverage.ledger_unaided)]
    {
        eprintln!("{what}{how}: named {named}, typed {typed}, structure {structure}, unexplained {unexplained}");
    }
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
