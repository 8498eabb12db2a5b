//! What the rules about changes share: which changes may accuse, and a finding made from one.

use super::Case;
use crate::model::{Change, ChangeKind, Confidence, EndpointKey, Finding, Origin, Severity, category::keep_finest};

/// Changes of a kind that count and are the app's.
pub(super) fn counted<'a>(case: &Case<'a>, kind: ChangeKind) -> impl Iterator<Item = &'a Change> {
    let case = *case;
    case.changes
        .iter()
        .filter(move |change| change.kind == kind && change.confidence == Confidence::Counts && is_of_app(&case, &change.endpoint))
}

/// A finding that says what the change says.
pub(super) fn finding(case: &Case<'_>, rule: &str, severity: Severity, change: &Change) -> Finding {
    let mut finding = case.finding(rule, severity, &change.endpoint, change.field.as_ref(), change.sentence.clone());
    finding.categories.extend(change.after.iter().flat_map(|shape| &shape.categories));
    keep_finest(&mut finding.categories);
    let fields = case.observations.endpoints.get(&change.endpoint).map(|facts| &facts.fields);
    if let Some(seen) = change.field.as_ref().and_then(|name| fields.and_then(|fields| fields.get(name))) {
        finding.details.extend(seen.reasons.iter().map(|(category, reason)| format!("{category}: {reason}")));
    }
    if same_version(case) && !change.is_of_categories_only() {
        finding.details.push("same version, changed remotely".into());
    }
    finding
}

/// Whether the baseline is of this very version, so that a difference did not come with an update (R8).
fn same_version(case: &Case<'_>) -> bool {
    case.baseline.is_some_and(|baseline| baseline.header.target.version.name == case.target.version.name)
}

/// An endpoint belongs to the app where it was seen: now, else in the baseline.
fn is_of_app(case: &Case<'_>, key: &EndpointKey) -> bool {
    let seen = |snapshot: &crate::model::Snapshot| snapshot.endpoints.get(key).map(|endpoint| endpoint.origin);
    seen(case.snapshot).or_else(|| case.baseline.and_then(seen)) == Some(Origin::App)
}
