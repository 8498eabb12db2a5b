//! The steps a scenario is made of: one file a step, one entry in [`STEPS`].

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;

use super::{
    PlacedStep, StepFailure,
    parse::Problem,
    rig::Stage,
    spec::{Key, Kind, Need, Span, StepCall, Value, Values},
};
use crate::{
    band::BandError,
    model::{App, Category, Position},
    phone::{Action, PhoneError},
};

mod back;
mod clear_state;
mod input_text;
mod install_app;
mod launch_app;
mod measure_heart_rate;
mod phase;
mod press_key;
mod prompt;
mod pull_to_refresh;
mod read_band;
mod release_band;
mod repeat;
mod retry;
mod run_scenario;
mod screenshot;
mod set_airplane_mode;
mod set_location;
mod set_permissions;
mod start_recording;
mod stop_app;
mod stop_recording;
mod swipe;
mod tap_on;
mod travel;
mod uninstall_app;
mod vibrate_band;
mod wait;
mod wait_for_band;
mod wait_for_quiet;
mod wait_for_upload;
mod wait_for_visible;

pub use set_location::place;

/// Every step, sorted by name. To add one: one file, one entry.
pub const STEPS: &[&StepKind] = &[
    &back::KIND,
    &clear_state::KIND,
    &input_text::KIND,
    &install_app::KIND,
    &launch_app::KIND,
    &measure_heart_rate::KIND,
    &phase::KIND,
    &press_key::KIND,
    &prompt::KIND,
    &pull_to_refresh::KIND,
    &read_band::KIND,
    &release_band::KIND,
    &repeat::KIND,
    &retry::KIND,
    &run_scenario::KIND,
    &screenshot::KIND,
    &set_airplane_mode::KIND,
    &set_location::KIND,
    &set_permissions::KIND,
    &start_recording::KIND,
    &stop_app::KIND,
    &stop_recording::KIND,
    &swipe::KIND,
    &tap_on::KIND,
    &travel::KIND,
    &uninstall_app::KIND,
    &vibrate_band::KIND,
    &wait::KIND,
    &wait_for_band::KIND,
    &wait_for_quiet::KIND,
    &wait_for_upload::KIND,
    &wait_for_visible::KIND,
];

/// The step with this name.
pub fn named(name: &str) -> Option<&'static StepKind> {
    STEPS.iter().copied().find(|kind| kind.name == name)
}

/// Something a scenario does.
#[async_trait]
pub trait Step: std::fmt::Debug + Send + Sync {
    /// Does it. Returns a note on what happened, without captured values.
    ///
    /// # Errors
    /// Why the scenario did not happen as written.
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError>;

    /// Whether it only waits or marks (a wait, a phase), so that waits measure from the step before it.
    fn only_waits(&self) -> bool {
        false
    }

    /// What it asks of the phone itself, so that a phone that cannot do it is named before the run starts.
    fn needs(&self) -> Option<Action> {
        None
    }

    /// The name under which it asks a person to do something, so that a run with nobody there is refused before it starts.
    fn asks_for(&self) -> Option<&str> {
        None
    }

    /// Whether it needs a band on the rig.
    fn needs_band(&self) -> bool {
        false
    }

    /// The phase that it begins.
    fn phase(&self) -> Option<&str> {
        None
    }

    /// What the phase that it begins explains; empty for a step that begins none.
    fn explains(&self) -> &[Category] {
        &[]
    }

    /// Where it takes the phone.
    fn moves(&self) -> Option<Move<'_>> {
        None
    }

    /// The steps that it holds, and how often they are done.
    fn inner(&self) -> Inner<'_> {
        Inner { steps: &[], most_times: 1 }
    }

    /// Environment variables that it types into the phone.
    fn variables(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Steps that a step holds.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    /// They, in order.
    pub steps: &'a [PlacedStep],
    /// How often all of them are done at most, from 1.
    pub most_times: u32,
}

/// Where a step takes the phone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move<'a> {
    /// To another place, at once.
    To(Position),
    /// On from where it is, along a track.
    Along(&'a [Position]),
}

