//! The rule `never`: what the scenario forbids was uploaded. Accepting a snapshot never silences it (R4).

use std::collections::BTreeSet;

use super::{
    Case, Detector,
    location::{self, Judgement},
};
use crate::model::{BlindSpotKind, Category, Expectation, FieldFacts, Finding, Origin, Reason, Severity};

/// The rule `never`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Never;

impl Detector for Never {
    fn name(&self) -> &'static str {
        "never"
    }

    fn about(&self) -> &'static str {
        "something uploaded that the scenario says must never be"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Alarm
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        case.expectations
            .iter()
            .flat_map(|expectation| match expectation {
                Expectation::NeverCategory(Category::Location) => self.location(case, expectation),
                Expectation::NeverCategory(category) => {
                    self.fields(case, expectation, *category, |field| field.shape.categories.contains(category))
                }
                Expectation::NeverType(kind) => self.fields(case, expectation, Category::Location, |field| field.shape.kind == *kind),
            })
            .collect()
    }
}

impl Never {
    /// A forbidden position is judged by where the phone was when (R5); a location field without one by its phase.
    fn location(&self, case: &Case<'_>, expectation: &Expectation) -> Vec<Finding> {
        let sighted = location::of_app(case).filter_map(|sighting| {
            let judgement = location::judge(case, sighting);
            if !matches!(judgement, Judgement::Passive | Judgement::PassiveBySending) {
                return None;
            }
            let sentence = format!("the scenario says \"{expectation}\": {}", location::sentence(sighting, judgement));
            let mut finding = case.finding(self.name(), self.severity(), &sighting.endpoint, Some(&sighting.field), sentence);
            finding.details = location::details(sighting, judgement, case.observations.runs);
            finding.distance_m = Some(sighting.distance_m);
            finding.evidence = Some(sighting.evidence.clone());
            Some(finding)
        });
        // A name alone is no proof that an expectation was broken.
        let looks = location::unplanted(case).filter(|(.., field)| location::reasons(field).any(is_proof)).map(|(key, _, name, field)| {
            let sentence = format!("the scenario says \"{expectation}\": {name} at {}, sent in {}", key.place(), key.phase);
            let mut finding = case.finding(self.name(), Severity::Warning, key, Some(name), sentence);
            finding.details = location::reasons(field).map(ToString::to_string).collect();
            finding
        });
        sighted.chain(looks).collect()
    }

    /// Forbidden fields in phases that do not explain the category.
    fn fields(
        &self,
        case: &Case<'_>,
        expectation: &Expectation,
        category: Category,
        forbidden: impl Fn(&FieldFacts) -> bool,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (key, facts) in &case.observations.endpoints {
            if facts.origin != Origin::App || case.explains(&key.phase, category) != Some(false) {
                continue;
            }
            for (name, field) in facts.fields.iter().filter(|(_, field)| forbidden(field)) {
                let reasons = || field.reasons.iter().filter(|(of, _)| *of == category).map(|(_, reason)| reason);
                let by_name = reasons().next().is_some() && !reasons().any(is_proof);
                let severity = if by_name { Severity::Warning } else { self.severity() };
                let sentence = format!("the scenario says \"{expectation}\": {name} at {}, sent in {}", key.place(), key.phase);
                let mut finding = case.finding(self.name(), severity, key, Some(name), sentence);
                finding.details = reasons().map(ToString::to_string).collect();
                findings.push(finding);
            }
        }
        findings
    }
}

fn is_proof(reason: &Reason) -> bool {
    !matches!(reason, Reason::Name { .. })
}

/// Why expectations cannot be said to hold (R2, R10), one sentence each; empty when they can, or when there are none.
pub fn unanswered(case: &Case<'_>) -> Vec<String> {
    let coverage = &case.observations.coverage;
    let mut unread: Vec<&str> = coverage
        .hosts
        .iter()
        .filter(|(_, host)| host.origin == Origin::App && (host.exchanges == 0 || host.unread_tunnels > 0))
        .map(|(name, _)| name.as_str())
        .chain(
            coverage.blind_spots.iter().filter(|spot| spot.origin == Origin::App && spot.kind.hides_host()).map(|spot| spot.host.as_str()),
        )
        .collect();
    unread.sort_unstable();
    unread.dedup();
    // What the baseline could not read either is unread all the same: an expectation is no comparison.
    let parts: BTreeSet<String> = coverage
        .blind_spots
        .iter()
        .filter(|spot| spot.origin == Origin::App && !spot.kind.hides_host() && spot.kind != BlindSpotKind::NoCoverage)
        .map(|spot| format!("{} at {}", spot.kind.word(), if spot.endpoint.is_empty() { &spot.host } else { &spot.endpoint }))
        .collect();
    let mut reasons = Vec::new();
    for expectation in case.expectations {
        if !unread.is_empty() {
            reasons.push(format!("\"{expectation}\" cannot be answered: not every host of the app was read ({})", unread.join(", ")));
        }
        if !parts.is_empty() {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            reasons
                .push(format!("\"{expectation}\" cannot be answered: part of what the app sent could not be read ({})", parts.join(", ")));
        }
        let Expectation::NeverCategory(category) = expectation else { continue };
        if *category == Category::Location {
            let doubtful = location::of_app(case).filter(|sighting| location::judge(case, sighting) == Judgement::Ambiguous);
            reasons.extend(doubtful.map(|sighting| {
                let sentence = location::sentence(sighting, Judgement::Ambiguous);
                format!("\"{expectation}\" cannot be answered: which of these phases it belongs to cannot be told: {sentence}")
            }));
        }
        let planted = case.observations.planted.iter().filter(|(_, facts)| facts.category == *category && !facts.confirmed);
        for (name, _) in planted {
            reasons.push(format!("\"{expectation}\" was not checked for {name}: nobody confirmed that value on the phone"));
        }
    }
    reasons
}

const MANUAL: &str = "\
## What it objects to
What the scenario lists under `expect` as `never`, uploaded in a phase that does not explain it. A position is judged by the
phase in which the phone was there, as in `passive-location`. A field that looks like location without a planted position in it is
a warning, and its name alone is nothing; of any other category, a field that has it by its name alone is a warning.

## Why
An expectation is a promise made in writing. It holds only if everything the app sent was read; else the audit is inconclusive,
also where the baseline could read no more. So it is when a position may belong to a phase that explains it or to one that does
not.

## Example
`the scenario says \"never: location\": the position of background, sent in background to GET weather*.huami.test/v1/forecast as
query locationKey, 4 m from where the phone was`.

## What to do
Look at the request with `show`. If it is fine, change the scenario, or accept the finding for a time in policy.yaml with a
reason and an expiry. Accepting the snapshot does not silence it.
";
