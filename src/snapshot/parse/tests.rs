//! Reading a snapshot: what is printed reads back, nonsense is answered with its place, and no text makes the reader panic.

use super::*;
use crate::{
    model::{AppVersion, BlindSpotKind, Platform, Target},
    snapshot::{body, description, print},
};

fn header() -> SnapshotHeader {
    SnapshotHeader {
        format: SNAPSHOT_FORMAT,
        decoder: DECODER_VERSION,
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.0"),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        scenario_hash: Some("ab".repeat(32)),
        runs: 3,
        hosts_read: 2,
        hosts: 3,
        coverage_known: true,
        unread: [Unread {
            kind: BlindSpotKind::CertificateRefused,
            host: "pinned.test".into(),
            endpoint: String::new(),
            phase: "sync".into(),
            runs: 3,
        }]
        .into(),
        note: Platform::Simulated.disclaimer().map(str::to_owned),
    }
}

const BODY: &str = "\
POST api-mifit*.huami.test/v1/data/band_data.json     first-party  sync  3/3
  query t                                     timestamp-ms                      3/3
  form data_json[].data_hr                    bytes[1440]      heart-rate       3/3  json > base64
  form data_json[].summary.slp.st             timestamp-s      sleep            2/3  json > json-in-string
GET cdn.test/users/{id}                               third-party  background  1/3  unknown-origin
  path {id}                                   integer          identifier       1/3";

#[test]
fn the_layout_is_made_for_a_diff() {
    let description = serde_json::to_string(&header()).expect("a header is JSON");
    let snapshot = parse(&description, BODY).expect("the layout of the design");
    assert_eq!(snapshot.endpoints.len(), 2);
    // Sorted by host, so the order of hand-made lines does not matter to the reader.
    let (first, second) = BODY.split_at(BODY.find("GET").expect("two endpoints"));
    assert_eq!(body(&snapshot), format!("{}\n{}", first.trim_end(), second));
}

#[test]
fn one_host_has_one_party() {
    let description = serde_json::to_string(&header()).expect("a header is JSON");
    let body = "GET a.test/x  first-party  sync  3/3\nGET a.test/y  third-party  sync  3/3";
    let problem = parse(&description, body).expect_err("two parties");
    assert!(problem.line == 2 && problem.problem.contains("one party a host"), "{problem}");
}

#[test]
fn a_header_that_would_excuse_everything_is_refused() {
    let check = |change: &dyn Fn(&mut Unread), reads: bool| {
        let mut header = header();
        let mut unread = header.unread.pop_first().expect("one is there");
        change(&mut unread);
        header.unread.insert(unread);
        let description = serde_json::to_string(&header).expect("a header is JSON");
        assert_eq!(parse(&description, BODY).is_ok(), reads, "{description}");
    };
    check(&|_| {}, true);
    check(&|unread| unread.host = "api*.a.test".into(), true);
    for host in ["*", "*.test", "a.*.test", ""] {
        check(&|unread| unread.host = host.into(), false);
    }
    for runs in [0, 4] {
        check(&|unread| unread.runs = runs, false);
    }
}

#[test]
fn nonsense_is_answered_with_its_place_and_what_was_expected() {
    let description = serde_json::to_string(&header()).expect("a header is JSON");
    let check = |from: &str, to: &str, line: usize, column: usize, expected: &str| {
        assert!(BODY.contains(from), "{from}");
        let problem = parse(&description, &BODY.replacen(from, to, 1)).expect_err(to);
        assert_eq!((problem.line, problem.column), (line, column), "{problem}");
        assert!(problem.problem.contains(expected), "{problem}");
    };
    check("timestamp-ms", "timestampms ", 2, 47, "is no type");
    check("heart-rate ", "hart-rate  ", 3, 64, "expected access-token, account-id, activity-intensity");
    check("3/3  json >", "4/3  json >", 3, 81, "expected k/3");
    check("2/3", "2/5", 4, 81, "expected k/3");
    check("2/3", "0/3", 4, 81, "k from 1 to 3");
    check("json > base64", "json > base63", 3, 93, "is no encoding");
    check("  query t", "  qery t ", 2, 3, "expected path, query, header");
    check("first-party", "first party", 1, 55, "first-party, third-party or unknown-party");
    check("  sync  3/3", "  3/3", 1, 71, "the line ends; expected the number of runs");
    check("unknown-origin", "unknown", 5, 85, "expected unknown-origin");
    check("POST api", "POSTapi", 1, 1, "expected METHOD host/path");
    check("1/3  unknown-origin", "1/3  unknown-origin  x", 5, 101, "end of the line");
    check("  path {id} ", "  path \\u{zz} ", 6, 8, "expected an escape");
    check("GET cdn", "  form x  text  1/3\n  form x  text  1/3\nGET cdn", 6, 3, "twice");
    let problem = parse(&description, "  query t  text  3/3").expect_err("a field of nothing");
    assert!(problem.problem.contains("before the first field"));
    let problem = parse("{\"format\":1,", "").expect_err("half a header");
    assert_eq!(problem.line, 0);
}

