//! What each rule objects to and, as important, what it leaves alone. Cases are built from invented observations.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;

use super::*;

use crate::{
    diff,
    model::{
        Accepted, AppVersion, BlindSpot, BlindSpotKind, Certainty, EndpointFacts, FieldFacts, FieldShape, FieldType, HostCoverage, Origin,
        Part, Platform, PositionSighting, Reason, observation::PlantedFacts,
    },
    snapshot,
};

/// An audit in the making: three runs with phases `sync`, `workout` (explains location) and `background`.
struct World {
    observations: Observations,
    baseline: Option<Snapshot>,
    expectations: Vec<Expectation>,
    target: Target,
    policy: Policy,
}

fn key(place: &str, phase: &str) -> EndpointKey {
    let (method, rest) = place.split_once(' ').expect("METHOD host/path");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    EndpointKey { host: host.into(), path: path.into(), method: method.into(), phase: phase.into() }
}

fn query(path: &str) -> FieldName {
    FieldName { part: Part::Query, path: path.into() }
}

const WEATHER: &str = "GET weather.test/v1/forecast";

impl World {
    fn new() -> Self {
        let phase = |name: &str, explains: &[Category]| (name.to_owned(), explains.iter().copied().collect::<BTreeSet<_>>());
        let observations = Observations {
            runs: 3,
            phases: vec![phase("sync", &[]), phase("workout", &[Category::Location]), phase("background", &[])],
            ..Observations::default()
        };
        let target = Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.1"),
            scenario: "workout".into(),
            claimed: false,
        };
        Self { observations, baseline: None, expectations: Vec::new(), target, policy: Policy::default() }
    }

    fn endpoint(mut self, place: &str, phase: &str, origin: Origin, runs: u32) -> Self {
        let facts = EndpointFacts { origin, runs, exchanges: u64::from(runs), ..EndpointFacts::default() };
        self.observations.endpoints.insert(key(place, phase), facts);
        self
    }

    fn field(mut self, place: &str, phase: &str, name: &str, kind: FieldType, meaning: Option<(Category, Reason)>, runs: u32) -> Self {
        let shape = FieldShape { kind, categories: meaning.iter().map(|(category, _)| *category).collect(), chain: Vec::new() };
        let facts = FieldFacts { shape, reasons: meaning.into_iter().collect(), runs, occurrences: 3, ..FieldFacts::default() };
        self.observations.endpoints.get_mut(&key(place, phase)).expect("an endpoint").fields.insert(query(name), facts);
        self
    }

    /// The app sent a position in one phase; the phone was there in others.
    fn position(mut self, sent_in: &str, held_in: &[&str], origin: Origin) -> Self {
        self.observations.positions.push(PositionSighting {
            certainty: Certainty::Certain,
            endpoint: key(WEATHER, sent_in),
            field: query("locationKey"),
            companion: None,
            origin,
            held_in: held_in.iter().map(|phase| (*phase).to_owned()).collect(),
            distance_m: 4.2,
            how: "decimal degrees, 5 decimals".into(),
            precision_m: 1.11,
            runs: 3,
            evidence: Evidence { run: 1, exchange: None, bytes: None, chain: Vec::new() },
        });
        self
    }

    /// Takes what there is so far as the accepted snapshot.
    fn accepted(mut self) -> Self {
        let mut baseline = snapshot::from_observations(&self.observations, &self.target, None);
        baseline.header.target.version = AppVersion::named("sim-1.0");
        baseline.header.coverage_known = true;
        self.baseline = Some(baseline);
        self
    }

    fn findings(&self) -> Vec<Finding> {
        self.with(|case| findings(case, date(2026, 6, 1)))
    }

    fn with<T>(&self, then: impl FnOnce(&Case<'_>) -> T) -> T {
        let snapshot = snapshot::from_observations(&self.observations, &self.target, None);
        let changes = self
            .baseline
            .as_ref()
            .map_or_else(Vec::new, |old| diff::compare(old, &snapshot, diff::Options::default()).expect("of one app").changes);
        then(&Case {
            observations: &self.observations,
            snapshot: &snapshot,
            changes: &changes,
            baseline: self.baseline.as_ref(),
            expectations: &self.expectations,
            target: &self.target,
            policy: &self.policy,
        })
    }

    /// Findings as `severity rule phase`.
    fn told(&self) -> Vec<String> {
        let phase = |finding: &Finding| finding.endpoint.as_ref().map(|key| key.phase.clone()).unwrap_or_default();
        self.findings().iter().map(|finding| format!("{} {} {}", finding.severity.word(), finding.rule, phase(finding))).collect()
    }
}

