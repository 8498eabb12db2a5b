//! A control run that is kept between invocations: what this phone talks to with the app stopped (R1), and of which phone and rig
//! that was true.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ControlRun;

/// Version of the format of a kept control run. Raised when a reader of the old one would be wrong.
///
/// 2: hosts of connections that could not be read are in it as well.
pub const CONTROL_FORMAT: u32 = 2;

/// A control run as it is kept with its rig: `rigs/<name>/control/<app>.json`. Which hosts a phone talks to tells what is on it,
/// so the file is for its owner only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptControl {
    /// [`CONTROL_FORMAT`] when it was written.
    pub format: u32,
    /// Version of tattletale that made it.
    pub tool: String,
    /// When it ended, on the wall clock.
    pub made: Timestamp,
    /// The app that was stopped.
    pub app: String,
    /// The phone's system as the phone told it: name, version, build. No serial number.
    pub phone: String,
    /// SHA-256 of what describes the rig's devices, hex.
    pub rig: String,
    /// What it saw.
    pub control: ControlRun,
}
