//! The rule `new-endpoint`: the app calls something the baseline never called.

use super::{Case, Detector, changes};
use crate::model::{ChangeKind, Finding, Severity};

/// The rule `new-endpoint`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewEndpoint;

impl Detector for NewEndpoint {
    fn name(&self) -> &'static str {
        "new-endpoint"
    }

    fn about(&self) -> &'static str {
        "a call that the baseline did not have in any phase"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        // Endpoints of a new receiver are that receiver's finding; the list of changes still has each.
        let receivers: Vec<&str> =
            case.changes.iter().filter(|c| c.kind == ChangeKind::NewReceiver).map(|c| c.endpoint.host.as_str()).collect();
        changes::counted(case, ChangeKind::NewEndpoint)
            .filter(|change| !receivers.contains(&change.endpoint.host.as_str()))
            .map(|change| changes::finding(case, self.name(), self.severity(), change))
            .collect()
    }
}

const MANUAL: &str = "\
## What it objects to
A method, host and path that no phase of the baseline has, at a host that the baseline does have. What it carries may be a
finding of `new-field` as well.

## Why
A new call is a new flow of data, and the consent of the user was given without it.

## Example
`POST api-mifit*.huami.test/v1/user/contacts` in phase `sync`, in three of three runs, where the baseline of three runs has no such call.

## What to do
Look at its fields with `fields`. If the call is fine, accept the snapshot with `review`.
";
