//! The verdict: clean only when everything that could be new could be seen.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::date};

use super::*;
use crate::model::{
    Accepted, AppVersion, BlindSpot, BlindSpotKind, CaptureSource, Category, Certainty, Confidence, EndpointFacts, EndpointKey, Evidence,
    FieldName, HostCoverage, Part, Platform, PositionSighting, observation::PlantedFacts,
};

fn key(host: &str, phase: &str) -> EndpointKey {
    EndpointKey { host: host.into(), path: "/v1".into(), method: "POST".into(), phase: phase.into() }
}

fn host(origin: Origin, exchanges: u64, unread_tunnels: u64) -> HostCoverage {
    HostCoverage { origin, exchanges, uploaded_bytes: 100, unread_tunnels, ..HostCoverage::default() }
}

/// Three complete runs of an app that talks to one host.
fn quiet() -> Observations {
    let mut observations = Observations { runs: 3, phases: vec![("sync".into(), BTreeSet::new())], ..Observations::default() };
    let facts = EndpointFacts { origin: Origin::App, runs: 3, exchanges: 3, uploaded_bytes: 300, ..EndpointFacts::default() };
    observations.endpoints.insert(key("api.test", "sync"), facts);
    observations.coverage.hosts = BTreeMap::from([("api.test".to_owned(), host(Origin::App, 3, 0))]);
    observations.coverage.complete_runs = 3;
    observations.coverage.known = true;
    observations.coverage.first_party_exchanges = 3;
    observations
}

fn pinned(host: &str, origin: Origin) -> BlindSpot {
    BlindSpot {
        host: host.into(),
        kind: BlindSpotKind::CertificateRefused,
        endpoint: String::new(),
        origin,
        phases: [("sync".to_owned(), 3)].into(),
        sentence: format!("{host} refused our certificate"),
        evidence: None,
    }
}

fn sighting() -> PositionSighting {
    PositionSighting {
        certainty: Certainty::Certain,
        endpoint: key("api.test", "sync"),
        field: FieldName { part: Part::Query, path: "at".into() },
        companion: None,
        origin: Origin::App,
        held_in: ["sync".to_owned()].into(),
        distance_m: 3.0,
        how: "decimal degrees, 5 decimals".into(),
        precision_m: 1.11,
        runs: 3,
        evidence: Evidence { run: 1, exchange: None, bytes: None, chain: Vec::new() },
    }
}

fn subject() -> Subject {
    Subject {
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.0"),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        scenario_hash: Some("aa".into()),
        captures: vec!["one".into(), "two".into(), "three".into()],
        planned: 3,
        rig: "simulated rig, seed 1".into(),
        expectations: vec![Expectation::NeverCategory(Category::Location)],
    }
}

fn accepted(observations: &Observations) -> Snapshot {
    snapshot::from_observations(observations, &subject().target, Some("aa"))
}

/// The verdict's kind as a report says it.
fn verdict(audit: &Audit) -> &'static str {
    match audit.report.verdict {
        Verdict::Clean => "clean",
        Verdict::Finding { .. } => "finding",
        Verdict::Inconclusive { .. } => "inconclusive",
    }
}

fn audit_with(observations: &Observations, baseline: Option<&Snapshot>, policy: &Policy) -> Audit {
    audit(&AuditInput {
        observations,
        subject: &subject(),
        about: "",
        baseline: baseline.map(|snapshot| (snapshot, "embedded")),
        policy,
        today: date(2026, 6, 1),
        counting: Counting::R7,
        tool: "0.1.0",
    })
}

fn judged(observations: &Observations, baseline: Option<&Snapshot>) -> Audit {
    audit_with(observations, baseline, &Policy::default())
}

/// Audits a changed world against the quiet one: verdict, and a word of one of the reasons.
fn check(change: impl FnOnce(&mut Observations), want: &str, reason: &str) {
    let baseline = accepted(&quiet());
    let mut observations = quiet();
    change(&mut observations);
    let audit = judged(&observations, Some(&baseline));
    assert_eq!(verdict(&audit), want, "{reason}: {:?}", audit.report.verdict);
    assert!(reason.is_empty() || audit.report.doubts.iter().any(|doubt| doubt.contains(reason)), "{reason}: {:?}", audit.report.doubts);
    assert_eq!(reason.is_empty(), audit.report.doubts.is_empty(), "{:?}", audit.report.doubts);
}

