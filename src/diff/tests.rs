//! What a reader of a comparison is told, and what they are spared. Snapshots are written in their own text.

use super::*;
use crate::{
    model::{
        AppVersion, BlindSpotKind, Confidence, Platform, SnapshotHeader, Target,
        snapshot::{SNAPSHOT_FORMAT, Unread},
    },
    snapshot,
};

fn header(version: &str, runs: u32) -> SnapshotHeader {
    SnapshotHeader {
        format: SNAPSHOT_FORMAT,
        decoder: 1,
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named(version),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        scenario_hash: Some("aa".into()),
        runs,
        hosts_read: 1,
        hosts: 1,
        coverage_known: true,
        unread: [].into(),
        note: None,
    }
}

/// A snapshot of three runs from its body.
fn snapshot(body: &str) -> Snapshot {
    of_runs(body, 3, &[])
}

fn of_runs(body: &str, runs: u32, unread: &[(BlindSpotKind, &str, &str)]) -> Snapshot {
    let mut header = header("sim-1.0", runs);
    let in_all = |(kind, host, endpoint): &(BlindSpotKind, &str, &str)| Unread {
        kind: *kind,
        host: (*host).to_owned(),
        endpoint: (*endpoint).to_owned(),
        phase: "sync".into(),
        runs,
    };
    header.unread = unread.iter().map(in_all).collect();
    snapshot::parse(&serde_json::to_string(&header).expect("a header is JSON"), body).expect("a snapshot")
}

/// Changes as `kind phase field`, with `?` for those in some runs only.
fn told(old: &Snapshot, new: &Snapshot, counting: Counting) -> Vec<String> {
    let comparison = compare(old, new, Options { counting }).expect("comparable");
    let words = |change: &Change| {
        let field = change.field.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let mark = if change.confidence == Confidence::Counts { "" } else { " ?" };
        format!("{} {}{}{field}{mark}", change.kind.word(), change.endpoint.phase, change.endpoint.path)
    };
    comparison.changes.iter().map(words).collect()
}

fn check(old: &str, new: &str, want: &[&str]) {
    assert_eq!(told(&snapshot(old), &snapshot(new), Counting::R7), want, "\nold:\n{old}\nnew:\n{new}");
}

const BASE: &str = "\
POST a.test/data  first-party  sync  3/3
  query t  timestamp-ms  3/3
  form body.hr  bytes[1440]  heart-rate  3/3  json > base64
  form body.name  text  3/3";

#[test]
fn the_same_snapshot_has_no_changes() {
    check(BASE, BASE, &[]);
    check("", "", &[]);
}

#[test]
fn new_things_are_told_once() {
    check(BASE, &format!("{BASE}\n  form body.x  text  3/3"), &["new-field sync/data form body.x"]);
    check(BASE, &format!("{BASE}\nGET a.test/more  first-party  sync  3/3\n  query q  text  3/3"), &["new-endpoint sync/more"]);
    // The fields of a new endpoint are told with it, those with a category once more.
    check(
        BASE,
        &format!("{BASE}\nGET t.test/x  third-party  sync  3/3\n  query q  text  3/3\n  query lat  latitude  location  3/3"),
        &["new-endpoint sync/x", "new-field sync/x query lat", "new-receiver sync/x"],
    );
    // In two phases: once, at the phase with the most runs.
    check(
        BASE,
        &format!("{BASE}\nGET a.test/more  first-party  late  2/3\nGET a.test/more  first-party  sync  3/3"),
        &["new-endpoint sync/more"],
    );
}

#[test]
fn a_known_thing_in_another_phase_is_a_new_phase() {
    check(
        BASE,
        &format!("{BASE}\nPOST a.test/data  first-party  background  3/3\n  query t  timestamp-ms  3/3"),
        &["new-phase background/data"],
    );
    let two = "\
GET a.test/x  first-party  workout  3/3
  query lat  latitude  location  3/3
GET a.test/x  first-party  background  3/3
  query id  token  3/3";
    check(two, &format!("{two}\n  query lat  latitude  location  3/3"), &["new-phase background/x query lat"]);
}

