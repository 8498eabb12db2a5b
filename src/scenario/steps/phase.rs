//! `phase`: from here on, traffic belongs to a named stretch of the run (R6).

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    model::{Category, RunEvent},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

/// Words of [`Category`], sorted.
pub(crate) const CATEGORIES: &[&str] = &Category::WORDS;

/// How long a phase waits for what is in flight, so that an exchange is not torn between two phases (R6).
const SETTLE: Duration = Duration::from_secs(5);

/// Names that have a meaning of their own (R6).
const RESERVED: [&str; 2] = ["start", "unscripted"];

pub(super) const KIND: StepKind = StepKind {
    name: "phase",
    about: "Begin a named stretch of the run",
    takes: Takes::Map(&[
        Key { name: "name", about: "Its name, unique within the scenario", kind: Kind::Text(&forms::NAME), need: Need::Required },
        Key {
            name: "explains",
            about: "Categories whose upload this phase explains, or groups of them: a workout explains location",
            kind: Kind::List { of: &Kind::Word(CATEGORIES), least: 0 },
            need: Need::Optional,
        },
    ]),
    does: "Waits until nothing is in flight, five seconds at most, then begins the phase. A request belongs to the phase in which it \
           began; a position belongs to the phases in which the phone was there. Before the first phase step the phase is `start`. \
           To keep the positions of two phases apart, move the phone at least 5 km between them: before a phase that explains location, \
           and right after the step that begins the next one.",
    fails: "Never.",
    example: "- phase: { name: workout, explains: [location] }",
    build,
};

#[derive(Debug)]
struct Phase {
    name: String,
    explains: Vec<Category>,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let name = build.arguments.text("name")?.to_owned();
    if RESERVED.contains(&name.as_str()) {
        let message = format!("name a phase \"{name}\"");
        build.wrong(
            "name",
            message,
            "has a meaning of its own",
            "start is what comes before the first phase, unscripted is what was imported",
        );
        return None;
    }
    let words = build.arguments.list("explains").iter().filter_map(|item| item.value.as_text());
    let mut explains: Vec<Category> = words.filter_map(Category::parse).collect();
    explains.sort_unstable();
    explains.dedup();
    Some(Box::new(Phase { name, explains }))
}

#[async_trait]
impl Step for Phase {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let settled = stage.log.settle(SETTLE).await;
        let open = stage.log.in_flight();
        stage.log.write(RunEvent::PhaseBegan { name: self.name.clone(), explains: self.explains.clone() }).await;
        Ok(if settled { format!("phase {}", self.name) } else { format!("phase {}, with {open} exchanges still in flight", self.name) })
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn phase(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn explains(&self) -> &[Category] {
        &self.explains
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::steps::fakes::{Fakes, step};

    #[test]
    fn the_words_are_those_of_the_categories() {
        assert!(CATEGORIES.iter().copied().eq(Category::ALL.iter().map(|category| category.word())));
    }

    #[tokio::test]
    async fn a_phase_says_what_it_explains_and_when_something_was_in_flight() {
        let mut fakes = Fakes::new();
        let note = fakes.run(step("phase: { name: workout, explains: [steps, location] }")).await.expect("a phase begins");
        assert_eq!(note, "phase workout");
        fakes.log.in_flight = 2;
        let note = fakes.run(step("phase: { name: background }")).await.expect("a phase begins");
        assert_eq!(note, "phase background, with 2 exchanges still in flight");
        let began = |name: &str, explains: &[Category]| RunEvent::PhaseBegan { name: name.into(), explains: explains.into() };
        assert_eq!(fakes.log.written(), [began("workout", &[Category::Location, Category::Steps]), began("background", &[])]);
    }
}
