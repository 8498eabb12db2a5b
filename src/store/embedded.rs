//! Accepted snapshots that come with the program, so that an installed binary has a baseline in an empty folder. Reading
//! them is `snapshot`'s.

use crate::model::Platform;

/// One accepted snapshot that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedSnapshot {
    /// App name.
    pub app: &'static str,
    /// Platform.
    pub platform: Platform,
    /// Scenario name.
    pub scenario: &'static str,
    /// App version's name.
    pub version: &'static str,
    /// The whole text of the `.snap` file.
    pub text: &'static str,
}

/// Every accepted snapshot that comes with the program, sorted by app, platform, scenario and version.
pub const EMBEDDED: &[EmbeddedSnapshot] = &[
    simulated("first-launch", include_str!("../../snapshots/mifit/simulated/first-launch@sim-1.0.snap")),
    simulated("passive-sync", include_str!("../../snapshots/mifit/simulated/passive-sync@sim-1.0.snap")),
    simulated("workout", include_str!("../../snapshots/mifit/simulated/workout@sim-1.0.snap")),
];

/// The baseline of the simulated rig's stand-in app in one scenario.
const fn simulated(scenario: &'static str, text: &'static str) -> EmbeddedSnapshot {
    EmbeddedSnapshot { app: "mifit", platform: Platform::Simulated, scenario, version: "sim-1.0", text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_each_once() {
        let keys: Vec<_> = EMBEDDED.iter().map(|one| (one.app, one.platform, one.scenario, one.version)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }
}
