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
                Expectation::NeverCategory(category) if category.is_a(Category::Location) => self.location(case, expectation, *category),
                Expectation::NeverCategory(category) => self.fields(case, expectation, *category, |field| field.shape.is_a(*category)),
                Expectation::NeverType(kind) => self.fields(case, expectation, Category::Location, |field| field.shape.kind == *kind),
            })
            .collect()
    }
}

impl Never {
    /// A forbidden position is judged by where the phone was when (R5); a location field without one by its phase.
    fn location(&self, case: &Case<'_>, expectation: &Expectation, category: Category) -> Vec<Finding> {
        let sighted = location::of_app(case).filter(|sighting| location::is_a(case, sighting, category)).filter_map(|sighting| {
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
        let proven = |field: &FieldFacts| field.shape.is_a(category) && reasons(field, category).any(is_proof);
        let looks = location::unplanted(case).filter(|(.., field)| proven(field)).map(|(key, _, name, field)| {
            let sentence = format!("the scenario says \"{expectation}\": {name} at {}, sent in {}", key.place(), key.phase);
            let mut finding = case.finding(self.name(), Severity::Warning, key, Some(name), sentence);
            finding.details = reasons(field, category).map(ToString::to_string).collect();
            finding
        });
        sighted.chain(looks).collect()
    }

    /// Forbidden fields in phases that do not explain what they are of the category, or the group.
    fn fields(
        &self,
        case: &Case<'_>,
        expectation: &Expectation,
        category: Category,
        forbidden: impl Fn(&FieldFacts) -> bool,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (key, facts) in &case.observations.endpoints {
            if facts.origin != Origin::App {
                continue;
            }
            for (name, field) in facts.fields.iter().filter(|(_, field)| forbidden(field)) {
                if !is_unexplained(case, &key.phase, field, category) {
                    continue;
                }
                let reasons = || reasons(field, category);
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

/// Whether a phase leaves unexplained what a field is of a category, or of a group. A field of which no category is known is judged
/// by the category that is forbidden.
fn is_unexplained(case: &Case<'_>, phase: &str, field: &FieldFacts, category: Category) -> bool {
    let mut concerned: Vec<Category> = field.shape.categories.iter().copied().filter(|known| known.is_a(category)).collect();
    if concerned.is_empty() {
        concerned.push(category);
    }
    case.explains_all(phase, concerned) == Some(false)
}

/// Why a field has a category, or a member of a group.
fn reasons(field: &FieldFacts, category: Category) -> impl Iterator<Item = &Reason> {
    field.reasons.iter().filter(move |(of, _)| of.is_a(category)).map(|(_, reason)| reason)
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
    // What the baseline could not read either is unread all the same: an expectation is no comparison. An app that was altered was read all
    // the same; that it is not the vendor's is told with the coverage.
    let parts: BTreeSet<String> = coverage
        .blind_spots
        .iter()
        .filter(|spot| spot.origin == Origin::App && !spot.kind.hides_host() && !NO_PART.contains(&spot.kind))
        .map(|spot| match (spot.endpoint.as_str(), spot.host.as_str()) {
            ("", "") => spot.kind.word().to_owned(),
            ("", place) | (place, _) => format!("{} at {place}", spot.kind.word()),
        })
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
        if category.is_a(Category::Location) {
            let doubtful = location::of_app(case)
                .filter(|sighting| location::is_a(case, sighting, *category) && location::judge(case, sighting) == Judgement::Ambiguous);
            reasons.extend(doubtful.map(|sighting| {
                let sentence = location::sentence(sighting, Judgement::Ambiguous);
                format!("\"{expectation}\" cannot be answered: which of these phases it belongs to cannot be told: {sentence}")
            }));
        }
        let planted = || case.observations.planted.iter().filter(|(_, facts)| concerns(facts.category, *category));
        for (name, _) in planted().filter(|(_, facts)| !facts.confirmed) {
            reasons.push(format!("\"{expectation}\" was not checked for {name}: nobody confirmed that value on the phone"));
        }
        if !planted().any(|(_, facts)| facts.confirmed) {
            reasons.extend(may_be(case, expectation, *category));
        }
    }
    reasons
}

/// Whether a value of one category says something of what is said of another: one is the other, or its group.
fn concerns(value: Category, said: Category) -> bool {
    value.is_a(said) || said.is_a(value)
}

/// Fields that may be what is forbidden: their group is known, and nothing finer. Where a value of the category was planted and
/// searched for, that is the answer.
fn may_be(case: &Case<'_>, expectation: &Expectation, category: Category) -> Option<String> {
    let group = category.group();
    if category == group {
        return None;
    }
    let app = case.observations.endpoints.iter().filter(|(_, facts)| facts.origin == Origin::App);
    let fields = app.flat_map(|(key, facts)| facts.fields.iter().map(move |(name, field)| (key, name, field)));
    let mut open = fields
        .filter(|(key, _, field)| field.shape.categories.contains(&group) && case.explains_all(&key.phase, [category]) == Some(false));
    let (key, name, _) = open.next()?;
    let more = match open.count() {
        0 => String::new(),
        1 => " and 1 other field".to_owned(),
        more => format!(" and {more} other fields"),
    };
    Some(format!("\"{expectation}\" cannot be answered: of {name} at {}{more} no more is known than {group}", key.place()))
}

const MANUAL: &str = "\
## What it objects to
What the scenario lists under `expect` as `never`, uploaded in a phase that does not explain it. A position is judged by the
phase in which the phone was there, as in `passive-location`. A field that looks like location without a planted position in it is
a warning, and its name alone is nothing; of any other category, a field that has it by its name alone is a warning.

A group (`never: location`) forbids each of its members; a member (`never: precise-location`) is narrower. A field of which only
the group is known may be that member: then the answer is open, unless such a value was planted and searched for.

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

/// Blind spots that say nothing of a part of what the app sent.
const NO_PART: [BlindSpotKind; 2] = [BlindSpotKind::AppAltered, BlindSpotKind::NoCoverage];