#[test]
fn nothing_new_is_clean_and_leaves_nothing_to_review() {
    check(|_| {}, "clean", "");
    let audit = judged(&quiet(), Some(&accepted(&quiet())));
    assert!(!audit.pending);
    assert!(audit.report.baseline.is_some_and(|baseline| baseline.same_version));
    assert!(audit.report.disclaimer.is_some_and(|words| words.contains("stand-in app")));
}

#[test]
fn what_cannot_be_answered_is_inconclusive_and_says_why() {
    check(|o| o.coverage.first_party_exchanges = 0, "inconclusive", "own hosts");
    check(|o| o.coverage.known = false, "inconclusive", "cannot tell what it missed");
    check(|o| o.coverage.incomplete_runs.push("two: a person stopped it".into()), "inconclusive", "two: a person stopped it");
    check(
        |o| _ = o.coverage.blind_spots.insert(pinned("who.test", Origin::Unknown)),
        "inconclusive",
        "did not have, certificate-refused at who.test: who.test refused",
    );
    check(|o| _ = o.coverage.blind_spots.insert(pinned("api.test", Origin::App)), "inconclusive", "cannot be answered");
    check(|o| _ = o.coverage.hosts.insert("pinned.test".into(), host(Origin::App, 0, 1)), "inconclusive", "cannot be answered");
    check(
        |o| {
            _ = o.planted.insert(
                "location".into(),
                PlantedFacts {
                    category: Category::Location,
                    confirmed: false,
                    found_in: 0,
                    probably_in: 0,
                    needs_a_name: false,
                    too_short: false,
                    is_series: false,
                    in_pieces: false,
                },
            )
        },
        "inconclusive",
        "not checked",
    );
}

#[test]
fn without_a_complete_run_nothing_is_compared_nor_pending() {
    let mut observations = quiet();
    observations.runs = 0;
    observations.coverage.complete_runs = 0;
    observations.endpoints.values_mut().for_each(|facts| facts.runs = 0);
    let audit = judged(&observations, Some(&accepted(&quiet())));
    assert_eq!((verdict(&audit), audit.pending, audit.report.changes.len()), ("inconclusive", false, 0));
    assert!(audit.snapshot.endpoints.is_empty());
    observations.positions.push(sighting());
    assert_eq!(verdict(&judged(&observations, None)), "finding");
}

#[test]
fn blind_spots_of_the_phone_or_of_the_baseline_block_nothing() {
    check(|o| _ = o.coverage.blind_spots.insert(pinned("mail.test", Origin::Phone)), "clean", "");
    let mut observations = quiet();
    observations.coverage.blind_spots.insert(pinned("who.test", Origin::Unknown));
    assert_eq!(verdict(&judged(&observations, Some(&accepted(&observations)))), "clean");
}

#[test]
fn a_blind_spot_is_excused_only_in_its_phase_and_only_as_often() {
    let spot = |phase: &str, runs| BlindSpot { phases: [(phase.to_owned(), runs)].into(), ..pinned("who.test", Origin::Unknown) };
    let with = |phase: &str, runs| {
        let mut observations = quiet();
        observations.coverage.blind_spots.insert(spot(phase, runs));
        observations
    };
    let judge = |new: &Observations, old: &Observations| verdict(&judged(new, Some(&accepted(old))));
    assert_eq!(judge(&with("sync", 3), &with("sync", 3)), "clean");
    assert_eq!(judge(&with("sync", 1), &with("sync", 1)), "clean");
    assert_eq!(judge(&with("sync", 3), &with("sync", 1)), "inconclusive");
    assert_eq!(judge(&with("background", 3), &with("sync", 3)), "inconclusive");
    let audit = judged(&with("sync", 3), Some(&accepted(&with("sync", 1))));
    assert!(audit.report.doubts[0].contains("in other phases, or less often"), "{:?}", audit.report.doubts);
}

