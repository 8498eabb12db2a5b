//! The rule `passive-location`: a position leaves the phone that no phase of the scenario explains. The alarm this harness is
//! for; it needs no baseline, and accepting a snapshot never silences it (R4).

use super::{
    Case, Detector,
    location::{self, Judgement},
};
use crate::model::{
    Certainty, EndpointKey, FieldFacts, FieldName, Finding, Reason, Severity, SnapshotField, category::covers, snapshot::LEAST_OLD_RUNS,
};

/// The rule `passive-location`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassiveLocation;

impl Detector for PassiveLocation {
    fn name(&self) -> &'static str {
        "passive-location"
    }

    fn about(&self) -> &'static str {
        "a position uploaded that no phase explains"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Alarm
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        let sighted = location::of_app(case).filter_map(|sighting| {
            let judgement = location::judge(case, sighting);
            let severity = match judgement {
                Judgement::Passive | Judgement::PassiveBySending if sighting.certainty == Certainty::Certain => self.severity(),
                Judgement::Passive | Judgement::PassiveBySending | Judgement::Ambiguous => Severity::Warning,
                Judgement::Explained => return None,
            };
            let sentence = location::sentence(sighting, judgement);
            let mut finding = case.finding(self.name(), severity, &sighting.endpoint, Some(&sighting.field), sentence);
            finding.details = location::details(sighting, judgement, case.observations.runs);
            finding.distance_m = Some(sighting.distance_m);
            finding.evidence = Some(sighting.evidence.clone());
            Some(finding)
        });
        let by_looks = location::unplanted(case).filter_map(|(key, _, name, field)| self.by_looks(case, key, name, field));
        sighted.chain(by_looks).collect()
    }
}

impl PassiveLocation {
    /// A field that is location by its looks, without a planted position in it: weaker, and nothing new where the baseline
    /// had it.
    fn by_looks(&self, case: &Case<'_>, key: &EndpointKey, name: &FieldName, field: &FieldFacts) -> Option<Finding> {
        let planted = location::reasons(field).any(|reason| matches!(reason, Reason::PlantedValue { .. }));
        let known = case.baseline.and_then(|baseline| baseline.endpoints.get(key)).and_then(|endpoint| endpoint.fields.get(name));
        let location = location::categories(&field.shape).collect();
        let is_known = |known: &SnapshotField| covers(&known.shape.categories, &location);
        if !planted && known.is_some_and(is_known) {
            return None;
        }
        // The rule for optional calls (R7) holds for looks; a planted value always counts.
        let enough_old_runs = case.baseline.is_none_or(|baseline| baseline.header.runs >= LEAST_OLD_RUNS);
        let counts = planted || (field.runs > 0 && field.runs >= case.observations.runs && enough_old_runs);
        let severity = if counts { Severity::Warning } else { Severity::Note };
        let how = if planted { "holds a planted location value" } else { "looks like location" };
        let sentence = format!("{name} at {}, sent in {}, {how}; no planted position was found in it", key.place(), key.phase);
        let mut finding = case.finding(self.name(), severity, key, Some(name), sentence);
        finding.details = location::reasons(field).map(ToString::to_string).collect();
        finding.details.push(format!("in {} of {} runs", field.runs, case.observations.runs));
        Some(finding)
    }
}

const MANUAL: &str = "\
## What it objects to
A position in an upload of the app, at most 2 km from where the phone was, when the phone was there only in phases that do not
list `location` under `explains`. A position collected in a workout may be sent later: it is judged by the phase in which the
phone was there; when the phone was there in a phase that explains location too, or the numbers may be chance, it is a warning. With one position for all phases,
it is judged by the phase in which it was sent. A field that looks like location without a planted position in it is a warning,
unless the baseline has it as precisely, and a note when only some runs have it.

Location is the whole group of the [taxonomy](taxonomy.md): coordinates, tracks, cities, addresses, Wi-Fi networks, cell towers.
A phase may explain one of them only: `explains: [coarse-location]`.

## Why
\"Geo-location data is not collected passively (outside training sessions). But there is no guarantee that it will stay like
this.\" This rule is the alarm.

## Example
`the position of background, sent in background to GET weather*.huami.test/v1/forecast as query locationKey, 4 m from where the
phone was`.

## What to do
Look at the request with `show`. If the upload is fine, say so in the scenario (`explains: [location]`) or, for a time, in
policy.yaml with a reason and an expiry. Accepting the snapshot does not silence it.
";
