//! The rule `new-receiver`: the app talks to a host that the baseline never talked to.

use super::{Case, Detector, changes};
use crate::model::{ChangeKind, Finding, Severity};

/// The rule `new-receiver`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewReceiver;

impl Detector for NewReceiver {
    fn name(&self) -> &'static str {
        "new-receiver"
    }

    fn about(&self) -> &'static str {
        "a host that no endpoint of the baseline talks to"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        let finding = |change| {
            let mut finding = changes::finding(case, self.name(), self.severity(), change);
            let facts = case.observations.endpoints.get(&change.endpoint);
            finding.details.extend(facts.map(|facts| match &facts.receiver {
                Some(receiver) => format!("{}, {} ({})", facts.party.word(), receiver.in_words(), receiver.source),
                None => format!("{}; the company behind this host is unknown", facts.party.word()),
            }));
            finding
        };
        changes::counted(case, ChangeKind::NewReceiver).map(finding).collect()
    }
}

const MANUAL: &str = "\
## What it objects to
A host that the app sends requests to, and that the baseline neither talked to nor failed to read. Its calls are no findings of
`new-endpoint`; what they carry may be one of `new-field`.

## Why
Data that reaches one more company is out of the hands of those the user agreed with.

## Example
`tracker.test`, called in three of three runs, where the baseline of three runs has no such host.

## What to do
Find out who runs the host and name them under `receivers` in app.yaml. If the receiver is fine, accept the snapshot with `review`.
";
