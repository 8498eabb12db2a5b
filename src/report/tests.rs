//! What a reader sees of one invented report, whole, in each format.

use std::collections::BTreeMap;

use jiff::civil::date;

use super::*;
use crate::model::{
    Accepted, AppVersion, Baseline, BlindSpot, BlindSpotKind, ByteRange, Category, Change, ChangeKind, Confidence, Conservation,
    ConservationRow, Coverage, Encoding, EndpointKey, EndpointRow, Evidence, ExchangeId, FieldName, FieldShape, FieldType, Finding,
    FindingId, Held, HostCoverage, Ledger, Origin, Part, Party, Platform, Quantity, Reason, Severity, Target, Verdict,
};

fn key(host: &str, path: &str) -> EndpointKey {
    EndpointKey { host: host.into(), path: path.into(), method: "GET".into(), phase: "background".into() }
}

/// Two runs in which all of a night was sent, and one in which half of it was.
fn conservation() -> Vec<Conservation> {
    let row = |quantity, held, found, not_seen, untold| ConservationRow {
        quantity,
        held,
        found,
        probably: 0,
        not_seen,
        untold,
        not_checked: 0,
        derived: Vec::new(),
        added: Vec::new(),
        in_pieces: Vec::new(),
    };
    let slept = |field: &str| format!("POST api.test/v1/data/band_data.json form data_json[].summary.slp.{field}");
    let rows = |found| {
        vec![
            row(Quantity::HeartRate, Held::Minutes { values: 1200, zeros: 0, gaps: 240 }, found, 1200 - found, 0),
            row(Quantity::ActivityKind, Held::Minutes { values: 1440, zeros: 0, gaps: 0 }, 0, 0, 1440),
            ConservationRow { derived: vec![slept("ed"), slept("st")], ..row(Quantity::Sleep, Held::InKinds, 0, 0, 0) },
            row(Quantity::Workouts, Held::NotKnown, 0, 0, 0),
            row(Quantity::Serial, Held::Values { values: 1 }, 0, 1, 0),
        ]
    };
    let note = "2 requests came before the band was read: what the band held was not looked for in them";
    vec![
        Conservation { runs: vec![1, 3], rows: rows(1200), notes: Vec::new() },
        Conservation { runs: vec![2], rows: rows(600), notes: vec![note.into()] },
    ]
}

