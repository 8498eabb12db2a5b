//! Observations to a snapshot, and a snapshot to and from its text. Reading and writing files is `store`'s.

mod parse;
mod print;
mod token;

use std::collections::BTreeMap;

pub use parse::{SnapshotProblem, parse, parse_file};
pub use print::{body, description, print};

use crate::model::{
    FieldName, Observations, Origin, Snapshot, SnapshotEndpoint, SnapshotField, SnapshotHeader, Target,
    snapshot::{DECODER_VERSION, SNAPSHOT_FORMAT, Unread},
};

/// The shapes of what was observed, without a value. Traffic of origin `phone` is left out, blind spots of that origin too, and
/// what only incomplete runs had (R7).
///
/// `scenario_hash` is the SHA-256 of the scenario's canonical form in hex; `None` for an import.
pub fn from_observations(observations: &Observations, target: &Target, scenario_hash: Option<&str>) -> Snapshot {
    let coverage = &observations.coverage;
    let header = SnapshotHeader {
        format: SNAPSHOT_FORMAT,
        decoder: DECODER_VERSION,
        target: target.clone(),
        scenario_hash: scenario_hash.map(str::to_owned),
        runs: observations.runs,
        hosts_read: coverage.read_hosts(),
        hosts: coverage.all_hosts(),
        coverage_known: coverage.known,
        unread: coverage
            .blind_spots
            .iter()
            .filter(|spot| spot.origin != Origin::Phone)
            .flat_map(|spot| {
                spot.phases.iter().filter(|(_, runs)| **runs > 0).map(|(phase, runs)| Unread {
                    kind: spot.kind,
                    host: spot.host.clone(),
                    endpoint: spot.endpoint.clone(),
                    phase: phase.clone(),
                    runs: (*runs).min(observations.runs),
                })
            })
            .filter(|unread| unread.runs > 0)
            .collect(),
        note: target.platform.disclaimer().map(str::to_owned),
    };
    let runs_of = |runs: u32| runs.min(observations.runs);
    let endpoints = observations.endpoints.iter().filter(|(_, facts)| facts.origin != Origin::Phone && facts.runs > 0);
    let endpoints = endpoints.map(|(key, facts)| {
        let fields: BTreeMap<FieldName, SnapshotField> = facts
            .fields
            .iter()
            .filter(|(_, field)| field.runs > 0)
            .map(|(name, field)| (name.clone(), SnapshotField { shape: field.shape.clone(), runs: runs_of(field.runs) }))
            .collect();
        (key.clone(), SnapshotEndpoint { party: facts.party, origin: facts.origin, runs: runs_of(facts.runs), fields })
    });
    Snapshot { header, endpoints: endpoints.collect() }
}

/// Which of the accepted snapshots to compare with (R8): that of this very version, else the highest lower one, of the same
/// app, platform and scenario only. Gives the index into `available`; `None` when nothing fits.
pub fn choose_baseline(available: &[Target], target: &Target) -> Option<usize> {
    let fits = |other: &Target| other.app == target.app && other.platform == target.platform && other.scenario == target.scenario;
    let candidates = || available.iter().enumerate().filter(|(_, other)| fits(other));
    candidates()
        .find(|(_, other)| other.version.name == target.version.name)
        .or_else(|| candidates().filter(|(_, other)| other.version < target.version).max_by(|(_, a), (_, b)| a.version.cmp(&b.version)))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppVersion, BlindSpot, BlindSpotKind, EndpointFacts, EndpointKey, Platform};

    fn target(version: &str) -> Target {
        Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named(version),
            scenario: "passive-sync".into(),
            claimed: false,
        }
    }

    #[test]
    fn the_baseline_is_this_version_else_the_highest_lower_one() {
        let check = |available: &[&str], version: &str, want: Option<&str>| {
            let available: Vec<Target> = available.iter().map(|name| target(name)).collect();
            let chosen = choose_baseline(&available, &target(version)).map(|index| available[index].version.name.clone());
            assert_eq!(chosen.as_deref(), want, "{version}");
        };
        check(&["sim-1.0", "sim-1.1"], "sim-1.1", Some("sim-1.1"));
        check(&["sim-1.9", "sim-1.10", "sim-1.2"], "sim-1.11", Some("sim-1.10"));
        check(&["sim-1.2"], "sim-1.1", None);
        check(&[], "sim-1.1", None);
    }

    #[test]
    fn another_app_platform_or_scenario_is_no_baseline() {
        for other in [
            Target { app: "other".into(), ..target("sim-1.0") },
            Target { platform: Platform::Android, ..target("sim-1.0") },
            Target { scenario: "workout".into(), ..target("sim-1.0") },
        ] {
            assert_eq!(choose_baseline(&[other], &target("sim-1.1")), None);
        }
    }

    #[test]
    fn traffic_of_the_phone_and_of_incomplete_runs_is_left_out() {
        let key = |host: &str| EndpointKey { host: host.into(), path: "/v1".into(), method: "GET".into(), phase: "sync".into() };
        let facts = |origin| EndpointFacts { origin, runs: 3, ..EndpointFacts::default() };
        let spot = |host: &str, origin| BlindSpot {
            host: host.into(),
            kind: BlindSpotKind::CertificateRefused,
            endpoint: String::new(),
            origin,
            phases: [("sync".to_owned(), 3)].into(),
            sentence: "refused".into(),
            evidence: None,
        };
        let mut observations = Observations { runs: 3, ..Observations::default() };
        observations.endpoints.insert(key("app.test"), facts(Origin::App));
        observations.endpoints.insert(key("news.test"), facts(Origin::Phone));
        observations.endpoints.insert(key("who.test"), facts(Origin::Unknown));
        observations.endpoints.insert(key("torn.test"), EndpointFacts { runs: 0, ..facts(Origin::App) });
        observations.coverage.blind_spots.extend([spot("pinned.test", Origin::App), spot("mail.test", Origin::Phone)]);

        let snapshot = from_observations(&observations, &target("sim-1.0"), Some("abc"));
        let hosts: Vec<&str> = snapshot.endpoints.keys().map(|key| key.host.as_str()).collect();
        assert_eq!(hosts, ["app.test", "who.test"]);
        assert_eq!(snapshot.header.unread.iter().map(|unread| unread.host.as_str()).collect::<Vec<_>>(), ["pinned.test"]);
        assert!(snapshot.header.note.is_some_and(|note| note.contains("says nothing about the real")));
    }
}