#[test]
fn part_of_an_audit_is_inconclusive_and_says_which_part() {
    let doubts = |captures: usize, planned, runs| {
        let subject = Subject { captures: vec!["one".into(); captures], planned, ..subject() };
        doubts_of_runs(runs, &subject).join("; ")
    };
    assert_eq!(doubts(3, 3, 3), "");
    assert_eq!(doubts(5, 3, 5), "");
    assert_eq!(doubts(4, 20, 4), "4 of the 20 runs this audit was to have");
    assert_eq!(
        doubts(1, 3, 1),
        "1 of the 3 runs this audit was to have; 1 complete run: what is gone cannot be told from chance in fewer than 3"
    );
    check(|o| o.runs = 2, "inconclusive", "2 complete runs");
}

#[test]
fn no_baseline_is_inconclusive_but_alarms_all_the_same() {
    let audit = judged(&quiet(), None);
    assert_eq!(verdict(&audit), "inconclusive");
    assert!(audit.pending && audit.report.baseline.is_none());
    let mut observations = quiet();
    observations.positions.push(sighting());
    let audit = judged(&observations, None);
    assert_eq!(verdict(&audit), "finding");
    assert!(audit.report.doubts.contains(&"there is no baseline to compare with".to_owned()));
}

#[test]
fn an_accepted_snapshot_keeps_the_alarm_and_a_policy_entry_ends_it_until_it_expires() {
    let mut observations = quiet();
    observations.positions.push(sighting());
    let baseline = accepted(&observations);
    let audit = judged(&observations, Some(&baseline));
    assert_eq!((verdict(&audit), audit.pending, audit.report.changes.len()), ("finding", false, 0));

    let until = |expires| {
        let entry = |finding: &crate::model::Finding| Accepted { finding: finding.id.clone(), reason: "known".into(), expires };
        let policy = Policy { accepted: audit.report.findings.iter().map(entry).collect(), ..Policy::default() };
        verdict(&audit_with(&observations, Some(&baseline), &policy))
    };
    assert_eq!(until(date(2026, 6, 1)), "clean");
    assert_eq!(until(date(2026, 5, 31)), "finding");
}

#[test]
fn only_a_change_that_counts_is_pending_and_the_fail_level_decides() {
    let baseline = accepted(&quiet());
    let with = |runs: u32| {
        let mut observations = quiet();
        let facts = EndpointFacts { origin: Origin::App, runs, ..EndpointFacts::default() };
        observations.endpoints.insert(key("tracker.test", "sync"), facts);
        observations
    };
    let audit = judged(&with(3), Some(&baseline));
    assert_eq!((verdict(&audit), audit.pending), ("finding", true));
    let noise = judged(&with(1), Some(&baseline));
    assert_eq!((verdict(&noise), noise.pending), ("clean", false));
    assert!(noise.report.changes.iter().all(|change| matches!(change.confidence, Confidence::SomeRunsOnly { .. })));
    let lenient = Policy { fail_level: crate::model::Severity::Alarm, ..Policy::default() };
    assert_eq!(verdict(&audit_with(&with(3), Some(&baseline), &lenient)), "clean");
}

#[test]
fn a_baseline_of_another_platform_scenario_or_decoder_gives_no_clean_verdict() {
    let judge = |change: &dyn Fn(&mut Snapshot)| {
        let mut baseline = accepted(&quiet());
        change(&mut baseline);
        judged(&quiet(), Some(&baseline))
    };
    let real = judge(&|old| old.header.target.platform = Platform::Android);
    assert_eq!(verdict(&real), "inconclusive");
    assert!(real.report.baseline.is_none() && !real.pending);
    assert!(real.report.doubts[0].starts_with("cannot compare"), "{:?}", real.report.doubts);
    assert_eq!(verdict(&judge(&|old| old.header.scenario_hash = Some("bb".into()))), "inconclusive");
    assert_eq!(verdict(&judge(&|old| old.header.decoder += 1)), "inconclusive");
    assert_eq!(verdict(&judge(&|old| old.header.runs = 1)), "inconclusive");
}