fn location(reason: Reason) -> Option<(Category, Reason)> {
    Some((Category::Location, reason))
}

fn looks() -> Option<(Category, Reason)> {
    location(Reason::Shape { what: "a latitude".into() })
}

fn named() -> Option<(Category, Reason)> {
    location(Reason::Name { word: "gps".into() })
}

#[test]
fn the_list_is_sorted_and_every_manual_has_its_headings() {
    assert!(DETECTORS.is_sorted_by_key(|detector| detector.name()));
    for detector in DETECTORS {
        let places: Vec<usize> = MANUAL_HEADINGS
            .iter()
            .map(|heading| detector.manual().find(heading).unwrap_or_else(|| panic!("{}: {heading}", detector.name())))
            .collect();
        assert!(places.is_sorted(), "{}", detector.name());
        assert!(!detector.about().is_empty() && !detector.about().ends_with('.'));
    }
}

#[test]
fn a_position_is_judged_by_where_the_phone_was() {
    let check = |sent_in: &str, held_in: &[&str], want: &[&str]| {
        let told = World::new().endpoint(WEATHER, sent_in, Origin::App, 3).position(sent_in, held_in, Origin::App).told();
        assert_eq!(told, want, "held in {held_in:?}, sent in {sent_in}");
    };
    let alarm = ["alarm passive-location background"];
    check("background", &["background"], &alarm);
    check("background", &["sync"], &alarm);
    check("background", &["sync", "background"], &alarm);
    // The workout's own track, sent at once or later.
    check("workout", &["workout"], &[]);
    check("background", &["workout"], &[]);
    // Collected passively, sent in the workout.
    check("workout", &["sync"], &["alarm passive-location workout"]);
    check("start", &["start"], &["alarm passive-location start"]);
    // It may be the workout's: no alarm, but it is said.
    check("background", &["workout", "background"], &["warning passive-location background"]);
    check("background", &["workout", "sync"], &[]);
    // One position for all phases: only when it was sent can judge.
    check("background", &["start", "sync", "workout", "background"], &alarm);
    check("workout", &["start", "sync", "workout"], &[]);
    // The phone was moved there before the workout began, and away after it had ended.
    check("background", &["sync", "workout", "background"], &["warning passive-location background"]);
    // A capture without phases neither explains nor accuses.
    check("unscripted", &["unscripted"], &[]);
}

#[test]
fn the_alarm_names_endpoint_field_phase_and_distance() {
    let world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App);
    let finding = world.findings().remove(0);
    assert_eq!(
        finding.sentence,
        "the position of background, sent in background to GET weather.test/v1/forecast as query locationKey, 4 m from where the phone was"
    );
    assert_eq!(finding.distance_m, Some(4.2));
    assert!(finding.details.contains(&"in 3 of 3 runs".to_owned()));
}

#[test]
fn other_apps_and_unknown_traffic_are_not_accused() {
    for origin in [Origin::Phone, Origin::Unknown] {
        let world = World::new()
            .endpoint(WEATHER, "background", Origin::App, 3)
            .accepted()
            .endpoint(WEATHER, "background", origin, 3)
            .field(WEATHER, "background", "lat", FieldType::Latitude, looks(), 3)
            .endpoint("GET other.test/x", "background", origin, 3)
            .position("background", &["background"], origin);
        assert_eq!(world.told(), [""; 0], "{origin:?}");
    }
}

#[test]
fn an_accepted_snapshot_never_silences_a_passive_position() {
    let world =
        World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App).accepted();
    assert_eq!(world.told(), ["alarm passive-location background"]);
}

