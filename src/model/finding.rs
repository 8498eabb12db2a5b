//! A change or a field that a rule objects to, and what all of it adds up to.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{Category, EndpointKey, Evidence, FieldName};

/// A change or a field that a rule objects to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable over runs, machines and versions of the app.
    pub id: FindingId,
    /// The rule's name (`passive-location`).
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// Endpoint, phase included; `None` when it is about a host as a whole.
    pub endpoint: Option<EndpointKey>,
    /// Host, always.
    pub host: String,
    /// The field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldName>,
    /// What the field carries. The report's taxonomy says what each is called elsewhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub categories: BTreeSet<Category>,
    /// One sentence that a stranger can check, without captured values.
    pub sentence: String,
    /// More of the same: why the category, distance, phases. Without captured values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Metres to the planted position, for location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<f64>,
    /// Where to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The policy entry that accepts it, if any: reason and expiry, printed with it (R4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<super::Accepted>,
}

/// Stable id of a finding: eight hex digits of the SHA-256 of rule, app, scenario, platform, endpoint and field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

impl FindingId {
    /// The id for what a rule objects to. `parts` are rule, app, platform, scenario, phase, method, host, path, field.
    pub fn of(parts: &[&str]) -> Self {
        let digest = super::text::sha256_hex(parts.join("\u{1f}").as_bytes());
        Self(format!("T{}", digest.get(..8).unwrap_or_default()))
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth a review.
    Warning,
    /// What the harness exists to catch.
    Alarm,
}

impl Severity {
    /// Every severity, least first.
    pub const ALL: [Self; 3] = [Self::Note, Self::Warning, Self::Alarm];

    /// Its word in files and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
        }
    }

    /// Reads [`Severity::word`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.word() == word)
    }
}

/// What an audit adds up to (R2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Verdict {
    /// Nothing new in what could be read.
    Clean,
    /// At least one finding at or above the fail level that the policy does not accept.
    Finding {
        /// How many.
        count: usize,
    },
    /// The audit cannot answer.
    Inconclusive {
        /// Every reason why.
        reasons: Vec<String>,
    },
}