/// A kind of step: its name, its arguments, its manual, and how one is made of what a file says.
#[derive(Debug)]
pub struct StepKind {
    /// Name as in a scenario: Maestro's where the meaning is Maestro's.
    pub name: &'static str,
    /// One line on what it does.
    pub about: &'static str,
    /// Its arguments.
    pub takes: Takes,
    /// What it does, in sentences.
    pub does: &'static str,
    /// When it fails, in sentences.
    pub fails: &'static str,
    /// Items of a scenario's `steps`, as YAML: one, where one makes sense alone.
    pub example: &'static str,
    /// Makes the step. `None` only after a problem was told.
    pub(super) build: fn(&mut Build<'_>) -> Option<Box<dyn Step>>,
}

/// The arguments of a step.
#[derive(Debug)]
pub enum Takes {
    /// Named ones: `waitForQuiet: { idle: 20s, max: 5m }`.
    Map(&'static [Key]),
    /// None: `stopApp`.
    Nothing,
    /// A value: `pressKey: home`. The key only names it.
    One(Key),
}

impl StepKind {
    /// Its manual page as Markdown, always with the same headings.
    pub fn manual(&self) -> String {
        let arguments = match &self.takes {
            Takes::Nothing => "None.\n".to_owned(),
            Takes::One(key) => format!("{}: {}.\n", key.about, key.kind),
            Takes::Map(keys) => super::schema::key_table(keys),
        };
        let Self { name, about, does, fails, example, .. } = self;
        format!(
            "# {name}\n\n{about}.\n\n## What it does\n\n{does}\n\n## Arguments\n\n{arguments}\n## When it fails\n\n{fails}\n\n\
             ## Example\n\n```yaml\n{example}\n```\n"
        )
    }
}

/// What a step is made of, and where to tell what is wrong with it.
pub(super) struct Build<'a> {
    /// The arguments, all of them well formed.
    pub(super) arguments: &'a Values,
    /// The app under audit.
    pub(super) app: &'a App,
    call: &'a StepCall,
    nest: &'a mut dyn Nest,
}

/// The file that a step is built for: who makes the steps that it holds, and takes the problems.
pub(super) trait Nest {
    /// Takes a problem of this file.
    fn problem(&mut self, problem: Problem);

    /// The steps that calls of this file describe; `None` only after a problem was told.
    fn steps(&mut self, calls: &[&StepCall]) -> Option<Vec<PlacedStep>>;

    /// The steps of another scenario file, whose path from this one stands at `span`; `None` only after a problem was told.
    fn scenario(&mut self, path: &str, span: Span) -> Option<Vec<PlacedStep>>;

    /// Where a file is on this machine whose path is from this file; `None` where there is no folder.
    fn place(&self, path: &str) -> Option<PathBuf>;
}

impl<'a> Build<'a> {
    pub(super) fn new(call: &'a StepCall, app: &'a App, nest: &'a mut dyn Nest) -> Self {
        Self { arguments: &call.arguments, app, call, nest }
    }

    /// The steps that a list argument describes; `None` only after a problem was told.
    pub(super) fn steps(&mut self, argument: &str) -> Option<Vec<PlacedStep>> {
        let calls: Vec<&StepCall> = calls(self.arguments.list(argument)).collect();
        self.nest.steps(&calls)
    }

    /// The steps of the scenario file that an argument names; `None` only after a problem was told.
    pub(super) fn scenario(&mut self, argument: &str) -> Option<Vec<PlacedStep>> {
        let path = self.arguments.text(argument)?;
        self.nest.scenario(path, self.arguments.span(argument)?)
    }

    /// Where the file is on this machine that an argument names.
    pub(super) fn place(&mut self, argument: &str) -> Option<PathBuf> {
        let path = self.arguments.text(argument)?;
        let place = self.nest.place(path);
        if place.is_none() {
            let help = "it has no folder in which the file could lie: `tattletale init` writes the shipped files into one";
            self.wrong(argument, format!("find the file {path}"), "the scenario comes with the program", help);
        }
        place
    }