fn report() -> Report {
    let host = |origin, exchanges, uploaded_bytes, unread_tunnels| HostCoverage {
        origin,
        exchanges,
        uploaded_bytes,
        unread_tunnels,
        ..HostCoverage::default()
    };
    let spot = |host: &str, origin, sentence: &str| BlindSpot {
        host: host.into(),
        kind: BlindSpotKind::CertificateRefused,
        endpoint: String::new(),
        origin,
        phases: BTreeMap::from([("background".to_owned(), 3)]),
        sentence: sentence.into(),
        evidence: None,
    };
    let row = |endpoint: &str, phase: &str, party, uploaded_bytes, categories: &[Category]| EndpointRow {
        endpoint: endpoint.into(),
        phase: phase.into(),
        party,
        origin: Origin::App,
        receiver: (party == Party::ThirdParty).then(|| "Invented Weather".into()),
        country: (party == Party::ThirdParty).then(|| "NL".into()),
        receiver_source: (party == Party::ThirdParty).then(|| "app.yaml".into()),
        exchanges: 3,
        uploaded_bytes,
        ledger: Ledger { named: uploaded_bytes - 100, unexplained: 100, ..Ledger::default() },
        runs: 3,
        fields: 4,
        categories: categories.to_vec(),
    };
    let weather = key("weather.test", "/v1/forecast");
    let location_key = FieldName { part: Part::Query, path: "locationKey".into() };
    let change = |kind, sentence: &str, confidence| Change {
        kind,
        endpoint: weather.clone(),
        field: None,
        before: None,
        after: None,
        sentence: sentence.into(),
        confidence,
    };
    let finding = |id: &str, rule: &str, severity, sentence: &str| Finding {
        id: FindingId(id.into()),
        rule: rule.into(),
        severity,
        endpoint: Some(weather.clone()),
        host: weather.host.clone(),
        field: Some(location_key.clone()),
        categories: [Category::PreciseLocation].into(),
        sentence: sentence.into(),
        details: vec!["5 decimal places".into()],
        distance_m: Some(4.2),
        evidence: Some(Evidence {
            run: 1,
            exchange: Some(ExchangeId(12)),
            bytes: Some(ByteRange { start: 3, end: 21, coarse: true }),
            chain: vec![Encoding::Percent],
        }),
        accepted: None,
    };
    let accepted = Accepted { finding: FindingId("T00000002".into()), reason: "known since spring".into(), expires: date(2026, 12, 31) };
    Report {
        format: crate::model::report::REPORT_FORMAT,
        tool: "0.1.0".into(),
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.1"),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        about: "Sync the band while standing still.".into(),
        disclaimer: Platform::Simulated.disclaimer().map(str::to_owned),
        rig: "simulated rig, seeds 1, 2, 3".into(),
        captures: vec!["one".into(), "two".into(), "three".into()],
        coverage: Coverage {
            hosts: BTreeMap::from([
                ("api.test".to_owned(), host(Origin::App, 9, 90_000, 0)),
                ("weather.test".to_owned(), host(Origin::App, 3, 812, 0)),
                ("pinned.test".to_owned(), host(Origin::App, 0, 0, 3)),
                ("news.test".to_owned(), host(Origin::Phone, 7, 4_321, 0)),
            ]),
            blind_spots: [
                spot("pinned.test", Origin::App, "pinned.test refused our certificate (UnknownCA)"),
                spot("mail.test", Origin::Phone, "mail.test refused our certificate (UnknownCA)"),
            ]
            .into(),
            uploaded_bytes: 90_812,
            ledger: Ledger { named: 50_000, typed: 10_000, structure: 30_000, unexplained: 812 },
            ledger_unaided: Ledger { named: 40_000, typed: 10_000, structure: 30_000, unexplained: 10_812 },
            complete_runs: 3,
            incomplete_runs: Vec::new(),
            known: true,
            first_party_exchanges: 9,
            doubts: Vec::new(),
        },
        endpoints: vec![
            row("POST api.test/v1/data/band_data.json", "sync", Party::FirstParty, 90_000, &[Category::HeartRate, Category::Steps]),
            row("GET weather.test/v1/forecast", "background", Party::ThirdParty, 812, &[Category::Location]),
        ],
        planted: vec![("band.serial".into(), "not seen in what could be read".into()), ("location".into(), "found in 3 exchanges".into())],
        conservation: conservation(),
        positions: Vec::new(),
        late_positions: Vec::new(),
        baseline: Some(Baseline { version: AppVersion::named("sim-1.0"), runs: 3, place: "embedded".into(), same_version: false }),
        changes: vec![
            change(ChangeKind::NewReceiver, "weather.test is contacted; no endpoint of the baseline talks to it", Confidence::Counts),
            change(
                ChangeKind::NewField,
                "query a|b\u{1b}[31m (text) is uploaded to GET weather.test/v1/forecast",
                Confidence::SomeRunsOnly { new: 1, new_runs: 3, old: 0, old_runs: 3 },
            ),
        ],
        findings: vec![
            finding(
                "T00000001",
                "passive-location",
                Severity::Alarm,
                "the position of background, sent in background to GET weather.test/v1/forecast as query locationKey, 4 m from where the phone was",
            ),
            Finding { accepted: Some(accepted), ..finding("T00000002", "new-receiver", Severity::Warning, "weather.test is contacted") },
        ],
        verdict: Verdict::Finding { count: 1 },
        doubts: vec!["blind spot that the baseline did not have: pinned.test refused our certificate (UnknownCA)".into()],
    }
}

fn rendered(name: &str, reports: &[Report], width: usize) -> String {
    format(name).expect("a format").render(reports, Options { width, colour: false })
}

#[test]
fn the_list_is_sorted() {
    assert!(FORMATS.is_sorted_by_key(|format| format.name()));
}

#[test]
fn the_table_in_full() {
    insta::assert_snapshot!(rendered("table", &[report()], 100));
}

