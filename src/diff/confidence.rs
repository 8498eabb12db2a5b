//! How often a thing was seen on either side, and whether that is enough to call it a change (R7).

use super::{Counting, view::View};
use crate::model::{Confidence, snapshot::LEAST_OLD_RUNS};

/// In how many of how many runs a thing was seen, before and after, and what that must show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    old: u32,
    old_runs: u32,
    new: u32,
    new_runs: u32,
    rule: Rule,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    /// In all new runs and in none of at least three old ones.
    Gained,
    /// In all old runs and in none of at least three new ones.
    Lost,
    /// In all runs of both.
    Throughout,
    /// Read in at least three old runs' audit, and not once in the new one.
    Dark,
    /// Read in all of at least three old runs, and not once in the new ones.
    Hidden,
}

impl Runs {
    /// A thing that only the new snapshot has, in so many runs.
    pub(super) fn gained(new: u32, before: &View<'_>, after: &View<'_>) -> Self {
        Self { old: 0, old_runs: before.runs, new, new_runs: after.runs, rule: Rule::Gained }
    }

    /// A thing that only the old snapshot has, in so many runs.
    pub(super) fn lost(old: u32, before: &View<'_>, after: &View<'_>) -> Self {
        Self { old, old_runs: before.runs, new: 0, new_runs: after.runs, rule: Rule::Lost }
    }

    /// A thing that both have, and that looks different.
    pub(super) fn throughout(old: u32, new: u32, before: &View<'_>, after: &View<'_>) -> Self {
        Self { old, old_runs: before.runs, new, new_runs: after.runs, rule: Rule::Throughout }
    }

    /// A host that stayed unread: read in so many old runs, and in so many new ones all the same. That it stayed unread was
    /// seen, so unlike a thing that is merely absent it needs no number of new runs.
    pub(super) fn dark(old: u32, new: u32, before: &View<'_>, after: &View<'_>) -> Self {
        Self { old, old_runs: before.runs, new, new_runs: after.runs, rule: Rule::Dark }
    }

    /// What became unreadable where the baseline had something unread too: read in so many old runs, and in so many new ones.
    /// Only what every old run read is enough to tell a change from the chance that it was unread in some.
    pub(super) fn hidden(old: u32, new: u32, before: &View<'_>, after: &View<'_>) -> Self {
        Self { old, old_runs: before.runs, new, new_runs: after.runs, rule: Rule::Hidden }
    }

    pub(super) fn confidence(self, counting: Counting) -> Confidence {
        let Self { old, old_runs, new, new_runs, rule } = self;
        let counts = match rule {
            Rule::Gained => new > 0 && new == new_runs && old == 0 && old_runs >= LEAST_OLD_RUNS,
            Rule::Lost => old > 0 && old == old_runs && new == 0 && new_runs >= LEAST_OLD_RUNS,
            Rule::Throughout => new > 0 && new == new_runs && old == old_runs && old_runs >= LEAST_OLD_RUNS,
            Rule::Hidden => new == 0 && new_runs > 0 && old == old_runs && old_runs >= LEAST_OLD_RUNS,
            Rule::Dark => new == 0 && new_runs > 0 && old_runs >= LEAST_OLD_RUNS,
        };
        if counts || counting == Counting::EveryRun {
            Confidence::Counts
        } else {
            Confidence::SomeRunsOnly { new, new_runs, old, old_runs }
        }
    }
}
