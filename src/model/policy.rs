//! What an organisation decided: severities, the level that fails, and findings it accepts for a time (R4).

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{FindingId, Severity};

/// What an organisation decided. The default: every rule at its own severity, warnings fail, nothing accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Severity by rule name, where it differs from the rule's own.
    pub severity: BTreeMap<String, Severity>,
    /// Findings at or above this level fail an audit.
    pub fail_level: Severity,
    /// Findings accepted for a time.
    pub accepted: Vec<Accepted>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { severity: BTreeMap::new(), fail_level: Severity::Warning, accepted: Vec::new() }
    }
}

/// One accepted finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The finding's id.
    pub finding: FindingId,
    /// Why, in words.
    pub reason: String,
    /// Last day on which it holds.
    pub expires: Date,
}
