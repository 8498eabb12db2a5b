//! The rule `new-field`: a known call carries something it did not carry.

use super::{Case, Detector, changes};
use crate::model::{Category, Change, ChangeKind, Finding, Severity, category::covers};

/// The rule `new-field`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewField;

impl Detector for NewField {
    fn name(&self) -> &'static str {
        "new-field"
    }

    fn about(&self) -> &'static str {
        "a field that its endpoint did not have in any phase, or that now means more"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        let new = changes::counted(case, ChangeKind::NewField).map(|change| {
            let personal = change.after.as_ref().is_some_and(|shape| shape.categories.iter().any(|category| category.is_about_person()));
            let known = personal && is_sent_there_already(case, change);
            let severity = if personal && !known { self.severity() } else { Severity::Note };
            let mut finding = changes::finding(case, self.name(), severity, change);
            if known {
                finding.sentence.push_str("; already sent to this host elsewhere");
            }
            finding
        });
        // In how many runs a field had a category is not kept, so a category gained is no more than worth knowing.
        let gained = changes::counted(case, ChangeKind::ChangedField)
            .filter(|change| gains_category(change))
            .map(|change| changes::finding(case, self.name(), Severity::Note, change));
        new.chain(gained).collect()
    }
}

/// Whether the baseline sends a field of this name and with these categories to this host, so that the host learns nothing by
/// it. A location field is never known in this sense: where the phone is differs from call to call.
fn is_sent_there_already(case: &Case<'_>, change: &Change) -> bool {
    let (Some(baseline), Some(name), Some(shape)) = (case.baseline, &change.field, &change.after) else { return false };
    let endpoints = baseline.endpoints.iter().filter(|(key, _)| key.host == change.endpoint.host);
    !shape.is_a(Category::Location)
        && endpoints.filter_map(|(_, endpoint)| endpoint.fields.get(name)).any(|known| covers(&known.shape.categories, &shape.categories))
}

fn gains_category(change: &Change) -> bool {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => !covers(&before.categories, &after.categories),
        _ => false,
    }
}

const MANUAL: &str = "\
## What it objects to
A field that its endpoint did not have in any phase of the baseline: a warning when it carries something about a person, else a
note. What is about the phone or the app only (its language, its system's version, pages shown) is a note. What the baseline
already sends to the same host under the same name and with the same categories is a note too, unless it is location. A known field
that gains a category is a note; a finer word for the same thing is no gain.

## Why
New data mostly travels in old calls, where nobody looks.

## Example
`form data_json[].summary.location.lat` (latitude, location) at `POST api-mifit*.huami.test/v1/data/band_data.json`.

## What to do
Look at the field with `fields`, and say in app.yaml what it means. A note that says \"already sent to this host elsewhere\" tells
that the host learns nothing it did not get before, only at another call. If it is fine, accept the snapshot with `review`.
";