    /// Tells that an argument is well formed but cannot be meant.
    pub(super) fn wrong(&mut self, argument: &str, message: String, label: &str, help: &str) {
        let span = self.arguments.span(argument).unwrap_or_else(|| self.call.span.clone());
        self.nest.problem(Problem::new(span, message, label).help(help));
    }
}

/// The steps in a list of a file.
pub(super) fn calls(items: &[super::spec::Placed]) -> impl Iterator<Item = &StepCall> {
    items.iter().filter_map(|item| if let Value::Step(call) = &item.value { Some(&**call) } else { None })
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The band failed.
    #[error("{error} ({band})")]
    Band {
        /// Which, in words.
        band: String,
        /// How.
        error: BandError,
    },
    /// A secret would be on a recording of the screen.
    #[error("type a secret: the screen is being recorded")]
    OnFilm,
    /// The rig itself is connected to the band.
    #[error("listen for the band: a step before this one keeps it; put releaseBand between them")]
    BandKept,
    /// The rig has no band.
    #[error("find the band: this rig has none")]
    NoBand,
    /// The phone failed.
    #[error("{0}")]
    Phone(#[from] PhoneError),
    /// A step that this one holds was not done.
    #[error("do what it holds{which}: {failure}")]
    Inner {
        /// Which time of how many, with a space before it; empty when there is one only.
        which: String,
        /// The step, and why.
        failure: Box<StepFailure>,
    },
    /// Each try failed.
    #[error("do what it holds, {} times: {}", tries.len(), listed(tries))]
    Retried {
        /// Each try's failure, in order.
        tries: Vec<StepFailure>,
    },
    /// The phone's traffic does not come to the proxy any more.
    #[error("keep the phone's traffic at the proxy: {0}")]
    Route(String),
    /// What was awaited did not happen in time.
    #[error("wait for {awaited}: within {within:?} there was {seen}")]
    TimedOut {
        /// What was awaited.
        awaited: String,
        /// The limit.
        within: Duration,
        /// What was seen instead.
        seen: String,
    },
}

/// Failures of several tries, in one line.
fn listed(tries: &[StepFailure]) -> String {
    (1..).zip(tries).map(|(number, failure)| format!("try {number}: {failure}")).collect::<Vec<_>>().join("; ")
}

impl StepError {
    /// Whether something awaited did not come, while every instrument did what it was told: the scenario did not happen as written.
    pub fn is_unfulfilled(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Phone(PhoneError::ByHand(_)) => true,
            Self::Inner { failure, .. } => failure.error.is_unfulfilled(),
            Self::Retried { tries } => tries.last().is_some_and(|failure| failure.error.is_unfulfilled()),
            _ => false,
        }
    }

    /// Whether it failed for the phone's or the app's sake, so that it may go well another time.
    pub(super) fn may_go_well(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Phone(PhoneError::AppNotInFront(_) | PhoneError::Failed(_)) => true,
            Self::Inner { failure, .. } => failure.error.may_go_well(),
            Self::Retried { tries } => tries.last().is_some_and(|failure| failure.error.may_go_well()),
            _ => false,
        }
    }

    /// Whether what is on the screen may tell why. A step inside has been asked for it.
    pub(super) const fn is_about_the_screen(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Phone(PhoneError::AppNotInFront(_)))
    }
}

/// The argument of band steps that keeps the band from the phone.
const KEEP: Key = Key {
    name: "keep",
    about: "Whether to keep the connection, so that the phone cannot have the band before releaseBand",
    kind: Kind::Flag,
    need: Need::Optional,
};

pub(super) use phase::CATEGORIES;
pub(super) use set_location::POSITION;

/// How often a wait looks again, on the rig's clock.
const POLL: Duration = Duration::from_millis(500);

#[cfg(test)]
pub(crate) mod fakes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_sorted_by_name() {
        assert!(STEPS.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn every_manual_has_the_same_headings() {
        for kind in STEPS {
            let manual = kind.manual();
            let headings: Vec<&str> = manual.lines().filter(|line| line.starts_with('#')).skip(1).collect();
            assert_eq!(headings, ["## What it does", "## Arguments", "## When it fails", "## Example"], "{}", kind.name);
            assert!(!kind.about.ends_with('.') && kind.does.ends_with('.') && kind.fails.ends_with('.'), "{}", kind.name);
        }
    }

    #[test]
    fn every_example_is_a_step_of_its_kind() {
        for kind in STEPS {
            let text = format!("name: example\napp: demo\nabout: An example.\nruns: 1\nsteps:\n{}\nexpect: []\n", kind.example);
            let app = App { name: "demo".into(), ..App::default() };
            let read = crate::scenario::parse::scenario_among("example.yaml", "example", &text, &app, &fakes::OneFolder);
            let scenario = read.unwrap_or_else(|problems| panic!("{problems:?}"));
            assert!(scenario.steps.iter().any(|placed| placed.name == kind.name), "{}", kind.name);
        }
    }

    #[test]
    fn defaults_are_valid_values() {
        for kind in STEPS {
            let Takes::Map(keys) = &kind.takes else { continue };
            for key in *keys {
                assert!(!matches!(key.need, Need::Default("")) || matches!(key.kind, crate::scenario::spec::Kind::Map(_)), "{}", key.name);
            }
        }
    }
}
