//! Changes and observations to findings: one file a rule. Only traffic of the app is accused (R1), only changes that count
//! (R7); a planted position always counts.

mod changes;
mod location;
mod never;
mod new_endpoint;
mod new_field;
mod new_phase;
mod new_receiver;
mod passive_location;
mod went_dark;

use std::collections::BTreeMap;

use jiff::civil::Date;

pub use location::late as late_positions;
pub use never::unanswered;

use crate::model::{
    Category, Change, EndpointKey, Evidence, Expectation, FieldFacts, FieldName, Finding, FindingId, Observations, Policy, Severity,
    Snapshot, Target,
};

/// A rule.
pub trait Detector: Sync {
    /// Name in findings, policy files and the manual.
    fn name(&self) -> &'static str;

    /// One line on what it objects to.
    fn about(&self) -> &'static str;

    /// Manual text in Markdown with the headings of [`MANUAL_HEADINGS`], in that order.
    fn manual(&self) -> &'static str;

    /// How bad its worst finding is, unless the policy says otherwise.
    fn severity(&self) -> Severity;

    /// What it objects to, in any order.
    fn detect(&self, case: &Case<'_>) -> Vec<Finding>;
}

/// Headings of every manual text.
pub const MANUAL_HEADINGS: [&str; 4] = ["## What it objects to", "## Why", "## Example", "## What to do"];

/// Every rule, sorted by name.
pub const DETECTORS: &[&dyn Detector] = &[
    &never::Never,
    &new_endpoint::NewEndpoint,
    &new_field::NewField,
    &new_phase::NewPhase,
    &new_receiver::NewReceiver,
    &passive_location::PassiveLocation,
    &went_dark::WentDark,
];

/// Everything a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What decoding saw.
    pub observations: &'a Observations,
    /// Its shapes.
    pub snapshot: &'a Snapshot,
    /// What differs from the baseline; empty without one.
    pub changes: &'a [Change],
    /// The baseline.
    pub baseline: Option<&'a Snapshot>,
    /// What the scenario forbids.
    pub expectations: &'a [Expectation],
    /// App, platform, version, scenario.
    pub target: &'a Target,
    /// Severities and accepted findings.
    pub policy: &'a Policy,
}

/// Findings of every rule, worst first, each id once, with the policy applied as of `today` (R4).
pub fn findings(case: &Case<'_>, today: Date) -> Vec<Finding> {
    let mut merged: BTreeMap<FindingId, Finding> = BTreeMap::new();
    for detector in DETECTORS {
        for mut finding in detector.detect(case) {
            if let Some(severity) = case.policy.severity.get(detector.name()) {
                finding.severity = *severity;
            }
            apply_policy(&mut finding, case.policy, today);
            match merged.get_mut(&finding.id) {
                None => {
                    merged.insert(finding.id.clone(), finding);
                }
                Some(known) => merge(known, finding),
            }
        }
    }
    let mut findings: Vec<Finding> = merged.into_values().collect();
    findings.sort_by(|a, b| {
        (b.severity, &a.rule, &a.host, &a.endpoint, &a.field, &a.id).cmp(&(a.severity, &b.rule, &b.host, &b.endpoint, &b.field, &b.id))
    });
    findings
}

/// Two findings of one id are one: the worse one speaks, what the other says becomes details.
fn merge(known: &mut Finding, mut other: Finding) {
    if other.severity > known.severity {
        std::mem::swap(known, &mut other);
    }
    let said = Some(other.sentence).filter(|sentence| *sentence != known.sentence);
    for detail in said.into_iter().chain(other.details) {
        if !known.details.contains(&detail) {
            known.details.push(detail);
        }
    }
}

/// The last day of an entry still counts.
fn apply_policy(finding: &mut Finding, policy: &Policy, today: Date) {
    let entries = || policy.accepted.iter().filter(|entry| entry.finding == finding.id);
    let accepted = entries().filter(|entry| entry.expires >= today).max_by_key(|entry| entry.expires).cloned();
    let expired = entries().map(|entry| entry.expires).max().filter(|_| accepted.is_none());
    if let Some(day) = expired {
        finding.details.push(format!("was accepted until {day}; that policy entry has expired"));
    }
    finding.accepted = accepted;
}

impl Case<'_> {
    /// A finding about an endpoint, or a field of it. Severity and sentence are the rule's.
    fn finding(&self, rule: &str, severity: Severity, key: &EndpointKey, field: Option<&FieldName>, sentence: String) -> Finding {
        let name = field.map(ToString::to_string).unwrap_or_default();
        let Target { app, platform, scenario, .. } = self.target;
        let id = FindingId::of(&[rule, app, platform.word(), scenario, &key.phase, &key.method, &key.host, &key.path, &name]);
        Finding {
            id,
            rule: rule.to_owned(),
            severity,
            endpoint: Some(key.clone()),
            host: key.host.clone(),
            field: field.cloned(),
            categories: field.and_then(|name| self.field(key, name)).map(|field| field.shape.categories.clone()).unwrap_or_default(),
            sentence,
            details: Vec::new(),
            distance_m: None,
            evidence: self.evidence(key, field),
            accepted: None,
        }
    }

    /// The first place where a field, or else its endpoint, was seen.
    fn evidence(&self, key: &EndpointKey, field: Option<&FieldName>) -> Option<Evidence> {
        let facts = self.observations.endpoints.get(key)?;
        field.and_then(|name| facts.fields.get(name)).and_then(|field| field.first.clone()).or_else(|| facts.first.clone())
    }

    /// Whether a phase explains a category, or the group it belongs to. `None` when the run had no phases, which neither explains
    /// nor accuses (R6).
    fn explains(&self, phase: &str, category: Category) -> Option<bool> {
        self.explains_all(phase, [category])
    }

    /// Whether a phase explains every one of some categories.
    fn explains_all(&self, phase: &str, categories: impl IntoIterator<Item = Category>) -> Option<bool> {
        if phase == UNSCRIPTED {
            return None;
        }
        let explained = || self.observations.phases.iter().filter(|(name, _)| name == phase).flat_map(|(_, explained)| explained);
        Some(categories.into_iter().all(|category| explained().any(|general| category.is_a(*general))))
    }

    /// The facts of a field.
    fn field(&self, key: &EndpointKey, name: &FieldName) -> Option<&FieldFacts> {
        self.observations.endpoints.get(key)?.fields.get(name)
    }
}

/// Phase of everything in a capture without phases (R6).
const UNSCRIPTED: &str = "unscripted";

/// Phase of everything before the first phase step (R6).
const START: &str = "start";

#[cfg(test)]
mod tests;
