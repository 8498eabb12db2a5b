//! The steps a scenario is made of: one file a step, one entry in [`STEPS`].

use std::time::Duration;

use async_trait::async_trait;

use super::{
    parse::Problem,
    rig::Stage,
    spec::{Key, Kind, Need, StepCall, Values},
};
use crate::{
    band::BandError,
    model::{App, Category, Position},
    phone::{Action, PhoneError},
};

mod launch_app;
mod measure_heart_rate;
mod phase;
mod press_key;
mod prompt;
mod pull_to_refresh;
mod read_band;
mod release_band;
mod set_location;
mod stop_app;
mod tap_on;
mod travel;
mod vibrate_band;
mod wait;
mod wait_for_band;
mod wait_for_quiet;
mod wait_for_upload;

/// Every step, sorted by name. To add one: one file, one entry.
pub const STEPS: &[&StepKind] = &[
    &launch_app::KIND,
    &measure_heart_rate::KIND,
    &phase::KIND,
    &press_key::KIND,
    &prompt::KIND,
    &pull_to_refresh::KIND,
    &read_band::KIND,
    &release_band::KIND,
    &set_location::KIND,
    &stop_app::KIND,
    &tap_on::KIND,
    &travel::KIND,
    &vibrate_band::KIND,
    &wait::KIND,
    &wait_for_band::KIND,
    &wait_for_quiet::KIND,
    &wait_for_upload::KIND,
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

    /// What it asks of the phone, so that a phone that cannot do it is named before the run starts.
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
    /// One item of a scenario's `steps`, as YAML.
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
    problems: &'a mut Vec<Problem>,
}

impl<'a> Build<'a> {
    pub(super) const fn new(call: &'a StepCall, app: &'a App, problems: &'a mut Vec<Problem>) -> Self {
        Self { arguments: &call.arguments, app, call, problems }
    }

    /// Tells that an argument is well formed but cannot be meant.
    pub(super) fn wrong(&mut self, argument: &str, message: String, label: &str, help: &str) {
        let span = self.arguments.span(argument).unwrap_or_else(|| self.call.span.clone());
        self.problems.push(Problem::new(span, message, label).help(help));
    }
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
    /// The rig itself is connected to the band.
    #[error("listen for the band: a step before this one keeps it; put releaseBand between them")]
    BandKept,
    /// The rig has no band.
    #[error("find the band: this rig has none")]
    NoBand,
    /// The phone failed.
    #[error("{0}")]
    Phone(#[from] PhoneError),
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
pub(super) mod fakes;

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
            let scenario = crate::scenario::parse::scenario("example.yaml", "example", &text, &app).expect("the example is valid");
            assert_eq!(scenario.steps[0].name, kind.name);
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
