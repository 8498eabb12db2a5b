//! Planted values against the encodings that apps put them in, as other programs write them: Python makes the requests
//! (`tests/support/matrix.py`), the binary searches them, and what it misses is named in `docs/measured/planted.md`. Values that
//! are in no request are searched for in generated bodies and in the corpus, and must not be found.

mod support;
#[path = "planted_matrix/unrelated.rs"]
mod unrelated;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use support::Place;
use tattletale::{
    decode::Observer,
    model::{
        App, AppVersion, Body, CaptureSource, Captured, Exchange, ExchangeId, Header, NoBodies, Observations, Platform, Provenance, Reason,
        Request, Response, Rig, RunEvent, Target, Url,
    },
    scenario::parse,
};
use unrelated::Unrelated;

/// Hits must be at least so many of a hundred.
const LEAST_HITS: usize = 97;

#[test]
fn planted_values_are_found_in_every_encoding_but_those_named() {
    let Some(python) = python() else { return };
    let place = Place::empty();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/matrix.py");
    let status = Command::new(python).arg("-B").arg(script).arg(place.path()).status().expect("the interpreter starts");
    assert!(status.success(), "the matrix is written");
    let text = std::fs::read_to_string(place.path().join("cases.json")).expect("the script wrote it");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let (ended, told) = place.json(&["fields", "matrix.har", "--plant", "planted.yaml", "--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    let mut found: BTreeMap<&str, Vec<Hit>> = BTreeMap::new();
    for field in told["seen"][0]["fields"].as_array().expect("fields") {
        let host = field["endpoint"]["host"].as_str().expect("a host");
        found.entry(host).or_default().extend(hits_in(field));
    }
    let (mut misses, mut strangers, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts = BTreeMap::<String, (usize, usize)>::new();
    for case in &cases {
        let text = |key: &str| case[key].as_str().expect("a text");
        let says: Vec<&str> = case["says"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let (value, encoding) = (text("value"), text("encoding"));
        let hits = found.get(text("host")).map_or(&[][..], Vec::as_slice);
        let fits = |hit: &&Hit| hit.value == value && (says.is_empty() || says.iter().any(|word| hit.words.contains(word)));
        let count = counts.entry(value.to_owned()).or_default();
        count.1 += 1;
        if hits.iter().any(|hit| fits(&hit)) {
            count.0 += 1;
        } else {
            let almost = hits.iter().find(|hit| hit.value == value).map(|hit| format!(" (found, and called: {})", hit.words));
            misses.push(format!("{value} as {encoding}{}", almost.unwrap_or_default()));
        }
        let fields: BTreeSet<&str> = hits.iter().filter(|hit| hit.value == value).map(|hit| hit.field.as_str()).collect();
        // A position may be in two fields; what was found in a leaf is not told of the layers around it too.
        let most = if value == "location" { 2 } else { 1 };
        if fields.len() > most || (fields.len() > 1 && hits.iter().any(|hit| hit.words.contains("across several values"))) {
            elsewhere.push(format!("{value} as {encoding}: {fields:?}"));
        }
        strangers.extend(
            hits.iter().filter(|hit| hit.value != value).map(|hit| format!("{} in {value} as {encoding}: {}", hit.value, hit.words)),
        );
    }
    let page = Page::of("matrix");
    page.write_if_asked(&matrix_in_words(&counts, &misses));
    let hits = cases.len() - misses.len();
    assert!(strangers.is_empty(), "values that were not sent: {strangers:#?}");
    assert!(elsewhere.is_empty(), "values in fields that they are not in: {elsewhere:#?}");
    assert!(hits * 100 >= cases.len() * LEAST_HITS, "{hits} of {} found; not: {misses:#?}", cases.len());
    assert_eq!(page.items(), misses, "docs/measured/planted.md names other misses: {REWRITE}");
}

#[test]
fn absent_values_are_not_found_in_unrelated_bodies() {
    let asked = std::env::var("TATTLETALE_ABSENT_MB").ok();
    let megabytes = match &asked {
        Some(count) => count.parse().expect("a number of megabytes"),
        // What takes a second as users run it takes a minute without optimisation.
        None if cfg!(debug_assertions) => 2,
        None => 20,
    };
    let provenance = provenance();
    let app = App::default();
    let mut unrelated = Unrelated::new(0x7a77_1e7a);
    let (mut bytes, mut requests, mut hits) = (0_u64, 0_u64, Vec::new());
    while bytes < megabytes * 1_000_000 {
        let mut observer = Observer::new(&app, &provenance);
        let until = (bytes + 5_000_000).min(megabytes * 1_000_000);
        while bytes < until {
            let (kind, body) = unrelated.body();
            bytes += body.len() as u64;
            requests += 1;
            observer.absorb(&RunEvent::Exchange(Box::new(exchange(requests, kind, body))), &NoBodies);
        }
        hits.extend(planted_in(&observer.finish()));
    }
    assert!(hits.is_empty(), "absent values found in {bytes} bytes: {hits:#?}");
    if asked.is_none() {
        // The page tells of the long run.
        return;
    }
    let sentence = format!(
        "{} MB of generated bodies in {requests} requests (JSON, forms, hex, base64, binary data, text of English words, other days' series): \
         no hit of an absent value.",
        bytes / 1_000_000
    );
    Page::of("absent").write_if_asked(&format!("{sentence}\n"));
}

#[test]
fn absent_values_are_not_found_in_the_corpus() {
    let Some(root) = corpus() else { return };
    let place = Place::empty();
    place.write("absent.yaml", absent());
    let mut read = 0;
    for (folder, body) in [("har", false), ("flows", false), ("huami", true), ("location", true)] {
        for file in files_in(&root.join(folder)) {
            let path = file.to_str().expect("a UTF-8 path");
            let line = if body { ["fields", "--body", path] } else { ["fields", path, "--quiet"] };
            let ended = place.run(&[&line[..], &["--plant", "absent.yaml", "--format", "json"]].concat());
            // What no importer reads is another test's.
            let Ok(told) = serde_json::from_str::<Value>(&ended.out) else { continue };
            read += 1;
            let fields = told["seen"].as_array().into_iter().flatten().flat_map(|seen| seen["fields"].as_array()).flatten();
            let hits: Vec<String> = fields.flat_map(hits_in).map(|hit| format!("{} ({})", hit.value, hit.words)).collect();
            let name = file.file_name().unwrap_or_default().display();
            assert!(hits.is_empty(), "absent values found in {folder}/{name}: {hits:#?}");
        }
    }
    assert!(read > 4, "the corpus holds files to read");
}

/// A planted value that was told to be in a field.
struct Hit {
    value: String,
    /// Part and path.
    field: String,
    /// Spelling and chain, lower case.
    words: String,
}

fn hits_in(field: &Value) -> Vec<Hit> {
    let chain = field["chain"].as_array().expect("a chain").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" > ");
    let reasons = field["reasons"].as_array().expect("reasons").iter().filter(|reason| reason["kind"] == "planted-value");
    reasons
        .map(|reason| Hit {
            value: reason["name"].as_str().expect("a name").to_owned(),
            field: format!("{} {}", field["part"].as_str().expect("a part"), field["path"].as_str().expect("a path")),
            words: format!("{} | {chain}", reason["spelling"].as_str().expect("a spelling")).to_lowercase(),
        })
        .collect()
}

/// Every planted value that observations tell of.
fn planted_in(observations: &Observations) -> BTreeSet<String> {
    let fields = observations.endpoints.iter().flat_map(|(key, facts)| facts.fields.iter().map(move |(name, field)| (key, name, field)));
    let told = fields.flat_map(|(key, name, field)| {
        field.reasons.iter().filter_map(move |(_, reason)| match reason {
            Reason::PlantedValue { .. } => Some(format!("{} {name}: {reason}", key.path)),
            _ => None,
        })
    });
    let counted = observations.planted.iter().filter(|(_, facts)| facts.found_in > 0);
    told.chain(counted.map(|(name, facts)| format!("{name} in {} requests", facts.found_in))).collect()
}

/// Values of the same kinds as the matrix's, short ones included, that are in nothing that is searched.
const ABSENT: &str = r#"
location: { lat: -33.61873, lon: 151.20417 }
profile: { nickname: "Zsófia Winterkühn", birth: 1971-11-23, height_cm: 171, weight_kg: 63.4 }
band:
  mac: D4:1B:E8:9A:03:F7
  serial: ZT8V3NQ6R1LB
  heart_rate: SERIES
values:
  - { name: account.uuid, kind: text, value: 3f9b7c04-81de-4a5b-b6f2-90c7d1e8a356 }
  - { name: account.email, kind: text, value: zsofia.winterkuehn@nowhere.test }
  - { name: profile.birth_year, kind: integer, value: 1971 }
  - { name: home.postcode, kind: text, value: "38127", category: location }
  - { name: home.city, kind: text, value: Kirn, category: location }
"#;

/// [`ABSENT`] with a day of heart rates that no body holds.
fn absent() -> String {
    let day = unrelated::heart_rates(&mut fastrand::Rng::with_seed(1));
    ABSENT.replace("SERIES", &day.iter().map(|rate| format!("{rate:02x}")).collect::<String>())
}

fn provenance() -> Provenance {
    let values = parse::planted("absent.yaml", &absent()).expect("a file without mistakes");
    Provenance {
        format: 1,
        tool: "test".into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "unrelated".into(),
            platform: Platform::Lab,
            version: AppVersion::named("1"),
            scenario: "unscripted".into(),
            claimed: true,
        },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Imported,
        started: jiff::Timestamp::UNIX_EPOCH,
        planted: values.into_iter().map(|held| held.value).collect(),
        expectations: Vec::new(),
        control: None,
    }
}

fn exchange(number: u64, kind: &str, body: Vec<u8>) -> Exchange {
    let path = format!("/{}", kind.rsplit('/').next().unwrap_or_default());
    let empty = Response { status: 200, http_version: String::new(), headers: Vec::new(), body: Body::default(), trailers: Vec::new() };
    Exchange {
        id: ExchangeId(number),
        phase: "unscripted".into(),
        tunnel: None,
        began: jiff::Timestamp::UNIX_EPOCH,
        ended: None,
        request: Request {
            method: "POST".into(),
            url: Url { scheme: "https".into(), host: "unrelated.test".into(), port: 443, path_and_query: Captured::new(path) },
            http_version: String::new(),
            headers: vec![Header { name: "content-type".into(), value: kind.to_owned().into() }],
            body: Body::inline(body),
            trailers: Vec::new(),
        },
        response: Some(empty),
        error: None,
    }
}

/// A section of `docs/measured/planted.md`, between two comments that bear its name.
struct Page {
    section: &'static str,
}

const REWRITE: &str = "TATTLETALE_WRITE_MEASURED=1 cargo test --release --test planted_matrix writes them anew";

impl Page {
    const fn of(section: &'static str) -> Self {
        Self { section }
    }

    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/measured/planted.md")
    }

    /// The page up to the section, the section, and the rest.
    fn parts(&self) -> (String, String, String) {
        let text = std::fs::read_to_string(Self::path()).expect("the page is there");
        let (begin, end) = (format!("<!-- {} -->\n", self.section), format!("<!-- end of {} -->", self.section));
        let (before, rest) = text.split_once(&begin).expect("the section begins");
        let (section, after) = rest.split_once(&end).expect("the section ends");
        (format!("{before}{begin}"), section.to_owned(), format!("{end}{after}"))
    }

    fn write_if_asked(&self, section: &str) {
        if std::env::var_os("TATTLETALE_WRITE_MEASURED").is_some() {
            // Two tests write one page.
            static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
            let _guard = ONE_AT_A_TIME.lock().expect("no writer panicked");
            let (before, _, after) = self.parts();
            std::fs::write(Self::path(), format!("{before}{section}{after}")).expect("the page can be written");
        }
    }

    /// The items of the section's list.
    fn items(&self) -> Vec<String> {
        self.parts().1.lines().filter_map(|line| Some(line.strip_prefix("- ")?.to_owned())).collect()
    }
}

fn matrix_in_words(counts: &BTreeMap<String, (usize, usize)>, misses: &[String]) -> String {
    let (hits, all) = counts.values().fold((0, 0), |(hits, all), count| (hits + count.0, all + count.1));
    let mut text = format!("{hits} of {all} pairs found.\n\n| value | pairs | found |\n|---|---|---|\n");
    for (value, (hits, all)) in counts {
        let _ = writeln!(text, "| `{value}` | {all} | {hits} |");
    }
    text.push_str(if misses.is_empty() { "\nNone is missed.\n" } else { "\nMissed:\n\n" });
    misses.iter().for_each(|miss| text.push_str(&format!("- {miss}\n")));
    text
}

/// A Python with the libraries that the script needs; `None`, and a word about it, when there is none.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn python() -> Option<&'static str> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/matrix.py");
    let mut lacks = "there is no python3".to_owned();
    // Debian's libraries are Debian's Python's, whichever comes first in the path.
    for name in ["python3", "/usr/bin/python3"] {
        match Command::new(name).arg("-B").arg(&script).arg("--check").output() {
            Ok(output) if output.status.success() => return Some(name),
            Ok(output) => lacks = String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            Err(_) => {}
        }
    }
    assert!(std::env::var_os("TATTLETALE_NOTHING_MISSING").is_none(), "{lacks}");
    eprintln!("skipped: {lacks}");
    None
}

/// The folder of real captures; `None`, and a word about it, when there is none.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("TATTLETALE_CORPUS").map(PathBuf::from);
    if root.is_none() {
        eprintln!("skipped: no corpus");
    }
    root
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}