#[test]
fn what_merely_looks_like_location_is_a_warning_unless_the_baseline_had_it() {
    let plain = || World::new().endpoint(WEATHER, "background", Origin::App, 3);
    let with = |world: World, runs| world.field(WEATHER, "background", "lat", FieldType::Latitude, looks(), runs);
    assert_eq!(with(plain(), 3).told(), ["warning passive-location background"]);
    assert_eq!(with(plain(), 3).accepted().told(), [""; 0]);
    // In some runs only: worth a note, no more.
    assert_eq!(with(plain(), 2).told(), ["note passive-location background"]);
    assert_eq!(with(plain().accepted(), 2).told(), ["note passive-location background"]);
    let new = with(plain().accepted(), 3).told();
    assert_eq!(new, ["warning new-field background", "warning passive-location background"]);
    // In the workout it is explained.
    let workout =
        World::new().endpoint(WEATHER, "workout", Origin::App, 3).field(WEATHER, "workout", "lat", FieldType::Latitude, looks(), 3);
    assert_eq!(workout.told(), [""; 0]);
}

#[test]
fn a_late_track_brings_its_other_location_fields_along() {
    let world = World::new()
        .endpoint(WEATHER, "background", Origin::App, 3)
        .field(WEATHER, "background", "city", FieldType::Text, named(), 3)
        .position("background", &["workout"], Origin::App);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn never_is_judged_like_passive_location() {
    let never = |mut world: World| {
        world.expectations = vec![Expectation::NeverCategory(Category::Location)];
        world.told()
    };
    let base = || World::new().endpoint(WEATHER, "background", Origin::App, 3);
    assert_eq!(
        never(base().position("background", &["background"], Origin::App)),
        ["alarm never background", "alarm passive-location background"]
    );
    assert_eq!(never(base().position("background", &["workout"], Origin::App)), [""; 0]);
    // The baseline does not silence an expectation; a name alone does not break one.
    assert_eq!(never(base().field(WEATHER, "background", "lat", FieldType::Latitude, looks(), 3).accepted()), ["warning never background"]);
    assert_eq!(never(base().field(WEATHER, "background", "gps", FieldType::Text, named(), 3).accepted()), [""; 0]);
}

#[test]
fn never_of_another_category_looks_at_phases_that_do_not_explain_it() {
    let mut world = World::new().endpoint(WEATHER, "sync", Origin::App, 3).endpoint(WEATHER, "workout", Origin::App, 3);
    let heart = || Some((Category::HeartRate, Reason::KnownLeaf { why: "minute values".into() }));
    world = world.field(WEATHER, "sync", "hr", FieldType::Bytes(Some(1440)), heart(), 3);
    world.expectations = vec![Expectation::NeverCategory(Category::HeartRate)];
    assert_eq!(world.told(), ["alarm never sync"]);
    world.observations.phases[0].1.insert(Category::HeartRate);
    assert_eq!(world.told(), [""; 0]);
    world.expectations = vec![Expectation::NeverType(FieldType::Bytes(Some(1440)))];
    assert_eq!(world.told(), ["alarm never sync"]);
}

#[test]
fn never_a_group_forbids_its_members_and_never_a_member_is_narrower() {
    let never = |forbidden, sent| {
        let proof = Reason::Shape { what: "what it is".into() };
        let mut world =
            World::new().endpoint(WEATHER, "sync", Origin::App, 3).field(WEATHER, "sync", "x", FieldType::Text, Some((sent, proof)), 3);
        world.expectations = vec![Expectation::NeverCategory(forbidden)];
        world = world.accepted();
        world.told().join(", ")
    };
    assert_eq!(never(Category::Identifier, Category::BandMac), "alarm never sync");
    assert_eq!(never(Category::BandMac, Category::BandMac), "alarm never sync");
    assert_eq!(never(Category::BandMac, Category::AccountId), "");
    assert_eq!(never(Category::BandMac, Category::Identifier), "");
    assert_eq!(never(Category::Location, Category::WifiNetwork), "warning never sync");
    assert_eq!(never(Category::WifiNetwork, Category::WifiNetwork), "warning never sync");
    assert_eq!(never(Category::PreciseLocation, Category::WifiNetwork), "");
    assert_eq!(never(Category::HeartRate, Category::RestingHeartRate), "alarm never sync");
    assert_eq!(never(Category::Sleep, Category::HeartRate), "");
}

#[test]
fn never_a_precise_location_leaves_a_coarse_one_alone() {
    let told = |precision_m, forbidden| {
        let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App);
        world.observations.positions[0].precision_m = precision_m;
        world.expectations = vec![Expectation::NeverCategory(forbidden)];
        world.told().into_iter().filter(|told| told.contains(" never ")).count()
    };
    assert_eq!(told(1.11, Category::PreciseLocation), 1);
    assert_eq!(told(11_120.0, Category::PreciseLocation), 0);
    assert_eq!(told(11_120.0, Category::CoarseLocation), 1);
    assert_eq!(told(11_120.0, Category::Location), 1);
    assert_eq!(told(1.11, Category::WifiNetwork), 0);
}