#[test]
fn gone_is_the_mirror_of_new() {
    check(&format!("{BASE}\n  form body.x  text  3/3"), BASE, &["gone-field sync/data form body.x"]);
    check(&format!("{BASE}\nGET a.test/more  first-party  sync  3/3"), BASE, &["gone-endpoint sync/more"]);
    check(&format!("{BASE}\nPOST a.test/data  first-party  late  3/3"), BASE, &["gone-endpoint late/data"]);
}

#[test]
fn a_change_counts_in_all_new_runs_and_in_none_of_three_old_ones() {
    let more = |k: u32| format!("{BASE}\n  form body.x  text  {k}/3");
    check(BASE, &more(2), &["new-field sync/data form body.x ?"]);
    check(&more(1), &more(3), &[]);
    check(&more(2), BASE, &["gone-field sync/data form body.x ?"]);
    let two_runs = of_runs("GET a.test/x  first-party  sync  2/2", 2, &[]);
    let new = snapshot("GET a.test/x  first-party  sync  3/3\n  query q  text  3/3");
    assert_eq!(told(&two_runs, &new, Counting::R7), ["new-field sync/x query q ?"]);
    assert_eq!(told(&snapshot(BASE), &snapshot(&more(1)), Counting::EveryRun), ["new-field sync/data form body.x"]);
}

#[test]
fn only_differences_worth_telling_are_changes() {
    let typed = |cells: &str| format!("GET a.test/x  first-party  sync  3/3\n  query q  {cells}");
    let changed = ["changed-field sync/x query q"];
    for (old, new, want) in [
        ("integer  3/3", "decimal  3/3", &[][..]),
        ("empty  3/3", "text  3/3", &[]),
        ("bytes[12]  3/3", "bytes  3/3", &[]),
        ("bytes[12]  3/3", "bytes[13]  3/3", &changed),
        ("text  3/3", "uuid  3/3", &changed),
        ("text  3/3", "text  location  3/3", &changed),
        ("text  3/3  json", "text  3/3  json > base64", &changed),
    ] {
        check(&typed(old), &typed(new), want);
    }
    check(&typed("text  3/3"), &typed("uuid  2/3"), &["changed-field sync/x query q ?"]);
}

#[test]
fn a_changed_field_says_what_is_different_and_nothing_else() {
    let words = |old: &str, new: &str| {
        let of = |cells: &str| snapshot(&format!("GET a.test/x  first-party  sync  3/3\n  query q  {cells}"));
        let changes = compare(&of(old), &of(new), Options::default()).expect("of one app").changes;
        changes.into_iter().map(|change| change.sentence).collect::<Vec<_>>()
    };
    assert_eq!(words("text  3/3", "uuid  3/3"), ["query q at GET a.test/x: was text, is uuid"]);
    assert_eq!(words("uuid  3/3", "uuid  identifier  3/3"), ["query q at GET a.test/x: now known as identifier"]);
    assert_eq!(words("integer  steps  3/3", "decimal  3/3"), ["query q at GET a.test/x: no longer known as steps"]);
    assert_eq!(words("text  3/3  json", "text  3/3  json > base64"), ["query q at GET a.test/x: was in json, is in json > base64"]);
}

#[test]
fn a_body_that_can_no_longer_be_read_is_told_once() {
    let dark = "POST a.test/data  first-party  sync  3/3\n  query t  timestamp-ms  3/3\n  body  opaque  3/3";
    check(BASE, dark, &["went-dark sync/data body"]);
    check(dark, dark, &[]);
    // A form field whose inside went dark.
    check(
        BASE,
        "POST a.test/data  first-party  sync  3/3\n  query t  timestamp-ms  3/3\n  form body  opaque  3/3",
        &["went-dark sync/data form body"],
    );
    // An opaque body where there was none is a new field like any other.
    check("GET a.test/x  first-party  sync  3/3", "GET a.test/x  first-party  sync  3/3\n  body  opaque  3/3", &["new-field sync/x body"]);
}

