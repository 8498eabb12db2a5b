//! Scenarios: text to [`Scenario`], and the steps a scenario is made of. Doing them in order, and recording, is `run`'s.

use crate::{
    model::{Category, Expectation, PlantedValue, Position},
    phone::Phone,
};

pub mod embedded;
pub mod forms;
pub mod parse;
pub mod planted_file;
pub mod rig;
pub mod rig_file;
pub mod schema;
pub mod spec;
pub mod steps;

pub use parse::{Problem, Problems};
pub use planted_file::HeldValue;
pub use rig::{BandPlan, SeenRequest, Stage, StageLog};
pub use rig_file::RigFile;

/// A scenario, as its file says. Made only by [`parse`], so everything in it is valid.
#[derive(Debug)]
pub struct Scenario {
    /// Name: the file's without its ending.
    pub name: String,
    /// App it belongs to: the folder's name.
    pub app: String,
    /// What it is about, for people.
    pub about: String,
    /// How many runs make an audit.
    pub runs: u32,
    /// Values that are on the phone from the start (profile), location left out.
    pub plant: Vec<PlantedValue>,
    /// Where the phone is from the start.
    pub location: Option<Position>,
    /// Steps, in order.
    pub steps: Vec<PlacedStep>,
    /// What it forbids.
    pub expect: Vec<Expectation>,
    /// SHA-256 of its canonical form (without `about` and `runs`), hex.
    pub hash: String,
}

impl Scenario {
    /// Steps that this phone, or a rig with or without a band, cannot do: to be told before a run starts.
    pub fn impossible_on(&self, phone: &dyn Phone, has_band: bool) -> Vec<&PlacedStep> {
        let impossible = |placed: &&PlacedStep| {
            placed.step.needs().is_some_and(|action| !phone.supports(action)) || (placed.step.needs_band() && !has_band)
        };
        self.steps.iter().filter(impossible).collect()
    }
}

/// A phase that explains no position, and begins where a phase that explains one left the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamePlace<'a> {
    /// Line of the phase step, from 1.
    pub line: u32,
    /// The phase.
    pub phase: &'a str,
    /// The phase before it, which explains positions.
    pub left_by: &'a str,
}

impl Scenario {
    /// Phases in which a position that is sent cannot be told from one that an earlier phase explains (R5): the phone is still
    /// where that phase left it when the first thing is done. Only a step that moves it right after the phase began is in time: a
    /// place that the phone was moved to earlier is one that the explaining phase was at, too.
    pub fn same_places(&self) -> Vec<SamePlace<'_>> {
        let mut found = Vec::new();
        // The phase that explains where the phone is; and the phase that began there, until its first step moves the phone or not.
        let (mut left_by, mut began) = (None, None);
        let mut placed_at_all = self.location.is_some();
        for placed in &self.steps {
            if placed.step.moves().is_some() {
                placed_at_all = true;
                began = None;
                if left_by.is_some_and(|(_, over)| over) {
                    left_by = None;
                }
                continue;
            }
            found.extend(began.take());
            let Some(phase) = placed.step.phase() else { continue };
            if placed.step.explains().iter().any(|category| category.is_a(Category::Location)) {
                left_by = Some((phase, false));
            } else if let Some((explaining, _)) = left_by {
                left_by = Some((explaining, true));
                began = Some(SamePlace { line: placed.line, phase, left_by: explaining }).filter(|_| placed_at_all);
            }
        }
        found.extend(began);
        found
    }
}

/// A step and where it stands in the file.
#[derive(Debug)]
pub struct PlacedStep {
    /// Line, from 1.
    pub line: u32,
    /// Name as in the file (`waitForQuiet`).
    pub name: &'static str,
    /// The step.
    pub step: Box<dyn steps::Step>,
}
