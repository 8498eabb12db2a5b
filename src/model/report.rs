//! What people read and publish: everything an audit found, as data. Formats turn it into bytes and add nothing.

use serde::{Deserialize, Serialize};

use super::{AppVersion, Change, Conservation, Coverage, Finding, Origin, Party, Target, Verdict};

/// Version of the report format.
pub const REPORT_FORMAT: u32 = 1;

/// Everything one audit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: u32,
    /// Version of tattletale.
    pub tool: String,
    /// App, platform, version, scenario.
    pub target: Target,
    /// What the scenario is about.
    #[serde(default)]
    pub about: String,
    /// What must be said of the rig ([`super::Platform::disclaimer`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclaimer: Option<String>,
    /// Words on the rig and its seeds.
    pub rig: String,
    /// Names of the captures, in run order.
    pub captures: Vec<String>,
    /// What was read of what there was.
    pub coverage: Coverage,
    /// Endpoints by bytes uploaded, most first.
    pub endpoints: Vec<EndpointRow>,
    /// Planted values: name, and "found in n exchanges", "not seen in what could be read", why it could not be seen, or
    /// "not checked" and perhaps why.
    pub planted: Vec<(String, String)>,
    /// What became of what the band held: a table for all runs in which it is the same. Empty when no band was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conservation: Vec<Conservation>,
    /// Positions found near a planted one, whether a rule objects or not: one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<String>,
    /// Positions of the app that a phase explains, sent in one that does not: one sentence each (R5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_positions: Vec<String>,
    /// The baseline compared with; `None` when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// What differs from the baseline.
    pub changes: Vec<Change>,
    /// What rules object to.
    pub findings: Vec<Finding>,
    /// What it adds up to.
    pub verdict: Verdict,
    /// Every reason why the audit could not be called clean even without a finding: the reasons of
    /// [`Verdict::Inconclusive`], kept when a finding outranks them (R2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

/// The baseline an audit was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its version.
    pub version: AppVersion,
    /// Its runs.
    pub runs: u32,
    /// Where it came from: a file name, or "embedded".
    pub place: String,
    /// True when it is the accepted snapshot of this very version: a difference then reads "same version, changed remotely".
    pub same_version: bool,
}

/// One row of the table of endpoints: what one endpoint uploaded in one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointRow {
    /// `POST api-mifit*.huami.test/v1/data/band_data.json`.
    pub endpoint: String,
    /// Phase.
    pub phase: String,
    /// Maker of the app or somebody else.
    pub party: Party,
    /// Whose traffic it is.
    pub origin: Origin,
    /// Company behind the host, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// Where that company is established, ISO 3166-1 alpha-2, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Where that can be checked: `app.yaml`, or the address of a public page and a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_source: Option<String>,
    /// Exchanges over all runs.
    pub exchanges: u64,
    /// Bytes uploaded over all runs.
    pub uploaded_bytes: u64,
    /// What is known of those bytes.
    pub ledger: super::Ledger,
    /// In how many runs.
    pub runs: u32,
    /// Number of fields.
    pub fields: usize,
    /// Categories of its fields, sorted.
    pub categories: Vec<super::Category>,
}