#[test]
fn what_the_baseline_could_not_read_is_never_new() {
    let dark = "POST a.test/data  first-party  sync  3/3\n  query t  timestamp-ms  3/3\n  body  opaque  3/3";
    check(dark, BASE, &["newly-readable sync/data form body.name"]);
    check(
        dark,
        &format!("{BASE}\n  query more  text  3/3"),
        &["new-field sync/data query more", "newly-readable sync/data form body.name"],
    );

    let refused = [(BlindSpotKind::CertificateRefused, "t.test", "")];
    let read = snapshot(&format!("{BASE}\nGET t.test/x  third-party  sync  3/3\n  query lat  latitude  location  3/3"));
    assert_eq!(told(&of_runs(BASE, 3, &refused), &read, Counting::R7), ["newly-readable sync/x"]);
    assert_eq!(told(&read, &of_runs(BASE, 3, &refused), Counting::R7), ["went-dark sync/x"]);
}

#[test]
fn one_run_that_could_not_be_read_hides_no_darkness_that_follows() {
    // The body was opaque in one run of the baseline, and is in all of the new ones.
    let old = format!("{BASE}\n  body  opaque  1/3");
    let dark = "POST a.test/data  first-party  sync  3/3\n  query t  timestamp-ms  3/3\n  body  opaque  3/3";
    check(&old, dark, &["went-dark sync/data body"]);
    check(&old, &old, &[]);
    // What not every old run read may be missing by chance.
    let rare = "POST a.test/data  first-party  sync  3/3\n  form x  text  2/3\n  body  opaque  1/3";
    check(rare, dark, &["new-field sync/data query t", "went-dark sync/data body ?"]);
    // Dark in one phase, read in another as ever.
    let other = |lines: &str| format!("{BASE}\nPOST a.test/data  first-party  late  3/3\n{lines}");
    let (read, unread) = (other("  form body.hr  bytes[1440]  heart-rate  3/3  json > base64"), other("  body  opaque  3/3"));
    check(&read, &unread, &["went-dark late/data body"]);
    check(&unread, &unread, &[]);

    let refused = |runs| {
        let mut snapshot = of_runs("GET t.test/x  third-party  sync  3/3", 3, &[(BlindSpotKind::CertificateRefused, "t.test", "")]);
        snapshot.header.unread = snapshot.header.unread.into_iter().map(|unread| Unread { runs, ..unread }).collect();
        snapshot
    };
    let all = of_runs("", 3, &[(BlindSpotKind::CertificateRefused, "t.test", "")]);
    assert_eq!(told(&refused(1), &all, Counting::R7), ["went-dark sync/x"]);
    assert_eq!(told(&refused(1), &refused(1), Counting::R7), [""; 0]);
}

#[test]
fn a_new_call_to_a_host_that_was_unread_in_few_runs_is_new_all_the_same() {
    let with = |runs: u32, body: &str| {
        let mut snapshot =
            of_runs(&body.replace("/3", "/20").replace("3/20", "20/20"), 20, &[(BlindSpotKind::CertificateRefused, "t.test", "")]);
        snapshot.header.unread = snapshot.header.unread.into_iter().map(|unread| Unread { runs, ..unread }).collect();
        snapshot
    };
    let old = "GET t.test/x  third-party  sync  3/3";
    let new = snapshot(&format!("{old}\nGET t.test/y  third-party  sync  3/3"));
    assert_eq!(told(&with(1, old), &new, Counting::R7), ["new-endpoint sync/y"]);
    assert_eq!(told(&with(19, old), &new, Counting::R7), ["newly-readable sync/y"]);
}

