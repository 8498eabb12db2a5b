//! The rule `new-phase`: something known is uploaded at a time when it was not before.

use super::{Case, Detector, changes};
use crate::model::{ChangeKind, Finding, Severity};

/// The rule `new-phase`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewPhase;

impl Detector for NewPhase {
    fn name(&self) -> &'static str {
        "new-phase"
    }

    fn about(&self) -> &'static str {
        "a known call or field, in a phase where the baseline did not have it"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        changes::counted(case, ChangeKind::NewPhase).map(|change| changes::finding(case, self.name(), self.severity(), change)).collect()
    }
}

const MANUAL: &str = "\
## What it objects to
An endpoint or a field that the baseline has, uploaded in a phase in which the baseline has it in none of its runs.

## Why
When data leaves matters as much as what leaves: a track after a workout is a service, the same field in the background is tracking.

## Example
`POST api-mifit*.huami.test/v1/sport/track` in phase `background`, where the baseline has it in `workout` only.

## What to do
Look at the requests of that phase with `show`. If the new time is fine, accept the snapshot with `review`.
";
