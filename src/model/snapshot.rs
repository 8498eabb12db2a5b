//! The ordered set of field shapes of one app version in one scenario. It holds no values and is committed to git.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BlindSpotKind, EndpointKey, FieldName, FieldShape, Origin, Party, Target};

/// Version of the snapshot format.
pub const SNAPSHOT_FORMAT: u32 = 1;

/// Version of the decoder: raised when it reads the same bytes differently, so that a decoder's change is never reported as
/// the app's (R9).
pub const DECODER_VERSION: u32 = 2;

/// Runs a baseline needs before anything can count as new against it (R7).
pub const LEAST_OLD_RUNS: u32 = 3;

/// Field shapes of one app version in one scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where it came from.
    pub header: SnapshotHeader,
    /// Endpoints and their fields. Traffic of origin `phone` is not in it.
    pub endpoints: BTreeMap<EndpointKey, SnapshotEndpoint>,
}

/// Where a snapshot came from: one JSON line in insta's `description`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotHeader {
    /// [`SNAPSHOT_FORMAT`].
    pub format: u32,
    /// [`DECODER_VERSION`].
    pub decoder: u32,
    /// App, platform, version, scenario.
    pub target: Target,
    /// SHA-256 of the scenario's canonical form.
    pub scenario_hash: Option<String>,
    /// Complete runs.
    pub runs: u32,
    /// Hosts read, of hosts contacted.
    pub hosts_read: usize,
    /// Hosts contacted.
    pub hosts: usize,
    /// Whether the captures could tell what they missed.
    pub coverage_known: bool,
    /// What could not be seen.
    pub unread: BTreeSet<Unread>,
    /// What it must say about itself ([`super::Platform::disclaimer`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something of a snapshot's runs that could not be seen: a blind spot without its words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// What kind.
    pub kind: BlindSpotKind,
    /// The host or its pattern; empty when it concerns the whole capture.
    pub host: String,
    /// The endpoint (`POST host/path`); empty when it concerns a host.
    pub endpoint: String,
    /// The phase; empty where nobody knows which.
    pub phase: String,
    /// In how many of the runs.
    pub runs: u32,
}

/// One endpoint of a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotEndpoint {
    /// Maker of the app or somebody else.
    pub party: Party,
    /// `App` or `Unknown`.
    pub origin: Origin,
    /// In how many of the runs.
    pub runs: u32,
    /// Fields.
    pub fields: BTreeMap<FieldName, SnapshotField>,
}

/// One field of a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotField {
    /// Type, categories and encoding chain.
    pub shape: FieldShape,
    /// In how many of the runs.
    pub runs: u32,
}