#[test]
fn a_phase_that_explains_a_group_explains_its_members_and_one_that_explains_a_member_no_more() {
    let told = |explains: Category, sent: Category| {
        let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3);
        world.observations.phases[2].1.insert(explains);
        let proof = Reason::Shape { what: "what it is".into() };
        world = world.field(WEATHER, "background", "x", FieldType::Text, Some((sent, proof)), 3);
        world.expectations = vec![Expectation::NeverCategory(sent.group())];
        world.told().join(", ")
    };
    assert_eq!(told(Category::Location, Category::PreciseLocation), "");
    assert_eq!(told(Category::CoarseLocation, Category::CoarseLocation), "");
    assert_eq!(told(Category::CoarseLocation, Category::PreciseLocation), "warning never background, warning passive-location background");
    assert_eq!(told(Category::Sleep, Category::SleepStages), "");
    assert_eq!(told(Category::SleepStages, Category::Sleep), "alarm never background");
    let position = |explains: Category, precision_m| {
        let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App);
        world.observations.phases[2].1.insert(explains);
        world.observations.positions[0].precision_m = precision_m;
        world.told().join(", ")
    };
    assert_eq!(position(Category::Location, 1.11), "");
    assert_eq!(position(Category::PreciseLocation, 1.11), "");
    assert_eq!(position(Category::CoarseLocation, 11_120.0), "");
    assert_eq!(position(Category::CoarseLocation, 1.11), "alarm passive-location background");
    assert_eq!(position(Category::Track, 1.11), "alarm passive-location background");
}

#[test]
fn a_position_in_a_track_is_explained_by_a_phase_that_explains_tracks() {
    let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App);
    world.observations.phases[2].1.insert(Category::Track);
    let track = Some((Category::Track, Reason::KnownLeaf { why: "a track".into() }));
    let world = world.field(WEATHER, "background", "locationKey", FieldType::Text, track, 3);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn what_only_its_group_is_known_of_leaves_a_narrower_expectation_open() {
    let unanswered_with = |known: Category, planted: Option<bool>| {
        let proof = Reason::Name { word: "id".into() };
        let mut world =
            World::new().endpoint(WEATHER, "sync", Origin::App, 3).field(WEATHER, "sync", "x", FieldType::Token, Some((known, proof)), 3);
        world.expectations = vec![Expectation::NeverCategory(Category::BandMac)];
        if let Some(confirmed) = planted {
            let facts = PlantedFacts {
                category: Category::BandMac,
                confirmed,
                found_in: 0,
                probably_in: 0,
                needs_a_name: false,
                too_short: false,
                is_series: false,
                in_pieces: false,
            };
            world.observations.planted.insert("band.mac".into(), facts);
        }
        world.with(unanswered).join("; ")
    };
    let open = "\"never: band-mac\" cannot be answered: of query x at GET weather.test/v1/forecast no more is known than identifier";
    assert_eq!(unanswered_with(Category::Identifier, None), open);
    assert_eq!(unanswered_with(Category::AccountId, None), "");
    assert_eq!(unanswered_with(Category::Identifier, Some(true)), "");
    let unchecked = unanswered_with(Category::Identifier, Some(false));
    assert!(unchecked.contains("was not checked for band.mac") && unchecked.contains(open), "{unchecked}");
}

#[test]
fn a_baseline_that_had_a_place_less_precisely_does_not_excuse_it() {
    let looks = |category| Some((category, Reason::Shape { what: "a place".into() }));
    let told = |before, now| {
        let base = World::new().endpoint(WEATHER, "background", Origin::App, 3);
        let base = base.field(WEATHER, "background", "x", FieldType::Text, looks(before), 3).accepted();
        base.field(WEATHER, "background", "x", FieldType::Text, looks(now), 3).told().join(", ")
    };
    assert_eq!(told(Category::PreciseLocation, Category::PreciseLocation), "");
    assert_eq!(told(Category::Location, Category::PreciseLocation), "");
    assert_eq!(told(Category::CoarseLocation, Category::PreciseLocation), "warning passive-location background, note new-field background");
}

