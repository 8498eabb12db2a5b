//! The rule `went-dark`: what the baseline could read can no longer be read. Never a motive (R3).

use super::{Case, Detector, changes};
use crate::model::{ChangeKind, Finding, Severity};

/// The rule `went-dark`.
#[derive(Clone, Copy, Debug)]
pub(super) struct WentDark;

impl Detector for WentDark {
    fn name(&self) -> &'static str {
        "went-dark"
    }

    fn about(&self) -> &'static str {
        "a host or a body that the baseline could read and this audit could not"
    }

    fn manual(&self) -> &'static str {
        MANUAL
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn detect(&self, case: &Case<'_>) -> Vec<Finding> {
        let finding = |change: &crate::model::Change| {
            let mut finding = changes::finding(case, self.name(), self.severity(), change);
            let (place, host) = (change.endpoint.place(), &change.endpoint.host);
            let spots = case.observations.coverage.blind_spots.iter();
            let about = spots.filter(|spot| match change.field {
                Some(_) => spot.endpoint == place,
                None => spot.endpoint.is_empty() && spot.host == *host,
            });
            for spot in about {
                finding.details.push(spot.sentence.clone());
                finding.evidence = finding.evidence.or_else(|| spot.evidence.clone());
            }
            finding
        };
        changes::counted(case, ChangeKind::WentDark).map(finding).collect()
    }
}

const MANUAL: &str = "\
## What it objects to
A body of which the baseline decoded fields and that nobody can decode now, or a host that the baseline read and whose tunnels
now stay unread.

## Why
What cannot be read cannot be audited: from here on nothing is known about what this call or host receives. Encryption and
pinning have good reasons too, so the rule says \"no longer readable\" and nothing more.

## Example
`body at POST api-mifit*.huami.test/v1/data/band_data.json is no longer readable; the baseline read 14 fields there`.

## What to do
Look at the request with `show`. If a decoder or a key is missing, add it; else accept the snapshot with `review`, and the blind
spot stays listed in every report.
";
