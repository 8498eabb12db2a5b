//! Scenarios: text to [`Scenario`], and the steps a scenario is made of. Doing them in order, and recording, is `run`'s.

use std::{fmt, path::PathBuf, sync::Arc};

use crate::{
    model::{Category, Expectation, PlantedValue, Position},
    phone::{Action, Phone},
};

pub mod embedded;
pub mod forms;
pub mod parse;
pub mod perform;
pub mod planted_file;
pub mod rig;
pub mod rig_file;
pub mod schema;
pub mod secrets;
pub mod spec;
pub mod steps;

pub use parse::{Problem, Problems};
pub use perform::{LastScreen, StepFailure};
pub use planted_file::HeldValue;
pub use rig::{BandPlan, Course, SeenRequest, Stage, StageLog};
pub use rig_file::RigFile;
pub use secrets::{MissingSecret, Secrets};

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
    /// Steps, in order; some hold others.
    pub steps: Vec<PlacedStep>,
    /// What it forbids.
    pub expect: Vec<Expectation>,
    /// SHA-256 of its canonical form (without `about` and `runs`), hex.
    pub hash: String,
    /// What `${env:NAME}` stands for in its steps, once [`Scenario::look_up`] has been asked.
    pub secrets: Secrets,
}

impl Scenario {
    /// What this phone, or a rig with or without a band, cannot do of it, the position at the start included: to be told before a run
    /// starts.
    pub fn impossible_on(&self, phone: &dyn Phone, has_band: bool) -> Vec<Impossible> {
        let impossible = |placed: &&PlacedStep| {
            placed.step.needs().is_some_and(|action| !phone.supports(action)) || (placed.step.needs_band() && !has_band)
        };
        let of = |place: String, what: &str| Impossible { scenario: self.name.clone(), place, what: what.to_owned() };
        let start = self.location.filter(|_| !phone.supports(Action::SetLocation)).map(|_| of("plant".to_owned(), "location"));
        let steps = self.every_step().into_iter().filter(impossible).map(|placed| of(placed.place(), placed.name));
        start.into_iter().chain(steps).collect()
    }

    /// Every step with those that it holds, each once, in the order of the files.
    pub fn every_step(&self) -> Vec<&PlacedStep> {
        fn collect<'a>(steps: &'a [PlacedStep], into: &mut Vec<&'a PlacedStep>) {
            for placed in steps {
                into.push(placed);
                collect(placed.step.inner().steps, into);
            }
        }
        let mut all = Vec::new();
        collect(&self.steps, &mut all);
        all
    }

    /// Looks up every variable that a step names.
    ///
    /// # Errors
    /// Those that are not set, in the order of the steps.
    pub fn look_up(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), Vec<MissingSecret>> {
        let (mut secrets, mut missing) = (Secrets::default(), Vec::new());
        for placed in self.every_step() {
            for name in placed.step.variables() {
                match variable(name) {
                    Some(value) => secrets.insert(name, value),
                    None => missing.push(MissingSecret { place: placed.place(), step: placed.name, name: name.to_owned() }),
                }
            }
        }
        if missing.is_empty() {
            self.secrets = secrets;
            return Ok(());
        }
        Err(missing)
    }
}

/// Something that a scenario asks for, and that a rig cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// The scenario.
    pub scenario: String,
    /// Where it stands, in words: `line 7`, `line 3 of parts/sign-in.yaml`, `plant`.
    pub place: String,
    /// The step's name; of what is planted, its kind.
    pub what: String,
}

impl fmt::Display for Impossible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {}, {}", self.scenario, self.place, self.what)
    }
}

/// Files that a scenario names. Paths are from the app's folder, joined by slashes.
pub trait ScenarioFiles {
    /// Another scenario file: what to call it in messages, and its text.
    ///
    /// # Errors
    /// Why it cannot be had, as a fragment that reads after a colon.
    fn scenario(&self, path: &str) -> Result<(String, String), String>;

    /// Where a file is on this machine; `None` where there is no folder.
    fn place(&self, path: &str) -> Option<PathBuf>;
}

/// No files: the scenario stands alone.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl ScenarioFiles for Alone {
    fn scenario(&self, _: &str) -> Result<(String, String), String> {
        Err("there are no files beside it".to_owned())
    }

    fn place(&self, _: &str) -> Option<PathBuf> {
        None
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
        for placed in self.every_step() {
            // What only holds others does nothing itself.
            if !placed.step.inner().steps.is_empty() {
                continue;
            }
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
    /// Its file, from the app's folder, when that is another one than the scenario's own.
    pub file: Option<Arc<str>>,
    /// Its first line as written, without dash and comment; its name where that line does not show it.
    pub written: String,
    /// Name as in the file (`waitForQuiet`).
    pub name: &'static str,
    /// The step.
    pub step: Box<dyn steps::Step>,
}

impl PlacedStep {
    /// Where it stands, in words: `line 7`, `line 3 of parts/sign-in.yaml`.
    pub fn place(&self) -> String {
        match &self.file {
            None => format!("line {}", self.line),
            Some(file) => format!("line {} of {file}", self.line),
        }
    }
}
