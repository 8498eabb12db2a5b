//! `repeat`: does steps several times.

use async_trait::async_trait;

use super::{Build, Inner, Step, StepError, StepKind, Takes};
use crate::scenario::{
    PlacedStep,
    perform::perform,
    rig::Stage,
    spec::{Key, Kind, Need},
};

pub(super) const KIND: StepKind = StepKind {
    name: "repeat",
    about: "Do steps several times",
    takes: Takes::Map(&[
        Key { name: "times", about: "How often", kind: Kind::Whole { least: 1, most: 1000 }, need: Need::Required },
        Key { name: "commands", about: "The steps, in order", kind: Kind::List { of: &Kind::Step, least: 1 }, need: Need::Required },
    ]),
    does: "Does the steps in order, then again, as often as it says. They may hold others in turn. A phase cannot begin among them: it has \
           one beginning.",
    fails: "With the first of its steps that fails.",
    example: "- repeat: { times: 3, commands: [pullToRefresh, waitForQuiet: { idle: 5s, max: 60s }] }",
    build,
};

#[derive(Debug)]
struct Repeat {
    times: u32,
    steps: Vec<PlacedStep>,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let times = u32::try_from(build.arguments.whole("times")?).ok()?;
    Some(Box::new(Repeat { times, steps: build.steps("commands")? }))
}

#[async_trait]
impl Step for Repeat {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        for time in 1..=self.times {
            if let Err(failure) = perform(&self.steps, stage).await {
                return Err(StepError::Inner { which: format!(" (time {time} of {})", self.times), failure: Box::new(failure) });
            }
        }
        Ok(if self.times == 1 { "done once".to_owned() } else { format!("done {} times", self.times) })
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn inner(&self) -> Inner<'_> {
        Inner { steps: &self.steps, most_times: self.times }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        phone::PhoneError,
        scenario::steps::fakes::{Fakes, step},
    };

    #[tokio::test]
    async fn steps_are_done_as_often_as_it_says_and_one_in_another() {
        let mut fakes = Fakes::new();
        let line = "repeat: { times: 2, commands: [tapOn: a, repeat: { times: 3, commands: [back] }] }";
        assert_eq!(fakes.run(step(line)).await.expect("all go well"), "done 2 times");
        let once = ["tap a", "press Back", "press Back", "press Back"];
        assert_eq!(fakes.phone.done, [once, once].concat());
    }

    #[tokio::test]
    async fn what_fails_is_named_with_its_line_and_which_time_it_was() {
        let mut fakes = Fakes::new();
        fakes.phone.fails_at = Some((2, PhoneError::Failed("it is gone".into())));
        let error = fakes.run(step("repeat: { times: 3, commands: [back] }")).await.expect_err("the second time fails");
        let told = "do what it holds (time 2 of 3): line 6, back: failed to control the phone: it is gone";
        assert_eq!((error.to_string().as_str(), error.is_unfulfilled()), (told, false));
        let error = fakes.run(step("repeat: { times: 1, commands: [waitForUpload: { path: /x, within: 5s }] }")).await;
        assert!(error.expect_err("nothing comes").is_unfulfilled());
    }
}