#[test]
fn a_file_names_its_own_lines() {
    let snapshot = parse(&serde_json::to_string(&header()).expect("JSON"), BODY).expect("it reads");
    let text = print(&snapshot, "scenarios/mifit/passive-sync.yaml");
    assert_eq!(parse_file(&text).as_ref(), Ok(&snapshot));
    assert_eq!(parse_file(&text.replace('\n', "\r\n")).as_ref(), Ok(&snapshot));
    let bad = parse_file(&text.replace("timestamp-ms", "no-such-type")).expect_err("a bad type");
    assert_eq!(text.lines().position(|line| line.contains("timestamp-ms")).map(|index| index + 1), Some(bad.line));
    for (text, expected) in [
        ("", "expected ---"),
        ("GET a.test/x", "expected ---"),
        ("---\nsource: x\n", "at the end of the front matter"),
        ("---\nsource: x\n---\n", "expected a description"),
        ("---\ndescription: \"{\n---\n", "in double quotes"),
        ("---\ndescription: \"{}\"\n---\n", "expected the snapshot's header"),
    ] {
        let problem = parse_file(text).expect_err(text);
        assert!(problem.problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_header_of_another_format_is_refused() {
    let newer = SnapshotHeader { format: SNAPSHOT_FORMAT + 1, ..header() };
    let problem = parse(&serde_json::to_string(&newer).expect("JSON"), "").expect_err("a format of the future");
    assert!(problem.problem.contains("is not known here"));
}

#[test]
fn what_is_printed_reads_back() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let snapshot = invented(&mut random);
        let file = print(&snapshot, "scenarios/mifit/passive-sync.yaml");
        assert_eq!(parse_file(&file).as_ref(), Ok(&snapshot), "{file}");
        assert_eq!(parse(&description(&snapshot), &body(&snapshot)).as_ref(), Ok(&snapshot));
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..500 {
        let mut file: Vec<char> = print(&invented(&mut random), "x").chars().collect();
        for _ in 0..4 {
            let at = random.usize(..file.len());
            file[at] = random.choice(['\n', ' ', '"', '\\', 'é', '/', '{', '9']).unwrap_or(' ');
        }
        let _ = parse_file(&file.into_iter().collect::<String>());
    }
}

/// A snapshot of odd names.
fn invented(random: &mut fastrand::Rng) -> Snapshot {
    let mut snapshot = Snapshot { header: header(), endpoints: BTreeMap::new() };
    snapshot.header.target.version.name = odd(random);
    for _ in 0..random.usize(..5) {
        let key = EndpointKey {
            host: odd(random),
            path: if random.bool() { format!("/{}", odd(random)) } else { odd(random) },
            method: odd(random),
            phase: odd(random),
        };
        let mut endpoint = SnapshotEndpoint {
            // One host has one party.
            party: if key.host.len().is_multiple_of(2) { Party::FirstParty } else { Party::ThirdParty },
            origin: if random.bool() { Origin::App } else { Origin::Unknown },
            runs: random.u32(1..=3),
            fields: BTreeMap::new(),
        };
        for _ in 0..random.usize(..6) {
            let shape = FieldShape {
                kind: random
                    .choice([FieldType::Text, FieldType::Bytes(Some(7)), FieldType::Bytes(None), FieldType::Opaque])
                    .unwrap_or_default(),
                categories: (0..random.usize(..4)).map(|_| Category::ALL[random.usize(..Category::ALL.len())]).collect(),
                chain: (0..random.usize(..4)).map(|_| Encoding::ALL[random.usize(..Encoding::ALL.len())]).collect(),
            };
            let name = FieldName { part: Part::ALL[random.usize(..Part::ALL.len())], path: odd(random) };
            endpoint.fields.insert(name, SnapshotField { shape, runs: random.u32(1..=3) });
        }
        snapshot.endpoints.insert(key, endpoint);
    }
    snapshot
}

fn odd(random: &mut fastrand::Rng) -> String {
    const PIECES: [&str; 16] =
        ["a", "data_json[]", ".", " ", "  ", "/", "\"", "\\u{41}", "\n", "\u{1b}[31m", "猫", "{id}", "3/3", "\u{202e}", "\u{2028}", ":"];
    (0..random.usize(..7)).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
}