#[test]
fn a_new_field_about_the_phone_is_less_grave_than_one_about_a_person() {
    let place = "POST api.test/data";
    let told = |category| {
        let base = World::new().endpoint(place, "sync", Origin::App, 3).accepted();
        let named = Some((category, Reason::Name { word: "x".into() }));
        base.field(place, "sync", "x", FieldType::Text, named, 3).told().join(", ")
    };
    for category in [Category::Locale, Category::OsVersion, Category::BandBattery, Category::Device, Category::CrashReport] {
        assert_eq!(told(category), "note new-field sync", "{category}");
    }
    for category in [Category::BloodOxygen, Category::Weight, Category::BandSerial, Category::Contacts, Category::MenstrualCycle] {
        assert_eq!(told(category), "warning new-field sync", "{category}");
    }
}

#[test]
fn a_finding_says_what_its_field_carries() {
    let place = "POST api.test/data";
    let base = World::new().endpoint(place, "sync", Origin::App, 3).accepted();
    let named = Some((Category::Weight, Reason::Name { word: "weight".into() }));
    let findings = base.field(place, "sync", "x", FieldType::Decimal, named, 3).findings();
    assert_eq!(findings[0].categories, BTreeSet::from([Category::Weight]));
}

#[test]
fn an_expectation_is_unanswered_while_a_host_of_the_app_was_not_read() {
    let mut world = World::new();
    world.expectations = vec![Expectation::NeverCategory(Category::Location)];
    let host = |origin, exchanges, unread_tunnels| HostCoverage {
        origin,
        exchanges,
        uploaded_bytes: 0,
        unread_tunnels,
        ..HostCoverage::default()
    };
    world.observations.coverage.hosts = BTreeMap::from([
        ("api.test".to_owned(), host(Origin::App, 4, 0)),
        ("news.test".to_owned(), host(Origin::Phone, 0, 2)),
        ("who.test".to_owned(), host(Origin::Unknown, 0, 2)),
    ]);
    assert_eq!(world.with(unanswered), [""; 0]);
    world.observations.coverage.hosts.insert("pinned.test".into(), host(Origin::App, 0, 2));
    assert!(world.with(unanswered)[0].contains("pinned.test"));
    world.observations.coverage.hosts.remove("pinned.test");
    let planted = PlantedFacts {
        category: Category::Location,
        confirmed: false,
        found_in: 0,
        probably_in: 0,
        needs_a_name: false,
        too_short: false,
        is_series: false,
        in_pieces: false,
    };
    world.observations.planted.insert("location".into(), planted);
    assert!(world.with(unanswered)[0].contains("was not checked for location"));
    world.expectations.clear();
    assert_eq!(world.with(unanswered), [""; 0]);
}

#[test]
fn an_expectation_is_unanswered_while_part_of_what_the_app_sent_is_unread_whatever_the_baseline_had() {
    for kind in [BlindSpotKind::BodyOpaque, BlindSpotKind::BodyMissing, BlindSpotKind::LimitReached, BlindSpotKind::Unanswered] {
        let spot = |origin| BlindSpot {
            host: "api.test".into(),
            kind,
            endpoint: "POST api.test/data".into(),
            origin,
            phases: [("sync".to_owned(), 3)].into(),
            sentence: "nobody could read it".into(),
            evidence: None,
        };
        let mut world = World::new();
        world.expectations = vec![Expectation::NeverCategory(Category::Location)];
        world.observations.coverage.blind_spots.insert(spot(Origin::Phone));
        assert_eq!(world.with(unanswered), [""; 0]);
        world.observations.coverage.blind_spots.insert(spot(Origin::App));
        let reasons = world.accepted().with(unanswered);
        assert!(reasons[0].contains(&format!("{} at POST api.test/data", kind.word())), "{reasons:?}");
    }
}

#[test]
fn a_position_that_is_explained_and_sent_late_is_no_finding_but_said() {
    let late = |sent_in: &str, held_in: &[&str]| {
        let world = World::new().endpoint(WEATHER, sent_in, Origin::App, 3).position(sent_in, held_in, Origin::App);
        assert_eq!(world.told().len(), usize::from(!held_in.contains(&"workout")));
        world.with(late_positions).join("; ")
    };
    let told = late("background", &["workout"]);
    assert!(told.starts_with("the position of workout, sent in background to GET weather.test/v1/forecast"), "{told}");
    assert_eq!(late("workout", &["workout"]), "");
    assert_eq!(late("background", &["background"]), "");
}

