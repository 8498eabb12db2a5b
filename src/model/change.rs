//! What differs between two snapshots, with its confidence.

use serde::{Deserialize, Serialize};

use super::{EndpointKey, FieldName, FieldShape};

/// What differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Endpoint, phase included; for a receiver, the first endpoint that talks to it.
    pub endpoint: EndpointKey,
    /// The field, for changes of a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldName>,
    /// Shape before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FieldShape>,
    /// Shape after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FieldShape>,
    /// A sentence for a reader, without captured values.
    pub sentence: String,
    /// How sure we are.
    pub confidence: Confidence,
}

impl Change {
    /// Whether only what we call the field differs, not what was sent: the same bytes, known as something else.
    pub fn is_of_categories_only(&self) -> bool {
        let same = |before: &FieldShape, after: &FieldShape| before.kind.same_kind(&after.kind) && before.chain == after.chain;
        self.kind == ChangeKind::ChangedField
            && self.before.as_ref().zip(self.after.as_ref()).is_some_and(|(before, after)| same(before, after))
    }
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A known field with another type, category or encoding.
    ChangedField,
    /// An endpoint of the baseline that was not seen.
    GoneEndpoint,
    /// A field of the baseline that was not seen.
    GoneField,
    /// An endpoint the baseline did not have in any phase.
    NewEndpoint,
    /// A field its endpoint did not have in any phase.
    NewField,
    /// A known endpoint or field, in a phase where the baseline did not have it.
    NewPhase,
    /// A host that no baseline endpoint talks to.
    NewReceiver,
    /// What the baseline could not read can be read now. Never "new".
    NewlyReadable,
    /// What the baseline could read can no longer be read. Never a motive.
    WentDark,
}

impl ChangeKind {
    /// Its word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ChangedField => "changed-field",
            Self::GoneEndpoint => "gone-endpoint",
            Self::GoneField => "gone-field",
            Self::NewEndpoint => "new-endpoint",
            Self::NewField => "new-field",
            Self::NewPhase => "new-phase",
            Self::NewReceiver => "new-receiver",
            Self::NewlyReadable => "newly-readable",
            Self::WentDark => "went-dark",
        }
    }
}

/// How sure a change is (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Confidence {
    /// In all new runs and in none of at least three old ones (or the other way round).
    Counts,
    /// Not enough to tell a change from chance: prints "in some runs only".
    SomeRunsOnly {
        /// New runs that had it.
        new: u32,
        /// Of so many.
        new_runs: u32,
        /// Old runs that had it.
        old: u32,
        /// Of so many.
        old_runs: u32,
    },
}