#[test]
fn the_markdown_in_full() {
    insta::assert_snapshot!(rendered("markdown", &[report()], 100));
}

#[test]
fn the_json_in_full() {
    insta::assert_snapshot!(rendered("json", &[report()], 100));
}

#[test]
fn json_reads_back() {
    let text = rendered("json", &[report(), report()], 100);
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["format"], 1);
    let reports: Vec<Report> = serde_json::from_value(document["reports"].clone()).expect("reports");
    assert_eq!(reports, [report(), report()]);
}

#[test]
fn outside_text_has_no_power_and_the_disclaimer_is_in_every_format() {
    let mut report = report();
    report.endpoints[0].endpoint = "GET a.test/\u{1b}]0;x\u{7}\u{202e}<script>\n|cell".into();
    report.changes[0].sentence = report.endpoints[0].endpoint.clone();
    report.planted[0].0 = report.endpoints[0].endpoint.clone();
    for format in FORMATS {
        let text = format.render(std::slice::from_ref(&report), Options { width: 200, colour: false });
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{}", format.name());
        assert!(text.contains("says nothing about the real Mi Fit"), "{}", format.name());
        assert!(format.name() != "markdown" || !text.contains("<script>"));
        assert!(!text.contains("not sent"));
    }
}

#[test]
fn the_table_keeps_to_its_width() {
    for width in [40, 80, 100, 120, 160] {
        let text = rendered("table", &[report(), report(), report()], width);
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn several_reports_begin_with_a_line_each_and_end_with_what_they_add_up_to() {
    let clean = Report { verdict: Verdict::Clean, findings: Vec::new(), doubts: Vec::new(), changes: Vec::new(), ..report() };
    let open = Report { verdict: Verdict::Inconclusive { reasons: vec!["no run was complete".into()] }, ..clean.clone() };
    let named = |name: &str, report: &Report| {
        let mut report = report.clone();
        report.target.scenario = name.into();
        report
    };
    let lines = |reports: &[Report]| {
        let text = rendered("table", reports, 100);
        let first = text.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        (first, text.lines().last().unwrap_or_default().to_owned())
    };
    let (first, last) = lines(&[named("one", &report()), named("two", &clean), named("three", &open)]);
    assert_eq!(first[0], "mifit sim-1.1 on simulated: 3 scenarios");
    assert!(first[2].contains("says nothing about the real Mi Fit"), "{first:?}");
    assert_eq!(first[5].split_whitespace().collect::<Vec<_>>().join(" "), "one finding 2 of 3 1 alarm");
    assert_eq!(first[6].split_whitespace().collect::<Vec<_>>().join(" "), "two clean: nothing new in what could be read 2 of 3 none");
    assert_eq!(first[7].split_whitespace().collect::<Vec<_>>().join(" "), "three inconclusive 2 of 3 none");
    assert_eq!(last, "finding in one; inconclusive in three");
    assert_eq!(lines(&[named("one", &clean), named("two", &clean)]).1, "clean: nothing new in what could be read");
    assert!(!rendered("table", &[named("one", &report()), named("three", &open)], 100).to_lowercase().contains("clean"));
    assert!(!rendered("table", &[report()], 100).contains("scenarios"));
    assert!(rendered("markdown", &[report(), report()], 100).contains("# mifit sim-1.1 on simulated: 2 scenarios"));
}

#[test]
fn the_verdict_is_the_first_thing_said_of_a_scenario_and_the_last() {
    let text = rendered("table", &[report()], 100);
    assert!(text.lines().nth(3).is_some_and(|line| line == "finding: 1 alarm in what could be read: 2 of 3 hosts"), "{text}");
    assert!(text.contains("VERDICT\nfinding: 1 alarm in what could be read: 2 of 3 hosts\n"), "{text}");
}

#[test]
fn what_is_about_the_phone_alone_is_told_by_its_group() {
    let mut one = report();
    one.endpoints[0].categories = vec![Category::BandMac, Category::Locale, Category::OsVersion, Category::TimeZone];
    let text = rendered("table", &[one], 200);
    assert!(text.contains("band-mac, device\n"), "{text}");
}

/// A finding of another rule, or about another field, made from the first one of the invented report.
fn more(id: &str, rule: &str, severity: Severity, field: Option<&str>, sentence: &str) -> Finding {
    Finding {
        id: FindingId(id.into()),
        rule: rule.into(),
        severity,
        field: field.map(|path| FieldName { part: Part::Query, path: path.into() }),
        sentence: sentence.into(),
        distance_m: None,
        ..report().findings[0].clone()
    }
}

#[test]
fn what_several_rules_say_of_one_field_is_told_once_under_all_their_ids() {
    let mut report = report();
    let told = report.findings[0].sentence.clone();
    let uploaded = "query locationKey (coordinates, location) is uploaded to GET weather.test/v1/forecast";
    report.findings.truncate(1);
    report.findings.extend([
        more("T00000003", "never", Severity::Alarm, Some("locationKey"), &format!("the scenario says \"never: location\": {told}")),
        more("T00000004", "new-endpoint", Severity::Warning, None, "GET weather.test/v1/forecast is called in background"),
        more("T00000005", "new-field", Severity::Warning, Some("locationKey"), uploaded),
    ]);
    report.verdict = Verdict::Finding { count: 4 };
    for name in ["table", "markdown"] {
        let text = rendered(name, std::slice::from_ref(&report), 200);
        let rules = "query locationKey (coordinates, location): passive-location T00000001, never T00000003, new-field T00000005 (warning)";
        assert!(text.contains(rules), "{text}");
        assert_eq!(text.matches(&told).count(), 1, "{text}");
        assert_eq!(text.matches("5 decimal places").count(), 2, "once for the field, once for the call: {text}");
        assert!(text.contains("the scenario says \"never: location\"; 5 decimal places"), "{text}");
        assert!(text.contains("finding: 2 alarms, 2 warnings") && text.contains("4 findings on 2 things, the worst first:"), "{text}");
        assert!(text.find("T00000005") < text.find("T00000004"), "the worst comes first: {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&rendered("json", &[report], 100)).expect("JSON");
    assert_eq!(json["reports"][0]["findings"].as_array().map(Vec::len), Some(4));
}

#[test]
fn both_halves_of_a_position_are_one_thing() {
    let mut report = report();
    report.findings.truncate(1);
    report.findings[0].sentence = "a planted position, sent to GET weather.test/v1/forecast as query lat and query lon, 4 m off".into();
    report.findings.push(more(
        "T00000003",
        "new-field",
        Severity::Warning,
        Some("lon"),
        "query lon is uploaded to GET weather.test/v1/forecast",
    ));
    let text = rendered("table", &[report], 200);
    assert!(text.contains("passive-location T00000001, new-field T00000003 (warning)"), "{text}");
    assert!(text.contains("with query lon;"), "{text}");
}

#[test]
fn notes_are_counted_unless_they_fail_and_a_page_has_all_of_them() {
    let mut report = report();
    report.findings.truncate(1);
    let note = |number: usize| {
        let field = format!("field{number}");
        more(&format!("T1000000{number}"), "new-field", Severity::Note, Some(&field), &format!("query {field} is uploaded"))
    };
    report.findings.extend((0..8).map(note));
    let table = rendered("table", std::slice::from_ref(&report), 100);
    assert!(table.contains("8 notes, below the fail level:\n- new-field T10000000: query field0 is uploaded\n"), "{table}");
    assert!(table.contains("T10000004") && !table.contains("T10000005") && table.contains("- and 3 more\n"), "{table}");
    assert!(rendered("markdown", std::slice::from_ref(&report), 100).contains("T10000007"));
    report.verdict = Verdict::Finding { count: 9 };
    let table = rendered("table", &[report], 100);
    assert!(table.contains("T10000007") && table.contains("finding: 1 alarm, 8 notes"), "{table}");
}

#[test]
fn a_terminal_shows_the_endpoints_that_upload_most_and_a_page_all() {
    let mut report = report();
    let row = |number: u64| EndpointRow { endpoint: format!("GET api.test/{number}"), uploaded_bytes: 1000, ..report.endpoints[1].clone() };
    report.endpoints = (0..15).map(row).collect();
    let table = rendered("table", std::slice::from_ref(&report), 100);
    assert!(table.contains("GET api.test/11 ") && !table.contains("GET api.test/12 "), "{table}");
    assert!(table.contains("and 3 more endpoints, 3.0 kB\n"), "{table}");
    let page = rendered("markdown", &[report], 100);
    assert!(page.contains("GET api.test/14") && !page.contains("more endpoints"), "{page}");
}

#[test]
fn traffic_of_unknown_origin_is_marked() {
    let mut report = report();
    let words = "* from this phone while the app ran";
    assert!(!rendered("table", std::slice::from_ref(&report), 100).contains(words));
    report.endpoints[1].origin = Origin::Unknown;
    let text = rendered("table", &[report], 120);
    assert!(text.contains("GET weather.test/v1/forecast (Invented Weather, NL) *") && text.contains(words), "{text}");
}

#[test]
fn planted_values_are_told_by_what_became_of_them() {
    let mut report = report();
    let value = |name: &str, words: &str| (name.to_owned(), words.to_owned());
    report.planted = vec![
        value("a", "not checked"),
        value("b", "found in 1 exchange"),
        value("c", "not seen in what could be read"),
        value("d", "found in 12 exchanges"),
    ];
    let text = rendered("table", &[report], 100);
    let want = "- found, in so many exchanges: b×1, d×12\n- not seen in what could be read: c\n- not checked: a\n";
    assert!(text.contains(want), "{text}");
}

#[test]
fn a_change_within_one_version_came_from_elsewhere() {
    let mut report = report();
    report.baseline.as_mut().expect("a baseline").same_version = true;
    assert!(rendered("table", std::slice::from_ref(&report), 100).contains("same version, changed remotely"));
    report.changes.clear();
    assert!(!rendered("table", &[report], 100).contains("remotely"));
}

#[test]
fn fields_that_came_together_are_told_together() {
    let change = report().changes[0].clone();
    let field = |path: &str, seen| {
        let (field, endpoint) = (FieldName { part: Part::Query, path: path.into() }, key("api.test", "/v1"));
        let sentence = format!("{field} (text) at GET api.test/v1 was not seen");
        let confidence = Confidence::SomeRunsOnly { new: 0, new_runs: 3, old: seen, old_runs: 20 };
        Change { kind: ChangeKind::GoneField, field: Some(field), endpoint, sentence, confidence, ..change.clone() }
    };
    let text = changes_table(&[field("a", 1), field("b", 4)], Options { width: 120, colour: false });
    assert!(text.contains("2 fields at GET api.test/v1 were not seen: query a (text), query b (text)"), "{text}");
    assert!(text.contains("1 to 4/20") && text.contains("0/3"), "{text}");
    let mut report = report();
    report.changes = ["a", "b", "c", "d", "e", "f"].map(|path| field(path, 1)).into();
    let text = rendered("table", std::slice::from_ref(&report), 200);
    assert!(text.contains("query d (text), and 2 more (now 0 of 3 runs, before 1 of 20)"), "{text}");
    assert!(rendered("markdown", &[report], 200).contains("query f (text) (now 0 of 3 runs"));
    let text = changes_table(&[field("a", 1)], Options { width: 120, colour: false });
    assert!(text.contains("query a (text) at GET api.test/v1 was not seen"), "{text}");
}

#[test]
fn colour_adds_no_words() {
    let plain = rendered("table", &[report()], 100);
    let coloured = format("table").expect("a format").render(&[report()], Options { width: 100, colour: true });
    assert_ne!(coloured, plain);
    assert_eq!(coloured.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""), plain);
}

#[test]
fn clean_says_of_what_and_coverage_comes_first() {
    let mut report = report();
    report.verdict = Verdict::Clean;
    report.doubts.clear();
    report.changes.retain(|change| change.confidence == Confidence::Counts);
    let text = rendered("table", &[report], 100);
    assert!(text.contains("clean: nothing new in what could be read: 2 of 3 hosts; 1 finding accepted by the policy"), "{text}");
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(place("COVERAGE") < place("ENDPOINTS") && place("ENDPOINTS") < place("FINDINGS") && place("FINDINGS") < place("VERDICT"));
}

#[test]
fn an_inconclusive_report_gives_every_reason() {
    let mut report = report();
    report.findings.clear();
    report.baseline = None;
    report.changes.clear();
    report.doubts = vec!["there is no baseline to compare with".into(), "no run was complete".into()];
    report.verdict = Verdict::Inconclusive { reasons: report.doubts.clone() };
    for name in ["table", "markdown"] {
        let text = rendered(name, std::slice::from_ref(&report), 100);
        assert!(text.contains("inconclusive: 2 reasons") && text.contains("- no run was complete"), "{text}");
        assert!(text.contains("None in what could be read"), "{text}");
    }
}

#[test]
fn many_differences_in_some_runs_are_counted_in_a_report() {
    let mut report = report();
    let some = Confidence::SomeRunsOnly { new: 1, new_runs: 3, old: 0, old_runs: 3 };
    report.changes = (0..8).map(|_| Change { confidence: some, ..report.changes[0].clone() }).collect();
    let text = rendered("table", &[report], 100);
    assert!(text.contains("No change that counts.\nIn some runs only: 8 differences\n"), "{text}");
    assert!(text.contains("- and 3 more"), "{text}");
}

#[test]
fn a_comparison_shows_every_difference_receivers_first() {
    let mut changes = report().changes;
    changes[0].kind = ChangeKind::GoneEndpoint;
    let some = Confidence::SomeRunsOnly { new: 1, new_runs: 1, old: 0, old_runs: 1 };
    let receiver = Change { kind: ChangeKind::NewReceiver, confidence: some, ..changes[1].clone() };
    changes.extend(std::iter::repeat_n(receiver, 8));
    let text = changes_table(&changes, Options::default());
    assert_eq!(text.matches("new-receiver").count(), 8, "{text}");
    assert!(text.contains("to tell a change from chance: 9 differences") && text.contains("1/1"), "{text}");
    assert!(text.find("new-receiver") < text.find("new-field"), "{text}");
}

#[test]
fn fields_are_shown_with_type_encoding_and_reason_but_no_value() {
    let row = FieldRow {
        place: "POST api.test/v1/data/band_data.json (sync)".into(),
        name: FieldName { part: Part::Form, path: "data_json[].data_hr".into() },
        shape: FieldShape {
            kind: FieldType::Bytes(Some(1440)),
            categories: [Category::HeartRate].into(),
            chain: vec![Encoding::Json, Encoding::Base64],
        },
        reasons: vec![(Category::HeartRate, Reason::KnownLeaf { why: "one byte a minute".into() })],
        bytes: Some(ByteRange { start: 12, end: 1932, coarse: false }),
        unexplained: None,
        runs: None,
    };
    insta::assert_snapshot!(fields_table(&[row], Options::default()));
    assert_eq!(fields_table(&[], Options::default()), "No field was found.\n");
}

#[test]
fn clean_says_what_only_some_runs_had_and_names_what_nobody_judged() {
    let mut report = Report { verdict: Verdict::Clean, findings: Vec::new(), doubts: Vec::new(), ..report() };
    report.late_positions = vec!["the position of workout, sent in background".into()];
    let text = |report: &Report| rendered("markdown", std::slice::from_ref(report), 100);
    let change = |kind| Change {
        kind,
        confidence: Confidence::SomeRunsOnly { new: 1, new_runs: 3, old: 0, old_runs: 20 },
        ..report.changes[0].clone()
    };
    let (gone, new) = (change(ChangeKind::GoneField), change(ChangeKind::NewReceiver));
    report.changes = Vec::new();
    assert!(text(&report).contains("clean: nothing new in what could be read: ") && !text(&report).contains("beyond"), "{}", text(&report));
    report.changes = vec![gone.clone()];
    assert!(text(&report).contains(" hosts, beyond 1 difference in some runs only"), "{}", text(&report));
    report.changes = vec![gone, new];
    assert!(text(&report).contains("hosts, beyond 2 differences in some runs only"), "{}", text(&report));
    assert!(text(&report).contains("not judged: ") && text(&report).contains(": news.test"), "{}", text(&report));
    assert!(text(&report).contains("the position of workout, sent in background"), "{}", text(&report));
}