#[test]
fn planted_values_are_never_called_not_sent() {
    let mut observations = quiet();
    let facts = |confirmed, found_in| PlantedFacts {
        category: Category::Identifier,
        confirmed,
        found_in,
        probably_in: 0,
        needs_a_name: false,
        too_short: false,
        is_series: false,
        in_pieces: false,
    };
    observations.planted =
        BTreeMap::from([("a".to_owned(), facts(true, 2)), ("b".to_owned(), facts(true, 0)), ("c".to_owned(), facts(false, 0))]);
    let words: Vec<String> = judged(&observations, None).report.planted.into_iter().map(|(_, words)| words).collect();
    assert_eq!(words, ["found in 2 exchanges", "not seen in what could be read", "not checked: nobody confirmed it"]);
    let of = |facts| planted(&Observations { planted: [("one".to_owned(), facts)].into(), ..quiet() })[0].1.clone();
    assert_eq!(of(PlantedFacts { needs_a_name: true, ..facts(true, 0) }), decode::NEEDS_A_NAME);
    assert_eq!(of(PlantedFacts { needs_a_name: true, too_short: true, ..facts(true, 0) }), decode::TOO_SHORT);
    assert_eq!(of(PlantedFacts { too_short: true, is_series: true, ..facts(true, 0) }), decode::TOO_EVEN);
}

#[test]
fn planted_values_are_not_checked_where_no_request_was_read() {
    let facts = |confirmed, too_short| PlantedFacts {
        category: Category::Identifier,
        confirmed,
        found_in: 0,
        probably_in: 0,
        needs_a_name: false,
        too_short,
        is_series: false,
        in_pieces: false,
    };
    let mut observations = quiet();
    observations.planted = [("a", facts(true, false)), ("b", facts(false, false)), ("c", facts(true, true))]
        .map(|(name, facts)| (name.to_owned(), facts))
        .into();
    observations.endpoints.clear();
    observations.coverage.hosts = [("pinned.test".to_owned(), host(Origin::App, 0, 2))].into();
    for (_, words) in judged(&observations, None).report.planted {
        assert_eq!(words, "not checked: nothing was read");
    }
}

#[test]
fn endpoints_are_ranked_by_bytes_without_the_phones() {
    let mut observations = quiet();
    let facts = |origin, uploaded_bytes| EndpointFacts { origin, uploaded_bytes, runs: 3, ..EndpointFacts::default() };
    observations.endpoints.insert(key("big.test", "sync"), facts(Origin::Unknown, 9_000));
    observations.endpoints.insert(key("news.test", "sync"), facts(Origin::Phone, 99_000));
    let endpoints: Vec<String> = judged(&observations, None).report.endpoints.into_iter().map(|row| row.endpoint).collect();
    assert_eq!(endpoints, ["POST big.test/v1", "POST api.test/v1"]);
}

#[test]
fn a_subject_is_made_from_its_recordings_in_run_order() {
    let provenance = |run: u32, rig| Provenance {
        format: 1,
        tool: "0.1.0".into(),
        source: CaptureSource::Proxy,
        target: subject().target,
        scenario_hash: Some("aa".into()),
        run,
        runs: 2,
        rig,
        started: Timestamp::UNIX_EPOCH,
        planted: Vec::new(),
        expectations: vec![Expectation::NeverCategory(Category::Location)],
        control: None,
    };
    let (first, second) = (provenance(1, Rig::Simulated { seed: 7 }), provenance(2, Rig::Simulated { seed: 8 }));
    let subject = Subject::of([("b".to_owned(), &second), ("a".to_owned(), &first)]).expect("two recordings");
    assert_eq!((subject.captures.as_slice(), subject.planned), (["a".to_owned(), "b".to_owned()].as_slice(), 2));
    assert_eq!(subject.rig, "simulated rig, seeds 7, 8");
    assert_eq!(subject.expectations.len(), 1);
    assert_eq!(Subject::of([]), None);
}