#[test]
fn an_expectation_is_unanswered_while_a_position_may_belong_to_either_of_two_phases() {
    let with = |held_in: &[&str]| {
        let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", held_in, Origin::App);
        world.expectations = vec![Expectation::NeverCategory(Category::Location)];
        world.with(unanswered)
    };
    assert!(with(&["workout", "background"])[0].contains("cannot be told: the position of background or workout, sent in background"));
    assert_eq!(with(&["workout"]), [""; 0]);
    assert_eq!(with(&["background"]), [""; 0]);
}

#[test]
fn changes_that_count_become_findings_and_noise_does_not() {
    let base = || World::new().endpoint("POST api.test/data", "sync", Origin::App, 3).accepted();
    let check = |world: World, want: &[&str]| assert_eq!(world.told(), want);
    check(base(), &[]);
    check(base().endpoint("POST api.test/more", "sync", Origin::App, 3), &["warning new-endpoint sync"]);
    check(base().endpoint("POST tracker.test/t", "sync", Origin::App, 3), &["warning new-receiver sync"]);
    check(base().endpoint("POST api.test/data", "background", Origin::App, 3), &["warning new-phase background"]);
    check(base().field("POST api.test/data", "sync", "x", FieldType::Text, None, 3), &["note new-field sync"]);
    let id = Some((Category::Identifier, Reason::Name { word: "imei".into() }));
    check(base().field("POST api.test/data", "sync", "imei", FieldType::Token, id, 3), &["warning new-field sync"]);
    // Optional calls and fields, in some runs only.
    check(base().endpoint("POST api.test/more", "sync", Origin::App, 2), &[]);
    check(base().endpoint("POST tracker.test/t", "sync", Origin::App, 1), &[]);
    check(base().endpoint("POST api.test/data", "background", Origin::App, 2), &[]);
    check(base().field("POST api.test/data", "sync", "x", FieldType::Text, None, 1), &[]);
}

#[test]
fn what_the_host_gets_elsewhere_already_is_a_note_but_never_a_location() {
    let (known, new) = ("POST api.test/data", "POST api.test/more");
    let id = || Some((Category::Identifier, Reason::Name { word: "imei".into() }));
    let base = || World::new().endpoint(known, "sync", Origin::App, 3);
    let check = |world: World, want: &[&str]| assert_eq!(world.told(), want);
    let before = || base().field(known, "sync", "imei", FieldType::Token, id(), 3).accepted();
    let after = |world: World, place: &str, meaning| {
        world.endpoint(place, "sync", Origin::App, 3).field(place, "sync", "imei", FieldType::Token, meaning, 3)
    };
    check(after(before(), new, id()), &["warning new-endpoint sync", "note new-field sync"]);
    let findings = after(before(), new, id()).findings();
    assert!(findings[1].sentence.ends_with("POST api.test/more; already sent to this host elsewhere"), "{findings:?}");
    // Another name, another meaning, another host: the host does learn something.
    let other = base().field(known, "sync", "other", FieldType::Token, id(), 3).accepted();
    check(after(other, new, id()), &["warning new-endpoint sync", "warning new-field sync"]);
    let heart = Some((Category::HeartRate, Reason::Shape { what: "minute values".into() }));
    check(after(before(), new, heart), &["warning new-endpoint sync", "warning new-field sync"]);
    check(after(before(), "POST tracker.test/t", id()), &["warning new-field sync", "warning new-receiver sync"]);
    let place = base().field(known, "sync", "imei", FieldType::Latitude, looks(), 3).accepted();
    let told = after(place, new, looks()).told();
    assert!(told.contains(&"warning new-field sync".to_owned()), "{told:?}");
}