#[test]
fn one_value_where_there_were_fields_is_no_longer_readable() {
    let one = |kind: &str| format!("POST a.test/data  first-party  sync  3/3\n  query t  timestamp-ms  3/3\n  form body  {kind}  3/3");
    check(BASE, &one("token"), &["went-dark sync/data form body"]);
    check(BASE, &one("bytes"), &["went-dark sync/data form body"]);
    check(BASE, &one("opaque"), &["went-dark sync/data form body"]);
    // A number holds nothing more: the fields are gone, not hidden.
    check(
        BASE,
        &one("integer"),
        &["gone-field sync/data form body.hr", "gone-field sync/data form body.name", "new-field sync/data form body"],
    );
    // Where the fields are still there, nothing is hidden.
    check(BASE, &format!("{BASE}\n  form body  token  3/3"), &["new-field sync/data form body"]);
}

#[test]
fn a_pattern_and_its_host_are_one_host() {
    let body = "GET api*.a.test/x  first-party  sync  3/3";
    let refused = [(BlindSpotKind::CertificateRefused, "api-de.a.test", "")];
    assert_eq!(told(&snapshot(body), &of_runs("", 3, &refused), Counting::R7), ["went-dark sync/x"]);
}

#[test]
fn sentences_never_say_not_sent_nor_give_a_motive() {
    let old = snapshot(&format!("{BASE}\nGET a.test/more  first-party  sync  3/3"));
    let new = snapshot("POST a.test/data  first-party  sync  3/3\n  body  opaque  3/3");
    let comparison = compare(&old, &new, Options::default()).expect("comparable");
    for change in &comparison.changes {
        for word in ["not sent", "encrypt", "hide", "hiding"] {
            assert!(!change.sentence.contains(word), "{}", change.sentence);
        }
    }
    assert!(comparison.changes.iter().any(|change| change.sentence.contains("no longer readable")));
}

#[test]
fn other_apps_and_platforms_are_incomparable() {
    let old = snapshot(BASE);
    let mut new = snapshot(BASE);
    new.header.target.platform = Platform::Android;
    let problem = compare(&old, &new, Options::default()).expect_err("simulated and real");
    assert_eq!(problem.to_string(), "compare mifit sim-1.0 on simulated with mifit sim-1.0 on android: they are of different platforms");
    new.header.target.platform = Platform::Simulated;
    new.header.target.app = "other".into();
    assert!(compare(&old, &new, Options::default()).is_err());
}

#[test]
fn what_makes_a_comparison_doubtful_is_said() {
    let doubts = |change: &dyn Fn(&mut Snapshot)| {
        let mut old = snapshot("");
        change(&mut old);
        compare(&old, &snapshot(""), Options::default()).expect("comparable").doubts
    };
    assert!(doubts(&|_| {}).is_empty());
    assert!(doubts(&|old| old.header.scenario_hash = Some("bb".into()))[0].contains("scenario is not the one"));
    assert!(doubts(&|old| old.header.target.scenario = "workout".into())[0].contains("another scenario"));
    assert!(doubts(&|old| old.header.decoder = 0)[0].contains("decoder 0"));
    assert!(doubts(&|old| old.header.runs = 2)[0].contains("2 runs"));
    assert!(doubts(&|old| old.header.coverage_known = false)[0].contains("cannot tell what it missed"));
}

#[test]
fn ten_thousand_fields_compare() {
    let body = |from: usize| {
        let mut lines = Vec::new();
        for endpoint in from..from + 100 {
            lines.push(format!("GET a.test/{endpoint}  first-party  sync  3/3"));
            lines.extend((0..100).map(|field| format!("  query q{field}  text  3/3")));
        }
        lines.join("\n")
    };
    let changes = told(&snapshot(&body(0)), &snapshot(&body(50)), Counting::R7);
    assert_eq!(changes.len(), 100);
}