#[test]
fn a_known_field_that_means_more_is_a_note() {
    let place = "POST api.test/data";
    let base = World::new().endpoint(place, "sync", Origin::App, 3).field(place, "sync", "x", FieldType::Text, None, 3).accepted();
    let heart = Some((Category::HeartRate, Reason::Shape { what: "minute values".into() }));
    let mut world = base.field(place, "sync", "x", FieldType::Text, heart, 3);
    assert_eq!(world.told(), ["note new-field sync"]);
    let finer = |category| Some((category, Reason::Shape { what: "minute values".into() }));
    let coarse =
        World::new().endpoint(place, "sync", Origin::App, 3).field(place, "sync", "x", FieldType::Text, finer(Category::HeartRate), 3);
    let known = coarse.accepted().field(place, "sync", "x", FieldType::Text, finer(Category::HeartRateSeries), 3);
    assert_eq!(known.told(), [""; 0], "a finer word for the same thing");
    // The same bytes known as something else: nothing was changed remotely.
    world.target.version = AppVersion::named("sim-1.0");
    assert!(world.findings()[0].details.iter().all(|detail| !detail.contains("changed remotely")), "{:?}", world.findings());
}

#[test]
fn went_dark_tells_body_and_host_with_what_is_known() {
    let place = "POST api.test/data";
    let body = |mut world: World, path: &str, kind| {
        let shape = FieldShape { kind, ..FieldShape::default() };
        let name = FieldName { part: if path.is_empty() { Part::Body } else { Part::Form }, path: path.into() };
        let fields = &mut world.observations.endpoints.get_mut(&key(place, "sync")).expect("an endpoint").fields;
        fields.clear();
        fields.insert(name, FieldFacts { shape, runs: 3, occurrences: 3, ..FieldFacts::default() });
        world
    };
    let base = World::new().endpoint(place, "sync", Origin::App, 3).endpoint("GET cdn.test/x", "sync", Origin::App, 3);
    let mut world = body(body(base, "hr", FieldType::Text).accepted(), "", FieldType::Opaque);
    world.observations.endpoints.remove(&key("GET cdn.test/x", "sync"));
    world.observations.coverage.blind_spots.insert(BlindSpot {
        host: "cdn.test".into(),
        kind: BlindSpotKind::CertificateRefused,
        endpoint: String::new(),
        origin: Origin::App,
        phases: [("sync".to_owned(), 3)].into(),
        sentence: "cdn.test refused our certificate".into(),
        evidence: Some(Evidence { run: 2, exchange: None, bytes: None, chain: Vec::new() }),
    });
    assert_eq!(world.told(), ["warning went-dark sync", "warning went-dark sync"]);
    let findings = world.findings();
    let host = findings.iter().find(|finding| finding.host == "cdn.test").expect("a finding on the host");
    assert!(host.sentence.contains("no longer readable") && host.details.contains(&"cdn.test refused our certificate".to_owned()));
    assert_eq!(host.evidence.as_ref().map(|evidence| evidence.run), Some(2));
}

#[test]
fn ids_stay_the_same_over_versions_and_differ_by_rule_and_field() {
    let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App);
    world.expectations = vec![Expectation::NeverCategory(Category::Location)];
    let ids = |world: &World| world.findings().into_iter().map(|finding| finding.id).collect::<BTreeSet<_>>();
    let before = ids(&world);
    assert_eq!(before.len(), 2);
    world.target.version = AppVersion::named("sim-9.9");
    world.observations.positions[0].distance_m = 99.0;
    assert_eq!(ids(&world), before);
    world.observations.positions[0].field = query("other");
    assert!(ids(&world).is_disjoint(&before));
}

#[test]
fn one_place_sighted_twice_is_one_finding() {
    let world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App).position(
        "background",
        &["sync"],
        Origin::App,
    );
    assert_eq!(world.told(), ["alarm passive-location background"]);
}

#[test]
fn a_policy_entry_holds_to_its_last_day() {
    let mut world = World::new().endpoint(WEATHER, "background", Origin::App, 3).position("background", &["background"], Origin::App);
    let id = world.findings()[0].id.clone();
    let accepted_until = |world: &mut World, expires| {
        world.policy.accepted = vec![Accepted { finding: id.clone(), reason: "weather is wanted".into(), expires }];
        let finding = world.findings().remove(0);
        (finding.accepted.is_some(), finding.details.iter().any(|detail| detail.contains("has expired")))
    };
    assert_eq!(accepted_until(&mut world, date(2026, 6, 1)), (true, false));
    assert_eq!(accepted_until(&mut world, date(2026, 5, 31)), (false, true));
    world.policy.accepted.clear();
    world.policy.severity.insert("passive-location".into(), Severity::Note);
    assert_eq!(world.told(), ["note passive-location background"]);
}
